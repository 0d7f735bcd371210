import BillingCore
import Testing

@testable import Metering

private let group: GroupID = id("ag-one")
private let saga: SagaID = id("saga-one")
private let otherSaga: SagaID = id("saga-other")
private let created = instant("2026-04-10 09:10")
private let later = instant("2026-04-10 14:30")
private let term = Term(order: id("ord-one"), period: Period(instant("2026-04-10 10:00"), instant("2026-05-11 00:00")))
private let switchedTerm = Term(order: id("ord-two"), period: Period(later, instant("2026-07-11 00:00")))
private let payAsYouGo = GroupBilling.payAsYouGo(.fourHours, anchor: created)

/// The states in the order of the table's columns.
private let states: [(name: String, state: GroupState)] = [
    ("creating", .creating(.payAsYouGo(.fourHours, anchor: nil))),
    ("creating paid", .creating(.subscription(term))),
    ("pay", .active(payAsYouGo, lock: nil)),
    ("pay held", .active(payAsYouGo, lock: saga)),
    ("sub", .active(.subscription(term), lock: nil)),
    ("sub held", .active(.subscription(term), lock: saga)),
    ("overdue", .overdue(payAsYouGo)),
    ("expired", .expired(term)),
    ("released", .released(payAsYouGo, at: later, .owner)),
]

