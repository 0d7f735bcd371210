import BillingAPI
import BillingCore
import RPC
import Storage

extension RefundingService {
    func getRefund(
        _ request: RefundV1.GetRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        let account = try call.accountID()
        return try await database.read { transaction in
            let refund = try RefundStore(transaction: transaction, account: account).refund(request.refundID)
            return Response(RefundV1.RefundReply(refund))
        }
    }

    /// The account's refunds in order of their instants, of one group or of all.
    func listRefunds(
        _ request: RefundV1.ListRefundsRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.ListRefundsReply> {
        let account = try call.accountID()
        let (place, limit) = (try PageCursor(request.cursor), try PageCursor.limit(request.limit))
        return try await database.read { transaction in
            let found = try RefundStore(transaction: transaction, account: account).refunds(
                ofGroup: request.groupID, after: place, limit: limit + 1)
            let page = found.prefix(limit)
            let next = found.count > limit ? page.last.map { PageCursor(instant: $0.at, id: $0.id.text).text } : nil
            return Response(
                RefundV1.ListRefundsReply(
                    refunds: page.compactMap { RefundV1.RefundReply($0).refund }, nextCursor: next ?? ""))
        }
    }

    /// Notes that an online refund arrived, after order booked it.
    func confirmRefund(
        _ request: RefundV1.ConfirmRefundRequest, _ call: CallContext
    ) async throws -> Response<RefundV1.RefundReply> {
        let account = try call.accountID()
        return try await database.write(once: call, request) { transaction in
            let store = RefundStore(transaction: transaction, account: account)
            var refund = try store.refund(request.refundID)
            try refund.confirmOnline()
            try store.update(refund)
            return Response(RefundV1.RefundReply(refund), effectiveAt: call.effectiveAt)
        }
    }
}
