import BillingAPI
import BillingCore
import RPC
import Testing

@testable import Ordering

@Suite("When an overdue account is told what") struct OverdueScheduleTests {
    private static let day = Int64.millisecondsPerDay

    @Test(
        "A reminder is due every 24 hours after the cut that found the account overdue, fourteen in all (domain 4.6)",
        arguments: [
            (0, 1), (1, 1), (day - 1, 1), (day, 2), (day + 1, 2), (13 * day - 1, 13), (13 * day, 14),
            (14 * day - 1, 14), (14 * day, nil), (15 * day, nil), (100 * day, nil), (-1, 1), (-3 * day, 1),
        ] as [(Int64, Int64?)])
    func next(_ after: Int64, _ expected: Int64?) {
        let due = OverdueSchedule.next(after: opening.adding(milliseconds: after), overdueAt: opening)
        #expect(due == expected.map { opening.adding(milliseconds: $0 * Self.day) })
    }

    @Test(
        "With the fourteenth reminder comes the warning of the release a day later, and with no other",
        arguments: [
            (1, [.reminder]), (13, [.reminder]), (14, [.reminder, .releaseWarning]), (15, [.reminder]),
        ] as [(Int64, [AccountNotice.Kind])])
    func warning(_ days: Int64, _ kinds: [AccountNotice.Kind]) {
        let instant = opening.adding(milliseconds: days * Self.day)
        let notices = OverdueSchedule.notices(at: instant, overdueAt: opening, outstanding: Money(micros: 5))
        #expect(notices.map(\.kind) == kinds)
        for notice in notices {
            #expect(notice.at == instant && notice.amount == Money(micros: 5))
            #expect(notice.releaseAt == opening.adding(milliseconds: 15 * Self.day))
        }
    }

    private func overdue() throws -> Account {
        var account = Account(
            id: try AccountID("acct-1"), name: "a", openedAt: opening, outstanding: Money(micros: 417_200))
        let found = account.findOverdue(at: opening)
        let notice = try #require(found)
        #expect(notice.kind == .overdue && notice.at == opening && notice.amount == Money(micros: 417_200))
        #expect(notice.releaseAt == opening.adding(milliseconds: 15 * Self.day))
        return account
    }

    @Test("Reminders that were missed are all taken, each at its own instant; none is taken twice")
    func taken() throws {
        var account = try overdue()
        #expect(account.takeReminders(through: opening.adding(milliseconds: Self.day - 1)) == [])
        let first = account.takeReminders(through: opening.adding(milliseconds: 3 * Self.day))
        #expect(first.map { ($0.at - opening) / Self.day } == [1, 2, 3])
        #expect(account.takeReminders(through: opening.adding(milliseconds: 3 * Self.day)) == [])
        let rest = account.takeReminders(through: opening.adding(milliseconds: 90 * Self.day))
        #expect(rest.map { ($0.at - opening) / Self.day } == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14])
        #expect(rest.map(\.kind).suffix(2) == [.reminder, .releaseWarning])
        #expect(account.noticeDueAt == nil && account.isOverdue)
    }

    @Test("An account is found overdue once, by something outstanding, and recovers when nothing is")
    func once() throws {
        var account = try overdue()
        #expect(account.findOverdue(at: opening.adding(hours: 1)) == nil && account.overdueAt == opening)
        #expect(account.recover(at: opening.adding(hours: 2)) == nil && account.isOverdue)
        _ = try account.post(.topUp(Money(micros: 417_200), settled: Money(micros: 417_200), reference: "cash"))
        let told = account.recover(at: opening.adding(hours: 2))
        let notice = try #require(told)
        #expect(notice.kind == .recovered && notice.at == opening.adding(hours: 2) && notice.amount == .zero)
        #expect(notice.releaseAt == nil && !account.isOverdue && account.noticeDueAt == nil)
        #expect(account.recover(at: opening.adding(hours: 2)) == nil)
        #expect(account.findOverdue(at: opening.adding(hours: 3)) == nil)
    }

    @Test("A low balance is told once for each time that the credit falls below a day of what is burnt")
    func lowBalance() throws {
        var account = Account(id: try AccountID("acct-1"), name: "a", openedAt: opening)
        // 0.4724 an hour is 11.3376 a day.
        let burn: Int128 = 472_400_000
        for (credit, burn, isTold) in [
            ("11.3376", burn, false), ("11.337599", burn, true), ("11.00", burn, false), ("0", burn, false),
            ("11.3376", burn, false), ("11.30", burn, true), ("0", 0, false), ("0", 1, true), ("0", 0, false),
            ("0", 0, false),
        ] as [(String, Int128, Bool)] {
            let credit = try Money(credit)
            let notice = account.noteCredit(credit, burnPerHourNanos: burn, at: opening)
            #expect((notice != nil) == isTold, "\(credit) at \(burn)")
            if let notice { #expect(notice.kind == .lowBalance && notice.amount == credit) }
        }
    }
}

@Suite("Account notices") struct NoticeTests {
    private func cut(_ shop: Shop, _ account: String, _ hour: Int64) async throws {
        _ = try await shop.post(.hour(account, endingAt: opening.adding(hours: hour)))
    }

    private func released(_ shop: Shop, _ account: String, _ group: String, at instant: Timestamp) async throws {
        _ = try await shop.service.cancelUnpaid(
            OrderV1.CancelUnpaidRequest(
                step: CommonV1.SagaStep(sagaID: "saga-\(group)", definition: "release", step: "cancel"),
                wasDue: true, groupIDs: [group]),
            shop.call(OrderV1.OrderSteps.cancelUnpaid.descriptor, account, at: instant))
    }

