import BillingAPI

extension WireEnum {
    /// The value as people and options write it: "ORDER_STATUS_PAID" is "paid", "BILLING_METHOD_PAY_AS_YOU_GO" is
    /// "pay-as-you-go".
    var word: String {
        let name = wireName
        let prefix = Self.wirePrefix
        let rest = name.hasPrefix(prefix) ? name.dropFirst(prefix.count) : name[...]
        return rest.lowercased().replacing("_", with: "-")
    }

    /// "ORDER_STATUS_" of "billing.order.v1.OrderStatus".
    static var wirePrefix: String {
        var prefix = ""
        for character in enumName.split(separator: ".").last ?? "" {
            if character.isUppercase, !prefix.isEmpty { prefix.append("_") }
            prefix.append(contentsOf: character.uppercased())
        }
        return prefix + "_"
    }

    /// The values that a person may choose.
    static var choices: [Self] { allCases.filter { $0.rawValue != 0 } }

    /// The value that `word` names; `nil` for any other text.
    init?(word: String) {
        guard let value = Self.choices.first(where: { $0.word == word }) else { return nil }
        self = value
    }
}

/// Words by the names of the schema, for `--json`, which sees no types.
enum Words {
    /// Every enum that a reply can hold.
    static let enums: [any WireEnum.Type] = [
        CommonV1.ServingStatus.self, CommonV1.BillingMethod.self, CommonV1.BillingUnit.self, CommonV1.RegionClass.self,
        MeteringV1.GroupStatus.self, MeteringV1.ReleaseCause.self, MeteringV1.Provisioner.self,
        MeteringV1.PowerAction.self, MeteringV1.PowerState.self, MeteringV1.ResourceKind.self,
        MeteringV1.ResourceStatus.self, OrderV1.LedgerAccount.self, OrderV1.LedgerCause.self,
        OrderV1.PaymentStatus.self, OrderV1.OrderKind.self, OrderV1.OrderStatus.self, OrderV1.CancellationCause.self,
        OrderV1.PaymentMethod.self, OrderV1.ItemKind.self, OrderV1.BillGrouping.self, OrderV1.StatisticalPeriod.self,
        OrderV1.LineStatus.self, OrderV1.NoticeKind.self, RefundV1.RefundStatus.self, GatewayV1.ClockMode.self,
        GatewayV1.SagaStatus.self,
    ]

    private static let byWireName: [String: String] = enums.reduce(into: [:]) { words, type in add(type, to: &words) }

    private static func add<Enumeration: WireEnum>(_ type: Enumeration.Type, to words: inout [String: String]) {
        for value in type.allCases { words[value.wireName] = value.word }
    }

    /// The word of "ORDER_STATUS_PAID"; the name itself in lower case where the enum is not known.
    static func word(wireName: String) -> String {
        byWireName[wireName] ?? wireName.lowercased().replacing("_", with: "-")
    }
}