/// Each event with what it does in each state: "=" stays, "!reason" is refused, otherwise the kind of state it leads to;
/// "+" and the change of the timeline, if there is one.
private let table: [(event: GroupEvent, outcomes: [String])] = [
    (
        .creationReported(at: created, unit: nil),
        [
            "active+begin", "active", "!group.not_creating", "!group.not_creating", "!group.not_creating",
            "!group.not_creating", "!group.not_creating", "!group.not_creating", "!group.not_creating",
        ]
    ),
    (
        .creationFailed(at: later),
        [
            "released", "released+end", "!group.not_creating", "!group.not_creating", "!group.not_creating",
            "!group.not_creating", "!group.not_creating", "!group.not_creating", "!group.not_creating",
        ]
    ),
    (
        .locked(by: saga, for: .payAsYouGo),
        [
            "!group.not_active", "!group.not_active", "active", "=", "!group.not_pay_as_you_go",
            "!group.not_pay_as_you_go", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (
        .locked(by: saga, for: .subscription),
        [
            "!group.not_active", "!group.not_active", "!group.not_subscription", "!group.not_subscription", "active",
            "=", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (
        .locked(by: otherSaga, for: .payAsYouGo),
        [
            "!group.not_active", "!group.not_active", "active", "!group.locked", "!group.not_pay_as_you_go",
            "!group.locked", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (.unlocked(by: saga), ["=", "=", "=", "active", "=", "active", "=", "=", "="]),
    (.unlocked(by: otherSaga), ["=", "=", "=", "=", "=", "=", "=", "=", "="]),
    (
        .switched(switchedTerm, by: saga),
        [
            "!group.not_active", "!group.not_active", "!group.not_held", "active+succeed", "!group.not_held",
            "!group.not_pay_as_you_go", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (
        .switched(switchedTerm, by: otherSaga),
        [
            "!group.not_active", "!group.not_active", "!group.not_held", "!group.not_held", "!group.not_held",
            "!group.not_held", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (
        .unsubscribed(at: later, by: saga),
        [
            "!group.not_active", "!group.not_active", "!group.not_held", "!group.not_subscription",
            "!group.not_held", "released+end", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (
        .released(at: later),
        [
            "!group.not_active", "!group.not_active", "released+end", "!group.locked", "!group.not_pay_as_you_go",
            "!group.not_pay_as_you_go", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (
        .termEnded(at: term.end),
        [
            "!group.not_active", "!group.not_active", "!group.not_subscription", "!group.not_subscription", "expired",
            "!group.locked", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (
        .termEnded(at: term.end.adding(milliseconds: -1)),
        [
            "!group.not_active", "!group.not_active", "!group.not_subscription", "!group.not_subscription",
            "!group.term_runs", "!group.locked", "!group.not_active", "!group.not_active", "!group.not_active",
        ]
    ),
    (.renamed, ["=", "=", "=", "=", "=", "=", "=", "=", "!group.not_active"]),
    (
        .used,
        [
            "!group.not_active", "!group.not_active", "=", "=", "=", "=", "!group.not_active", "!group.not_active",
            "!group.not_active",
        ]
    ),
]

@Suite("The life of a group") struct GroupStateMachineTests {
    @Test("Every event in every state is an edge or a typed refusal", arguments: table.indices)
    func edges(_ row: Int) {
        let (event, outcomes) = table[row]
        #expect(outcomes.count == states.count)
        for ((name, state), expected) in zip(states, outcomes) {
            var machine = GroupStateMachine(group, state)
            let outcome: String
            do {
                let change = try machine.take(event)
                let kind = machine.state == state ? "=" : machine.state.status.word
                outcome = kind + (change.map { "+" + $0.word } ?? "")
            } catch {
                #expect(machine.state == state, "a refusal changes nothing")
                outcome = "!" + error.reason
            }
            #expect(outcome == expected, "\(event) in \(name)")
        }
    }

    @Test("The creation starts pay-as-you-go at that instant, by the unit in force then")
    func creation() throws {
        var machine = GroupStateMachine(group, .creating(.payAsYouGo(.second, anchor: nil)))
        let change = try machine.take(.creationReported(at: created, unit: .fourHours))
        #expect(change == .begin(.payAsYouGo(.fourHours, from: created)))
        #expect(machine.state == .active(payAsYouGo, lock: nil))
    }

    @Test("A paid group is entitled from the instant of payment, however late its phones come up")
    func paidCreation() throws {
        var (machine, beginning) = GroupStateMachine.registered(group, .subscription(term))
        #expect(beginning == .begin(.subscription(term)))
        #expect(try machine.take(.creationReported(at: later, unit: nil)) == nil)
        #expect(machine.state == .active(.subscription(term), lock: nil))
    }

    @Test("A switch ends pay-as-you-go at the instant of payment, without rounding the unit up")
    func switching() throws {
        var machine = GroupStateMachine(group, .active(payAsYouGo, lock: saga))
        #expect(try machine.take(.switched(switchedTerm, by: saga)) == .succeed(.subscription(switchedTerm)))
        #expect(machine.state == .active(.subscription(switchedTerm), lock: nil))
    }

    @Test("A switch or a release before the anchor is refused")
    func beforeTheAnchor() {
        let early = Term(order: id("ord-early"), period: Period(instant("2026-04-10 09:00"), term.end))
        var machine = GroupStateMachine(group, .active(payAsYouGo, lock: saga))
        #expect(throws: GroupError.beforeBeginning(group, early.start)) {
            try machine.take(.switched(early, by: saga))
        }
        machine = GroupStateMachine(group, .active(payAsYouGo, lock: nil))
        #expect(throws: GroupError.beforeBeginning(group, early.start)) {
            try machine.take(.released(at: early.start))
        }
    }

    @Test("An unsubscription ends the subscription there, but not after its term")
    func unsubscribing() throws {
        var machine = GroupStateMachine(group, .active(.subscription(term), lock: saga))
        #expect(try machine.take(.unsubscribed(at: later, by: saga)) == .end(at: later))
        machine = GroupStateMachine(group, .active(.subscription(term), lock: saga))
        #expect(try machine.take(.unsubscribed(at: instant("2026-06-01"), by: saga)) == .end(at: term.end))
    }
}

extension GroupStatus {
    fileprivate var word: String { String(describing: self) }
}

extension TimelineChange {
    fileprivate var word: String {
        switch self {
        case .begin: "begin"
        case .end: "end"
        case .succeed: "succeed"
        }
    }
}
