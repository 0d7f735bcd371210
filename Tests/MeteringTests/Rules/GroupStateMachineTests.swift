import BillingCore
import Testing

@testable import Metering

private let group: GroupID = id("ag-one")
private let saga: SagaID = id("saga-one")
private let otherSaga: SagaID = id("saga-other")
private let created = instant("2026-04-10 09:10")
private let later = instant("2026-04-10 14:30")
private let term = Term(
    order: id("ord-one"), period: Period(instant("2026-04-10 10:00"), instant("2026-05-11 00:00")), months: 1)
private let next = Term(order: id("ord-next"), period: Period(term.end, instant("2026-06-11 00:00")), months: 1)
private let anew = Term(
    order: id("ord-anew"), period: Period(instant("2026-05-13 12:00"), instant("2026-06-14 00:00")), months: 1)
private let switchedTerm = Term(order: id("ord-two"), period: Period(later, instant("2026-07-11 00:00")), months: 3)
private let payAsYouGo = GroupBilling.payAsYouGo(.fourHours, anchor: created)
private let paid = Subscription(term)
private let renewed = Subscription(
    current: term, pending: [next], chain: TermChain(start: term.start, months: 2), autoRenewal: nil)
private let switched = Subscription(switchedTerm)
private let overdueSince = instant("2026-04-10 12:00")
private let fifteenDays = 15 * Int64.millisecondsPerDay

/// The states in the order of the table's columns.
private let states: [(name: String, state: GroupState)] = [
    ("creating", .creating(.payAsYouGo(.fourHours, anchor: nil))),
    ("creating paid", .creating(.subscription(paid))),
    ("pay", .active(payAsYouGo, lock: nil)),
    ("pay held", .active(payAsYouGo, lock: saga)),
    ("sub", .active(.subscription(paid), lock: nil)),
    ("sub held", .active(.subscription(paid), lock: saga)),
    ("renewed", .active(.subscription(renewed), lock: nil)),
    ("renewed held", .active(.subscription(renewed), lock: saga)),
    ("overdue", .overdue(.fourHours, anchor: created, since: overdueSince)),
    ("expired", .expired(paid, lock: nil)),
    ("expired held", .expired(paid, lock: saga)),
    ("released", .released(Release(payAsYouGo, at: later, .owner))),
]

