/// What one service keeps of one step of a saga.
package struct StepRow: Hashable, Sendable {
    package enum State: Hashable, Sendable, CaseIterable {
        case done
        case rejected
        case undone
        case tombstone
    }

    /// Where a row is to be found.
    package struct Place: Hashable, Sendable {
        package let participant: String
        package let step: String
        /// Whether it is the pivot's, which decides the saga.
        package let decides: Bool

        package init(participant: String, step: String, decides: Bool) {
            self.participant = participant
            self.step = step
            self.decides = decides
        }
    }

    package let participant: String
    package let step: String
    package let state: State

    package init(participant: String, step: String, state: State) {
        self.participant = participant
        self.step = step
        self.state = state
    }
}

/// What the services keep of a saga that has ended, against what it came to (reliability 2.1, S1 and E1): of one that was
/// committed every step is done, of any other none is.
package struct SagaEvidence: Hashable, Sendable {
    /// Steps that are not as the saga's end says.
    package private(set) var steps: [String] = []
    /// How often the saga took effect, if that is not once for one that was committed and never for another.
    package private(set) var effects: [String] = []

    package var isSound: Bool { steps.isEmpty && effects.isEmpty }

    /// - Parameter places: where the rows of its steps are if all are done; `nil` for a saga that was aborted.
    package init(of places: [StepRow.Place]?, rows: [StepRow]) {
        let done = rows.filter { $0.state == .done }
        func isDone(_ place: StepRow.Place) -> Bool {
            done.contains { $0.participant == place.participant && $0.step == place.step }
        }
        guard let places else {
            for row in done { steps.append("is aborted and step \(row.step) done in \(row.participant)") }
            if !done.isEmpty { effects.append("is aborted and took effect \(done.count) times") }
            return
        }
        for place in places where !isDone(place) {
            steps.append("is committed and step \(place.step) not done in \(place.participant)")
        }
        for row in done where !places.contains(where: { $0.participant == row.participant && $0.step == row.step }) {
            steps.append("has no step \(row.step) to be done in \(row.participant)")
        }
        let deciding = places.filter(\.decides)
        let count = deciding.filter(isDone).count
        if count != deciding.count {
            effects.append("is committed and took effect in \(count) of \(deciding.count) services")
        }
    }
}
