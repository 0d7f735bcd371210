import Foundation

/// A thread that owns a connection for life.
final class ConnectionThread: Sendable {
    private let ended = EndOfThread()

    /// Starts the thread.
    init(name: String, _ body: @escaping @Sendable () -> Void) {
        let ended = self.ended
        let thread = Thread {
            ended.enter()
            body()
            ended.signal()
        }
        thread.name = name
        thread.stackSize = 2 << 20
        thread.start()
    }

    /// Waits until the thread has ended; returns at once on the thread itself, which happens when the last unit it ran
    /// also held the last reference to the database.
    func join() { ended.wait() }
}

/// `@unchecked Sendable`: every access to the stored variables holds `condition`'s lock.
private final class EndOfThread: @unchecked Sendable {
    private let condition = NSCondition()
    private var thread: pthread_t?
    private var hasEnded = false

    func enter() {
        condition.lock()
        thread = pthread_self()
        condition.unlock()
    }

    func signal() {
        condition.lock()
        hasEnded = true
        condition.broadcast()
        condition.unlock()
    }

    func wait() {
        condition.lock()
        defer { condition.unlock() }
        if let thread, pthread_equal(thread, pthread_self()) != 0 { return }
        while !hasEnded { condition.wait() }
    }
}