/// Each event with what it does in each state: "=" stays, "!reason" is refused (with the reason's part after "group."),
/// otherwise the kind of state it leads to; "+" and the change of the timeline, if there is one.
private let table: [(event: GroupEvent, outcomes: String)] = [
    (
        .creationReported(at: created, unit: nil),
        """
        active+begin active !not_creating !not_creating !not_creating !not_creating !not_creating !not_creating
        !not_creating !not_creating !not_creating !not_creating
        """
    ),
    (
        .creationFailed(at: later),
        """
        released released+end !not_creating !not_creating !not_creating !not_creating !not_creating !not_creating
        !not_creating !not_creating !not_creating !not_creating
        """
    ),
    (
        .locked(by: saga, for: .payAsYouGo, orExpired: false, at: later),
        """
        !not_active !not_active active = !not_pay_as_you_go !not_pay_as_you_go !not_pay_as_you_go !not_pay_as_you_go
        !overdue !expired !expired !not_active
        """
    ),
    (
        .locked(by: saga, for: .payAsYouGo, orExpired: true, at: later),
        """
        !not_active !not_active active = !not_pay_as_you_go !not_pay_as_you_go !not_pay_as_you_go !not_pay_as_you_go
        !overdue !not_pay_as_you_go !not_pay_as_you_go !not_active
        """
    ),
    (
        .locked(by: saga, for: .subscription, orExpired: false, at: later),
        """
        !not_active !not_active !not_subscription !not_subscription active = active =
        !overdue !expired !expired !not_active
        """
    ),
    (
        .locked(by: saga, for: .subscription, orExpired: true, at: later),
        """
        !not_active !not_active !not_subscription !not_subscription active = active =
        !overdue expired = !not_active
        """
    ),
    (
        .locked(by: otherSaga, for: .payAsYouGo, orExpired: false, at: later),
        """
        !not_active !not_active active !locked !not_pay_as_you_go !locked !not_pay_as_you_go !locked
        !overdue !expired !expired !not_active
        """
    ),
    (
        .locked(by: otherSaga, for: .subscription, orExpired: true, at: later),
        """
        !not_active !not_active !not_subscription !locked active !locked active !locked
        !overdue expired !locked !not_active
        """
    ),
    (
        .locked(by: saga, for: .subscription, orExpired: true, at: term.end.adding(milliseconds: fifteenDays - 1)),
        """
        !not_active !not_active !not_subscription !not_subscription active = active =
        !overdue expired = !not_active
        """
    ),
    (
        .locked(by: saga, for: .subscription, orExpired: true, at: term.end.adding(milliseconds: fifteenDays)),
        """
        !not_active !not_active !not_subscription !not_subscription !not_active !not_active active =
        !overdue !not_active !not_active !not_active
        """
    ),
    (.unlocked(by: saga), "= = = active = active = active = = expired ="),
    (.unlocked(by: otherSaga), "= = = = = = = = = = = ="),
    (
        .switched(switched, by: saga),
        """
        !not_active !not_active !not_held active+succeed !not_held !not_pay_as_you_go !not_held !not_pay_as_you_go
        !overdue !expired !expired !not_active
        """
    ),
    (
        .switched(switched, by: otherSaga),
        """
        !not_active !not_active !not_held !not_held !not_held !not_held !not_held !not_held
        !overdue !expired !expired !not_active
        """
    ),
    (
        .unsubscribed(at: later, by: saga),
        """
        !not_active !not_active !not_held !not_subscription !not_held released+end !not_held released+end
        !overdue !expired !expired !not_active
        """
    ),
    (
        .unsubscribed(at: created, by: saga),
        """
        !not_active !not_active !not_held !not_subscription !not_held !before_beginning !not_held !before_beginning
        !overdue !expired !expired !not_active
        """
    ),
    (
        .extended(next, by: saga),
        """
        !not_active !not_active !not_held !not_subscription !not_held active !not_held !term_unconnected
        !overdue !not_held !term_unconnected !not_active
        """
    ),
    (
        .extended(anew, by: saga),
        """
        !not_active !not_active !not_held !not_subscription !not_held active+begin !not_held !term_unconnected
        !overdue !not_held active+begin !not_active
        """
    ),
    (
        .extended(next, by: otherSaga),
        """
        !not_active !not_active !not_held !not_held !not_held !not_held !not_held !not_held
        !overdue !not_held !not_held !not_active
        """
    ),
    (
        .renewalDropped(next.order, by: saga),
        """
        !not_active !not_active !not_held !not_subscription !not_held !not_last_renewal !not_held active
        !overdue !expired !expired !not_active
        """
    ),
    (
        .renewalDropped(term.order, by: saga),
        """
        !not_active !not_active !not_held !not_subscription !not_held !not_last_renewal !not_held !not_last_renewal
        !overdue !expired !expired !not_active
        """
    ),
    (
        .released(at: later),
        """
        !not_active !not_active released+end !locked !not_pay_as_you_go !not_pay_as_you_go !not_pay_as_you_go
        !not_pay_as_you_go released !before_beginning !locked !not_active
        """
    ),
    (
        .released(at: term.end),
        """
        !not_active !not_active released+end !locked !not_pay_as_you_go !not_pay_as_you_go !not_pay_as_you_go
        !not_pay_as_you_go released released !locked !not_active
        """
    ),
    (
        .releaseDue(.overdue, since: overdueSince, now: overdueSince.adding(milliseconds: fifteenDays)),
        """
        !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due released !not_due !not_due !not_due
        """
    ),
    (
        .releaseDue(.overdue, since: overdueSince, now: overdueSince.adding(milliseconds: fifteenDays - 1)),
        """
        !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due
        """
    ),
    (
        .releaseDue(.overdue, since: later, now: later.adding(milliseconds: fifteenDays)),
        """
        !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due
        """
    ),
    (
        .releaseDue(.expired, since: term.end, now: term.end.adding(milliseconds: fifteenDays)),
        """
        !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due !not_due released !locked !not_due
        """
    ),
    (
        .termEnded(at: term.end),
        """
        !not_active !not_active !not_subscription !not_subscription expired !locked active+succeed !locked
        !overdue !expired !expired !not_active
        """
    ),
    (
        .termEnded(at: term.end.adding(milliseconds: -1)),
        """
        !not_active !not_active !not_subscription !not_subscription !term_runs !locked !term_runs !locked
        !overdue !expired !expired !not_active
        """
    ),
    (.foundOverdue(at: instant("2026-04-10 15:00")), "= = overdue+end !locked = = = = = = = released+end"),
    (.foundOverdue(at: instant("2026-04-10 18:00")), "= = overdue+end !locked = = = = = = = ="),
    (.resumed(at: instant("2026-04-10 12:00"), beforeReleases: false), "= = = = = = = = active+begin = = ="),
    (.resumed(at: instant("2026-04-10 11:59"), beforeReleases: false), "= = = = = = = = !before_beginning = = ="),
    (
        .resumed(at: overdueSince.adding(milliseconds: fifteenDays - 1), beforeReleases: false),
        "= = = = = = = = active+begin = = ="
    ),
    (
        .resumed(at: overdueSince.adding(milliseconds: fifteenDays), beforeReleases: false),
        "= = = = = = = = released = = ="
    ),
    (
        .resumed(at: overdueSince.adding(milliseconds: fifteenDays), beforeReleases: true),
        "= = = = = = = = active+begin = = ="
    ),
    (
        .resumed(at: overdueSince.adding(milliseconds: fifteenDays + 1), beforeReleases: true),
        "= = = = = = = = released = = ="
    ),
    (
        .autoRenewalSet(AutoRenewal(months: nil, after: later)),
        """
        !not_subscription creating !not_subscription !not_subscription active active active active
        !overdue expired expired !not_active
        """
    ),
    (
        .autoRenewalSet(nil),
        "!not_subscription = !not_subscription !not_subscription = = = = !overdue = = !not_active"
    ),
    (.attemptFailed(at: instant("2026-05-08 08:00")), "= = = = = = = = = = = ="),
    (.renamed, "= = = = = = = = = = = !not_active"),
    (.used, "!not_active !not_active = = = = = = !overdue !expired !expired !not_active"),
]

