package import BillingCore

/// One stretch in which a resource was used at one size. Stretches of a resource do not overlap, and no clock hour holds
/// two of them, so each hour that is touched has one line (domain 2.5).
package struct ResourceUse: Hashable, Sendable {
    package let start: Timestamp
    /// `nil` while that is open.
    package var end: Timestamp?
    /// Mbps of shared bandwidth, GiB of OSS, 1 for the others.
    package var quantity: Int64

    package init(start: Timestamp, end: Timestamp? = nil, quantity: Int64) {
        self.start = start
        self.end = end
        self.quantity = quantity
    }
}

/// What an event does to the stretches of use of a resource.
package enum UseChange: Hashable, Sendable {
    case begin(ResourceUse)
    /// Nothing is used from there on.
    case end(at: Timestamp)
    /// The top of an hour from which another size counts. Nothing else is known of the time after it yet.
    case resize(from: Timestamp, to: Int64)
}

/// The stretches of use of a resource in order.
package struct UseTimeline: Hashable, Sendable {
    package private(set) var uses: [ResourceUse]

    package init(_ uses: [ResourceUse] = []) { self.uses = uses }

    package mutating func apply(_ change: UseChange) {
        switch change {
        case .begin(let use): uses.append(use)
        case .end(let instant): cutOff(at: instant)
        case .resize(let hour, let quantity):
            cutOff(at: hour)
            uses.append(ResourceUse(start: hour, quantity: quantity))
        }
    }

    private mutating func cutOff(at instant: Timestamp) {
        uses.removeAll { $0.start >= instant }
        guard let last = uses.indices.last, uses[last].end.map({ $0 > instant }) ?? true else { return }
        uses[last].end = instant
    }

    /// What is wrong with the use of a resource, for a person; empty when it agrees with the resource's life.
    package func faults(of resource: ValueAddedResource) -> [String] {
        var faults: [String] = []
        for use in uses {
            if let end = use.end, end <= use.start { faults.append("ends \(end) before it starts") }
        }
        for (earlier, later) in zip(uses, uses.dropFirst()) {
            guard let end = earlier.end, end <= later.start else {
                faults.append("used twice from \(later.start)")
                continue
            }
            if later.start < BillingCalendar.hourAtOrAfter(end), end != later.start {
                faults.append("two stretches in the hour of \(later.start)")
            }
        }
        if let first = uses.first, first.start < resource.createdAt { faults.append("used before it was created") }
        return faults + endFaults(resource)
    }

    private func endFaults(_ resource: ValueAddedResource) -> [String] {
        let last = uses.last
        switch resource.state {
        case .active:
            guard let last, last.end == nil else { return ["active and not used"] }
            return last.quantity == resource.quantity ? [] : ["\(resource.quantity) large, used as \(last.quantity)"]
        case .overdue(let at): return endFaults(last, notAfter: at)
        case .released(let at):
            return endFaults(last, notAfter: max(at, last?.start.adding(milliseconds: 1) ?? at))
        }
    }

    private func endFaults(_ last: ResourceUse?, notAfter instant: Timestamp) -> [String] {
        guard let last else { return [] }
        guard let end = last.end, end <= instant else { return ["used after \(instant)"] }
        return []
    }
}
