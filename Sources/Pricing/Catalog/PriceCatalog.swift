import BillingCore

/// Reads the catalog file that people edit, deploy/catalog.yaml.
enum PriceCatalog {
    /// All versions in the file, in its order.
    /// - Throws: `CatalogError` naming line, key and value.
    static func versions(in text: String) throws(CatalogError) -> [PriceListVersion] {
        let root = try CatalogNode(parsing: text).fields(["versions"])
        var versions: [PriceListVersion] = []
        for item in try root.items("versions") { versions.append(try PriceListVersion(item)) }
        return versions
    }

    /// One version by itself, as `PriceListVersion.document` writes it.
    static func version(in text: String) throws(CatalogError) -> PriceListVersion {
        try PriceListVersion(CatalogNode(parsing: text))
    }
}

extension [String: CatalogNode] {
    // `fields` has checked that every key that is asked for without `optional` is there.
    fileprivate func node(_ key: String) -> CatalogNode {
        guard let node = self[key] else { preconditionFailure("key '\(key)' was not checked") }
        return node
    }

    fileprivate func items(_ key: String) throws(CatalogError) -> [CatalogNode] { try node(key).items() }
    fileprivate func text(_ key: String) throws(CatalogError) -> String { try node(key).text() }
}

extension CatalogNode {
    fileprivate func number(_ range: ClosedRange<UInt32>) throws(CatalogError) -> UInt32 {
        let text = try text()
        guard let number = UInt32(text), range.contains(number) else {
            throw error("'\(text)' is not a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    fileprivate func instant() throws(CatalogError) -> Timestamp {
        let text = try text()
        guard let instant = Timestamp(text) else {
            throw error("'\(text)' is not an instant; write one like \"2026-01-01 00:00\".")
        }
        return instant
    }

    fileprivate func price(atMost highest: UnitPrice) throws(CatalogError) -> UnitPrice {
        let text = try text()
        let price: UnitPrice
        do {
            price = try UnitPrice(text)
        } catch {
            throw self.error(error.message)
        }
        guard price <= highest else { throw error("'\(text)' is more than the highest price, \(highest).") }
        return price
    }

    /// "1.00" as 1,000,000: more than nothing, at most the full price.
    fileprivate func factorMillionths() throws(CatalogError) -> UInt32 {
        let text = try text()
        guard let millionths = try? FixedPoint.parse(text, decimals: 6), millionths > 0,
            millionths <= Int64(TermDiscount.fullPriceMillionths)
        else {
            throw error("'\(text)' is not a factor above 0 and up to 1, with at most 6 decimals.")
        }
        return UInt32(millionths)
    }

    fileprivate func choice<Value: CaseIterable & RawRepresentable<String>>(
        _: Value.Type
    ) throws(CatalogError) -> Value {
        let text = try text()
        guard let value = Value(rawValue: text) else {
            let valid = Value.allCases.map(\.rawValue).joined(separator: "', '")
            throw error("'\(text)' is none of '\(valid)'.")
        }
        return value
    }
}

extension PriceListVersion {
    fileprivate init(_ node: CatalogNode) throws(CatalogError) {
        let fields = try node.fields(
            [
                "version", "effective_from", "billing_units", "term_discounts", "regions", "specifications",
            ], optional: ["unconditional_refund_days", "value_added_items"])
        self.init(
            version: try fields.node("version").number(1...UInt32(Int32.max)),
            effectiveFrom: try fields.node("effective_from").instant(),
            billingUnits: try Self.billingUnits(fields.node("billing_units")),
            termDiscounts: try Self.termDiscounts(fields.node("term_discounts")),
            regions: try Self.regions(fields.node("regions")),
            specifications: try Self.specifications(fields.node("specifications")),
            valueAddedItems: try fields["value_added_items"].map(Self.valueAddedItems) ?? [],
            unconditionalRefundDays: try fields["unconditional_refund_days"]?.number(
                0...PriceListVersion.longestUnconditionalRefund) ?? 0)
    }

    private static func billingUnits(_ node: CatalogNode) throws(CatalogError) -> [BillingUnitRule] {
        var rules: [BillingUnitRule] = []
        let items = try node.items()
        for (index, item) in items.enumerated() {
            let fields = try item.fields(["unit"], optional: ["created_before"])
            let end = try fields["created_before"]?.instant()
            guard (end == nil) == (index == items.count - 1) else {
                throw item.error("Every row but the last has a created_before; the last has none.")
            }
            if let end, let before = rules.last?.createdBefore, end <= before {
                throw item.error("created_before is not after that of the row ahead; write the rows in order of time.")
            }
            rules.append(BillingUnitRule(unit: try fields.node("unit").choice(BillingUnit.self), createdBefore: end))
        }
        return rules
    }

    private static func termDiscounts(_ node: CatalogNode) throws(CatalogError) -> [TermDiscount] {
        let fields = try node.fields(TermDiscount.durations.map(String.init))
        var discounts: [TermDiscount] = []
        for months in TermDiscount.durations {
            let factor = try fields.node(String(months)).factorMillionths()
            discounts.append(TermDiscount(months: months, factorMillionths: factor))
        }
        return discounts
    }

    private static func regions(_ node: CatalogNode) throws(CatalogError) -> [Region] {
        var regions: [Region] = []
        for item in try node.items() {
            let fields = try item.fields(["region", "name", "class"])
            let region = Region(
                id: try fields.text("region"), name: try fields.text("name"),
                regionClass: try fields.node("class").choice(RegionClass.self))
            guard !regions.contains(where: { $0.id == region.id }) else {
                throw item.error("Region '\(region.id)' is here twice.")
            }
            regions.append(region)
        }
        return regions
    }

    private static func specifications(_ node: CatalogNode) throws(CatalogError) -> [Specification] {
        var specifications: [Specification] = []
        for item in try node.items() {
            let specification = try Specification(item)
            guard !specifications.contains(where: { $0.name == specification.name }) else {
                throw item.error("Specification '\(specification.name)' is here twice.")
            }
            specifications.append(specification)
        }
        return specifications
    }
}

extension PriceListVersion {
    fileprivate static func valueAddedItems(_ node: CatalogNode) throws(CatalogError) -> [ValueAddedItem] {
        var valueAddedItems: [ValueAddedItem] = []
        for item in try node.items() {
            let valueAddedItem = try ValueAddedItem(item)
            guard !valueAddedItems.contains(where: { $0.id == valueAddedItem.id }) else {
                throw item.error("Item '\(valueAddedItem.id)' is here twice.")
            }
            valueAddedItems.append(valueAddedItem)
        }
        return valueAddedItems
    }
}

extension ValueAddedItem {
    fileprivate init(_ node: CatalogNode) throws(CatalogError) {
        let fields = try node.fields(["item", "name", "price_unit", "price"], optional: ["is_example"])
        let prices = try fields.node("price").fields(RegionClass.allCases.map(\.rawValue))
        self.init(
            id: try fields.text("item"), name: try fields.text("name"),
            unit: try fields.node("price_unit").choice(PriceUnit.self),
            mainland: try prices.node("ML").price(atMost: InstancePrice.highestHourly),
            international: try prices.node("INT").price(atMost: InstancePrice.highestHourly),
            isExample: try fields["is_example"]?.choice(Answer.self) == .yes)
    }

    private enum Answer: String, CaseIterable {
        case yes = "true"
        case no = "false"
    }
}

extension Specification {
    fileprivate init(_ node: CatalogNode) throws(CatalogError) {
        let fields = try node.fields([
            "specification", "edition", "vcpus", "memory_gib", "disk_gib", "monthly", "hourly",
        ])
        let classes = RegionClass.allCases.map(\.rawValue)
        let monthly = try fields.node("monthly").fields(classes)
        let hourly = try fields.node("hourly").fields(classes)
        func price(_ regionClass: RegionClass) throws(CatalogError) -> InstancePrice {
            InstancePrice(
                monthly: try monthly.node(regionClass.rawValue).price(atMost: InstancePrice.highestMonthly),
                hourly: try hourly.node(regionClass.rawValue).price(atMost: InstancePrice.highestHourly))
        }
        self.init(
            name: try fields.text("specification"), edition: try fields.text("edition"),
            vcpus: try fields.node("vcpus").number(1...1024),
            memoryGiB: try fields.node("memory_gib").number(1...65_536),
            diskGiB: try fields.node("disk_gib").number(1...1_048_576),
            mainland: try price(.mainland), international: try price(.international))
    }
}
