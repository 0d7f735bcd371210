import BillingCore

/// All published versions of the price list, prepared for quick answers. Never changes; a publication makes a new one.
struct PriceList: Sendable {
    /// In order of number and of instant. Of those that take effect at one instant the last is in force.
    let versions: [PriceListVersion]
    let timelines: PriceTimelines

    /// - Throws: `PriceListError` when the versions do not follow each other.
    init(_ versions: [PriceListVersion]) throws(PriceListError) {
        guard !versions.isEmpty else { throw .empty }
        let versions = versions.sorted { $0.version < $1.version }
        for (earlier, later) in zip(versions, versions.dropFirst()) { try later.checkFollows(earlier) }
        self.versions = versions
        timelines = PriceTimelines(versions)
    }

    /// - Throws: `PricingError.noneInForce` before the first version.
    func inForce(at instant: Timestamp) throws(PricingError) -> PriceListVersion {
        guard let version = versions.last(where: { $0.effectiveFrom <= instant }) else {
            throw .noneInForce(instant, first: versions[0].effectiveFrom)
        }
        return version
    }

    /// - Throws: `PricingError.unknownVersion`.
    func version(_ number: UInt32) throws(PricingError) -> PriceListVersion {
        guard let version = versions.first(where: { $0.version == number }) else {
            throw .unknownVersion(number, newest: newest.version)
        }
        return version
    }

    /// Where the hourly prices of a specification in a region are in `timelines`.
    /// - Throws: `PricingError.unknownSpecification`, `.unknownRegion`.
    func timeline(specification: String, region: String) throws(PricingError) -> Range<Int> {
        if let found = timelines.range(specification: specification, region: region) { return found }
        _ = try newest.specification(specification)
        _ = try newest.region(region)
        preconditionFailure("'\(specification)' in '\(region)' is sold and has no prices")
    }

    /// Where the prices of a value-added item in a region are in `timelines`.
    /// - Throws: `PricingError.unknownItem`, `.unknownRegion`.
    func timeline(item: String, region: String) throws(PricingError) -> Range<Int> {
        if let found = timelines.range(item: item, region: region) { return found }
        _ = try newest.valueAddedItem(item)
        _ = try newest.region(region)
        preconditionFailure("'\(item)' in '\(region)' is sold and has no prices")
    }

    /// What is published as the newest version, in force or not.
    var newest: PriceListVersion { versions[versions.count - 1] }
}

extension PriceListVersion {
    /// - Throws: `PriceListError` unless this version can take effect after `earlier`.
    func checkFollows(_ earlier: PriceListVersion) throws(PriceListError) {
        guard version > earlier.version else { throw .notAfter(version, earlier: earlier.version) }
        guard effectiveFrom >= earlier.effectiveFrom else {
            throw .tooEarly(
                version, effectiveFrom: effectiveFrom, earlier: earlier.version,
                earlierFrom: earlier.effectiveFrom)
        }
        for known in earlier.specifications where !specifications.contains(where: { $0.name == known.name }) {
            throw .dropped(known.name, version: version)
        }
        for known in earlier.regions {
            guard let kept = regions.first(where: { $0.id == known.id }), kept.regionClass == known.regionClass else {
                throw .dropped(known.id, version: version)
            }
        }
        for known in earlier.valueAddedItems {
            guard let kept = valueAddedItems.first(where: { $0.id == known.id }), kept.unit == known.unit else {
                throw .dropped(known.id, version: version)
            }
        }
    }
}

/// Why versions make no price list together, or one cannot be published.
enum PriceListError: Error, Hashable, CustomStringConvertible {
    case empty
    case notAfter(UInt32, earlier: UInt32)
    case tooEarly(UInt32, effectiveFrom: Timestamp, earlier: UInt32, earlierFrom: Timestamp)
    case dropped(String, version: UInt32)
    case edited(UInt32, next: UInt32)

    var description: String {
        switch self {
        case .empty: "The price catalog has no version; add one."
        case .notAfter(let version, let earlier):
            "Version \(version) of the price list cannot come after version \(earlier); number versions upward."
        case .tooEarly(let version, let from, let earlier, let earlierFrom):
            "Version \(version) of the price list takes effect at \(BillingCalendar.format(from)), which is before "
                + "version \(earlier) (\(BillingCalendar.format(earlierFrom))); give it a later instant."
        case .dropped(let name, let version):
            "Version \(version) of the price list no longer has '\(name)', or changes its class or unit; it is in "
                + "use, so keep it as it was."
        case .edited(let version, let next):
            "Published versions are never edited: version \(version) of the price list differs from the one that is "
                + "published; take the change back and give it a new version, \(next)."
        }
    }
}
