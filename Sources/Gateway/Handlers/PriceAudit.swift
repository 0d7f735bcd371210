import BillingAPI
import BillingCore
import RPC

/// P1: every slice is rated once more, by what metering knows of the thing that was used; pricing does the arithmetic.
struct PriceAudit: Sendable {
    /// What one call to pricing takes; half of what a message may hold, since a price change makes two of one.
    private static let largestBatch = 2048

    private struct Slice: Sendable {
        let line: BilledLine
        let resource: PricingV1.RatedResource
    }

    private let source: AuditSource
    private var waiting: [Slice] = []
    private(set) var finding = CommonV1.AuditFinding(
        invariant: "P1", title: "Every slice is within one hour and costs what the price list says")

    init(_ source: AuditSource) { self.source = source }

    /// Takes the lines of an account's use up to its cursor. One that lies in no segment is for others to report.
    mutating func add(
        _ lines: [BilledLine], _ segments: [MeteringV1.BilledSegment], through cursor: Timestamp
    ) async throws {
        let segments = Dictionary(grouping: segments.filter { $0.billingMethod == .payAsYouGo }, by: \.thing)
        for line in lines where line.orderID.isEmpty && line.start < cursor.milliseconds {
            finding.checked += 1
            let hour = BillingCalendar.hour(of: Timestamp(milliseconds: line.start)).milliseconds
            guard line.start < line.end, line.end <= hour + .millisecondsPerHour else {
                finding.add("\(line.name) is not within one hour")
                continue
            }
            guard
                let segment = segments[line.thing]?.last(where: {
                    $0.start <= line.start && line.start < $0.billedThrough
                })
            else { continue }
            waiting.append(Slice(line: line, resource: PricingV1.RatedResource(segment)))
            if waiting.count == Self.largestBatch { try await flush() }
        }
    }

    /// Rates what waits for it.
    mutating func flush() async throws {
        let slices = waiting
        waiting = []
        if !slices.isEmpty { try await rate(slices[...]) }
    }

    private mutating func rate(_ slices: ArraySlice<Slice>) async throws {
        var request = PricingV1.RateRequest()
        var indexes: [PricingV1.RatedResource: UInt32] = [:]
        for slice in slices {
            if indexes[slice.resource] == nil {
                indexes[slice.resource] = UInt32(request.resources.count)
                request.resources.append(slice.resource)
            }
            request.resource.append(indexes[slice.resource] ?? 0)
            request.start.append(slice.line.start)
            request.end.append(slice.line.end)
        }
        do {
            compare(slices, try await source.rate(request))
        } catch let error as RPCError where error.status.isRecorded {
            // Some of them cannot be priced: look for which.
            guard slices.count > 1 else {
                for slice in slices { finding.add("\(slice.line.name) cannot be priced: \(error.message)") }
                return
            }
            let middle = slices.startIndex + slices.count / 2
            try await rate(slices[..<middle])
            try await rate(slices[middle...])
        }
    }

    private mutating func compare(_ slices: ArraySlice<Slice>, _ rated: PricingV1.RateReply) {
        var parts: [[Int]] = Array(repeating: [], count: slices.count)
        for (part, slice) in rated.slice.enumerated() where Int(slice) < parts.count { parts[Int(slice)].append(part) }
        for (slice, parts) in zip(slices, parts) {
            let line = slice.line
            let (starts, ends) = (parts.map { rated.start[$0] }, parts.map { rated.end[$0] })
            guard starts == [line.start], ends == [line.end] else {
                finding.add("\(line.name) is \(parts.count) slices by the price list")
                continue
            }
            let (gross, price) = (rated.grossMicros[parts[0]], rated.prices[Int(rated.price[parts[0]])])
            guard gross != line.grossMicros || price != line.price else { continue }
            finding.add(
                "\(line.name) costs \(Money(micros: line.grossMicros)) at \(line.price.words), and should cost "
                    + "\(Money(micros: gross)) at \(price.words)")
        }
    }
}

extension BilledLine {
    fileprivate var name: String {
        "\(account): \(thing) from \(Timestamp(milliseconds: start)) to \(Timestamp(milliseconds: end))"
    }
}

extension PricingV1.AppliedPrice {
    fileprivate var words: String { "\(UnitPrice(nanos: hourlyNanos)) of price list \(priceListVersion)" }
}

extension PricingV1.RatedResource {
    fileprivate init(_ segment: MeteringV1.BilledSegment) {
        if segment.item.isEmpty {
            self.init(
                specification: segment.specification, region: segment.region, instances: segment.instances,
                anchor: segment.start)
        } else {
            self.init(region: segment.region, item: segment.item, quantity: segment.quantity)
        }
    }
}
