package import BillingCore

/// What a value-added resource is, for people and for lists. The raw values are stored.
package enum ResourceStatus: Int64, Hashable, Sendable, CaseIterable {
    case active = 1
    case overdue = 2
    case released = 3
}

/// A value-added resource's life; each case says where it can go.
package enum ResourceState: Hashable, Sendable {
    /// In use since it was created or the account recovered. Can transition to `overdue` at a cut, or to `released` by its
    /// owner.
    case active(since: Timestamp)
    /// Not in use and not billed, since the account owes money. Can transition to `active` when the account recovers, or
    /// to `released` by its owner; never by itself.
    case overdue(at: Timestamp)
    case released(at: Timestamp)

    package var status: ResourceStatus {
        switch self {
        case .active: .active
        case .overdue: .overdue
        case .released: .released
        }
    }
}

/// What happens to a value-added resource.
package enum ResourceEvent: Hashable, Sendable {
    /// Another size is stored from then on, in GiB.
    case resized(to: Int64, at: Timestamp)
    /// The cut at that hour found the account overdue.
    case foundOverdue(at: Timestamp)
    /// The account owes nothing from then on.
    case resumed(at: Timestamp)
    case released(at: Timestamp)
}

/// A resource of an account and its network, or its storage in a region, that outlives the groups (domain 1). It is billed
/// by the clock hour: each hour that is touched is billed whole.
package struct ValueAddedResource: Hashable, Sendable {
    package let id: ResourceID
    package let account: AccountID
    package let region: String
    /// Empty for OSS.
    package let network: String
    package let createdAt: Timestamp
    /// Mbps of shared bandwidth, GiB of OSS, 1 for the others; the latest, which counts from the next hour on.
    package private(set) var quantity: Int64
    package private(set) var state: ResourceState

    package init(
        id: ResourceID, account: AccountID, region: String, network: String, createdAt: Timestamp, quantity: Int64,
        state: ResourceState
    ) {
        self.id = id
        self.account = account
        self.region = region
        self.network = network
        self.createdAt = createdAt
        self.quantity = quantity
        self.state = state
    }

    /// A resource that is bought, and used from then on.
    package static func bought(
        _ id: ResourceID, _ account: AccountID, _ place: NetworkPlace, quantity: Int64, at instant: Timestamp
    ) -> (resource: ValueAddedResource, change: UseChange) {
        let resource = ValueAddedResource(
            id: id, account: account, region: place.region, network: id.kind == .oss ? "" : place.network,
            createdAt: instant, quantity: quantity, state: .active(since: instant))
        return (resource, .begin(ResourceUse(start: instant, quantity: quantity)))
    }

    package var kind: ResourceKind { id.kind }

    /// - Returns: what the event does to the use; `nil` for nothing.
    /// - Throws: why the event is refused; the resource is as before.
    package mutating func take(_ event: ResourceEvent) throws(ResourceError) -> UseChange? {
        switch event {
        case .resized(let gib, let at): try resized(gib, at)
        case .foundOverdue(let hour): foundOverdue(hour)
        case .resumed(let at): resumed(at)
        case .released(let at): try released(at)
        }
    }

    /// The size at the start of an hour counts for the whole hour; in the hour in which the use began, the first one
    /// (domain 1).
    private mutating func resized(_ gib: Int64, _ at: Timestamp) throws(ResourceError) -> UseChange? {
        precondition(kind == .oss, "a size of \(id), which has none")
        switch state {
        case .active(let since):
            guard gib != quantity else { return nil }
            quantity = gib
            let second = BillingCalendar.hour(of: since).adding(milliseconds: .millisecondsPerHour)
            return .resize(from: max(second, BillingCalendar.hourAtOrAfter(at)), to: gib)
        case .overdue, .released: throw .notActive(id, state.status)
        }
    }

    /// What was done after the cut's hour while the cut was under way is not billed, whatever it was.
    private mutating func foundOverdue(_ hour: Timestamp) -> UseChange? {
        switch state {
        case .active:
            state = .overdue(at: hour)
            return .end(at: hour)
        case .released: return .end(at: hour)
        case .overdue: return nil
        }
    }

    private mutating func resumed(_ at: Timestamp) -> UseChange? {
        switch state {
        case .overdue:
            state = .active(since: at)
            return .begin(ResourceUse(start: at, quantity: quantity))
        case .active, .released: return nil
        }
    }

    /// A resource that is released at the very instant of its first use has touched that hour: a millisecond of use is the
    /// least.
    private mutating func released(_ at: Timestamp) throws(ResourceError) -> UseChange? {
        switch state {
        case .active(let since):
            state = .released(at: at)
            return .end(at: max(at, since.adding(milliseconds: 1)))
        case .overdue:
            state = .released(at: at)
            return nil
        case .released: throw .notActive(id, .released)
        }
    }

    /// Megabits a second that shared bandwidth comes in.
    /// - Throws: `ResourceError.quantity` unless 1 to 1,000.
    package static func checkedBandwidth(_ mbps: UInt32) throws(ResourceError) -> Int64 {
        guard (1...1000).contains(mbps) else { throw .quantity(field: "mbps", Int64(mbps), largest: 1000) }
        return Int64(mbps)
    }

    /// The size that a backup may have.
    /// - Throws: `ResourceError.quantity` unless 1 to 1,000,000.
    package static func checkedBackup(_ gib: Int64) throws(ResourceError) -> Int64 {
        guard (1...1_000_000).contains(gib) else { throw .quantity(field: "gib", gib, largest: 1_000_000) }
        return gib
    }
}
