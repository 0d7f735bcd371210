import BillingCore
import Storage

/// One check over one account: how much was looked at and what breaks it.
struct AuditResult: Hashable, Sendable {
    var checked: Int64 = 0
    var breaches: Int64 = 0
    /// The first few breaches, for a person.
    var examples: [String] = []

    static let exampleLimit = 5

    mutating func breach(_ text: String) {
        breaches += 1
        if examples.count < AuditResult.exampleLimit { examples.append(text) }
    }

    mutating func add(_ other: AuditResult) {
        checked += other.checked
        breaches += other.breaches
        examples += other.examples.prefix(AuditResult.exampleLimit - examples.count)
    }
}

/// The invariants of reliability 2.1 that the data of this service shows, and those of bill lines (domain 9.1).
enum MoneyInvariant: String, CaseIterable, Sendable {
    case doubleEntry = "M1"
    case conservation = "M2"
    case noOverdraft = "M3"
    case externalOnce = "M4"
    case noDoubleCharge = "M5"
    case refundBound = "M6"
    case oneUnpaidOrder = "G1"
    case monotone = "T1"
    case lineIdentity = "B1"
    case linesAreLedger = "B2"
    case outstandingLines = "B3"
    case coupons = "B4"
    case monthClose = "B5"
    case couponLines = "B6"

    var title: String {
        switch self {
        case .doubleEntry: "every ledger transaction has two entries or more, and they sum to zero"
        case .conservation:
            "balance, outstanding and what is on its way of every account are sums of entries, after every transaction"
        case .noOverdraft: "no balance is or was negative"
        case .externalOnce: "every online payment came, and every online refund left, once, as its status says"
        case .noDoubleCharge: "every paid order has one booking of its price and one bill line, any other none"
        case .refundBound: "no order gave back more than it cost; refunds, lines and ledger agree"
        case .oneUnpaidOrder: "no account has, or ever had, two unpaid orders at once"
        case .monotone: "transactions are numbered without gaps and never go back in time"
        case .lineIdentity: "payable = gross - discount - round-down - coupon = paid + outstanding on every line"
        case .linesAreLedger: "the lines of every transaction sum to what it booked"
        case .outstandingLines: "what lines owe is what the account owes, and it is overdue just then"
        case .coupons: "what is left of every coupon is what it did not pay, and the ledger agrees"
        case .monthClose: "every month that is over gave its fraction of a cent back, once"
        case .couponLines:
            "every line names as coupon what coupons paid at its posting, and what they paid later is allocated"
        }
    }
}

extension Transaction {
    /// Runs every check over one account.
    /// - Returns: the results, and the number of rows looked at.
    func auditMoney(of account: Account) throws -> (results: [MoneyInvariant: AuditResult], rows: Int64) {
        var audit = AccountAudit(transaction: self, account: account)
        try audit.run()
        return (audit.results, audit.rows)
    }
}