@Suite("The life of a group") struct GroupStateMachineTests {
    @Test("Every event in every state is an edge or a typed refusal", arguments: table.indices)
    func edges(_ row: Int) {
        let (event, columns) = table[row]
        let outcomes = columns.split(whereSeparator: \.isWhitespace).map(String.init)
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
                outcome = "!" + error.reason.dropFirst("group.".count)
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
        var (machine, beginning) = GroupStateMachine.registered(group, .subscription(paid))
        #expect(beginning == .begin(.subscription(term)))
        #expect(try machine.take(.creationReported(at: later, unit: nil)) == nil)
        #expect(machine.state == .active(.subscription(paid), lock: nil))
    }

    @Test("A switch ends pay-as-you-go at the instant of payment, without rounding the unit up")
    func switching() throws {
        var machine = GroupStateMachine(group, .active(payAsYouGo, lock: saga))
        #expect(try machine.take(.switched(switched, by: saga)) == .succeed(.subscription(switchedTerm)))
        #expect(machine.state == .active(.subscription(switched), lock: nil))
    }

    @Test("A switch or a release before the anchor is refused")
    func beforeTheAnchor() {
        let early = Term(order: id("ord-early"), period: Period(instant("2026-04-10 09:00"), term.end), months: 1)
        var machine = GroupStateMachine(group, .active(payAsYouGo, lock: saga))
        #expect(throws: GroupError.beforeBeginning(group, early.start)) {
            try machine.take(.switched(Subscription(early), by: saga))
        }
        machine = GroupStateMachine(group, .active(payAsYouGo, lock: nil))
        let error = #expect(throws: GroupError.beforeBeginning(group, early.start)) {
            try machine.take(.released(at: early.start))
        }
        #expect(error?.reason == "group.before_beginning")
    }

    @Test("A term that runs does not end")
    func beforeTheEnd() {
        var machine = GroupStateMachine(group, .active(.subscription(paid), lock: nil))
        let error = #expect(throws: GroupError.termRuns(group, until: term.end)) {
            try machine.take(.termEnded(at: term.end.adding(milliseconds: -1)))
        }
        #expect(error?.reason == "group.term_runs")
    }

    @Test("An unsubscription ends the subscription there, but not after its term")
    func unsubscribing() throws {
        var machine = GroupStateMachine(group, .active(.subscription(paid), lock: saga))
        #expect(try machine.take(.unsubscribed(at: later, by: saga)) == .end(at: later))
        machine = GroupStateMachine(group, .active(.subscription(paid), lock: saga))
        #expect(try machine.take(.unsubscribed(at: instant("2026-06-01"), by: saga)) == .end(at: term.end))
    }

    @Test("An unsubscription drops the renewals that have not begun")
    func unsubscribingRenewed() throws {
        var machine = GroupStateMachine(group, .active(.subscription(renewed), lock: saga))
        #expect(try machine.take(.unsubscribed(at: later, by: saga)) == .end(at: later))
        #expect(machine.state == .released(Release(.subscription(paid), at: later, .unsubscribed)))
    }

    @Test("Use stops at the hour of the cut; what began after it is not used, and a tail ends there")
    func overdue() throws {
        let hour = instant("2026-04-10 15:00")
        var machine = GroupStateMachine(group, .active(payAsYouGo, lock: nil))
        #expect(try machine.take(.foundOverdue(at: hour)) == .end(at: hour))
        #expect(machine.state == .overdue(.fourHours, anchor: created, since: hour))
        #expect(machine.state.releaseAt == instant("2026-04-25 15:00"))

        let during = hour.adding(milliseconds: 1)
        machine = GroupStateMachine(group, .active(.payAsYouGo(.fourHours, anchor: during), lock: nil))
        #expect(try machine.take(.foundOverdue(at: hour)) == .end(at: during))

        machine = GroupStateMachine(group, .released(Release(payAsYouGo, at: later, .owner)))
        #expect(try machine.take(.foundOverdue(at: hour)) == .end(at: hour))
        #expect(machine.state == .released(Release(payAsYouGo, at: later, .owner, stoppedAt: hour)))
        #expect(try machine.take(.foundOverdue(at: hour)) == nil, "a tail is stopped once")
    }

    @Test("A recovery starts a new unit of the pinned kind, and an owner's release before it bills nothing more")
    func recovery() throws {
        let at = instant("2026-04-12 03:04:05.678")
        var machine = GroupStateMachine(group, .overdue(.second, anchor: created, since: overdueSince))
        #expect(try machine.take(.resumed(at: at, beforeReleases: false)) == .begin(.payAsYouGo(.second, from: at)))
        #expect(machine.state == .active(.payAsYouGo(.second, anchor: at), lock: nil))

        machine = GroupStateMachine(group, .overdue(.fourHours, anchor: created, since: overdueSince))
        #expect(try machine.take(.released(at: at)) == nil)
        #expect(machine.state == .released(Release(payAsYouGo, at: at, .owner, stoppedAt: overdueSince)))
    }

    @Test("A release when due counts at the end of the 15 days, however late it is made, and whatever comes after them")
    func due() throws {
        let days = { overdueSince.adding(milliseconds: $0 * .millisecondsPerDay) }
        for event in [
            .releaseDue(.overdue, since: overdueSince, now: days(17)), .resumed(at: days(17), beforeReleases: false),
            .released(at: days(17)),
        ] as [GroupEvent] {
            var machine = GroupStateMachine(group, .overdue(.fourHours, anchor: created, since: overdueSince))
            #expect(try machine.take(event) == nil)
            #expect(machine.state == .released(Release(payAsYouGo, at: days(15), .overdue, stoppedAt: overdueSince)))
        }
        var machine = GroupStateMachine(group, .expired(paid, lock: nil))
        _ = try machine.take(.releaseDue(.expired, since: term.end, now: instant("2026-06-01")))
        #expect(machine.state == .released(Release(.subscription(paid), at: instant("2026-05-26"), .expired)))
        machine = GroupStateMachine(group, .expired(paid, lock: nil))
        _ = try machine.take(.released(at: instant("2026-05-26")))
        #expect(machine.state == .released(Release(.subscription(paid), at: instant("2026-05-26"), .expired)))
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
