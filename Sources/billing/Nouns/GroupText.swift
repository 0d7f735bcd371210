import BillingAPI
import BillingCore

/// Groups for people.
enum GroupText {
    static func text(_ group: MeteringV1.InstanceGroup) -> String {
        var sheet = FactSheet(
            ("group", group.groupID), ("name", group.name), ("status", Readable.word(group.status)),
            ("phones", "\(group.instances) x \(group.specification) in \(group.region)"), ("network", group.network),
            ("billed", Readable.word(group.billingMethod)), ("requested", Readable.instant(group.requestedAt)),
            ("created", Readable.instant(group.createdAt)))
        if group.anchor != 0 {
            sheet.add("billing unit", "\(group.billingUnit.word), counted from \(Readable.instant(group.anchor))")
        }
        sheet.add("subscribed since", Readable.instant(group.switchedAt))
        sheet.add("term", Readable.period(group.termStart, group.termEnd))
        sheet.add("order", group.orderID)
        if !group.pendingRenewals.isEmpty { sheet.add("paid through", Readable.instant(group.paidThrough)) }
        sheet.add("auto-renewal", autoRenewal(group))
        sheet.add("overdue since", Readable.instant(group.overdueAt))
        sheet.add("expired", Readable.instant(group.expiredAt))
        sheet.add("released if not paid", Readable.instant(group.releaseAt))
        sheet.add("released", Readable.instant(group.releasedAt))
        sheet.add("because", Readable.word(group.releaseCause))
        sheet.add("held by", group.lockedBy)
        var members = Table(.text("instance"), .text("power"))
        for member in group.members { members.add(member.instanceID, Readable.word(member.power)) }
        let tables = [renewals(group), members].filter { !$0.isEmpty }
        return ([sheet.text] + tables.map(\.text)).joined(separator: "\n")
    }

    /// "on, 3 months each, next attempt 2026-05-08 08:00:00"; "" for a group that is billed as it goes.
    private static func autoRenewal(_ group: MeteringV1.InstanceGroup) -> String {
        guard group.billingMethod == .subscription, group.status != .released else { return "" }
        guard group.autoRenewal else { return "off" }
        var text = "on"
        if group.autoRenewalMonths != 0 { text += ", \(Readable.count(group.autoRenewalMonths, "month")) each" }
        if group.renewalAttemptAt != 0 { text += ", next attempt \(Readable.instant(group.renewalAttemptAt))" }
        return text
    }

    private static func renewals(_ group: MeteringV1.InstanceGroup) -> Table {
        var table = Table(.text("pending renewal"), .number("months"), .text("from"), .text("to"))
        for term in group.pendingRenewals {
            table.add(term.orderID, String(term.months), Readable.instant(term.start), Readable.instant(term.end))
        }
        return table
    }

    /// When it was released, else when it will be or what is paid for ends.
    private static func end(_ group: MeteringV1.InstanceGroup) -> Int64 {
        for instant in [group.releasedAt, group.releaseAt, group.paidThrough] where instant != 0 { return instant }
        return group.termEnd
    }

    static func table(_ groups: [MeteringV1.InstanceGroup]) -> Table {
        var table = Table(
            .text("group"), .text("name"), .text("status"), .text("billed"), .number("phones"), .text("specification"),
            .text("region"), .text("created"), .text("ended or ends"))
        for group in groups {
            table.add(
                group.groupID, Readable.text(group.name), Readable.word(group.status),
                Readable.word(group.billingMethod),
                String(group.instances), group.specification, group.region, Readable.instant(group.createdAt),
                Readable.instant(end(group)))
        }
        return table
    }
}
