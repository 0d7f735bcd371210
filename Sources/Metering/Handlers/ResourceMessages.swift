import BillingAPI
import BillingCore

// Between the wire's values and the rules', for value-added resources.

extension MeteringV1.Resource {
    init(_ resource: ValueAddedResource) {
        self.init(
            resourceID: resource.id.text, accountID: resource.account.text,
            kind: MeteringV1.ResourceKind(resource.kind),
            region: resource.region, network: resource.network, quantity: resource.quantity,
            status: MeteringV1.ResourceStatus(resource.state.status), createdAt: resource.createdAt.milliseconds)
        switch resource.state {
        case .active: break
        case .overdue(let at): overdueAt = at.milliseconds
        case .released(let at): releasedAt = at.milliseconds
        }
    }
}

extension MeteringV1.ResourcesReply {
    init(_ resources: [ValueAddedResource]) {
        self.init(resources: resources.map { MeteringV1.Resource($0) })
    }
}

extension MeteringV1.ResourceKind {
    init(_ kind: ResourceKind) {
        switch kind {
        case .natGateway: self = .natGateway
        case .eip: self = .eip
        case .sharedBandwidth: self = .sharedBandwidth
        case .oss: self = .oss
        }
    }
}

extension MeteringV1.ResourceStatus {
    init(_ status: ResourceStatus) {
        switch status {
        case .active: self = .active
        case .overdue: self = .overdue
        case .released: self = .released
        }
    }

    func checked(_ field: String) throws(ResourceError) -> ResourceStatus {
        switch self {
        case .unspecified: throw .missing(field: field)
        case .active: return .active
        case .overdue: return .overdue
        case .released: return .released
        }
    }
}

extension MeteringV1.Accruing {
    init(_ accruing: AccruingNow) {
        let segment = accruing.segment
        self.init(
            resourceID: segment.thing.id, region: segment.region, network: accruing.network,
            since: accruing.since.milliseconds, name: accruing.name)
        switch segment.thing {
        case .group(_, let specification, let instances, let unit):
            self.specification = specification
            self.instances = UInt32(instances)
            billingUnit = CommonV1.BillingUnit(unit)
            until = segment.end?.milliseconds ?? 0
        case .resource(let id, _, let quantity):
            item = id.kind.item
            self.quantity = quantity
            billingUnit = .clockHour
        }
    }
}
