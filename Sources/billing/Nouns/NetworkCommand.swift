import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct NetworkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network", abstract: "Internet access and bandwidth of VPC networks.",
        discussion: """
            A NAT gateway, an EIP and shared bandwidth are billed by the clock hour, each hour that is touched whole. They \
            are not released with the groups: they go on until they are released themselves.
            """,
        subcommands: [Internet.self, Bandwidth.self, List.self, Release.self])
}

/// The network that a command is about.
struct NetworkArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The VPC network, as named when its groups were created.", valueName: "network"))
    var name: String

    @Option(
        help: ArgumentHelp(
            "Where it is; needed if there are networks of this name in several regions.", valueName: "region"))
    var region: String?
}

extension NetworkCommand {
    struct Internet: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "internet", abstract: "Enable Internet access: buys a NAT gateway and an EIP.",
            discussion: "The network needs a group. One that has both already keeps them, and nothing is bought.")

        @OptionGroup var network: NetworkArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                resources: try await session.resources.enableInternet(
                    .init(network: network.name, region: network.region ?? ""),
                    session.writing(try session.account())))
        }
    }

    struct Bandwidth: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "bandwidth", abstract: "Add Internet Shared Bandwidth to a network.",
            discussion: "The network needs a group. Given again, it adds more.")

        @OptionGroup var network: NetworkArgument
        @Option(
            help: ArgumentHelp("Megabits a second, 1 to 1000.", valueName: "mbps"), transform: Input.count)
        var mbps: UInt32
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                resources: try await session.resources.addBandwidth(
                    .init(network: network.name, region: network.region ?? "", mbps: mbps),
                    session.writing(try session.account())))
        }
    }

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List NAT gateways, EIPs and shared bandwidth.")

        @Option(help: ArgumentHelp("Only of this network (default: of all).", valueName: "network"))
        var network: String?
        @OptionGroup var wanted: ResourceListOptions
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await wanted.run(session, network: network ?? "", none: "No such resources.") { $0 != .oss }
        }
    }

    struct Release: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "release", abstract: "Release a NAT gateway, an EIP or shared bandwidth.",
            discussion: "The clock hour is billed to its end.")

        @Argument(
            help: ArgumentHelp("The resource, nat-..., eip-... or bw-...", valueName: "resource"),
            transform: Input.networkResourceID)
        var id: String
        @OptionGroup var confirmed: ResourceRelease
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await confirmed.run(session, id, "Release \(id)? Its network loses it; an address does not come back.")
        }
    }
}

/// What is listed of an account's resources.
struct ResourceListOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only resources in this state; may be repeated.", valueName: "status"))
    var status: [MeteringV1.ResourceStatus] = []
    @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
    var limit: Int?

    /// Lists the resources of the kinds that `isWanted` takes.
    func run(
        _ session: Session, network: String, none: String, _ isWanted: (MeteringV1.ResourceKind) -> Bool
    ) async throws {
        let account = try session.account()
        let all = try await session.all(limit: nil) { cursor, limit in
            let reply = try await session.resources.listResources(
                .init(statuses: status, network: network, cursor: cursor, limit: limit), session.reading(account))
            return (reply.resources, reply.nextCursor)
        }
        let resources = Array(all.filter { isWanted($0.kind) }.prefix(limit ?? .max))
        session.show(resources, none: none) { ResourceText.table(resources) }
    }
}

/// A release that was thought about.
struct ResourceRelease: ParsableArguments {
    @Flag(help: "Do not ask.")
    var yes = false

    func run(_ session: Session, _ id: String, _ question: String) async throws {
        let account = try session.account()
        try session.confirm(question, yes: yes)
        session.show(
            resources: try await session.resources.releaseResource(.init(resourceID: id), session.writing(account)))
    }
}

extension Session {
    /// Prints the resources of a reply; as JSON the reply as a whole.
    func show(resources reply: Response<MeteringV1.ResourcesReply>) {
        show(reply.message, isReplay: reply.isReplay) { ResourceText.table(reply.resources).text }
    }
}

enum ResourceText {
    static func table(_ resources: [MeteringV1.Resource]) -> Table {
        var table = Table(
            .text("resource"), .text("kind"), .number("size"), .text("network"), .text("region"), .text("status"),
            .text("created"), .text("overdue or released"))
        for resource in resources {
            table.add(
                resource.resourceID, Readable.word(resource.kind), size(resource), Readable.text(resource.network),
                resource.region, Readable.word(resource.status), Readable.instant(resource.createdAt),
                Readable.instant(max(resource.overdueAt, resource.releasedAt)))
        }
        return table
    }

    private static func size(_ resource: MeteringV1.Resource) -> String {
        switch resource.kind {
        case .sharedBandwidth: "\(Readable.count(resource.quantity)) Mbps"
        case .oss: "\(Readable.count(resource.quantity)) GiB"
        case .unspecified, .natGateway, .eip: Readable.nothing
        }
    }
}
