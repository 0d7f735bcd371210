/// An amount of US dollars in micros: USD 9.9057 is `Money(micros: 9_905_700)`.
///
/// The operators trap on overflow, which is our bug: amounts from outside are bounded by `Money.largestInput` where
/// they are decoded, and sums that a caller could drive use `adding(_:)`.
public struct Money: Hashable, Comparable, Sendable {
    public let micros: Int64

    public init(micros: Int64) { self.micros = micros }

    public static let zero = Money(micros: 0)
    public static let microsPerDollar: Int64 = 1_000_000
    public static let microsPerCent: Int64 = 10_000
    /// The largest amount that a request may name: a billion dollars.
    public static let largestInput = Money(micros: 1_000_000_000 * microsPerDollar)

    public static func < (left: Money, right: Money) -> Bool { left.micros < right.micros }
    public static func + (left: Money, right: Money) -> Money { Money(micros: left.micros + right.micros) }
    public static func - (left: Money, right: Money) -> Money { Money(micros: left.micros - right.micros) }
    public static prefix func - (money: Money) -> Money { Money(micros: -money.micros) }
    public static func += (left: inout Money, right: Money) { left = left + right }
    public static func -= (left: inout Money, right: Money) { left = left - right }

    /// - Throws: `MoneyError.overflow` when the sum does not fit.
    public func adding(_ other: Money) throws(MoneyError) -> Money {
        let (sum, overflow) = micros.addingReportingOverflow(other.micros)
        guard !overflow else { throw .overflow }
        return Money(micros: sum)
    }

    /// This amount in whole cents, as micros.
    public func roundedToCent(_ rounding: Rounding) -> Money {
        Money(micros: rounding.divide(Int128(micros), by: Int128(Money.microsPerCent)) * Money.microsPerCent)
    }
}

extension Money {
    /// Reads "12", "12.5" or "0.000001": an optional minus, digits, at most 6 decimals.
    /// - Throws: `MoneyError` naming the text.
    public init(_ text: String) throws(MoneyError) {
        let micros = try FixedPoint.parse(text, decimals: 6)
        guard micros.magnitude <= Money.largestInput.micros.magnitude else { throw .tooLarge(text) }
        self.init(micros: micros)
    }
}

extension Money: CustomStringConvertible {
    /// "-12.500000": always 6 decimals, as in `--json`.
    public var description: String { FixedPoint.format(micros, decimals: 6) }

    /// "12.50" or "0.011044": at least 2 decimals, as people write prices.
    public var shortDescription: String { FixedPoint.format(micros, decimals: 6, atLeast: 2) }
}

/// What was wrong with a text or sum that should have been an amount.
public enum MoneyError: BillingError, Hashable {
    case malformed(String)
    case tooManyDecimals(String, allowed: Int)
    case tooLarge(String)
    case notPositive(String)
    case overflow

    public var status: Status {
        switch self {
        case .malformed, .tooManyDecimals, .tooLarge, .notPositive: .invalidArgument
        case .overflow: .outOfRange
        }
    }
    public var reason: String {
        switch self {
        case .malformed: "money.malformed"
        case .tooManyDecimals: "money.too_many_decimals"
        case .tooLarge: "money.too_large"
        case .notPositive: "money.not_positive"
        case .overflow: "money.overflow"
        }
    }
    public var message: String {
        switch self {
        case .malformed(let text): "'\(text)' is not an amount; write digits with at most 6 decimals, as in 12.50."
        case .tooManyDecimals(let text, let allowed): "'\(text)' has more than \(allowed) decimals."
        case .tooLarge(let text): "'\(text)' is too large; an amount is at most 1000000000 USD."
        case .notPositive(let text): "'\(text)' is not a positive amount."
        case .overflow: "The sum of these amounts is too large to keep."
        }
    }
    public var value: String {
        switch self {
        case .malformed(let text), .tooManyDecimals(let text, _), .tooLarge(let text), .notPositive(let text): text
        case .overflow: ""
        }
    }
}

/// A price of one unit (an instance-hour, an instance-month) in nano-dollars: USD 0.0457 is `45_700_000`.
public struct UnitPrice: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let nanos: Int64

    public init(nanos: Int64) { self.nanos = nanos }

    /// Reads "0.0457": at most 9 decimals.
    public init(_ text: String) throws(MoneyError) {
        let nanos = try FixedPoint.parse(text, decimals: 9)
        guard nanos >= 0 else { throw .notPositive(text) }
        self.init(nanos: nanos)
    }

    public static func < (left: UnitPrice, right: UnitPrice) -> Bool { left.nanos < right.nanos }

    /// "0.0457": at least 4 decimals, as on the price page.
    public var description: String { FixedPoint.format(nanos, decimals: 9, atLeast: 4) }
}

/// Decimal texts with a fixed number of decimals, held as integers.
public enum FixedPoint {
    public static func parse(_ text: String, decimals: Int) throws(MoneyError) -> Int64 {
        var negative = false
        var seenPoint = false
        var digits = 0
        var fraction = 0
        var value: Int64 = 0
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "-") where index == 0: negative = true
            case UInt8(ascii: ".") where !seenPoint && digits > 0: seenPoint = true
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                digits += 1
                if seenPoint { fraction += 1 }
                guard fraction <= decimals else { throw .tooManyDecimals(text, allowed: decimals) }
                value = try shifted(value, adding: Int64(byte - UInt8(ascii: "0")), text)
            default: throw .malformed(text)
            }
        }
        guard digits > 0, !seenPoint || fraction > 0 else { throw .malformed(text) }
        while fraction < decimals {
            value = try shifted(value, adding: 0, text)
            fraction += 1
        }
        return negative ? -value : value
    }

    private static func shifted(_ value: Int64, adding digit: Int64, _ text: String) throws(MoneyError) -> Int64 {
        let (product, productOverflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, sumOverflow) = product.addingReportingOverflow(digit)
        guard !productOverflow, !sumOverflow else { throw .tooLarge(text) }
        return sum
    }

    /// - Parameter atLeast: the decimals kept when they are zeros; all of them when `nil`.
    public static func format(_ value: Int64, decimals: Int, atLeast: Int? = nil) -> String {
        var digits = Array(String(value.magnitude).utf8)
        while digits.count <= decimals { digits.insert(UInt8(ascii: "0"), at: 0) }
        var fraction = digits.suffix(decimals)
        let whole = digits.dropLast(decimals)
        while fraction.count > (atLeast ?? decimals), fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
        let text = String(decoding: whole, as: UTF8.self)
        let sign = value < 0 ? "-" : ""
        return fraction.isEmpty ? sign + text : sign + text + "." + String(decoding: fraction, as: UTF8.self)
    }
}
