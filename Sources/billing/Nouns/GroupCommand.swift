import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Groups of cloud phones.",
        subcommands: [
            Create.self, List.self, Show.self, Rename.self, Switch.self, Renew.self, CancelRenewal.self,
            AutoRenew.self, Unsubscribe.self, Release.self, Power.self, Connect.self, ReportCreated.self,
        ])
}

/// The group that a command is about.
struct GroupArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The group, ag-...", valueName: "group"), transform: Input.groupID)
    var id: String
}

/// The name and network of a group that is to be.
struct NewGroupOptions: ParsableArguments {
    @Option(help: ArgumentHelp("What people call the group.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("The VPC network to attach it to (default: \"default\").", valueName: "network"))
    var network: String?
}

extension GroupCommand {
    struct Create: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Create a pay-as-you-go group.",
            discussion: "A subscribed group is created by billing order place.")

        @OptionGroup var wanted: WantedGroup
        @OptionGroup var new: NewGroupOptions
        @Option(
            help: ArgumentHelp(
                "Who tells that the phones came up: immediate counts them as created at once, external waits for "
                    + "billing group report-created (default: the gateway's setting).", valueName: "provisioner"))
        var provisioner: MeteringV1.Provisioner?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.groups.createGroup(
                .init(
                    specification: wanted.specification, region: wanted.region, instances: wanted.instances,
                    name: new.name ?? "", network: new.network ?? "", provisioner: provisioner ?? .unspecified),
                session.writing(try session.account()))
            session.show(group: reply)
        }
    }

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the account's groups.")

        @Option(help: ArgumentHelp("Only groups in this state; may be repeated.", valueName: "status"))
        var status: [MeteringV1.GroupStatus] = []
        @Option(help: ArgumentHelp("Only groups billed this way; may be repeated.", valueName: "method"))
        var method: [CommonV1.BillingMethod] = []
        @Option(help: ArgumentHelp("Only groups in this region.", valueName: "region"))
        var region: String?
        @Option(help: ArgumentHelp("Only groups of this specification.", valueName: "specification"))
        var specification: String?
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            let groups = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.groups.listGroups(
                    .init(
                        statuses: status, billingMethods: method, region: region ?? "",
                        specification: specification ?? "", cursor: cursor, limit: limit), session.reading(account))
                return (reply.groups, reply.nextCursor)
            }
            session.show(groups, none: "No such groups.") { GroupText.table(groups) }
        }
    }

    struct Show: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a group, its terms and its instances.")

        @OptionGroup var group: GroupArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                group: try await session.groups.getGroup(
                    .init(groupID: group.id), session.reading(try session.account())))
        }
    }

    struct Rename: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "rename", abstract: "Give a group another name.")

        @OptionGroup var group: GroupArgument
        @Argument(help: ArgumentHelp("What people shall call it.", valueName: "name"))
        var name: String
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                group: try await session.groups.renameGroup(
                    .init(groupID: group.id, name: name), session.writing(try session.account())))
        }
    }

    struct Power: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "power", abstract: "Turn phones on or off, or restart them. This changes no bill.")

        @OptionGroup var group: GroupArgument
        @Argument(help: ArgumentHelp("What to do.", valueName: "action"))
        var action: MeteringV1.PowerAction
        @Option(
            help: ArgumentHelp("Only this phone, acp-... (default: all of the group).", valueName: "instance"),
            transform: Input.instanceID)
        var instance: String?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                group: try await session.groups.setPower(
                    .init(groupID: group.id, instanceID: instance ?? "", action: action),
                    session.writing(try session.account())))
        }
    }

    struct Connect: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "connect", abstract: "Open a session with a phone. This is free.")

        @OptionGroup var group: GroupArgument
        @Option(
            help: ArgumentHelp("This phone, acp-... (default: the first that runs).", valueName: "instance"),
            transform: Input.instanceID)
        var instance: String?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.groups.connect(
                .init(groupID: group.id, instanceID: instance ?? ""), session.writing(try session.account()))
            session.show(reply.message, isReplay: reply.isReplay) {
                FactSheet(("instance", reply.instanceID), ("session", reply.sessionID)).text
            }
        }
    }

    struct ReportCreated: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "report-created", abstract: "Tell that a group's phones came up, or that they did not.",
            discussion: "For whoever runs the phones, with the external provisioner. Billing starts here.")

        @OptionGroup var group: GroupArgument
        @Flag(help: "They did not come up: nothing is billed.")
        var failed = false
        @Option(help: ArgumentHelp("When (default: now).", valueName: "instant"), transform: Input.instant)
        var at: Timestamp?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                group: try await session.groups.reportCreated(
                    .init(groupID: group.id, failed: failed, at: at?.milliseconds ?? 0),
                    session.writing(try session.account())))
        }
    }

    struct Release: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "release", abstract: "Release a pay-as-you-go group. Its data is gone.",
            discussion: "It is billed to the end of its 4-hour unit. A subscribed group is unsubscribed instead.")

        @OptionGroup var group: GroupArgument
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            try session.confirm("Release \(group.id)? The data of its phones is gone then.", yes: yes)
            session.show(
                group: try await session.groups.releaseGroup(.init(groupID: group.id), session.writing(account)))
        }
    }
}

extension Session {
    /// Prints the group of a reply.
    func show(group reply: Response<MeteringV1.GroupReply>) {
        let group = reply.group ?? .init()
        show(group, isReplay: reply.isReplay) { GroupText.text(group) }
    }
}
