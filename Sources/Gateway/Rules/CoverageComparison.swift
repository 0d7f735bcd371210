package import BillingCore

/// One stretch of the life of a group or a value-added resource: as its timeline has it, or as it was billed.
package struct CoveredSpan: Hashable, Sendable {
    package enum Method: Hashable, Sendable {
        case payAsYouGo
        case subscription(orderID: String)
    }

    package let group: String
    package let method: Method
    package let period: Period

    package init(group: String, method: Method, period: Period) {
        self.group = group
        self.method = method
        self.period = period
    }
}

/// Whether every second of every group and resource is covered once: what metering says must have been billed, against
/// what the order service billed (reliability 2.1, P1, P2 and S3).
///
/// The two are read one after the other while cuts and sagas go on. Metering is read first: all use before the cursor that
/// it tells is billed by then and never changes, and whatever an order service bills beyond it, or is paid for, metering
/// knows by and by. So the first is judged at once, the second against a later reading of metering.
package struct CoverageComparison: Hashable, Sendable {
    package private(set) var payAsYouGoChecked = 0
    package private(set) var subscriptionsChecked = 0
    package private(set) var payAsYouGoBreaches: [String] = []
    /// Terms that overlap, or go beyond what was paid for.
    package private(set) var subscriptionBreaches: [String] = []
    /// Terms that nobody paid for.
    package private(set) var entitlementBreaches: [String] = []
    /// Lines beyond the cursor that the later reading does not account for.
    package private(set) var aheadDoubts: [String] = []
    /// Orders that are paid and, by the later reading, are not a term.
    package private(set) var entitlementDoubts: [String] = []

    package var agrees: Bool {
        payAsYouGoBreaches.isEmpty && subscriptionBreaches.isEmpty && entitlementBreaches.isEmpty
            && aheadDoubts.isEmpty && entitlementDoubts.isEmpty
    }

    /// Whether another reading may tell more.
    package var isInDoubt: Bool { !aheadDoubts.isEmpty || !entitlementDoubts.isEmpty }

    /// - Parameters:
    ///   - segments: the timelines of some groups, use up to `cursor`; a subscription ends with its term or with the group.
    ///   - cursor: all use before it was billed when the timelines were read.
    ///   - billed: all that was billed for the same groups, read after that; a subscription is its whole paid term.
    ///   - later: the timelines once more, read after the bills; the same if there is no need to.
    ///   - givenBack: orders whose money was given back, so that they need not be a term: the creation failed, or the
    ///     renewal was cancelled while it was pending.
    package init(
        segments: [CoveredSpan], through cursor: Timestamp, billed: [CoveredSpan], later: [CoveredSpan],
        givenBack: Set<String> = []
    ) {
        let billedByGroup = Dictionary(grouping: billed, by: \.group)
        let segmentsByGroup = Dictionary(grouping: segments, by: \.group)
        let laterByGroup = Dictionary(grouping: later, by: \.group)
        for group in Set(billedByGroup.keys).union(segmentsByGroup.keys).sorted() {
            let (known, bills) = (segmentsByGroup[group] ?? [], billedByGroup[group] ?? [])
            compareUsage(group, known, cursor, bills, laterByGroup[group] ?? [])
            compareTerms(group, known, bills, laterByGroup[group] ?? [], givenBack)
        }
    }

    private mutating func compareUsage(
        _ group: String, _ segments: [CoveredSpan], _ cursor: Timestamp, _ billed: [CoveredSpan],
        _ later: [CoveredSpan]
    ) {
        let lines = billed.filter { $0.method == .payAsYouGo }.map(\.period)
        let (used, due) = (Self.usage(segments), Self.merged(lines.filter { $0.start < cursor }))
        payAsYouGoChecked += max(used.count, due.count)
        if used != due { payAsYouGoBreaches.append("\(group): used \(used), billed \(due)") }
        let known = Self.usage(later)
        for line in Self.merged(lines.filter { $0.start >= cursor })
        where !known.contains(where: { $0.start <= line.start && line.end <= $0.end }) {
            aheadDoubts.append("\(group): billed \(line), used \(known)")
        }
    }

    private mutating func compareTerms(
        _ group: String, _ segments: [CoveredSpan], _ billed: [CoveredSpan], _ later: [CoveredSpan],
        _ givenBack: Set<String>
    ) {
        var terms: [String: [Period]] = [:]
        for span in billed {
            if let order = span.orderID { terms[order, default: []].append(span.period) }
        }
        for span in segments {
            guard let order = span.orderID else { continue }
            subscriptionsChecked += 1
            guard let paid = terms.removeValue(forKey: order), paid.count == 1 else {
                entitlementBreaches.append(
                    "\(group): subscribed \(span.period) by \(order), which is not paid for one term of its own")
                continue
            }
            if paid[0].start != span.period.start || paid[0].end < span.period.end {
                subscriptionBreaches.append("\(group): subscribed \(span.period) by \(order), paid \(paid)")
            }
        }
        let applied = givenBack.union(later.compactMap(\.orderID))
        for order in terms.keys.sorted() where !applied.contains(order) {
            entitlementDoubts.append("\(group): \(order) is paid for \(terms[order] ?? []) but never applied")
        }
        let ordered = segments.map(\.period).filter { !$0.isEmpty }.sorted { $0.start < $1.start }
        for (earlier, later) in zip(ordered, ordered.dropFirst()) where later.start < earlier.end {
            subscriptionBreaches.append("\(group): its timeline has \(earlier) and \(later), which overlap")
        }
    }

    private static func usage(_ spans: [CoveredSpan]) -> [Period] {
        merged(spans.filter { $0.method == .payAsYouGo }.map(\.period))
    }

    /// Periods in order, those that touch merged. Overlaps stay apart, so that they are seen.
    private static func merged(_ periods: [Period]) -> [Period] {
        periods.filter { !$0.isEmpty }.sorted { ($0.start, $0.end) < ($1.start, $1.end) }.reduce(into: []) {
            merged, period in
            if let last = merged.last, last.end == period.start {
                merged[merged.count - 1] = Period(last.start, period.end)
            } else {
                merged.append(period)
            }
        }
    }
}

extension CoveredSpan {
    /// `nil` for use.
    fileprivate var orderID: String? {
        switch method {
        case .payAsYouGo: nil
        case .subscription(let order): order
        }
    }
}
