import BillingCore

/// Confirms what is given back, one group or one renewal, with its orders and what comes back of each and whereto:
/// "r1-25500000-" and a digest. It says what its owner was told; it is no proof of identity, and the amount is computed
/// anew whoever brings it.
struct RefundToken: Hashable, Sendable {
    let amount: Money
    private let digest: UInt64

    private static let version = "r1"

    init(_ quote: RefundQuote) {
        amount = quote.amount
        let parts =
            [quote.isRenewalOnly ? "renewal" : "group", quote.groupID]
            + quote.orders.map { "\($0.id)=\($0.parts.toBalance.micros)+\($0.parts.online.micros)" }
        digest = FNV1a.hash64(parts.joined(separator: "\n").utf8)
    }

    /// Reads what `text` gave.
    /// - Throws: `RefundError.tokenMalformed`.
    init(_ text: String) throws(RefundError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let micros = Int64(parts[1]), let digest = UInt64(parts[2], radix: 16) else {
            throw .tokenMalformed(String(text.prefix(64)))
        }
        amount = Money(micros: micros)
        self.digest = digest
        // One text for one token: no other version, sign, leading zero or capital letter.
        guard self.text == text, amount > .zero else { throw .tokenMalformed(String(text.prefix(64))) }
    }

    var text: String {
        let hex = String(digest, radix: 16)
        return "\(Self.version)-\(amount.micros)-" + String(repeating: "0", count: 16 - hex.utf8.count) + hex
    }
}
