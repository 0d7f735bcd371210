public import ArgumentParser
import BillingAPI
public import BillingCore
import Foundation
import Gateway
public import Logging
import RPC
package import Storage

/// The five services, in the order of their ports.
enum ServiceName: String, CaseIterable, Sendable {
    case pricing, metering, order, refund, gateway

    /// Where the service listens unless told otherwise.
    var defaultEndpoint: String {
        let base = ProcessInfo.processInfo.environment["BILLING_BASE_PORT"].flatMap { Int($0) } ?? 7410
        return "tcp://127.0.0.1:\(base + (ServiceName.allCases.firstIndex(of: self) ?? 0))"
    }

    /// Where the service keeps its data unless told otherwise.
    var defaultDirectory: String {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["BILLING_HOME"] ?? (environment["HOME"] ?? ".") + "/.local/share/billing"
        return "\(home)/data/\(rawValue)"
    }
}

/// What every service takes.
struct ServiceOptions: ParsableArguments {
    @Option(help: "Folder for the data; made if absent, used by one process at a time.")
    var data: String?

    @Option(help: "Endpoint to listen at: tcp://127.0.0.1:PORT or ipc://PATH.")
    var bind: String?

    @Option(help: "Least level that is logged: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    @Option(
        help: ArgumentHelp(
            "For tests of recovery: die as by kill -9 at SAGA.STEP[.POINT], POINT being before, replied or after.",
            discussion: "Only with a manual clock.", valueName: "saga.step", visibility: .hidden))
    var crashAfter: CrashPlan?

    /// A participant does not know the gateway's clock, and takes the tester's word for it.
    @Flag(help: ArgumentHelp("Confirms that the gateway's clock is manual.", visibility: .hidden))
    var manualClock = false

    /// - Throws: for a crash that was asked for although business may be real.
    func checkCrash(onManualClock isManual: Bool) throws {
        if crashAfter != nil, !isManual {
            throw ValidationError("--crash-after loses calls on purpose; it needs a manual clock.")
        }
    }
}

/// What the price list is read from, for the service that owns it.
struct CatalogOptions: ParsableArguments {
    @Option(help: "The price list to publish at start.")
    var catalog = "deploy/catalog.yaml"

    func text() throws -> String {
        do {
            return try String(contentsOfFile: catalog, encoding: .utf8)
        } catch {
            throw RPCError(
                .notFound, "price.catalog_unreadable",
                "The price list '\(catalog)' cannot be read; name the file with --catalog.", field: "catalog",
                value: catalog)
        }
    }
}

/// Where the services that metering and refund call listen.
struct MeteringPeers: ParsableArguments {
    @Option(help: "Endpoint of the pricing service.")
    var pricing = ServiceName.pricing.defaultEndpoint

    @Option(help: "Endpoint of the order service.")
    var order = ServiceName.order.defaultEndpoint
}

/// Where the services that the gateway calls listen.
struct GatewayPeers: ParsableArguments {
    @Option(help: "Endpoint of the pricing service.")
    var pricing = ServiceName.pricing.defaultEndpoint

    @Option(help: "Endpoint of the metering service.")
    var metering = ServiceName.metering.defaultEndpoint

    @Option(help: "Endpoint of the order service.")
    var order = ServiceName.order.defaultEndpoint

    @Option(help: "Endpoint of the refund service.")
    var refund = ServiceName.refund.defaultEndpoint
}

/// What the gateway decides for all: the clock, and who tells that phones came up.
struct ClockOptions: ParsableArguments {
    enum Mode: String, ExpressibleByArgument, CaseIterable { case real, manual }

    enum Provisioner: String, ExpressibleByArgument, CaseIterable {
        case immediate, external

        var wire: MeteringV1.Provisioner {
            switch self {
            case .immediate: .immediate
            case .external: .external
            }
        }
    }

    @Option(help: "The clock of business: the machine's, or one that `billing clock` moves. Data keep their kind.")
    var clock = Mode.real

    @Option(help: "Where a new manual clock starts, as 2026-01-01T00:00:00+08:00.")
    var start = ManualClock.defaultStart

    @Option(help: "Whether new groups count as created at once, or when `billing group report-created` says so.")
    var provisioner = Provisioner.immediate

    func clock(_ database: any Database, _ services: Services, _ executor: any TaskExecutor) -> any BusinessClock {
        let due = ServiceDueWork(services)
        return switch clock {
        case .real: RealClock(database: database, due: due)
        case .manual: ManualClock(start: start, database: database, due: due, executor: executor)
        }
    }
}

extension CrashPlan: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

extension Timestamp: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
