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
package struct CoverageComparison: Hashable, Sendable {
    package private(set) var payAsYouGoChecked = 0
    package private(set) var subscriptionsChecked = 0
    package private(set) var payAsYouGoBreaches: [String] = []
    /// Terms that overlap, or go beyond what was paid for.
    package private(set) var subscriptionBreaches: [String] = []
    /// Orders that are paid and are not exactly one term, and terms that nobody paid for.
    package private(set) var entitlementBreaches: [String] = []
    /// The orders among them that are paid and were never a term.
    package private(set) var unappliedOrders: [String] = []

    package var agrees: Bool {
        payAsYouGoBreaches.isEmpty && subscriptionBreaches.isEmpty && entitlementBreaches.isEmpty
    }

    /// - Parameters:
    ///   - segments: the timelines of some groups; a subscription ends with its term or with the group.
    ///   - billed: all that was billed for the same groups; a subscription is its whole paid term.
    ///   - givenBack: orders whose money was given back, so that they need not be a term: the creation failed, or the
    ///     renewal was cancelled while it was pending.
    package init(segments: [CoveredSpan], billed: [CoveredSpan], givenBack: Set<String> = []) {
        let billedByGroup = Dictionary(grouping: billed, by: \.group)
        let segmentsByGroup = Dictionary(grouping: segments, by: \.group)
        for group in Set(billedByGroup.keys).union(segmentsByGroup.keys).sorted() {
            compare(group, segmentsByGroup[group] ?? [], billedByGroup[group] ?? [], givenBack)
        }
    }

    private mutating func compare(
        _ group: String, _ segments: [CoveredSpan], _ billed: [CoveredSpan], _ givenBack: Set<String>
    ) {
        compareUsage(group, CoverageComparison.usage(segments), CoverageComparison.usage(billed))
        compareTerms(group, segments, billed, givenBack)
        let ordered = segments.map(\.period).filter { !$0.isEmpty }.sorted { $0.start < $1.start }
        for (earlier, later) in zip(ordered, ordered.dropFirst()) where later.start < earlier.end {
            subscriptionBreaches.append("\(group): its timeline has \(earlier) and \(later), which overlap")
        }
    }

    private mutating func compareUsage(_ group: String, _ segments: [Period], _ billed: [Period]) {
        payAsYouGoChecked += max(segments.count, billed.count)
        guard segments != billed else { return }
        payAsYouGoBreaches.append("\(group): used \(segments), billed \(billed)")
    }

    private mutating func compareTerms(
        _ group: String, _ segments: [CoveredSpan], _ billed: [CoveredSpan], _ givenBack: Set<String>
    ) {
        var terms: [String: [Period]] = [:]
        for span in billed {
            switch span.method {
            case .payAsYouGo: continue
            case .subscription(let order): terms[order, default: []].append(span.period)
            }
        }
        for span in segments {
            switch span.method {
            case .payAsYouGo: continue
            case .subscription(let order):
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
        }
        for order in terms.keys.sorted() where !givenBack.contains(order) {
            unappliedOrders.append(order)
            entitlementBreaches.append("\(group): \(order) is paid for \(terms[order] ?? []) but never applied")
        }
    }

    /// The pay-as-you-go periods in order, those that touch merged. Overlaps stay apart, so that they are seen.
    private static func usage(_ spans: [CoveredSpan]) -> [Period] {
        let periods = spans.filter { $0.method == .payAsYouGo && !$0.period.isEmpty }.map(\.period)
        return periods.sorted { ($0.start, $0.end) < ($1.start, $1.end) }.reduce(into: []) { merged, period in
            if let last = merged.last, last.end == period.start {
                merged[merged.count - 1] = Period(last.start, period.end)
            } else {
                merged.append(period)
            }
        }
    }
}
