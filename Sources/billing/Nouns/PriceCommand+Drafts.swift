import ArgumentParser
import BillingAPI
import BillingCore
import RPC

extension PriceCommand {
    struct Publish: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "publish", abstract: "Publish the next version of the price list.",
            discussion: """
                The file has one version, as an item of `versions` in deploy/catalog.yaml has it: the number after the \
                newest and an effective_from that is still to come. What is published is never edited and never taken \
                back; billing price impact FILE shows before what it would change.
                """)

        @OptionGroup var draft: DraftArgument
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let document = try draft.document()
            if !yes {
                // A question about a version that would be refused is none; so this tells the refusal first.
                let first = try await session.prices.priceImpact(.init(document: document), session.reading()).message
                session.terminal.writeError(DraftText.head(first.version, first.effectiveAt, first.changes))
                try session.confirm(
                    "Publish price list \(first.version), in force from \(Readable.instant(first.effectiveAt))?",
                    yes: false)
            }
            let reply = try await session.prices.publishPrices(
                .init(document: document), session.writing(repeatedWith: "--yes"))
            session.show(reply.message, isReplay: reply.isReplay) {
                DraftText.head(reply.message.version, reply.message.effectiveAt, reply.message.changes)
                    + "\nPublished.\n"
            }
        }
    }

    struct Impact: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "impact", abstract: "Show who would pay what from when, if a version was published.",
            discussion: """
                The file is as for billing price publish; nothing is published, and what publish would refuse is \
                refused. Compared with the newest version that is: what runs now, or will when it comes up or its \
                account recovers, at its price for an hour (backups: a month), and what is subscribed at the price of \
                a renewal as long as the last term. With --json one object a line for each thing whose price changes.
                """)

        @OptionGroup var draft: DraftArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let document = try draft.document()
            let progress = Progress(session.terminal)
            defer { progress.end() }
            let first = try await session.prices.priceImpact(.init(document: document), session.reading()).message
            var impacts = first.impacts
            var cursor = first.nextCursor
            while !cursor.isEmpty {
                progress.update { "impact: \(Readable.count(impacts.count, "change")) so far" }
                let reply = try await session.prices.priceImpact(
                    .init(document: document, cursor: cursor), session.reading()
                ).message
                guard reply.version == first.version, reply.effectiveAt == first.effectiveAt else {
                    throw CommandFailure(.unknown, "The gateway's pages are not of one version; try again.")
                }
                guard reply.nextCursor != cursor else {
                    throw CommandFailure(.unknown, "The gateway's list does not go on after cursor '\(cursor)'.")
                }
                impacts += reply.impacts
                cursor = reply.nextCursor
            }
            progress.end()
            if session.isJSON { return session.show(impacts, none: "") { DraftText.table(impacts) } }
            session.print(DraftText.head(first.version, first.effectiveAt, first.changes) + "\n")
            session.print(DraftText.impacts(impacts))
        }
    }
}

/// A file with one version of the price list.
struct DraftArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The file, or - for standard input.", valueName: "file"))
    var file: String

    /// - Throws: `CommandFailure` naming the file when it cannot be read or is no text.
    func document() throws -> String {
        let name = file == "-" ? "standard input" : file
        let bytes: [UInt8]
        do throws(ReplayError) {
            bytes = try ReplayFile.read(file)
        } catch {
            throw CommandFailure(.usage, "\(name): \(error.message)")
        }
        guard let text = String(validating: bytes, as: UTF8.self), !text.utf8.contains(0) else {
            throw CommandFailure(.usage, "\(name): it is no UTF-8 text.")
        }
        return text
    }
}
