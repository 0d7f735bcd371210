import BillingAPI
import BillingCore
import RPC
import Synchronization
import Testing

@testable import Refunding

@Suite("Refund handlers") struct RefundingServiceTests {
    private let scene: Scene

    init() throws { scene = try Scene() }

    @Test("Every method is answered")
    func registration() {
        var router = Router()
        scene.service.register(in: &router)
        let own = RefundV1.Refunds.all.count + RefundV1.RefundSteps.all.count
        #expect(router.handlers.count == own + CommonV1.Participation.all.count)
    }

    @Test("Pending renewals come back in full, and pricing is asked about the running term alone")
    func pending() async throws {
        try scene.renew("ord-2", "ord-3")
        let quote = try await scene.quote()
        #expect(quote.amountMicros == 25_500_000 + 2 * 41_600_000)
        #expect(quote.orders.map(\.inFullBecause) == ["", "pending renewal", "pending renewal"])
        #expect(scene.pricing.asked.withLock { $0 }.map { $0.terms.map(\.orderID) } == [["ord-1"]])
        _ = try await scene.open(token: quote.token)
        _ = try await scene.pay()
        #expect(
            scene.order.postings.first?.request.lines.map(\.toBalanceMicros) == [25_500_000, 41_600_000, 41_600_000])
    }

    @Test("The last renewal is cancelled by itself, then the one before it, then the group")
    func renewals() async throws {
        try scene.renew("ord-2", "ord-3")
        for (number, order) in [(1, "ord-3"), (2, "ord-2")] {
            let quote = try await scene.renewalQuote()
            #expect(quote.amountMicros == 41_600_000)
            #expect(quote.orders.map(\.orderID) == [order])
            let (refund, saga) = ("ref-\(number)", "saga-000000000000000\(number)")
            let opened = try await scene.open(token: quote.token, refund: refund, saga: saga, renewalOnly: true)
            #expect(opened.refund?.renewalOnly == true)
            #expect(opened.refund?.orders.map(\.inFullBecause) == ["pending renewal"])
            #expect(
                await reason {
                    try await scene.open(
                        token: quote.token, refund: "ref-9", saga: "saga-9\(number)", renewalOnly: true)
                } == "refund.already_open")
            scene.order.change { state in
                guard let index = state.orders.firstIndex(where: { $0.orderID == order }) else { return }
                (state.orders[index].refundedMicros, state.orders[index].refundedAt) = (41_600_000, quote.at)
            }
        }
        #expect(await reason { try await scene.renewalQuote() } == "refund.no_pending_renewal")
        let whole = try await scene.open(
            token: try await scene.quote().token, refund: "ref-3", saga: "saga-0000000000000003")
        #expect(whole.refund?.renewalOnly == false)
        let service = scene.service
        let audit = try await service.auditRefunds(
            .init(partitionTo: 256), scene.call(RefundV1.Refunds.auditRefunds))
        #expect(audit.findings.map(\.checked) == [3])
        #expect(audit.findings.map(\.breaches) == [0])
    }

    @Test(
        "What order gave back by itself, as the creation failed, is found, listed and confirmed, and stands the audit")
    func creationFailed() async throws {
        scene.order.change { state in
            state.orders[0].kind = .new
            (state.orders[0].balanceMicros, state.orders[0].onlineMicros) = (1_600_001, 35_000_000)
            (state.orders[0].couponMicros, state.orders[0].paymentID) = (4_999_999, "pay-1")
            (state.orders[0].refundedMicros, state.orders[0].refundedAt) = (36_600_001, 1)
        }
        let noted = try await scene.note(toBalance: 1_600_001, online: 35_000_000)
        let expected = RefundV1.Refund(
            refundID: "ref-1", accountID: "acct-1", groupID: "ag-1", status: .closed,
            openedAt: try at("2026-04-10 15:30").milliseconds, at: try at("2026-04-10 15:30").milliseconds,
            amountMicros: 36_600_001, toBalanceMicros: 1_600_001, onlineMicros: 35_000_000,
            orders: noted.refund?.orders ?? [], cause: "creation failed")
        #expect(noted.refund == expected)
        #expect(noted.refund?.orders.map(\.inFullBecause) == ["creation failed"])
        #expect(noted.refund?.orders.map(\.refundMicros) == [36_600_001])
        let again = try await scene.note(toBalance: 1_600_001, online: 35_000_000, epoch: 2)
        #expect(again.isReplay && again.message == noted.message)

        let listed = try await scene.service.listRefunds(
            .init(groupID: "ag-1"), scene.call(RefundV1.Refunds.listRefunds))
        #expect(listed.refunds == [expected])
        let shown = try await scene.service.getRefund(.init(refundID: "ref-1"), scene.call(RefundV1.Refunds.getRefund))
        #expect(shown.refund == expected)
        let confirmed = try await scene.service.confirmRefund(
            .init(refundID: "ref-1"), scene.call(RefundV1.Refunds.confirmRefund, key: "confirmation-000001"))
        #expect(confirmed.refund?.onlineConfirmed == true)
        for (restored, breaches) in [(4_999_999, 0), (0, 1), (4_999_998, 1)] as [(Int64, Int64)] {
            scene.order.change { state in
                let line = OrderV1.RefundLine(orderID: "ord-1", amountMicros: 36_600_001)
                var posted = OrderV1.PostedRefund(
                    state.orders[0], line, by: "ref-1", at: expected.at, toBalance: 1_600_001, online: 35_000_000)
                (posted.confirmedAt, posted.restoredMicros) = (expected.at + 1, restored)
                state.posted = [posted]
            }
            let audit = try await scene.service.auditRefunds(
                .init(partitionTo: 256), scene.call(RefundV1.Refunds.auditRefunds))
            #expect(audit.findings.map(\.breaches) == [breaches], "\(audit.findings)")
        }
    }

    @Test("Nothing is kept of an order that a coupon alone had paid, and no amount but that of the order")
    func nothingToNote() async throws {
        #expect(await reason { try await scene.note(toBalance: 41_599_999) } == "refund.unusable_answer")
        #expect(await reason { try await scene.note(toBalance: 0, online: 41_600_000) } == "refund.unusable_answer")
        #expect(await reason { try await scene.note("ord-9", toBalance: 41_600_000) } == "refund.unusable_answer")
        scene.order.change { state in
            (state.orders[0].balanceMicros, state.orders[0].couponMicros) = (0, 41_600_000)
        }
        #expect(try await scene.note(toBalance: 0).refund?.amountMicros == 0)
        #expect(await reason { try await scene.status() } == "refund.not_found")
    }

    @Test("A token of the group cancels no renewal")
    func tokenKinds() async throws {
        try scene.renew("ord-2")
        let whole = try await scene.quote().token
        #expect(await reason { try await scene.open(token: whole, renewalOnly: true) } == "refund.quote_changed")
        let renewal = try await scene.renewalQuote().token
        #expect(await reason { try await scene.open(token: renewal, saga: "saga-2") } == "refund.quote_changed")
    }

    @Test("The unconditional refund is had once in a calendar year; one that is dropped leaves it to another")
    func unconditional() async throws {
        var scene = scene
        scene.pricing.unconditionalDays.withLock { $0 = 20 }
        scene.order.change { $0.orders[0].kind = .new }
        let token = try await scene.quote().token
        #expect(token.hasPrefix("r1-41600000-"))
        let opened = try await scene.open(token: token)
        #expect(opened.refund?.cause == "unconditional")
        #expect(opened.refund?.orders.map(\.inFullBecause) == ["unconditional"])

        // Another group of the account: its owner was told of all the money, and is refused less.
        scene.group.groupID = "ag-2"
        scene.order.change { $0.orders[0].groupID = "ag-2" }
        scene.order.change { $0.orders[0].orderID = "ord-2" }
        let second = try await scene.quote()
        #expect(second.amountMicros == 25_500_000)
        scene.group.groupID = "ag-1"
        _ = try await scene.open(token: token, undo: true)
        scene.group.groupID = "ag-2"
        #expect(try await scene.quote().amountMicros == 41_600_000)
        #expect(
            await reason { try await scene.open(token: second.token, refund: "ref-2", saga: "saga-2") }
                == "refund.quote_changed")
    }

    @Test("Whether the money ended a debt is passed on, also on a repeat")
    func recovered() async throws {
        _ = try await scene.open(token: try await scene.quote().token)
        scene.order.change { $0.recovers = true }
        #expect(try await scene.pay().recovered)
        #expect(try await scene.pay().recovered)
        #expect(try await !scene.close().recovered)
    }

    @Test("A refund is opened, paid and closed, and order is sent its own step of the same saga")
    func life() async throws {
        let quote = try await scene.quote()
        let opened = try await scene.open(token: quote.token)
        #expect(opened.refund?.status == .open)
        #expect(opened.refund?.amountMicros == 25_500_000)
        #expect(opened.refund?.at == quote.at)
        let paid = try await scene.pay(epoch: 3)
        #expect(paid.refund?.status == .posted)
        let posting = try #require(scene.order.postings.first)
        #expect(posting.step == scene.step("post-refund"))
        #expect(posting.key == "saga-0000000000000001:post-refund")
        #expect(posting.epoch == 3)
        #expect(posting.request.at == quote.at)
        #expect(
            posting.request.lines == [
                .init(orderID: "ord-1", amountMicros: 25_500_000, toBalanceMicros: 25_500_000)
            ])
        let service = scene.service
        let close = try scene.call(RefundV1.RefundSteps.closeRefund, epoch: 3)
        let closed = try await service.closeRefund(
            .init(step: scene.step("CloseRefund"), refundID: "ref-1"), close)
        #expect(closed.refund?.status == .closed)
        #expect(try await scene.status() == .closed)
    }

    @Test("Repeated steps give the same answers, whatever a quote would say by then")
    func repeats() async throws {
        let token = try await scene.quote().token
        let opened = try await scene.open(token: token)
        let paid = try await scene.pay()
        // The order is given back, so a new quote would be refused.
        #expect(await reason { try await scene.quote() } == "refund.zero")
        #expect(try await scene.open(token: token).message == opened.message)
        #expect(try await scene.pay().message == paid.message)
        let closed = try await scene.close()
        #expect(try await scene.close().message == closed.message)
    }

    @Test("A token that no longer says the amount is refused, and stays refused for that saga")
    func quoteChanged() async throws {
        let token = try await scene.quote().token
        scene.pricing.consumed.withLock { $0.consumedMicros = 17_450_000 }
        #expect(await reason { try await scene.open(token: token) } == "refund.quote_changed")
        scene.pricing.consumed.withLock { $0.consumedMicros = 16_100_000 }
        #expect(await reason { try await scene.open(token: token) } == "refund.quote_changed")
        #expect(await reason { try await scene.status() } == "refund.not_found")
        #expect(await reason { try await scene.open(token: "", saga: "saga-2") } == "refund.token_malformed")
    }

    @Test("When order cannot be asked, nothing is settled and the step can be tried again")
    func unavailable() async throws {
        let token = try await scene.quote().token
        scene.order.change { $0.refusal = RPCError(.internalError, "call.internal", "Not now.") }
        #expect(await reason { try await scene.open(token: token) } == "call.internal")
        scene.order.change { $0.refusal = nil }
        _ = try await scene.open(token: token)
        scene.order.change { $0.refusal = RPCError(.internalError, "call.internal", "Not now.") }
        #expect(await reason { try await scene.pay() } == "call.internal")
        scene.order.change { $0.refusal = nil }
        #expect(try await scene.pay().refund?.status == .posted)
    }

    @Test("An undone opening drops the refund, and a late opening stays undone")
    func undoOpen() async throws {
        let token = try await scene.quote().token
        _ = try await scene.open(token: token)
        _ = try await scene.open(token: token, undo: true)
        #expect(try await scene.status() == .dropped)
        #expect(await reason { try await scene.open(token: token) } == "saga.undone")
        // The group can be unsubscribed by another saga.
        #expect(try await scene.open(token: token, refund: "ref-2", saga: "saga-2").refund?.status == .open)
        #expect(
            await reason { try await scene.open(token: token, refund: "ref-3", saga: "saga-3") }
                == "refund.already_open")
    }

    @Test("Order decides whether a payment can be undone: before it is posted it can, and a late payment stays undone")
    func undoPayBefore() async throws {
        let token = try await scene.quote().token
        _ = try await scene.open(token: token)
        _ = try await scene.pay(undo: true)
        #expect(scene.order.postings.map(\.step) == [scene.step("post-refund", undo: true)])
        #expect(await reason { try await scene.pay() } == "saga.undone")
        #expect(try await scene.status() == .open)
        _ = try await scene.open(token: token, undo: true)
        #expect(try await scene.status() == .dropped)
    }

    @Test("Once order posted it, a payment goes forward, even if this service never heard of the posting")
    func undoPayAfter() async throws {
        _ = try await scene.open(token: try await scene.quote().token)
        scene.order.change { $0.isPosted = true }
        #expect(await reason { try await scene.pay(undo: true) } == "saga.already_done")
        #expect(try await scene.pay().refund?.status == .posted)
        #expect(await reason { try await scene.pay(undo: true) } == "saga.already_done")
    }

    @Test("What order refuses is passed on, and a gateway that lost the saga settles nothing")
    func refusedByOrder() async throws {
        _ = try await scene.open(token: try await scene.quote().token)
        scene.order.change { $0.refusal = RPCError(.failedPrecondition, "saga.fenced", "Taken over.") }
        #expect(await reason { try await scene.pay() } == "saga.fenced")
        scene.order.change { $0.refusal = nil }
        #expect(try await scene.pay(epoch: 2).refund?.status == .posted)
        #expect(await reason { try await scene.pay(epoch: 1) } == "saga.fenced")
    }

    @Test("A step without its saga, or with a malformed id, is refused")
    func malformedSteps() async throws {
        let service = scene.service
        let call = try scene.call(RefundV1.RefundSteps.closeRefund)
        #expect(await reason { try await service.closeRefund(.init(refundID: "ref-1"), call) } == "saga.step_missing")
        let token = try await scene.quote().token
        #expect(await reason { try await scene.open(token: token, refund: "nonsense") } == "id.malformed")
    }

    @Test("An online refund is confirmed once")
    func confirmation() async throws {
        scene.order.change { ($0.orders[0].balanceMicros, $0.orders[0].onlineMicros) = (0, 41_600_000) }
        _ = try await scene.open(token: try await scene.quote().token)
        let service = scene.service
        func confirm(_ key: String) async throws -> Response<RefundV1.RefundReply> {
            try await service.confirmRefund(
                .init(refundID: "ref-1"), scene.call(RefundV1.Refunds.confirmRefund, key: key))
        }
        #expect(await reason { try await confirm("key-0000000000000001") } == "refund.not_posted")
        _ = try await scene.pay()
        #expect(try await confirm("key-0000000000000002").refund?.onlineConfirmed == true)
        #expect(try await confirm("key-0000000000000002").isReplay)
        #expect(await reason { try await confirm("key-0000000000000003") } == "refund.confirmed")
    }

    @Test("Refunds are listed in pages, by group, and never another account's")
    func listing() async throws {
        let token = try await scene.quote().token
        for number in 1...3 {
            let saga = "saga-\(number)"
            _ = try await scene.open(token: token, refund: "ref-\(number)", saga: saga)
            if number < 3 { _ = try await scene.open(token: token, undo: true, refund: "ref-\(number)", saga: saga) }
        }
        let service = scene.service
        func list(
            _ request: RefundV1.ListRefundsRequest, account: String = "acct-1"
        ) async throws -> Response<RefundV1.ListRefundsReply> {
            try await service.listRefunds(request, scene.call(RefundV1.Refunds.listRefunds, account: account))
        }
        let first = try await list(.init(limit: 2))
        #expect(first.refunds.map(\.refundID) == ["ref-1", "ref-2"])
        let second = try await list(.init(cursor: first.nextCursor, limit: 2))
        #expect(second.refunds.map(\.refundID) == ["ref-3"])
        #expect(second.nextCursor.isEmpty)
        #expect(second.refunds[0].orders.map(\.orderID) == ["ord-1"])
        #expect(try await list(.init(groupID: "ag-1")).refunds.count == 3)
        #expect(try await list(.init(groupID: "ag-2")).refunds.isEmpty)
        #expect(try await list(.init(), account: "acct-2").refunds.isEmpty)
        #expect(await reason { try await list(.init(cursor: "x")) } == "page.malformed")
        #expect(await reason { try await list(.init(limit: 201)) } == "page.malformed")
        let foreign = try scene.call(RefundV1.Refunds.getRefund, account: "acct-2")
        #expect(await reason { try await service.getRefund(.init(refundID: "ref-3"), foreign) } == "refund.not_found")
    }

    @Test("The audit looks at every refund of its partitions")
    func audit() async throws {
        _ = try await scene.open(token: try await scene.quote().token)
        _ = try await scene.pay()
        let call = try scene.call(RefundV1.Refunds.auditRefunds)
        let service = scene.service
        let partition = UInt32(Partition.of("acct-1"))
        let all = try await service.auditRefunds(.init(partitionTo: 256), call)
        #expect(all.findings.map(\.invariant) == ["M6"])
        #expect(all.findings.map(\.checked) == [1])
        #expect(all.findings.map(\.breaches) == [0])
        #expect(all.nextAccount.isEmpty)
        let own = try await service.auditRefunds(
            .init(partitionFrom: partition, partitionTo: partition + 1), call)
        #expect(own.findings[0].checked == 1)
        let others = try await service.auditRefunds(
            .init(afterAccount: "acct-1", partitionFrom: partition, partitionTo: 256), call)
        #expect(others.findings[0].checked == 0)
        #expect(
            await reason { try await service.auditRefunds(.init(partitionFrom: 2, partitionTo: 1), call) }
                == "page.malformed")
    }
}
