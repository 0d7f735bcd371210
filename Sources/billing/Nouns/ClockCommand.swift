import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct ClockCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clock", abstract: "The business clock.", subcommands: [Show.self, Advance.self, Set.self],
        defaultSubcommand: Show.self)
}

extension ClockCommand {
    struct Show: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Tell the time.")

        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.operations.showClock(.init(), session.reading())
            session.show(reply.message) { ClockText.text(reply.message) }
        }
    }

    struct Advance: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "advance", abstract: "Move a manual clock forward; all that falls due on the way is done.")

        @Argument(
            help: ArgumentHelp("How far: 3h, 90m, 1d12h, 45s.", valueName: "span"), transform: Input.duration)
        var span: Int64?
        @Option(help: ArgumentHelp("Where to, instead of how far.", valueName: "instant"), transform: Input.instant)
        var to: Timestamp?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if (span == nil) == (to == nil) { throw ValidationError("Say how far (3h) or where to (--to INSTANT).") }
        }

        func run(_ session: Session) async throws {
            if let to { return try await session.moveClock(to: to) }
            let now = try await session.operations.showClock(.init(), session.reading()).now
            try await session.moveClock(to: Timestamp(milliseconds: now + (span ?? 0)))
        }
    }

    struct Set: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Move a manual clock forward to an instant.")

        @Argument(
            help: ArgumentHelp("2026-04-10T07:20:00Z, '2026-04-10 15:20' or 2026-04-10.", valueName: "instant"),
            transform: Input.instant)
        var instant: Timestamp
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws { try await session.moveClock(to: instant) }
    }
}

extension Session {
    /// Moves the clock and prints where it came to, showing progress on long ways.
    func moveClock(to target: Timestamp) async throws {
        let progress = Progress(terminal)
        defer { progress.end() }
        let start = try await operations.showClock(.init(), reading()).now
        let movement = ClockMovement(channel, patienceMilliseconds: timeoutMilliseconds)
        let reply = try await movement.run(to: target) { clock in
            progress.update { ClockText.progress(clock, from: start) }
        }
        progress.end()
        show(reply) { ClockText.text(reply) }
    }
}

/// Moves a manual clock and waits until it is there.
struct ClockMovement {
    private let operations: GatewayV1.OperationsClient
    /// How long the clock may stand still before we give up, in milliseconds.
    private let patienceMilliseconds: Int64

    init(_ channel: any Channel, patienceMilliseconds: Int64) {
        operations = .init(channel)
        self.patienceMilliseconds = patienceMilliseconds
    }

    /// How long one call waits; the deadline is later than that by the time a call may take.
    private static let waitMilliseconds: UInt32 = 1000

    /// - Parameter observe: is told of every reply on the way.
    /// - Throws: `RPCError`; `CommandFailure` when the clock stood still for too long, with the gateway's reason.
    func run(to target: Timestamp, observe: (GatewayV1.ClockReply) -> Void = { _ in }) async throws
        -> GatewayV1.ClockReply
    {
        let request = GatewayV1.AdvanceClockRequest(to: target.milliseconds, waitMilliseconds: Self.waitMilliseconds)
        var best: Int64?
        var patience = Deadline.after(milliseconds: patienceMilliseconds)
        while true {
            let sent = ContinuousClock.now
            let deadline = Deadline.after(milliseconds: patienceMilliseconds + Int64(Self.waitMilliseconds))
            let clock = try await operations.advanceClock(request, CallOptions(deadline: deadline)).message
            observe(clock)
            // The clock shows its target while the work of that instant is still being done. An answer before the wait
            // was over says that it is done.
            let isInTime = ContinuousClock.now - sent < .milliseconds(Int64(Self.waitMilliseconds))
            if clock.now >= target.milliseconds, isInTime { return clock }
            if clock.now != best {
                best = clock.now
                patience = .after(milliseconds: patienceMilliseconds)
            } else if patience.hasPassed {
                throw CommandFailure(
                    .unknown,
                    "The clock stands at \(Readable.instant(clock.now)), short of "
                        + Readable.instant(target.milliseconds) + (clock.problem.isEmpty ? "." : ": \(clock.problem)"),
                    next: "billing saga list and billing cut status tell what it waits for; the same command goes on.")
            }
        }
    }
}

enum ClockText {
    static func text(_ clock: GatewayV1.ClockReply) -> String {
        FactSheet(
            ("now", Readable.instant(clock.now)), ("clock", Readable.word(clock.mode)),
            ("moving to", clock.target > clock.now ? Readable.instant(clock.target) : ""),
            ("bill lines cut on the way", clock.lines == 0 ? "" : Readable.count(clock.lines)),
            ("problem", clock.problem)
        ).text
    }

    static func progress(_ clock: GatewayV1.ClockReply, from start: Int64) -> String {
        let way = max(1, clock.target - start)
        let percent = min(100, max(0, (clock.now - start) * 100 / way))
        var text =
            "\(Readable.instant(clock.now)), \(percent) % of the way, \(Readable.count(clock.lines, "bill line"))"
        if !clock.problem.isEmpty { text += "; waiting: \(PlainText.printable(clock.problem))" }
        return text
    }
}
