import BillingCore

/// The accounts of one customer's journal. The raw values are stored and are those of the wire.
enum LedgerAccount: Int, CaseIterable, Hashable, Sendable {
    /// Positive: the customer's money with us.
    case balance = 1
    /// Negative while bills are outstanding.
    case receivable = 2
    /// Positive: what we earned.
    case revenue = 3
    /// Negative by all money that came in, less what went out.
    case external = 4
    /// Positive: online refunds on their way.
    case refundPayable = 5
    /// Positive: online payments confirmed, whose orders are not paid yet.
    case clearing = 6
    /// Negative by all that coupons paid.
    case coupon = 7
}

/// Why money moved. The raw values are stored and are those of the wire.
enum LedgerCause: Int, CaseIterable, Hashable, Sendable {
    case topUp = 1
    case usage = 2
    case order = 3
    case refund = 4
    case refundConfirmed = 5
    case paymentConfirmed = 6
    case paymentReturned = 7
    /// A coupon that was granted, became effective or was restored paid what was outstanding.
    case couponGrant = 8
    case adjustment = 9
    case roundDown = 10
}

struct LedgerEntry: Hashable, Sendable {
    let account: LedgerAccount
    let amount: Money
}

/// One movement of money in an account's journal: two entries or more that sum to zero, one for each ledger account,
/// none of zero (domain 3.3, M1).
struct LedgerTransaction: Hashable, Sendable {
    let cause: LedgerCause
    /// The order, refund or payment that caused it, "cash", or the cut.
    let reference: String
    let entries: [LedgerEntry]

    /// Entries of one ledger account are added up, and those that come to zero dropped.
    /// - Throws: `LedgerError` unless at least two are left and all sum to zero.
    init(_ cause: LedgerCause, reference: String, _ movements: [(LedgerAccount, Money)]) throws {
        var sums: [LedgerAccount: Money] = [:]
        var total = Money.zero
        for (account, amount) in movements {
            sums[account] = try (sums[account] ?? .zero).adding(amount)
            total = try total.adding(amount)
        }
        guard total == .zero else { throw LedgerError.unbalanced(cause: cause, sum: total) }
        let entries = LedgerAccount.allCases.compactMap { account in
            sums[account].flatMap { $0 == .zero ? nil : LedgerEntry(account: account, amount: $0) }
        }
        guard entries.count >= 2 else { throw LedgerError.tooFewEntries(cause: cause, count: entries.count) }
        self.cause = cause
        self.reference = reference
        self.entries = entries
    }

    /// What the transaction adds to a ledger account.
    func change(of account: LedgerAccount) -> Money {
        entries.first { $0.account == account }?.amount ?? .zero
    }
}

extension LedgerTransaction {
    /// Money from outside lands in the balance and pays `settled` of what is outstanding (domain 3.4).
    static func topUp(_ amount: Money, settled: Money, reference: String) throws -> LedgerTransaction {
        try LedgerTransaction(
            .topUp, reference: reference,
            [(.external, -amount), (.balance, amount), (.balance, -settled), (.receivable, settled)])
    }

    /// The usage of a cut, `paid` of it from the balance (domain 2.8).
    static func usage(
        paid: Money, coupon: Money = .zero, outstanding: Money, reference: String
    ) throws -> LedgerTransaction {
        try LedgerTransaction(
            .usage, reference: reference,
            [
                (.balance, -paid), (.coupon, -coupon), (.receivable, -outstanding),
                (.revenue, try paid.adding(outstanding).adding(coupon)),
            ])
    }

    /// A paid order: from the balance, a confirmed online payment and a coupon.
    static func order(_ parts: PaymentParts, order: String) throws -> LedgerTransaction {
        try LedgerTransaction(
            .order, reference: order,
            [
                (.balance, -parts.balance), (.clearing, -parts.online), (.coupon, -parts.coupon),
                (.revenue, try parts.balance.adding(parts.online).adding(parts.coupon)),
            ])
    }

