import ArgumentParser
import BillingAPI
import BillingCore
import Gateway
import Metering
import Ordering
import Pricing
import RPC
import Refunding
import Storage

struct PricingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pricing", abstract: "Price lists, quotes and all price arithmetic.")

    @OptionGroup var options: ServiceOptions
    @OptionGroup var catalog: CatalogOptions

    func validate() throws { try options.checkCrash(onManualClock: options.manualClock) }

    func run() async throws {
        try await Host.run(options) { host in
            let router = try await host.pricing(options, catalog)
            try await host.serveAlone(.pricing, options, router)
        }
    }
}

struct MeteringCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metering", abstract: "Groups, their timelines and the hourly cut.")

    @OptionGroup var options: ServiceOptions
    @OptionGroup var peers: MeteringPeers

    func validate() throws { try options.checkCrash(onManualClock: options.manualClock) }

    func run() async throws {
        try await Host.run(options) { host in
            let router = try host.metering(
                options, pricing: host.channel(peers.pricing), order: host.channel(peers.order))
            try await host.serveAlone(.metering, options, router)
        }
    }
}

struct OrderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "order", abstract: "Accounts, ledger, payments, orders, bill lines and settlement.")

    @OptionGroup var options: ServiceOptions

    func validate() throws { try options.checkCrash(onManualClock: options.manualClock) }

    func run() async throws {
        try await Host.run(options) { host in
            try await host.serveAlone(.order, options, host.order(options))
        }
    }
}

struct RefundCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refund", abstract: "Refunds: their quote, policy and life.")

    @OptionGroup var options: ServiceOptions
    @OptionGroup var peers: MeteringPeers

    func validate() throws { try options.checkCrash(onManualClock: options.manualClock) }

    func run() async throws {
        try await Host.run(options) { host in
            let router = try host.refund(
                options, pricing: host.channel(peers.pricing), order: host.channel(peers.order))
            try await host.serveAlone(.refund, options, router)
        }
    }
}

struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway", abstract: "The public API, the sagas, due work and the only clock.")

    @OptionGroup var options: ServiceOptions
    @OptionGroup var clock: ClockOptions
    @OptionGroup var peers: GatewayPeers

    func validate() throws { try options.checkCrash(onManualClock: clock.clock == .manual) }

    func run() async throws {
        try await Host.run(options) { host in
            let services = Services(
                pricing: try host.channel(peers.pricing), metering: try host.channel(peers.metering),
                order: try host.channel(peers.order), refund: try host.channel(peers.refund))
            try await host.gateway(options, clock, services)
        }
    }
}

struct AllCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all", abstract: "All five services in one process, calling each other within it.",
        discussion: "Only the gateway listens. --data is the folder that holds one folder a service.")

    @OptionGroup var options: ServiceOptions
    @OptionGroup var catalog: CatalogOptions
    @OptionGroup var clock: ClockOptions

    func validate() throws { try options.checkCrash(onManualClock: clock.clock == .manual) }

    func run() async throws {
        try await Host.run(options) { host in
            let pricing = host.within(.pricing, try await host.pricing(part(.pricing), catalog))
            let order = host.within(.order, try host.order(part(.order)))
            let metering = host.within(.metering, try host.metering(part(.metering), pricing: pricing, order: order))
            let refund = host.within(.refund, try host.refund(part(.refund), pricing: pricing, order: order))
            try await host.gateway(
                part(.gateway), clock,
                Services(pricing: pricing, metering: metering, order: order, refund: refund))
        }
    }

    private func part(_ name: ServiceName) -> ServiceOptions {
        var options = options
        options.data = options.data.map { "\($0)/\(name.rawValue)" }
        return options
    }
}

extension Host {
    func pricing(_ options: ServiceOptions, _ catalog: CatalogOptions) async throws -> Router {
        let database = try open(.pricing, options, migrations: PricingService.migrations)
        var router = Router()
        try await PricingService.start(database: database, catalog: catalog.text()).register(in: &router)
        return router
    }

    func metering(_ options: ServiceOptions, pricing: any Channel, order: any Channel) throws -> Router {
        let database = try open(.metering, options, migrations: MeteringService.migrations)
        var router = Router()
        MeteringService(database: database, identifiers: identifiers, pricing: pricing, order: order)
            .register(in: &router)
        return router
    }

    func order(_ options: ServiceOptions) throws -> Router {
        let database = try open(.order, options, migrations: OrderingService.migrations)
        var router = Router()
        OrderingService(database: database, identifiers: identifiers).register(in: &router)
        return router
    }

    func refund(_ options: ServiceOptions, pricing: any Channel, order: any Channel) throws -> Router {
        let database = try open(.refund, options, migrations: RefundingService.migrations)
        var router = Router()
        RefundingService(database: database, order: order, pricing: pricing).register(in: &router)
        return router
    }

    /// Recovers the sagas that an earlier life left unfinished, then listens.
    func gateway(_ options: ServiceOptions, _ clock: ClockOptions, _ services: Services) async throws {
        let vitals = ServerVitals()
        let database = try open(.gateway, options, migrations: GatewayService.migrations)
        let service = GatewayService(
            database: database, services: services, clock: clock.clock(database, services, executor),
            health: health(.gateway, vitals), bootID: vitals.bootID,
            configuration: GatewayService.Configuration(provisioner: clock.provisioner.wire), identifiers: identifiers,
            executor: executor)
        var router = Router()
        service.register(in: &router)
        try await service.start()
        onStop(service.stop)
        try await serve(.gateway, options, router, vitals, limits: .standard)
    }

    /// Listens for the other services.
    func serveAlone(_ name: ServiceName, _ options: ServiceOptions, _ router: Router) async throws {
        let vitals = ServerVitals()
        var router = router
        health(name, vitals).register(in: &router)
        try await serve(name, options, router, vitals, limits: .batch)
    }

    /// A way to a service of this process.
    func within(_ name: ServiceName, _ router: Router) -> any Channel {
        let vitals = ServerVitals()
        var router = router
        health(name, vitals).register(in: &router)
        return InProcessChannel(InProcessServer(router: router, vitals: vitals))
    }

    private func open(_ name: ServiceName, _ options: ServiceOptions, migrations: [Migration]) throws -> SQLiteDatabase
    {
        try open(options.data ?? name.defaultDirectory, options, migrations: migrations)
    }
}
