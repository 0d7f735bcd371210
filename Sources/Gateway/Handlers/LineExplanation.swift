import BillingAPI
import BillingCore

/// A bill line beside what its stored inputs give, with the steps for a person (domain 9.5).
struct LineExplanation {
    /// The product of instance groups; that of a value-added resource is its item.
    static let groupProduct = "cloud-phone"
    private static let microsPerCent: Int64 = 10_000

    private let line: OrderV1.BillLine
    private(set) var steps: [String] = []
    /// The line's gross; of a round-down or a refund, its payable amount.
    private(set) var recomputedMicros: Int64 = 0
    // What pricing says of a slice or an order; nothing else is checked against the price list.
    private var discountMicros: Int64
    private var listPriceNanos: Int64

    init(_ line: OrderV1.BillLine) {
        self.line = line
        (discountMicros, listPriceNanos) = (line.discountMicros, line.listPriceNanos)
    }

    /// What of the line is otherwise than it was recomputed, or than its own columns have it (domain 9.1), a sentence each.
    var disagreements: [String] {
        var found: [String] = []
        if storedMicros != recomputedMicros {
            found.append(
                "It is stored as \(Self.text(storedMicros)) USD, and what is stored with it gives "
                    + "\(Self.text(recomputedMicros)) USD.")
        }
        if line.discountMicros != discountMicros {
            found.append(
                "Its discount is stored as \(Self.text(line.discountMicros)) USD, and what is stored with it gives "
                    + "\(Self.text(discountMicros)) USD.")
        }
        if line.listPriceNanos != listPriceNanos {
            found.append(
                "Its list price is stored as \(UnitPrice(nanos: line.listPriceNanos)) USD, and price list "
                    + "\(line.priceListVersion) has \(UnitPrice(nanos: listPriceNanos)) USD.")
        }
        let reductions: Int64 = line.discountMicros + line.roundDownMicros + line.couponMicros
        let settled: Int64 = line.paidMicros + line.outstandingMicros
        if line.payableMicros != line.grossMicros - reductions || line.payableMicros != settled {
            found.append(
                "Its columns do not add up: payable is gross less discount, round-down and coupon, and it is paid and "
                    + "outstanding together.")
        }
        return found
    }

    private var storedMicros: Int64 {
        line.itemKind == .refund || line.roundDownLine ? line.payableMicros : line.grossMicros
    }

    /// Takes what pricing computed for a slice or an order, at the prices of its list.
    mutating func charge(_ explained: PricingV1.ExplainReply) {
        steps += explained.steps
        recomputedMicros = explained.amountMicros
        (discountMicros, listPriceNanos) = (explained.discountMicros, explained.listPriceNanos)
    }

    /// - Parameter monthNet: what the pay-as-you-go lines of the month cost net of coupons, in micro-USD.
    mutating func roundDown(monthNet: Int64) {
        let fraction = monthNet % Self.microsPerCent
        let (net, rounded) = (Self.text(monthNet), Self.text(monthNet - fraction))
        steps.append("The pay-as-you-go lines of the month cost \(net) USD net of discounts and coupons.")
        steps.append("Rounded down to the cent that is \(rounded) USD: \(Self.text(fraction)) USD is given back.")
        recomputedMicros = -fraction
    }

    mutating func adjustment() {
        let verb = line.grossMicros < 0 ? "credited" : "charged"
        let amount = Self.text(abs(line.grossMicros))
        steps.append("An adjustment is not computed: \(amount) USD was \(verb) by hand.")
        if !line.reason.isEmpty { steps.append("The reason that was given: \(line.reason)") }
        recomputedMicros = line.grossMicros
    }

    mutating func refund(_ order: RefundV1.RefundedOrder, consumed: PricingV1.ExplainReply) {
        let amount = max(0, order.cashPaidMicros - consumed.amountMicros)
        steps += consumed.steps
        let (cash, used) = (Self.text(order.cashPaidMicros), Self.text(consumed.amountMicros))
        steps.append("Order \(order.orderID): \(cash) USD was paid in cash and \(used) USD is consumed.")
        steps.append("So \(Self.text(amount)) USD is given back.")
        add(refund: amount)
    }

    mutating func refundInFull(_ order: RefundV1.RefundedOrder) {
        let cash = Self.text(order.cashPaidMicros)
        steps.append("Order \(order.orderID) (\(order.inFullBecause)): all \(cash) USD of cash is given back.")
        add(refund: order.cashPaidMicros)
    }

    /// The group of the order never came up, so all cash is given back (domain 7.4).
    mutating func neverCreated(_ order: OrderV1.Order) {
        let cash = order.totalMicros - order.couponMicros
        steps.append("The creation of the group failed.")
        steps.append("So all \(Self.text(cash)) USD that order \(order.orderID) cost in cash is given back.")
        add(refund: cash)
    }

    private mutating func add(refund amount: Int64) {
        recomputedMicros -= amount
    }

    private static func text(_ micros: Int64) -> String { Money(micros: micros).description }
}
