import DequeModule
import RPC

/// The calls of a channel that are to be sent, in order, and how fast they leave. Ids whose calls have ended meanwhile stay
/// until their turn.
struct CallQueue {
    /// A call that was behind fewer others tells nothing of how fast the queue moves: they leave it in bursts.
    private static let tellingPlaces = 32

    struct Entry {
        let id: UInt64
        let isRepeat: Bool
    }

    private var new: Deque<UInt64> = []
    /// Those that are to be sent again. They have waited already, so they go first.
    private var repeats: Deque<UInt64> = []
    /// Whether calls are left although there is a server, which has calls in hand.
    private(set) var isHeldBack = false
    /// How many nanoseconds a place took lately; `0` while calls do not wait.
    private var placeNanoseconds: Int64 = 0

    var isEmpty: Bool { new.isEmpty && repeats.isEmpty }
    var newCount: Int { new.count }
    /// The new call that has waited longest.
    var firstNew: UInt64? { new.first }

    /// - Parameter waiting: calls that no server has in hand.
    mutating func append(_ call: PendingCall, waiting: Int, at now: MonotonicTime) {
        (call.queuedAt, call.queuedBehind) = (now, waiting)
        new.append(call.id)
    }

    mutating func append(again id: UInt64) { repeats.append(id) }

    /// Takes back what could not be sent, in the same order.
    mutating func prepend(_ ids: [UInt64]) { repeats.prepend(contentsOf: ids) }

    mutating func popFirst() -> Entry? {
        if let id = repeats.popFirst() { return Entry(id: id, isRepeat: true) }
        return new.popFirst().map { Entry(id: $0, isRepeat: false) }
    }

    mutating func putBack(_ entry: Entry) {
        if entry.isRepeat { repeats.prepend(entry.id) } else { new.prepend(entry.id) }
    }

    mutating func removeAll() { (new, repeats) = ([], []) }

    /// Learns how fast the queue moves, from a call that leaves it.
    mutating func left(_ call: PendingCall, at now: MonotonicTime) {
        guard call.queuedBehind >= Self.tellingPlaces else { return }
        placeNanoseconds = call.queuedAt.nanoseconds(until: now) / Int64(call.queuedBehind)
    }

    /// What could be sent was sent.
    mutating func settled(isHeldBack: Bool) {
        self.isHeldBack = isHeldBack
        if isEmpty { placeNanoseconds = 0 }
    }

    /// How long a call that comes now would wait behind `waiting` others.
    func expectedNanoseconds(waiting: Int) -> Int64 { Int64(waiting) * placeNanoseconds }
}
