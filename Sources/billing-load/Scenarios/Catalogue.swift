/// All scenarios, by service.
enum Catalogue {
    struct Entry: Sendable {
        let name: String
        let about: String
        let make: @Sendable (DataSet) -> any Scenario
    }

    /// The first one is the default.
    static func entries(of service: Service) -> [Entry] {
        switch service {
        case .pricing:
            [
                Entry(name: "quotes", about: "people look up prices") { QuoteScenario($0) },
                Entry(name: "rating", about: "the slices of the hour's cut, --lines at a time") { RatingScenario($0) },
            ]
        case .metering, .order, .refund, .gateway:
            []
        }
    }

    /// - Parameter name: `nil` for the default.
    static func entry(_ service: Service, _ name: String?) -> Entry? {
        entries(of: service).first { name == nil || $0.name == name }
    }

    static let text = Service.allCases.flatMap { service in
        entries(of: service).map { "  \(service.rawValue) \($0.name): \($0.about)" }
    }.joined(separator: "\n")
}
