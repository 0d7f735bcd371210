import BillingAPI
import BillingCore
import RPC
import Storage

extension PricingService {
    /// Publishes a document as the next version of the price list.
    func publishPrices(
        _ request: PricingV1.PublishPricesRequest, _ call: CallContext
    ) async throws -> Response<PricingV1.PublishPricesReply> {
        let instant = try call.instant()
        let answer = try await database.write(once: call, request) { transaction in
            let draft = try PriceCatalog.draft(in: request.document)
            let store = PriceListStore(transaction: transaction)
            let prices = try PriceList(store.published())
            try prices.check(draft, at: instant)
            try store.insert(draft)
            return Response(
                PricingV1.PublishPricesReply(
                    version: draft.version, effectiveAt: draft.effectiveFrom.milliseconds,
                    changes: draft.changes(from: prices.newest).map(PricingV1.PriceChange.init)))
        }
        try await reload()
        return answer
    }

    /// What a document would change if it was published now.
    func compareDraft(
        _ request: PricingV1.CompareDraftRequest, _ call: CallContext
    ) throws -> Response<PricingV1.CompareDraftReply> {
        let prices = prices
        let draft = try PriceCatalog.draft(in: request.document)
        try prices.check(draft, at: try call.instant())
        var reply = PricingV1.CompareDraftReply(
            version: draft.version, effectiveAt: draft.effectiveFrom.milliseconds,
            changes: draft.changes(from: prices.newest).map(PricingV1.PriceChange.init))
        for (index, message) in request.things.enumerated() {
            do throws(PricingError) {
                let thing = try BilledThing(message)
                let (before, per) = try thing.price(in: prices.newest)
                let after = try thing.price(in: draft).amount
                guard before != after else { continue }
                reply.impacts.append(
                    PricingV1.Impact(
                        id: message.id, from: thing.pays(from: draft.effectiveFrom).milliseconds,
                        beforeMicros: before.micros, afterMicros: after.micros, per: per))
            } catch {
                throw PricingError.inItem("things[\(index)]", error)
            }
        }
        return Response(reply)
    }
}

extension PriceCatalog {
    /// A document that somebody sent.
    /// - Throws: `DraftError.unreadable`.
    static func draft(in text: String) throws(DraftError) -> PriceListVersion {
        do throws(CatalogError) {
            return try version(in: text)
        } catch {
            throw .unreadable(error)
        }
    }
}

extension BilledThing {
    fileprivate init(_ thing: PricingV1.BilledThing) throws(PricingError) {
        guard thing.item.isEmpty else {
            self = .item(thing.item, region: thing.region, quantity: thing.quantity)
            return
        }
        switch thing.billingMethod {
        case .payAsYouGo:
            self = .payAsYouGo(specification: thing.specification, region: thing.region, instances: thing.instances)
        case .subscription:
            self = .subscription(
                specification: thing.specification, region: thing.region, instances: thing.instances,
                paidThrough: try Timestamp(checked: thing.paidThrough, field: "paid_through"), months: thing.months)
        default: throw .unknownBillingMethod
        }
    }
}

extension PricingV1.PriceChange {
    fileprivate init(_ change: PriceChange) {
        self.init(what: change.what, before: change.before, after: change.after)
    }
}
