import BillingAPI
import BillingCore
import RPC

/// Replays a plan through the public API: sets the clock to each instant and keeps all calls of that instant
/// outstanding together, those of one group in order.
struct ReplayEngine {
    private let plan: ReplayPlan
    private let session: Session
    private let keys: ReplayKeys
    private let balance: Money
    private let concurrency: Int
    private let groups: GatewayV1.GroupsClient
    private let accounts: GatewayV1.AccountsClient
    private let clock: ClockMovement
    private let timeoutMilliseconds: Int64

    /// - Parameters:
    ///   - fileHash: tells files apart; the keys of all writes are made from it.
    ///   - balance: what every account is credited with.
    ///   - concurrency: calls that are outstanding at most.
    init(_ plan: ReplayPlan, session: Session, fileHash: UInt64, balance: Money, concurrency: Int) {
        self.plan = plan
        self.session = session
        keys = ReplayKeys(fileHash: fileHash)
        self.balance = balance
        self.concurrency = concurrency
        groups = session.groups
        accounts = session.accounts
        timeoutMilliseconds = session.timeoutMilliseconds
        clock = ClockMovement(session.channel, patienceMilliseconds: session.timeoutMilliseconds)
    }

    /// - Throws: `ReplayError` when the clock does not fit; `CommandFailure` naming the line whose call failed.
    func run(resuming: Bool) async throws -> ReplayOutcome {
        let start = ContinuousClock.now
        let resumedAt = try await startingPoint(resuming: resuming)
        var outcome = ReplayOutcome(
            accountIDs: Array(repeating: "", count: plan.accounts.count),
            groupIDs: Array(repeating: "", count: plan.rows.count))
        let progress = Progress(session.terminal)
        defer { progress.end() }
        var groupsDone = 0
        for (index, instant) in plan.instants.enumerated() {
            let isPast = resumedAt.map { instant.at < $0 } ?? false
            if !isPast { outcome.linesCut += try await clock.run(to: instant.at).lines }
            try await open(instant.newAccounts, &outcome, mustBeReplays: isPast)
            try await run(instant.chains, &outcome, mustBeReplays: isPast)
            groupsDone += instant.chains.count { $0.operations.first == .create }
            progress.update {
                "\(Readable.instant(instant.at.milliseconds)): \(Readable.count(index + 1)) of "
                    + "\(Readable.count(plan.instants.count, "instant")), \(Readable.count(groupsDone, "group")), "
                    + "\(Readable.count(outcome.linesCut, "bill line")), \(Readable.elapsed(.now - start))"
            }
        }
        outcome.linesCut += try await finish(progress)
        outcome.elapsed = .now - start
        return outcome
    }

    /// Checks that the clock fits the plan.
    /// - Returns: the clock's instant when an interrupted replay goes on; `nil` for a new one.
    private func startingPoint(resuming: Bool) async throws -> Timestamp? {
        guard let first = plan.instants.first?.at else { return nil }
        let clock = try await session.operations.showClock(.init(), session.reading()).message
        guard clock.mode == .manual else { throw ReplayError.clockIsNotManual }
        let texts = (Readable.instant(clock.now), Readable.instant(first.milliseconds))
        if resuming {
            guard clock.now >= first.milliseconds else {
                throw ReplayError.clockIsEarlier(now: texts.0, first: texts.1)
            }
            return Timestamp(milliseconds: clock.now)
        }
        guard clock.now <= first.milliseconds else { throw ReplayError.clockIsLater(now: texts.0, first: texts.1) }
        return nil
    }

    // The calls of one instant

    /// Opens and credits accounts that appear for the first time.
    private func open(_ new: [Int], _ outcome: inout ReplayOutcome, mustBeReplays: Bool) async throws {
        let opened = try await together(new) { account in
            try await open(account, mustBeReplay: mustBeReplays)
        }
        for (account, id) in zip(new, opened) { outcome.accountIDs[account] = id }
    }

    private func open(_ account: Int, mustBeReplay: Bool) async throws -> String {
        let name = plan.accounts[account]
        let line = plan.rows[plan.accountOfRow.firstIndex(of: account) ?? 0].line
        let openKey = try keys.key(.open, account)
        let opened = try await call("opening account '\(name)'", line: line, mustBeReplay: mustBeReplay) {
            try await accounts.openAccount(.init(name: name), options("", openKey))
        }
        let id = opened.account?.accountID ?? ""
        let creditKey = try keys.key(.credit, account)
        _ = try await call("crediting account '\(name)'", line: line, mustBeReplay: mustBeReplay) {
            try await accounts.topUp(.init(amountMicros: balance.micros), options(id, creditKey))
        }
        return id
    }

    private func run(_ chains: [ReplayPlan.Chain], _ outcome: inout ReplayOutcome, mustBeReplays: Bool) async throws {
        let links = chains.map { chain in
            Link(
                chain: chain, account: outcome.accountIDs[plan.accountOfRow[chain.row]],
                group: outcome.groupIDs[chain.row])
        }
        let ids = try await together(links) { try await run($0, mustBeReplays: mustBeReplays) }
        for (chain, id) in zip(chains, ids) { outcome.groupIDs[chain.row] = id }
    }

