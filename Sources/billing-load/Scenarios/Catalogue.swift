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
        case .metering:
            [
                Entry(name: "lifecycle", about: "groups are created and released, accounts are cut") {
                    LifecycleScenario($0)
                },
                Entry(name: "cuts", about: "the hourly cut of all accounts, a partition a call") { CutScenario($0) },
            ]
        case .order:
            [
                Entry(name: "money", about: "top-ups, orders placed and paid, usage posted account by account") {
                    MoneyScenario($0)
                },
                Entry(name: "usage", about: "the lines of the hour's cut, --lines at a time") { UsageScenario($0) },
            ]
        case .refund:
            [
                Entry(name: "refunds", about: "people look up what they would get back, and some take it") {
                    RefundScenario($0)
                }
            ]
        case .gateway:
            [
                Entry(name: "users", about: "people look things up; some buy, release and top up, by sagas") {
                    UserScenario($0)
                }
            ]
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
