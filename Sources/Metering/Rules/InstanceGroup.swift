package import BillingCore

/// A group of identical cloud phones: what was bought, and where it is in its life.
package struct InstanceGroup: Hashable, Sendable {
    package let account: AccountID
    package let specification: String
    package let region: String
    package let network: String
    package let instances: Int
    package let requestedAt: Timestamp
    package var name: String
    package var power: PowerSwitches
    package var life: GroupStateMachine
    /// `nil` while creating, and for ever if the creation failed.
    package var createdAt: Timestamp?
    /// Where a subscription followed pay-as-you-go; `nil` if none did.
    package var switchedAt: Timestamp?

    package init(
        account: AccountID, specification: String, region: String, network: String, instances: Int,
        requestedAt: Timestamp, name: String, power: PowerSwitches = PowerSwitches(), life: GroupStateMachine,
        createdAt: Timestamp? = nil, switchedAt: Timestamp? = nil
    ) {
        self.account = account
        self.specification = specification
        self.region = region
        self.network = network
        self.instances = instances
        self.requestedAt = requestedAt
        self.name = name
        self.power = power
        self.life = life
        self.createdAt = createdAt
        self.switchedAt = switchedAt
    }

    package var id: GroupID { life.group }
    package var state: GroupState { life.state }

    /// Takes an event and keeps the facts that follow from it.
    package mutating func take(_ event: GroupEvent) throws(GroupError) -> TimelineChange? {
        let change = try life.take(event)
        switch event {
        case .creationReported(let at, _): createdAt = at
        case .switched(let subscription, _): switchedAt = subscription.current.start
        case .creationFailed, .locked, .unlocked, .unsubscribed, .extended, .renewalDropped, .released, .releaseDue,
            .termEnded, .foundOverdue, .resumed, .autoRenewalSet, .attemptFailed, .renamed, .used:
            break
        }
        return change
    }

    /// The number of instances that a group can have (domain 1).
    /// - Throws: `GroupError.instanceCount` for 0 and for more than 100.
    package static func checkedCount(_ count: UInt32) throws(GroupError) -> Int {
        guard (1...100).contains(count) else { throw .instanceCount(count) }
        return Int(count)
    }

    /// "acp-", what follows the prefix of the group's id, and a number from 1: phones need no rows of their own.
    package func instanceID(_ index: Int) -> String {
        let digits = String(index + 1)
        let padding = String(repeating: "0", count: max(0, 3 - digits.utf8.count))
        return InstanceKind.prefix + id.text.dropFirst(GroupKind.prefix.utf8.count) + "-" + padding + digits
    }

    /// The index, from 0, of one of the group's phones.
    /// - Throws: `GroupError.instanceNotFound`.
    package func index(of instance: String) throws(GroupError) -> Int {
        guard let last = instance.split(separator: "-").last, let number = Int(last), (1...instances).contains(number),
            instanceID(number - 1) == instance
        else { throw .instanceNotFound(instance) }
        return number - 1
    }

    /// The phone to connect to.
    /// - Parameter instance: empty: the first that runs.
    /// - Throws: `GroupError.instanceNotFound`, or `.instanceNotRunning` with the id, empty if none runs.
    package func runningInstance(_ instance: String) throws(GroupError) -> String {
        if instance.isEmpty {
            for index in 0..<instances where !power.isStopped(index) { return instanceID(index) }
            throw .instanceNotRunning("")
        }
        guard !power.isStopped(try index(of: instance)) else { throw .instanceNotRunning(instance) }
        return instance
    }
}
