import BillingCore

extension PriceListVersion {
    /// This version as a catalog text of its own, always written the same way: what is kept of a published version, so
    /// that layout and comments of the file may change and its content may not.
    var document: String {
        var lines = ["version: \(version)", "effective_from: \(quoted(effectiveFrom.description))", "billing_units:"]
        for rule in billingUnits {
            let end = rule.createdBefore.map { ", created_before: \(quoted($0.description))" } ?? ""
            lines.append("  - {unit: \(quoted(rule.unit.rawValue))\(end)}")
        }
        lines.append("term_discounts:")
        for discount in termDiscounts {
            let factor = FixedPoint.format(Int64(discount.factorMillionths), decimals: 6, atLeast: 2)
            lines.append("  \(discount.months): \(quoted(factor))")
        }
        lines.append("unconditional_refund_days: \(unconditionalRefundDays)")
        lines.append("regions:")
        for region in regions {
            lines.append(
                "  - {region: \(quoted(region.id)), name: \(quoted(region.name)), "
                    + "class: \(region.regionClass.rawValue)}")
        }
        lines.append("specifications:")
        for specification in specifications { lines += specification.documentLines }
        if !valueAddedItems.isEmpty { lines.append("value_added_items:") }
        for item in valueAddedItems { lines += item.documentLines }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Specification {
    fileprivate var documentLines: [String] {
        [
            "  - specification: \(quoted(name))", "    edition: \(quoted(edition))", "    vcpus: \(vcpus)",
            "    memory_gib: \(memoryGiB)", "    disk_gib: \(diskGiB)",
            "    monthly: {ML: \(quoted(mainland.monthly)), INT: \(quoted(international.monthly))}",
            "    hourly: {ML: \(quoted(mainland.hourly)), INT: \(quoted(international.hourly))}",
        ]
    }
}

extension ValueAddedItem {
    fileprivate var documentLines: [String] {
        [
            "  - item: \(quoted(id))", "    name: \(quoted(name))", "    price_unit: \(quoted(unit.rawValue))",
            "    price: {ML: \(quoted(mainland)), INT: \(quoted(international))}", "    is_example: \(isExample)",
        ]
    }
}

/// A YAML scalar in single quotes, in which a quote is doubled and nothing else is special.
private func quoted(_ text: some CustomStringConvertible) -> String {
    "'" + text.description.replacing("'", with: "''") + "'"
}
