import BillingCore

/// Pays lines one after the other while there is money, the last one perhaps in part (domain 2.8, 3.4).
struct Settlement: Hashable, Sendable {
    /// What is left to pay with.
    private(set) var funds: Money
    private(set) var paid = Money.zero
    /// What the lines owe that the money did not reach.
    private(set) var outstanding = Money.zero

    /// - Precondition: `funds` is not negative.
    init(funds: Money) {
        precondition(funds >= .zero, "settling with \(funds)")
        self.funds = funds
    }

    /// What the next line gets if it owes `amount`.
    func share(of amount: Money) -> Money { min(amount, funds) }

    /// Pays the next line.
    /// - Returns: how much of it is paid.
    /// - Throws: `MoneyError.overflow` when the lines owe more than can be kept.
    @discardableResult
    mutating func settle(_ amount: Money) throws(MoneyError) -> Money {
        let share = share(of: amount)
        outstanding = try outstanding.adding(amount - share)
        funds -= share
        paid += share
        return share
    }
}