    /// A chain with the ids that its calls need.
    private struct Link {
        let chain: ReplayPlan.Chain
        let account: String
        /// Empty until the group is created.
        let group: String
    }

    /// - Returns: the group's id.
    private func run(_ link: Link, mustBeReplays: Bool) async throws -> String {
        let row = plan.rows[link.chain.row]
        var group = link.group
        for operation in link.chain.operations {
            let key = try keys.key(operation, line: row.line)
            let what = "\(operation.participle) group '\(row.group)' at \(Readable.instant(row.instant(of: operation)))"
            let id = group
            let reply = try await call(what, line: row.line, mustBeReplay: mustBeReplays) {
                let options = options(link.account, key)
                return switch operation {
                case .create:
                    try await groups.createGroup(
                        .init(
                            specification: row.specification, region: row.region, instances: row.instances,
                            name: row.group, provisioner: .external), options)
                case .reportCreated: try await groups.reportCreated(.init(groupID: id), options)
                case .reportFailed: try await groups.reportCreated(.init(groupID: id, failed: true), options)
                case .release: try await groups.releaseGroup(.init(groupID: id), options)
                }
            }
            group = reply.group?.groupID ?? ""
        }
        return group
    }

    /// Does one call; what the services ask to be done again is done again while there is time.
    private func call<Reply: WireMessage>(
        _ what: String, line: Int, mustBeReplay: Bool, _ body: () async throws -> Response<Reply>
    ) async throws -> Response<Reply> {
        let patience = Deadline.after(milliseconds: timeoutMilliseconds)
        var pause: Int64 = 5
        while true {
            do {
                let reply = try await body()
                guard reply.isReplay || !mustBeReplay else { throw ReplayError.notAnEarlierReplay(line: line) }
                return reply
            } catch let error as RPCError {
                guard error.status.mayPass, !patience.hasPassed else { throw refusal(error, what, line: line) }
                try await Task.sleep(for: .milliseconds(max(pause, Int64(error.retryAfterMilliseconds))))
                pause = min(pause * 2, 200)
            }
        }
    }

    private func refusal(_ error: RPCError, _ what: String, line: Int) -> CommandFailure {
        let failure = session.failure(error)
        return CommandFailure(
            failure.status, "line \(line): \(what): \(failure.message)",
            next: "the replay stopped there; the same command with --resume goes on.", refusal: error)
    }

    private func options(_ account: String, _ key: IdempotencyKey) -> CallOptions {
        CallOptions(account: account, key: key, deadline: .after(milliseconds: timeoutMilliseconds))
    }

    /// Runs `body` on each of `items`, `concurrency` of them at a time; the results are in the order of the items.
    private func together<Item: Sendable, Outcome: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable (Item) async throws -> Outcome
    ) async throws -> [Outcome] {
        // Most instants have one call; a task for it would cost more than it does.
        if items.count <= 1 {
            guard let item = items.first else { return [] }
            return [try await body(item)]
        }
        return try await withThrowingTaskGroup(of: (Int, Outcome).self) { tasks in
            var outcomes: [Outcome?] = Array(repeating: nil, count: items.count)
            var next = 0
            func start() {
                let index = next
                tasks.addTask { (index, try await body(items[index])) }
                next += 1
            }
            while next < min(concurrency, items.count) { start() }
            while let (index, outcome) = try await tasks.next() {
                outcomes[index] = outcome
                if next < items.count { start() }
            }
            return outcomes.compactMap { $0 }
        }
    }

    // The end

    /// Goes on until the tails of all groups are billed: to the plan's end, and further by the hour while a cut waits.
    /// - Returns: bill lines cut on the way.
    private func finish(_ progress: Progress) async throws -> Int64 {
        var end = plan.end
        var lines = try await clock.run(to: end).lines
        for _ in 0..<24 {
            let status = try await session.operations.cutStatus(.init(), session.reading())
            if status.accountsDue == 0, status.waiting == 0 { return lines }
            progress.update { "waiting for \(Readable.count(status.accountsDue, "account")) to be cut" }
            end = end.adding(milliseconds: .millisecondsPerHour)
            lines += try await clock.run(to: end).lines
        }
        return lines
    }
}

extension Status {
    /// Whether the same call may succeed a moment later; nothing was done meanwhile.
    fileprivate var mayPass: Bool {
        switch self {
        case .aborted, .resourceExhausted, .unavailable: true
        case .ok, .cancelled, .unknown, .invalidArgument, .deadlineExceeded, .notFound, .alreadyExists,
            .permissionDenied, .failedPrecondition, .outOfRange, .unimplemented, .internalError, .dataLoss,
            .unauthenticated:
            false
        }
    }
}

extension ReplayPlan.Operation {
    /// "creating", for messages.
    var participle: String {
        switch self {
        case .create: "creating"
        case .reportCreated: "reporting the creation of"
        case .reportFailed: "reporting the failed creation of"
        case .release: "releasing"
        }
    }
}

extension ReplayRow {
    /// When it happens, in milliseconds.
    func instant(of operation: ReplayPlan.Operation) -> Int64 {
        switch operation {
        case .create, .reportFailed: requestedAt.milliseconds
        case .reportCreated: (createdAt ?? requestedAt).milliseconds
        case .release: releasedAt.milliseconds
        }
    }
}