    /// A coupon that was granted, became effective or was restored pays what is outstanding, as a top-up would (domain
    /// 3.2).
    static func couponGrant(settled: Money, coupon: String) throws -> LedgerTransaction {
        try LedgerTransaction(.couponGrant, reference: coupon, [(.coupon, -settled), (.receivable, settled)])
    }

    /// The fraction of a cent of a month comes back as a top-up would (domain 2.9).
    static func roundDown(_ fraction: Money, settled: Money, reference: String) throws -> LedgerTransaction {
        try LedgerTransaction(
            .roundDown, reference: reference,
            [(.revenue, -fraction), (.balance, fraction), (.balance, -settled), (.receivable, settled)])
    }

    /// A correction charged to the balance.
    static func charge(_ amount: Money, adjustment: String) throws -> LedgerTransaction {
        try LedgerTransaction(.adjustment, reference: adjustment, [(.balance, -amount), (.revenue, amount)])
    }

    /// A correction credited as a top-up would be (domain 9.4).
    static func credit(_ amount: Money, settled: Money, adjustment: String) throws -> LedgerTransaction {
        try LedgerTransaction(
            .adjustment, reference: adjustment,
            [(.revenue, -amount), (.balance, amount), (.balance, -settled), (.receivable, settled)])
    }

    /// The online payment of an order came; it is kept until the order takes it.
    static func paymentConfirmed(_ amount: Money, payment: String) throws -> LedgerTransaction {
        try LedgerTransaction(.paymentConfirmed, reference: payment, [(.external, -amount), (.clearing, amount)])
    }

    /// An online payment whose order took nothing goes back. It counts as gone at once, since it never was revenue and
    /// nothing waits for its arrival.
    static func paymentReturned(_ amount: Money, payment: String) throws -> LedgerTransaction {
        try LedgerTransaction(.paymentReturned, reference: payment, [(.clearing, -amount), (.external, amount)])
    }

    /// A refund: what goes to the balance pays `settled` of what is outstanding at once; the online part is pending
    /// until it is confirmed (domain 7.5).
    /// - Parameter coupon: what of a coupon is restored (domain 7.4).
    static func refund(
        toBalance: Money, settled: Money, online: Money, coupon: Money = .zero, reference: String
    ) throws -> LedgerTransaction {
        try LedgerTransaction(
            .refund, reference: reference,
            [
                (.revenue, -(try toBalance.adding(online).adding(coupon))), (.balance, toBalance),
                (.balance, -settled), (.receivable, settled), (.refundPayable, online), (.coupon, coupon),
            ])
    }

    static func refundConfirmed(_ amount: Money, refund: String) throws -> LedgerTransaction {
        try LedgerTransaction(.refundConfirmed, reference: refund, [(.refundPayable, -amount), (.external, amount)])
    }
}

/// A movement of money that must not be: our bug, so nothing of it is recorded for a key.
enum LedgerError: BillingError, Hashable {
    case unbalanced(cause: LedgerCause, sum: Money)
    case tooFewEntries(cause: LedgerCause, count: Int)
    /// The balance would become negative (M3).
    case overdrawn(account: String, balance: Money)
    /// More would be settled than is outstanding.
    case oversettled(account: String, outstanding: Money)
    case lineBroken(payable: Money, paid: Money)

    var status: Status { .internalError }
    var reason: String {
        switch self {
        case .unbalanced: "ledger.unbalanced"
        case .tooFewEntries: "ledger.too_few_entries"
        case .overdrawn: "ledger.overdrawn"
        case .oversettled: "ledger.oversettled"
        case .lineBroken: "ledger.line_broken"
        }
    }
    var message: String {
        switch self {
        case .unbalanced(let cause, let sum): "The entries of a \(cause) transaction sum to \(sum), not to zero."
        case .tooFewEntries(let cause, let count): "A \(cause) transaction has \(count) entries; two are the least."
        case .overdrawn(let account, let balance): "The balance of \(account) would become \(balance)."
        case .oversettled(let account, let outstanding): "\(account) would owe \(outstanding)."
        case .lineBroken(let payable, let paid): "A line of \(payable) cannot be paid with \(paid)."
        }
    }
}
