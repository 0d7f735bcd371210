package import RPC

/// The four services behind the gateway.
package enum Participant: String, Hashable, Sendable, CaseIterable {
    case pricing
    case metering
    case order
    case refund
}

/// How the gateway reaches each of them.
package struct Services: Sendable {
    package let pricing: any Channel
    package let metering: any Channel
    package let order: any Channel
    package let refund: any Channel

    package init(pricing: any Channel, metering: any Channel, order: any Channel, refund: any Channel) {
        self.pricing = pricing
        self.metering = metering
        self.order = order
        self.refund = refund
    }

    package subscript(_ participant: Participant) -> any Channel {
        switch participant {
        case .pricing: pricing
        case .metering: metering
        case .order: order
        case .refund: refund
        }
    }
}
