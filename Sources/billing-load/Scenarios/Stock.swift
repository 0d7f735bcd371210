import BillingAPI
import BillingCore
import RPC
import Synchronization

/// Things that calls are about. A call takes one and puts it back as it left it, so that no two calls are about the same
/// thing at once, as one user does one thing at a time.
final class Stock<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    init(_ elements: [Element] = []) { self.elements.withLock { $0 = elements } }

    /// Those that are not taken.
    var all: [Element] { elements.withLock { $0 } }

    func put(_ element: Element) { elements.withLock { $0.append(element) } }

    /// Any one; `nil` when all are in use.
    func take(_ random: inout SeededGenerator) -> Element? {
        let choice = random.next()
        return elements.withLock { elements in
            guard !elements.isEmpty else { return nil }
            elements.swapAt(Int(choice % UInt64(elements.count)), elements.count - 1)
            return elements.removeLast()
        }
    }

    /// Plans a call about an element that was taken.
    /// - Parameter send: sends it and changes the element, also when it fails, to what the service knows of it by then.
    func call(
        _ operation: Int, about element: Element,
        _ send: @escaping @Sendable (any Channel, inout Element) async throws(RPCError) -> Int
    ) -> PlannedCall {
        PlannedCall(operation: operation) { channel throws(RPCError) in
            var element = element
            defer { self.put(element) }
            return try await send(channel, &element)
        }
    }
}

extension CallMaker {
    /// What names a saga of this run, and its step, to a participant; the options carry the step's key.
    /// - Parameter number: of the saga.
    func step(
        _ definition: String, _ step: String, saga number: Int, _ account: String, at instant: Timestamp
    ) -> (step: CommonV1.SagaStep, options: CallOptions) {
        let saga = "saga-\(runID)-\(number)"
        var options = reading(account, at: instant)
        guard let key = try? IdempotencyKey("\(saga):\(step)") else {
            preconditionFailure("'\(saga):\(step)' is no key")
        }
        options.key = key
        options.epoch = 1
        return (CommonV1.SagaStep(sagaID: saga, definition: definition, step: step), options)
    }
}
