import BillingCore

/// T, the instant of an unsubscription: when it was asked for, but not before the account's latest (design 2.2).
enum UnsubscriptionInstant {
    /// How much earlier a call may be stamped, to be moved up.
    static let toleranceMilliseconds: Int64 = 5000

    /// - Throws: `RefundError.timeWentBack`.
    static func fix(asked: Timestamp, last: Timestamp) throws(RefundError) -> Timestamp {
        guard last - asked <= toleranceMilliseconds else { throw .timeWentBack(to: asked, last: last) }
        return max(asked, last)
    }
}
