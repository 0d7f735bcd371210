import ArgumentParser
import Foundation

/// The services, in the order of their ports.
enum Service: String, CaseIterable, Sendable, ExpressibleByArgument {
    case pricing, metering, order, refund, gateway

    /// Where the service listens unless told otherwise.
    var defaultEndpoint: String {
        let base = ProcessInfo.processInfo.environment["BILLING_BASE_PORT"].flatMap { Int($0) } ?? 7410
        return "tcp://127.0.0.1:\(base + (Service.allCases.firstIndex(of: self) ?? 0))"
    }

    /// The services that it calls.
    var neighbours: [Service] {
        switch self {
        case .pricing, .order: []
        case .metering, .refund: [.pricing, .order]
        case .gateway: [.pricing, .metering, .order, .refund]
        }
    }
}
