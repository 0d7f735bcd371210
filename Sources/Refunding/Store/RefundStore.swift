import BillingCore
import Storage

/// The refunds of one account.
struct RefundStore {
    let transaction: any Transaction
    let account: AccountID

    /// - Throws: `RefundError.notFound`, also for a refund of another account.
    func refund(_ id: String) throws -> Refund {
        guard let refund = try refunds(where: "refund_id = ?", [.text(id)]).first else {
            throw RefundError.notFound(id)
        }
        return refund
    }

    /// In order of instant and id, after a place in that order.
    /// - Parameter groupID: empty for all groups.
    func refunds(ofGroup groupID: String, after place: PageCursor, limit: Int) throws -> [Refund] {
        try refunds(
            where: "(? = '' OR group_id = ?) AND (at > ? OR (at = ? AND refund_id > ?))",
            [
                .text(groupID), .text(groupID), .integer(place.instant.milliseconds),
                .integer(place.instant.milliseconds), .text(place.id),
            ], limit: limit)
    }

    /// - Throws: `RefundError.groupHasRefund`, `.identifierTaken`.
    func insert(_ refund: Refund) throws {
        let dropped = Refund.State.dropped.rawValue
        let others = try refunds(
            where: "refund_id = ? OR (group_id = ? AND state <> ?)",
            [.text(refund.id.text), .text(refund.groupID), .integer(dropped)], limit: 1)
        if let other = others.first {
            guard other.id != refund.id else { throw RefundError.identifierTaken(refund.id.text) }
            throw RefundError.groupHasRefund(group: refund.groupID, refund: other.id.text)
        }
        try transaction.execute(
            """
            INSERT INTO refund
                (partition, account, refund_id, group_id, state, at, to_balance, online, online_confirmed)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            owner + [
                .text(refund.id.text), .text(refund.groupID), .integer(refund.state.rawValue),
                .integer(refund.at.milliseconds), .integer(refund.toBalance.micros), .integer(refund.online.micros),
                .integer(refund.isOnlineConfirmed ? 1 : 0),
            ])
        for (position, order) in refund.orders.enumerated() {
            try transaction.execute(
                """
                INSERT INTO refund_order
                    (partition, account, refund_id, order_id, position, cash_paid, consumed, refund, used_days,
                     term_days)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                owner + [
                    .text(refund.id.text), .text(order.orderID), .integer(position), .integer(order.cashPaid.micros),
                    .integer(order.consumed.micros), .integer(order.refund.micros), .integer(Int64(order.usedDays)),
                    .integer(Int64(order.termDays)),
                ])
        }
    }

    /// Keeps what may change of a refund.
    func update(_ refund: Refund) throws {
        try transaction.execute(
            """
            UPDATE refund SET state = ?, online_confirmed = ? WHERE partition = ? AND account = ? AND refund_id = ?
            """,
            [.integer(refund.state.rawValue), .integer(refund.isOnlineConfirmed ? 1 : 0)] + owner
                + [.text(refund.id.text)])
    }

    private var owner: [SQLValue] { [.integer(Partition.of(account.text)), .text(account.text)] }

    private func refunds(where condition: String, _ arguments: [SQLValue], limit: Int = 1) throws -> [Refund] {
        let heads = try transaction.all(
            """
            SELECT refund_id, group_id, state, at, to_balance, online, online_confirmed FROM refund
            WHERE partition = ? AND account = ? AND (\(condition)) ORDER BY at, refund_id LIMIT ?
            """, owner + arguments + [.integer(limit)]
        ) { row in
            guard let state = Refund.State(rawValue: row.integer(2)) else {
                preconditionFailure("a refund in state \(row.integer(2)), which the table's check forbids")
            }
            return Refund(
                id: try RefundID(row.text(0)), account: account, groupID: row.text(1),
                at: Timestamp(milliseconds: row.integer(3)), toBalance: Money(micros: row.integer(4)),
                online: Money(micros: row.integer(5)), orders: [], state: state, isOnlineConfirmed: row.integer(6) == 1)
        }
        return try heads.map { $0.with(orders: try orders(of: $0.id.text)) }
    }

    private func orders(of id: String) throws -> [RefundedAmount] {
        try transaction.all(
            """
            SELECT order_id, cash_paid, consumed, refund, used_days, term_days FROM refund_order
            WHERE partition = ? AND account = ? AND refund_id = ? ORDER BY position
            """, owner + [.text(id)]
        ) { row in
            // Both were written from 32 bits.
            RefundedAmount(
                orderID: row.text(0), cashPaid: Money(micros: row.integer(1)), consumed: Money(micros: row.integer(2)),
                refund: Money(micros: row.integer(3)), usedDays: UInt32(truncatingIfNeeded: row.integer(4)),
                termDays: UInt32(truncatingIfNeeded: row.integer(5)))
        }
    }
}

extension Transaction {
    /// Accounts with refunds in partitions `[from, to)`, in order of the key, after `account` where `from` is its own.
    func accountsWithRefunds(partitions: Range<Int>, after account: String, limit: Int) throws -> [AccountID] {
        try all(
            """
            SELECT DISTINCT partition, account FROM refund
            WHERE (partition > ? OR (partition = ? AND account > ?)) AND partition < ?
            ORDER BY partition, account LIMIT ?
            """, .integer(partitions.lowerBound), .integer(partitions.lowerBound), .text(account),
            .integer(partitions.upperBound), .integer(limit)
        ) { try AccountID($0.text(1)) }
    }
}

extension Refund {
    fileprivate func with(orders: [RefundedAmount]) -> Refund {
        Refund(
            id: id, account: account, groupID: groupID, at: at, toBalance: toBalance, online: online, orders: orders,
            state: state, isOnlineConfirmed: isOnlineConfirmed)
    }
}