    @Test("From a low balance to the release and the recovery, in the order in which things happen")
    func wholeStory() async throws {
        let shop = try Shop()
        let account = try await shop.account("12.00")
        for hour in 1...26 as ClosedRange<Int64> { try await cut(shop, account, hour) }
        // 12.00 less 2 x 0.4724 is less than a day's 11.3376; 26 x 0.4724 is 0.2824 more than 12.00.
        #expect(try await shop.notices(account) == ["+2:00 lowBalance 11.0552", "+26:00 overdue 0.2824"])
        let day = Int64(24)
        #expect(try await shop.nextDue(after: opening).noticeAt == opening.adding(hours: 26 + day).milliseconds)
        #expect(try await shop.recordNotices(through: opening.adding(hours: 26 + day - 1)) == 0)
        #expect(try await shop.recordNotices(through: opening.adding(hours: 26 + 2 * day)) == 2)
        // A part of the debt moves nothing but the amount.
        _ = try await shop.topUp(account, "0.20", at: opening.adding(hours: 26 + 2 * day))
        #expect(try await shop.recordNotices(through: opening.adding(hours: 26 + 15 * day)) == 13)
        #expect(try await shop.recordNotices(through: opening.adding(hours: 26 + 15 * day)) == 0)
        #expect(try await shop.nextDue(after: opening).noticeAt == 0)
        let releaseAt = opening.adding(hours: 26 + 15 * day)
        try await released(shop, account, "ag-1", at: releaseAt)
        try await released(shop, account, "ag-2", at: releaseAt)
        _ = try await shop.topUp(account, "1", at: releaseAt)
        let reminders = (1...14).map { "+\(26 + $0 * 24):00 reminder \($0 < 3 ? "0.2824" : "0.0824")" }
        #expect(
            try await shop.notices(account, after: 2)
                == reminders + [
                    "+362:00 releaseWarning 0.0824", "+386:00 released 0.0824", "+386:00 released 0.0824",
                    "+386:00 recovered 0.00",
                ])
    }

    @Test("A cut that finds the credit low and the account overdue tells the first before the second")
    func order() async throws {
        let shop = try Shop()
        let account = try await shop.account("0.40")
        try await cut(shop, account, 1)
        #expect(try await shop.notices(account) == ["+1:00 lowBalance 0.00", "+1:00 overdue 0.0724"])
        // While it is overdue nothing is told twice, whatever a late slice of another group adds.
        _ = try await shop.post(.hour(account, "ag-2", endingAt: opening.adding(hours: 1)))
        #expect(try await shop.notices(account).count == 2)
    }

    @Test("Coupons that pay use are credit, those for orders are not")
    func couponsAreCredit() async throws {
        for (change, expected) in [
            ({ _ in }, []), ({ $0.minimumOrderMicros = 1 }, ["+1:00 lowBalance 0.5276"]),
        ] as [((inout OrderV1.GrantCouponRequest) -> Void, [String])] {
            let shop = try Shop()
            let account = try await shop.account("1")
            _ = try await shop.grant(account, "50", change)
            try await cut(shop, account, 1)
            #expect(try await shop.notices(account) == expected)
        }
    }

    @Test("An account that recovers is reminded no more, and of a second time it is told from the start")
    func again() async throws {
        let shop = try Shop()
        let account = try await shop.account()
        try await cut(shop, account, 1)
        _ = try await shop.topUp(account, "0.4724", at: opening.adding(hours: 20))
        #expect(try await shop.nextDue(after: opening).noticeAt == 0)
        #expect(try await shop.recordNotices(through: opening.adding(hours: 100)) == 0)
        try await cut(shop, account, 101)
        #expect(try await shop.recordNotices(through: opening.adding(hours: 125)) == 1)
        #expect(
            try await shop.notices(account) == [
                "+1:00 lowBalance 0.00", "+1:00 overdue 0.4724", "+20:00 recovered 0.00", "+101:00 overdue 0.4724",
                "+125:00 reminder 0.4724",
            ])
        // The reminder of an account is at its own instant, of which the journal knows.
        #expect(try await shop.show(account).lastAt == opening.adding(hours: 125).milliseconds)
    }

    @Test("A release that was asked for is no notice, and notices come in pages and to their account alone")
    func pages() async throws {
        let shop = try Shop()
        let (account, other) = (try await shop.account(), try await shop.account())
        try await cut(shop, account, 1)
        _ = try await shop.recordNotices(through: opening.adding(hours: 1 + 24 * 15))
        var pages: [[Int64]] = []
        var request = OrderV1.ListNoticesRequest(limit: 7)
        repeat {
            let page = try await shop.service.listNotices(
                request, shop.call(OrderV1.Accounts.listNotices.descriptor, account, at: nil))
            pages.append(page.notices.map(\.sequence))
            request.afterSequence = page.nextSequence
        } while request.afterSequence != 0
        #expect(pages == [Array(1...7), Array(8...14), Array(15...17)])
        #expect(try await shop.notices(other).isEmpty)
        _ = try await shop.service.cancelUnpaid(
            OrderV1.CancelUnpaidRequest(
                step: CommonV1.SagaStep(sagaID: "saga-1", definition: "release", step: "cancel"), groupIDs: ["ag-1"]),
            shop.call(OrderV1.OrderSteps.cancelUnpaid.descriptor, account, at: opening.adding(hours: 400)))
        #expect(try await shop.notices(account).count == 17)
    }
}
