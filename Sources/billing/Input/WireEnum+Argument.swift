public import ArgumentParser
public import BillingAPI

// The words of these enums are what options take; help and completion list them.

extension ExpressibleByArgument where Self: WireEnum {
    public init?(argument: String) { self.init(word: argument) }
    public static var allValueStrings: [String] { choices.map(\.word) }
    public var defaultValueDescription: String { word }
}

extension CommonV1.BillingMethod: ExpressibleByArgument {}
extension MeteringV1.GroupStatus: ExpressibleByArgument {}
extension MeteringV1.PowerAction: ExpressibleByArgument {}
extension MeteringV1.Provisioner: ExpressibleByArgument {}
extension MeteringV1.ResourceStatus: ExpressibleByArgument {}
extension OrderV1.ItemKind: ExpressibleByArgument {}
extension OrderV1.LineStatus: ExpressibleByArgument {}
extension OrderV1.OrderStatus: ExpressibleByArgument {}
extension OrderV1.PaymentStatus: ExpressibleByArgument {}
extension OrderV1.StatisticalPeriod: ExpressibleByArgument {}
extension GatewayV1.SagaStatus: ExpressibleByArgument {}
