import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Backups, stored in OSS.",
        discussion: """
            Storage is billed by the clock hour: the size at the start of the hour, in the first hour the first size. It is \
            not released with the groups.
            """,
        subcommands: [Set.self, List.self, Release.self])

    struct Set: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Set how much backup of a region is stored.",
            discussion: "Begins to store it, or changes the size of what is there.")

        @Option(help: ArgumentHelp("Where, as listed by billing price list.", valueName: "region"))
        var region: String
        @Option(
            help: ArgumentHelp("How much, 1 to 1000000 GiB.", valueName: "gib"), transform: Input.wholeNumber)
        var gib: Int64
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(
                resources: try await session.resources.setBackup(
                    .init(region: region, gib: gib), session.writing(try session.account())))
        }
    }

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the account's backups.")

        @OptionGroup var wanted: ResourceListOptions
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await wanted.run(session, network: "", none: "No such backups.") { $0 == .oss }
        }
    }

    struct Release: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "release", abstract: "Release a backup. Its data is gone.",
            discussion: "The clock hour is billed to its end.")

        @Argument(help: ArgumentHelp("The backup, oss-...", valueName: "backup"), transform: Input.backupID)
        var id: String
        @OptionGroup var confirmed: ResourceRelease
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            try await confirmed.run(session, id, "Release \(id)? The stored backups are gone then.")
        }
    }
}
