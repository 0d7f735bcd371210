/// An enum of the schema. Zero is `.unspecified`: nobody chose a value.
public protocol WireEnum: RawRepresentable<Int32>, CaseIterable, Hashable, Sendable {
    /// The full name in the schema, "billing.order.v1.OrderStatus".
    static var enumName: String { get }

    /// The value's name in the schema, "ORDER_STATUS_PAID".
    var wireName: String { get }
}
