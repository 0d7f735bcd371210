extension SagaDefinition {
    /// Every definition that a journal may name, old versions included.
    static let all = [paySwitch, payNew, creationFailed, release, unsubscribe]

    static func named(_ name: String, version: Int) -> SagaDefinition? {
        all.first { $0.name == name && $0.version == version }
    }
}
