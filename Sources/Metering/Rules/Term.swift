package import BillingCore

/// A term that a paid order bought: `[start, end)` (domain 5.2).
package struct Term: Hashable, Sendable {
    package let order: OrderID
    package let period: Period
    package let months: Int

    package init(order: OrderID, period: Period, months: Int) {
        self.order = order
        self.period = period
        self.months = months
    }

    package var start: Timestamp { period.start }
    package var end: Timestamp { period.end }
}
