import BillingAPI
import BillingCore
import RPC
import Synchronization

/// People look up prices: quotes for groups of all sizes, and now and then the whole list.
final class QuoteScenario: Scenario {
    let operations = ["quote", "list prices"]
    private let maker: CallMaker

    init(_ dataSet: DataSet) { maker = dataSet.maker }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        let maker = maker
        guard !random.next().isMultiple(of: 20) else {
            return PlannedCall(operation: 1) { channel throws(RPCError) in
                _ = try await PricingV1.PricesClient(channel).listPrices(
                    .init(), maker.reading(at: BusinessTime.start))
                return 1
            }
        }
        let offer = Offer.any(&random)
        let months = [0, 0, 1, 2, 3, 6, 12][Int.random(in: 0..<7, using: &random)]
        let request = PricingV1.QuoteRequest(
            specification: offer.specification, region: offer.region, instances: offer.instances,
            months: UInt32(months))
        return PlannedCall(operation: 0) { channel throws(RPCError) in
            _ = try await PricingV1.PricesClient(channel).quote(request, maker.reading(at: BusinessTime.start))
            return 1
        }
    }
}

/// The hour's cut as metering sends it: slices of many groups in one call.
final class RatingScenario: Scenario {
    let operations = ["rate"]
    let itemName: String? = "slices"
    private let maker: CallMaker
    private let slices: Int

    init(_ dataSet: DataSet) {
        maker = dataSet.maker
        slices = dataSet.linesPerBatch
    }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        let maker = maker
        var request = PricingV1.RateRequest()
        let hour = BusinessTime.start.adding(milliseconds: Int64(1 + number % 5000) * .millisecondsPerHour)
        for index in 0..<slices {
            let offer = Offer.any(&random)
            let anchor = hour.adding(milliseconds: -Int64.random(in: 0...90_000_000, using: &random))
            request.resources.append(
                PricingV1.RatedResource(
                    specification: offer.specification, region: offer.region, instances: offer.instances,
                    anchor: anchor.milliseconds))
            request.resource.append(UInt32(index))
            request.start.append(max(anchor, hour.adding(milliseconds: -.millisecondsPerHour)).milliseconds)
            request.end.append(hour.milliseconds)
        }
        return PlannedCall(operation: 0) { [request] channel throws(RPCError) in
            try await PricingV1.PricesClient(channel).rate(request, maker.reading(at: hour)).slice.count
        }
    }
}
