import BillingAPI
import BillingCore
import RPC
import Storage

extension RefundingService {
    /// Fixes T and the amount, which must be the token's. An undo drops the refund.
    ///
    /// The other services are asked before the transaction, and refusals come in it: on a repeat the step's row answers,
    /// whatever the quote would say by then.
    func openRefund(
        _ request: RefundV1.OpenRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        let (account, step) = (try call.accountID(), try SagaStep(request.step))
        let outcome = step.isUndo ? nil : try await factsOutcome(request, call)
        return try await database.write(
            step: step, call, request,
            do: { transaction in
                guard let outcome else { preconditionFailure("an undo does nothing anew; Storage sees to that") }
                let store = RefundStore(transaction: transaction, account: account)
                let quote = try outcome.get().quote(store)
                try quote.requireConfirmed(by: request.token)
                let refund = Refund(opening: try RefundID(request.refundID), account: account, quote)
                try store.insert(refund)
                return Response(RefundV1.RefundReply(refund), effectiveAt: refund.at)
            },
            undo: { try RefundStore(transaction: $0, account: account).apply(.dropped, to: request.refundID) })
    }

    /// The pivot of Unsubscribe: has order post the money, then notes it. Order's row of the step decides: what it
    /// refuses is passed on and nothing is kept of it here, and an undo is order's to grant. The reply says whether the
    /// balance part ended the account's being overdue.
    func payRefund(
        _ request: RefundV1.PayRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        let (account, step) = (try call.accountID(), try SagaStep(request.step))
        var recovered = false
        if step.isUndo {
            _ = try await post(OrderV1.PostRefundRequest(refundID: request.refundID), as: step, call)
        } else {
            let refund = try await database.read { transaction in
                try RefundStore(transaction: transaction, account: account).refund(request.refundID)
            }
            let posted = try await post(try refund.posting(), as: step, call)
            guard RefundParts(posted) == refund.parts else {
                throw RefundError.unusableAnswer("order posted another amount than refund \(refund.id) is of")
            }
            recovered = posted.recovered
        }
        return try await decided(step, request, call, recovered: recovered) { store in
            try store.apply(.posted, to: request.refundID)
        }
    }

    /// The group has ended, or its renewal is dropped. Comes after the pivot.
    func closeRefund(
        _ request: RefundV1.CloseRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        try await decided(try SagaStep(request.step), request, call) { store in
            try store.apply(.closed, to: request.refundID)
        }
    }

    /// Keeps what order gave back by itself for a group that never came up, so that it is listed and confirmed like any
    /// refund. Comes after the pivot. What was paid by a coupon alone is no refund of money, and nothing is kept.
    func noteRefund(
        _ request: RefundV1.NoteRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        let account = try call.accountID()
        let posted = RefundParts(
            toBalance: Money(micros: request.toBalanceMicros), online: Money(micros: request.onlineMicros))
        guard
            let order = try await placedOrders(request.groupID, call).orders.first(where: {
                $0.orderID == request.orderID
            })
        else { throw RefundError.unusableAnswer("order does not know order \(request.orderID), which it gave back") }
        let refund = Refund(
            noting: try RefundID(request.refundID), account: account, groupID: request.groupID,
            order: try PaidOrder(order), at: Timestamp(milliseconds: request.at))
        guard refund.parts == posted else {
            throw RefundError.unusableAnswer("order gave back another amount than order \(request.orderID) cost")
        }
        return try await decided(try SagaStep(request.step), request, call) { store in
            if refund.amount > .zero { try store.insert(refund) }
            return refund
        }
    }

    /// - Throws: `RPCError` when order or pricing cannot be asked, which settles nothing.
    private func factsOutcome(
        _ request: RefundV1.OpenRefundRequest, _ call: CallContext
    ) async throws -> Result<RefundFacts, RefundError> {
        do {
            return .success(try await facts(of: request.group, renewalOnly: request.renewalOnly, call))
        } catch let error as RefundError {
            return .failure(error)
        }
    }

    /// Order's part of the pivot: a step of the same saga by another name, so that both keep a row of their own.
    private func post(
        _ posting: OrderV1.PostRefundRequest, as step: SagaStep, _ call: CallContext
    ) async throws -> OrderV1.RefundPostedReply {
        var posting = posting
        posting.step = CommonV1.SagaStep(
            sagaID: step.sagaID, definition: step.definition, step: Self.postingStep, undo: step.isUndo)
        var options = call.onward
        options.key = try IdempotencyKey("\(step.sagaID):\(Self.postingStep)")
        return try await orderSteps.postRefund(posting, options).message
    }

    private static let postingStep = "post-refund"

    /// Keeps a step that decides its saga, or comes after such a one, so that only a step not done yet is taken back.
    private func decided<Request: WireMessage>(
        _ step: SagaStep, _ request: Request, _ call: CallContext, recovered: Bool = false,
        _ effect: @escaping @Sendable (RefundStore) throws -> Refund
    ) async throws -> Response<RefundV1.RefundReply> {
        let account = try call.accountID()
        return try await database.write(
            step: step, call, request,
            do: { transaction in
                let refund = try effect(RefundStore(transaction: transaction, account: account))
                return Response(RefundV1.RefundReply(refund, recovered: recovered), effectiveAt: refund.at)
            },
            undo: { _ in preconditionFailure("a pivot is never undone; Storage refuses it") }, isPivot: true)
    }
}

extension RefundStore {
    @discardableResult
    fileprivate func apply(_ event: Refund.Event, to id: String) throws -> Refund {
        var refund = try refund(id)
        try refund.apply(event)
        try update(refund)
        return refund
    }
}

extension Refund {
    /// What order is asked to post. A repeat asks the same.
    /// - Throws: `RefundError.outOfTurn` for a refund that was dropped.
    fileprivate func posting() throws(RefundError) -> OrderV1.PostRefundRequest {
        switch state {
        case .open, .posted, .closed: break
        case .dropped: throw .outOfTurn(refund: id.text, is: state, .posted)
        }
        return OrderV1.PostRefundRequest(
            refundID: id.text, groupID: groupID, at: at.milliseconds,
            lines: orders.filter { $0.refund > .zero }.map {
                OrderV1.RefundLine(
                    orderID: $0.id, amountMicros: $0.refund.micros, toBalanceMicros: $0.parts.toBalance.micros,
                    onlineMicros: $0.parts.online.micros)
            })
    }
}

extension RefundParts {
    fileprivate init(_ posted: OrderV1.RefundPostedReply) {
        self.init(toBalance: Money(micros: posted.toBalanceMicros), online: Money(micros: posted.onlineMicros))
    }
}
