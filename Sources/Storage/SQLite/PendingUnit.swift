/// A unit of work and whoever waits for it, with the type of its result erased.
class PendingUnit {
    /// Runs the unit, again if it ran before, and keeps what came of it. The caller learns nothing yet.
    /// - Returns: whether the unit succeeded.
    func run(in transaction: any Transaction) -> Bool { preconditionFailure("a unit of no type") }

    /// Tells the caller what came of the last run. Once.
    func complete() { preconditionFailure("a unit of no type") }

    /// Tells the caller that nothing came of it. Once, instead of `complete`.
    func fail(_ error: any Error) { preconditionFailure("a unit of no type") }
}

final class TypedUnit<Value: Sendable>: PendingUnit {
    private let body: @Sendable (any Transaction) throws -> Value
    private let continuation: CheckedContinuation<Value, any Error>
    private var outcome: Result<Value, any Error>?

    init(
        _ body: @escaping @Sendable (any Transaction) throws -> Value,
        _ continuation: CheckedContinuation<Value, any Error>
    ) {
        self.body = body
        self.continuation = continuation
    }

    override func run(in transaction: any Transaction) -> Bool {
        do {
            outcome = .success(try body(transaction))
            return true
        } catch {
            outcome = .failure(error)
            return false
        }
    }

    override func complete() {
        guard let outcome else { preconditionFailure("a unit is completed before it ran") }
        continuation.resume(with: outcome)
    }

    override func fail(_ error: any Error) { continuation.resume(throwing: error) }
}
