import DequeModule
import Foundation

/// A bounded queue between callers and the threads that own connections.
///
/// `@unchecked Sendable`: every access to the stored variables holds `condition`'s lock.
final class WorkQueue<Item>: @unchecked Sendable {
    enum Refusal: Error {
        case full(waiting: Int)
        case closed
    }

    private let condition = NSCondition()
    private let capacity: Int
    private var single = Deque<Item>()
    private var bulk = Deque<Item>()
    private var singlesSinceBulk = 0
    private var sleepers = 0
    private var isClosed = false

    /// - Parameter capacity: of each lane.
    init(capacity: Int) { self.capacity = capacity }

    func add(_ item: Item, _ lane: WriteLane) throws(Refusal) {
        condition.lock()
        defer { condition.unlock() }
        if isClosed { throw .closed }
        let waiting =
            switch lane {
            case .single: single.count
            case .bulk: bulk.count
            }
        if waiting >= capacity { throw .full(waiting: waiting) }
        switch lane {
        case .single: single.append(item)
        case .bulk: bulk.append(item)
        }
        if sleepers > 0 { condition.signal() }
    }

    /// The next item, waited for; `nil` once the queue is closed and empty.
    func take() -> Item? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let item = pop() { return item }
            if isClosed { return nil }
            sleepers += 1
            condition.wait()
            sleepers -= 1
        }
    }

    /// The next item if there is one.
    func takeWaiting() -> Item? {
        condition.lock()
        defer { condition.unlock() }
        return pop()
    }

    /// Items that wait, of both lanes.
    var count: Int {
        condition.lock()
        defer { condition.unlock() }
        return single.count + bulk.count
    }

    /// Lets nothing in any more; what waits is still handed out.
    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    /// Single calls first; but while bulk work waits, every 256th item is bulk, so that it cannot starve.
    private func pop() -> Item? {
        if bulk.isEmpty {
            singlesSinceBulk = 0
            return single.popFirst()
        }
        if !single.isEmpty, singlesSinceBulk < 255 {
            singlesSinceBulk += 1
            return single.popFirst()
        }
        singlesSinceBulk = 0
        return bulk.popFirst()
    }
}
