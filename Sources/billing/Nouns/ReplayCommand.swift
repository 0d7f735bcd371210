import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct ReplayCommand: GatewayCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Bill a recorded life of groups on a manual clock, then total and audit it.",
        discussion: """
            The file is CSV with the columns \(ReplayColumn.list); others are ignored. edition is a specification; \
            region is cn (cn-hangzhou), intl (ap-southeast-1) or a region's id. An empty created_at is a creation that \
            failed; a group without released_at is released at the cutoff. The whole file is checked before anything \
            is created. A file whose name ends in .gz is unpacked.

            Every write has a key made from the file's content and its row, so an interrupted replay goes on with \
            --resume.
            """)

    @Argument(help: ArgumentHelp("The file, or - for standard input.", valueName: "file"))
    var file: String
    @Option(
        help: ArgumentHelp("USD that each account is credited with when it is opened.", valueName: "amount"),
        transform: Input.amount)
    var balance = Money(micros: 100_000_000 * Money.microsPerDollar)
    @Flag(help: "Go on with an interrupted replay of the same file.")
    var resume = false
    @Option(
        help: ArgumentHelp("Calls of one instant that are outstanding together.", valueName: "calls"),
        transform: Input.limit)
    var concurrency = 128
    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        do {
            let bytes = try ReplayFile.read(file)
            let prices = try await session.prices.listPrices(.init(), session.reading()).message
            let catalog = ReplayCatalog(prices)
            let plan = ReplayPlan(try ReplayRow.read(bytes, catalog: catalog))
            let engine = ReplayEngine(
                plan, session: session, fileHash: FNV1a.hash64(bytes), balance: balance, concurrency: concurrency)
            try await report(session, try await engine.run(resuming: resume), plan, catalog)
        } catch let error as ReplayError {
            throw CommandFailure(
                error.isAboutClock ? .refused : .usage, "\(file == "-" ? "standard input" : file): \(error.message)")
        }
    }

    private func report(
        _ session: Session, _ outcome: ReplayOutcome, _ plan: ReplayPlan, _ catalog: ReplayCatalog
    ) async throws {
        let progress = Progress(session.terminal)
        defer { progress.end() }
        let totals = try await ReplayBills.fetch(session, outcome, plan, catalog)
        let findings = try await Audit.run(session.operations, timeoutMilliseconds: session.timeoutMilliseconds) {
            checked in
            progress.update { "audit: \(Readable.count(checked)) checked" }
        }
        progress.end()
        let breaches = findings.reduce(0) { $0 + $1.breaches }
        if session.isJSON {
            session.print(totals.json + JSONLine.text(outcome.fields(plan, totals, breaches: breaches)) + "\n")
        } else {
            session.print(totals.text + "\n" + outcome.text(plan, totals))
            if breaches > 0 { session.print(Audit.table(findings).text) }
        }
        try Audit.require(findings)
        if !session.isJSON {
            let checked = findings.reduce(0) { $0 + $1.checked }
            session.print(
                "audit: OK, \(Readable.count(checked, "check")) of \(Readable.count(findings.count, "rule"))\n")
        }
    }
}

extension ReplayCatalog {
    init(_ prices: PricingV1.ListPricesReply) {
        self.init(
            specifications: prices.specifications.map(\.specification),
            regions: prices.regions.reduce(into: [:]) { $0[$1.region] = Readable.regionClass($1.regionClass) })
    }
}
