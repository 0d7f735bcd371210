extension SagaDefinition {
    /// Every definition that a journal may name, old versions included.
    static let all = [
        paySwitch, payNew, payRenewal, autoRenew, creationFailed, release, releaseDue, unsubscribe, cancelRenewal,
        topUp, confirmTopUp, grantCoupon, startCoupon, adjust, resume,
    ]

    static func named(_ name: String, version: Int) -> SagaDefinition? {
        all.first { $0.name == name && $0.version == version }
    }
}
