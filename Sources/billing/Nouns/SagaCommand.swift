import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct SagaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "saga", abstract: "Operations that write to several services.",
        subcommands: [List.self, Show.self, Retry.self])
}

/// The saga that a command is about.
struct SagaArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The saga, saga-...", valueName: "saga"), transform: Input.sagaID)
    var id: String
}

extension SagaCommand {
    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List sagas.")

        @Option(help: ArgumentHelp("Only sagas in this state; may be repeated.", valueName: "status"))
        var status: [GatewayV1.SagaStatus] = []
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let sagas = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.operations.listSagas(
                    .init(statuses: status, cursor: cursor, limit: limit), session.reading())
                return (reply.sagas, reply.nextCursor)
            }
            session.show(sagas, none: "No such sagas.") { SagaText.table(sagas) }
        }
    }

    struct Show: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a saga with all that happened in it.")

        @OptionGroup var saga: SagaArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(saga: try await session.operations.getSaga(.init(sagaID: saga.id), session.reading()))
        }
    }

    struct Retry: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "retry", abstract: "Wake a parked saga.")

        @OptionGroup var saga: SagaArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.show(saga: try await session.operations.retrySaga(.init(sagaID: saga.id), session.writing()))
        }
    }
}

extension Session {
    /// Prints the saga of a reply.
    func show(saga reply: Response<GatewayV1.SagaReply>) {
        let saga = reply.saga ?? .init()
        show(saga, isReplay: reply.isReplay) { SagaText.text(saga) }
    }
}

enum SagaText {
    static func text(_ saga: GatewayV1.Saga) -> String {
        let sheet = FactSheet(
            ("saga", saga.sagaID), ("operation", saga.definition), ("status", Readable.word(saga.status)),
            ("account", saga.accountID), ("group", saga.groupID), ("step", saga.step), ("epoch", String(saga.epoch)),
            ("attempts", String(saga.attempts)), ("last error", saga.lastError),
            ("started", Readable.instant(saga.startedAt)))
        guard !saga.events.isEmpty else { return sheet.text }
        var events = Table(.number("no."), .text("at"), .text("step"), .text("what"), .number("epoch"))
        for event in saga.events {
            events.add(
                String(event.sequence), Readable.instant(event.at), event.step, event.kind, String(event.epoch))
        }
        return sheet.text + "\n" + events.text
    }

    static func table(_ sagas: [GatewayV1.Saga]) -> Table {
        var table = Table(
            .text("saga"), .text("operation"), .text("status"), .text("step"), .text("account"), .text("group"),
            .number("attempts"), .text("started"), .text("last error"))
        for saga in sagas {
            table.add(
                saga.sagaID, saga.definition, Readable.word(saga.status), Readable.text(saga.step),
                Readable.text(saga.accountID), Readable.text(saga.groupID), String(saga.attempts),
                Readable.instant(saga.startedAt), Readable.text(saga.lastError))
        }
        return table
    }
}
