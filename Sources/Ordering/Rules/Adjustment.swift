import BillingCore

/// A correction of a closed matter (domain 9.4).
enum Adjustment {
    /// How much is moved, whichever way.
    /// - Throws: `OrderError.adjustmentMalformed` for nothing, for more than a request may name, and without a reason.
    static func size(of amount: Money, reason: String) throws -> Money {
        guard amount != .zero, amount.micros >= -Money.largestInput.micros, amount <= .largestInput else {
            throw OrderError.adjustmentMalformed(
                field: "amount_micros", value: amount.description, why: "is zero or more than 1000000000 USD")
        }
        guard (1...200).contains(reason.count), !reason.unicodeScalars.contains(where: isControl) else {
            throw OrderError.adjustmentMalformed(
                field: "reason", value: String(reason.prefix(200)),
                why: "is no reason; one has 1 to 200 characters, none of them a control character")
        }
        return amount > .zero ? amount : -amount
    }
}
