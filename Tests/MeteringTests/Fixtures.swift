import BillingCore

@testable import Metering

/// An instant as people write it: "2026-04-10 15:20" in the billing time zone, or ISO 8601.
func instant(_ text: String) -> Timestamp {
    guard let instant = Timestamp(text) else { preconditionFailure("'\(text)' is no instant") }
    return instant
}

/// An id that is known to be well formed.
func id<Kind: IdentifierKind>(_ text: String) -> Identifier<Kind> {
    do { return try Identifier(text) } catch { preconditionFailure(error.message) }
}

/// A small generator whose numbers repeat for a seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
