package import BillingCore

/// The subscription that a paid order bought: `[start, end)`, from the instant of payment (domain 5.2).
package struct Term: Hashable, Sendable {
    package let order: OrderID
    package let period: Period

    package init(order: OrderID, period: Period) {
        self.order = order
        self.period = period
    }

    package var start: Timestamp { period.start }
    package var end: Timestamp { period.end }
}
