import ArgumentParser
import BillingCore
import RPC

/// Reads what people type, before anything is sent. Each refusal names the text and says what would do.
enum Input {
    /// An amount of more than nothing.
    static func amount(_ text: String) throws -> Money {
        let money: Money
        do { money = try Money(text) } catch { throw ValidationError(error.message) }
        guard money > .zero else { throw ValidationError(MoneyError.notPositive(text).message) }
        return money
    }

    static func instant(_ text: String) throws -> Timestamp {
        guard let instant = Timestamp(text) else {
            throw ValidationError(
                "'\(text)' is not an instant; write it as 2026-04-10T07:20:00Z or, in the billing time zone (UTC+8), "
                    + "as '2026-04-10 15:20' or 2026-04-10.")
        }
        return instant
    }

    /// A span of time in milliseconds.
    static func duration(_ text: String) throws -> Int64 {
        guard let milliseconds = DurationText.milliseconds(text) else {
            throw ValidationError("'\(text)' is not a span of time; write it as 3h, 90m, 1d12h or 45s.")
        }
        return milliseconds
    }

    /// A billing month, "2026-04", as `[start, end)`.
    static func month(_ text: String) throws -> Period {
        guard let month = monthIfWellFormed(text) else {
            throw ValidationError("'\(text)' is not a month; write it as 2026-04.")
        }
        return month
    }

    static func monthIfWellFormed(_ text: String) -> Period? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == 4, parts[1].utf8.count == 2, let year = Int(parts[0]),
            let month = Int(parts[1]), (1971...9998).contains(year),
            let first = CivilDate(year: year, month: month, day: 1)
        else { return nil }
        return Period(BillingCalendar.midnight(first), BillingCalendar.midnight(first.adding(months: 1)))
    }

    /// A whole number that the service will judge.
    static func count(_ text: String) throws -> UInt32 {
        guard let number = UInt32(text) else {
            throw ValidationError("'\(text)' is not a whole number of 0 or more.")
        }
        return number
    }

    /// Rows to list at most.
    static func limit(_ text: String) throws -> Int {
        guard let number = Int(text), number > 0 else {
            throw ValidationError("'\(text)' is not a number of rows; write 1 or more.")
        }
        return number
    }

    static func accountID(_ text: String) throws -> String { try id(text, AccountKind.self) }
    static func groupID(_ text: String) throws -> String { try id(text, GroupKind.self) }
    static func instanceID(_ text: String) throws -> String { try id(text, InstanceKind.self) }
    static func orderID(_ text: String) throws -> String { try id(text, OrderKind.self) }
    static func refundID(_ text: String) throws -> String { try id(text, RefundKind.self) }
    static func sagaID(_ text: String) throws -> String { try id(text, SagaKind.self) }

    /// Ids apart by commas.
    static func instanceIDs(_ text: String) throws -> [String] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { try instanceID(String($0)) }
    }

    private static func id<Kind: IdentifierKind>(_ text: String, _ kind: Kind.Type) throws -> String {
        do { return try Identifier<Kind>(text).text } catch { throw ValidationError(error.message) }
    }

    static func key(_ text: String) throws -> IdempotencyKey {
        do { return try IdempotencyKey(text) } catch { throw ValidationError(error.message) }
    }

    /// Seconds, as milliseconds.
    static func timeout(_ text: String) throws -> Int64 {
        let refusal = ValidationError("'\(text)' is not a number of seconds from 0.001 to 86400.")
        do {
            let milliseconds = try FixedPoint.parse(text, decimals: 3)
            guard (1...86_400_000).contains(milliseconds) else { throw refusal }
            return milliseconds
        } catch { throw refusal }
    }

    /// Where the gateway listens.
    static func endpoint(_ text: String) throws -> String {
        guard text.hasPrefix("tcp://") || text.hasPrefix("ipc://"), (7...256).contains(text.utf8.count) else {
            throw ValidationError("'\(text)' is not an endpoint; write it as tcp://127.0.0.1:7414 or ipc:///path.")
        }
        return text
    }
}
