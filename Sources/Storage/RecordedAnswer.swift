import BillingCore
import RPC

/// What a call came to and may come to again: a reply or a refusal, both of which are final.
enum Answer<Reply: WireMessage>: Sendable {
    case reply(Response<Reply>)
    case refusal(any BillingError)

    /// Runs `body` in a savepoint. A refusal that is final leaves nothing behind and becomes a value, so that it can be
    /// recorded in the same transaction.
    /// - Throws: what may well go otherwise the next time, which is never recorded.
    init(in transaction: any Transaction, _ body: (any Transaction) throws -> Response<Reply>) throws {
        do {
            self = .reply(try transaction.savepoint { try body(transaction) })
        } catch let error as any BillingError where error.status.isRecorded {
            self = .refusal(error)
        }
    }

    func get() throws -> Response<Reply> {
        switch self {
        case .reply(let response): return response
        case .refusal(let error): throw error
        }
    }

    /// The columns status, reply and effective_at.
    var columns: [SQLValue] {
        switch self {
        case .reply(let response):
            [
                .integer(Int64(Status.ok.rawValue)), .blob(response.message.encoded()),
                .integer(response.effectiveAt?.milliseconds),
            ]
        case .refusal(let error):
            [.integer(Int64(error.status.rawValue)), .blob(RecordedRefusal(error).bytes), .null]
        }
    }
}

/// A row of the answers' tables.
struct RecordedAnswer {
    /// `nil` where no request was compared, as for a step that was only undone.
    let fingerprint: Int64?
    let status: Status
    /// `nil` once the reply was pruned.
    let bytes: [UInt8]?
    let effectiveAt: Timestamp?

    /// Reads the columns fingerprint, status, reply and effective_at, which start at `first`.
    init(_ row: any Row, from first: Int = 0) {
        fingerprint = row.optionalInteger(first)
        status = Status(rawValue: UInt8(truncatingIfNeeded: row.integer(first + 1))) ?? .unknown
        bytes = row.isNull(first + 2) ? nil : row.blob(first + 2)
        effectiveAt = row.optionalInteger(first + 3).map { Timestamp(milliseconds: $0) }
    }

    /// The recorded answer, marked as told again.
    /// - Throws: `RPCError` "call.already_done" when only the fact is still known.
    func answer<Reply: WireMessage>(_: Reply.Type) throws(RPCError) -> Answer<Reply> {
        guard let bytes else {
            let outcome = status == .ok ? "carried out" : "refused"
            throw RPCError(
                .alreadyExists, "call.already_done",
                "A call with this key was \(outcome) long ago and its answer is no longer kept. It is not executed "
                    + "again; look at what it changed.", field: "key", isReplay: true)
        }
        guard status == .ok else { return .refusal(try RecordedRefusal(bytes: bytes).error(status: status)) }
        return .reply(Response(try Reply(wire: bytes), isReplay: true, effectiveAt: effectiveAt))
    }
}
