/// How a division by a positive divisor ends. Every division of money names one.
public enum Rounding: Hashable, Sendable {
    /// Toward minus infinity.
    case floor
    /// Toward plus infinity.
    case ceiling
    /// To the nearest, a half away from zero.
    case halfUp

    /// - Precondition: `divisor > 0`, and the quotient fits an `Int64`.
    public func divide(_ dividend: Int128, by divisor: Int128) -> Int64 {
        precondition(divisor > 0, "division of money by \(divisor)")
        let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
        switch self {
        case .floor: return Int64(remainder < 0 ? quotient - 1 : quotient)
        case .ceiling: return Int64(remainder > 0 ? quotient + 1 : quotient)
        case .halfUp:
            guard remainder.magnitude * 2 >= divisor.magnitude else { return Int64(quotient) }
            return Int64(dividend < 0 ? quotient - 1 : quotient + 1)
        }
    }
}
