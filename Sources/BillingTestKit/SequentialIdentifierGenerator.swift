import BillingCore
import Synchronization

/// Ids that repeat from run to run: the first half tells the seed, the second counts from 1.
package final class SequentialIdentifierGenerator: IdentifierGenerator {
    private let seed: UInt64
    private let last = Atomic<UInt64>(0)

    package init(seed: UInt64 = 0) { self.seed = seed }

    package func next() -> String {
        Base32.text(high: seed, low: last.wrappingAdd(1, ordering: .relaxed).newValue)
    }
}
