package import BillingAPI
package import BillingCore
package import Logging
package import RPC
package import Storage

/// The gateway: the public API, the sagas, due work and the only clock. It holds no business state of others.
package final class GatewayService: Sendable {
    package struct Configuration: Sendable {
        /// For groups whose creator names none.
        package var provisioner: MeteringV1.Provisioner
        package var retry: RetrySchedule

        package init(provisioner: MeteringV1.Provisioner = .immediate, retry: RetrySchedule = RetrySchedule()) {
            self.provisioner = provisioner
            self.retry = retry
        }
    }

    package static let migrations = GatewaySchema.migrations

    private let forwarding: Forwarding
    let engine: SagaEngine
    private let configuration: Configuration
    private let health: HealthService
    private let time: any TimeSource

    /// - Parameters:
    ///   - clock: a `RealClock` or `ManualClock` over the same database and services.
    ///   - health: what the gateway says of itself among the five.
    ///   - bootID: tells this process from the one before it; sagas that it takes up carry it.
    ///   - executor: where sagas run: best where the sockets of `services` are, so that a reply needs no change of
    ///     threads; `nil`: the default pool.
    package convenience init(
        database: any Database, services: Services, clock: any BusinessClock, health: HealthService, bootID: UInt64,
        configuration: Configuration = Configuration(),
        identifiers: any IdentifierGenerator = RandomIdentifierGenerator(), time: any TimeSource = SystemTimeSource(),
        executor: (any TaskExecutor)? = nil, logger: Logger = Logger(label: "gateway")
    ) {
        self.init(
            database: database, services: services, clock: clock, health: health, bootID: bootID,
            configuration: configuration, identifiers: identifiers, time: time, executor: executor,
            logger: logger, interruption: { point, step in database.crashPlan?.reached(point, of: step) })
    }

    /// - Parameter interruption: what happens at the points of a crash plan; a test throws there.
    init(
        database: any Database, services: Services, clock: any BusinessClock, health: HealthService, bootID: UInt64,
        configuration: Configuration, identifiers: any IdentifierGenerator, time: any TimeSource,
        executor: (any TaskExecutor)? = nil, logger: Logger = Logger(label: "gateway"),
        random: @escaping @Sendable (ClosedRange<Int64>) -> Int64 = { Int64.random(in: $0) },
        interruption: @escaping SagaEngine.Interruption
    ) {
        let due = ServiceDueWork(services)
        forwarding = Forwarding(services: services, clock: clock, database: database)
        engine = SagaEngine(
            SagaEngine.Surroundings(
                database: database, services: services, identifiers: identifiers, time: time,
                schedule: configuration.retry, random: random, now: { clock.now },
                catchUp: { account in
                    do {
                        try await due.cut(account: account, through: BillingCalendar.hour(of: clock.now))
                    } catch {
                        // It is due again at the next top of the hour, and before the account's next call.
                        logger.notice(
                            "an account is not caught up yet",
                            metadata: ["account": "\(account)", "cause": "\(error)"])
                    }
                }, owner: "gateway-\(String(bootID, radix: 16))", executor: executor, logger: logger,
                interruption: interruption))
        self.configuration = configuration
        self.health = health
        self.time = time
    }

    /// Takes up unfinished sagas and sets the clock going. To be done before the first call is served.
    /// - Throws: `ClockError.otherMode`; `StorageError`.
    package func start() async throws {
        try await forwarding.clock.start()
        try await engine.recover()
        forwarding.clock.begin(engine)
    }

    /// Leaves the clock and the sagas where they are; a successor goes on.
    package func stop() {
        forwarding.clock.stop()
        engine.stop()
    }

    package func register(in router: inout Router) {
        let payments = OrderPayment(
            forwarding: forwarding, engine: engine, provisioner: configuration.provisioner)
        PriceHandlers(forwarding: forwarding).register(in: &router)
        AccountHandlers(forwarding: forwarding, engine: engine).register(in: &router)
        GroupHandlers(forwarding: forwarding, engine: engine, provisioner: configuration.provisioner)
            .register(in: &router)
        OrderHandlers(forwarding: forwarding, engine: engine, payments: payments).register(in: &router)
        PaymentHandlers(forwarding: forwarding, engine: engine, payments: payments).register(in: &router)
        RefundHandlers(forwarding: forwarding).register(in: &router)
        ResourceHandlers(forwarding: forwarding).register(in: &router)
        BillHandlers(forwarding: forwarding).register(in: &router)
        OperationHandlers(forwarding: forwarding, health: health).register(in: &router)
        SagaHandlers(engine: engine, database: forwarding.database).register(in: &router)
        AuditHandlers(forwarding: forwarding, database: forwarding.database, time: time).register(in: &router)
        router.requireAll(GatewayV1.Operations.all)
        health.register(in: &router)
    }
}
