import BillingCore
import Foundation

/// A step of a saga, as its participant and the saga's engine both name it.
package struct SagaStep: Hashable, Sendable {
    package let sagaID: String
    /// The saga's kind, "pay-switch".
    package let definition: String
    package let step: String
    /// Whether the step is to be undone. Doing and undoing share the name.
    package let isUndo: Bool

    package init(sagaID: String, definition: String, step: String, isUndo: Bool = false) {
        self.sagaID = sagaID
        self.definition = definition
        self.step = step
        self.isUndo = isUndo
    }
}

/// Where around a step a process can be told to die.
package enum CrashPoint: String, Hashable, Sendable, CaseIterable {
    /// A participant: before its transaction. The engine: before it sends.
    case before
    /// The engine only: the reply is there and the journal does not know it.
    case replied
    /// A participant: committed, the reply not sent. The engine: the journal knows the outcome.
    case after
}

/// Makes a process end as by `kill -9` at one named point, so that a test can see what recovery makes of it. Programs
/// take one on a manual clock only.
package struct CrashPlan: Hashable, Sendable {
    package let definition: String
    package let step: String
    package let isUndo: Bool
    package let point: CrashPoint

    /// Reads "SAGA.STEP" or "SAGA.STEP.POINT": "pay-switch.pay", "pay-switch.undo-lock.before". "undo-" before the step
    /// means its undoing; without a point it is `after`. `nil` for any other text.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), !parts[0].isEmpty else { return nil }
        if parts.count == 3 {
            guard let point = CrashPoint(rawValue: String(parts[2])) else { return nil }
            self.point = point
        } else {
            point = .after
        }
        definition = String(parts[0])
        isUndo = parts[1].hasPrefix("undo-")
        step = String(isUndo ? parts[1].dropFirst("undo-".count) : parts[1])
        if step.isEmpty { return nil }
    }

    package func matches(_ point: CrashPoint, of step: SagaStep) -> Bool {
        point == self.point && step.definition == definition && step.step == self.step && step.isUndo == isUndo
    }

    /// Ends the process if this is the planned point.
    package func reached(_ point: CrashPoint, of step: SagaStep) {
        if matches(point, of: step) { kill(getpid(), SIGKILL) }
    }
}
