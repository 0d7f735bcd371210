import BillingCore

/// A metered resource as the metering service describes it.
struct UsageResource: Hashable, Sendable {
    var account: AccountID
    var source: BillSource
}

/// The price that a line was rated with.
struct UsagePrice: Hashable, Sendable {
    var priceListVersion: Int
    var hourly: UnitPrice
}

/// A rated slice of use.
struct UsageLine: Hashable, Sendable {
    /// Index into the batch's resources.
    var resource: Int
    var start: Timestamp
    var end: Timestamp
    var price: UsagePrice
    var gross: Money
}

/// The rated slices of one cut, checked, in the order in which they are settled.
struct UsageBatch: Sendable {
    /// The lines of one account: by start, then creation of the resource, then its id (domain 2.8).
    struct Share: Sendable {
        let account: AccountID
        var lines: [UsageLine]
    }

    /// What is used up in an hour by all that a share has in use at the cut, in nano-dollars (domain 4.6).
    func burnPerHourNanos(of share: Share) -> Int128 {
        var burn: Int128 = 0
        for line in share.lines where line.end == cutAt {
            let source = resources[line.resource].source
            guard source.product == .cloudPhone else {
                burn += Int128(line.gross.micros) * 1000
                continue
            }
            burn += Int128(line.price.hourly.nanos) * Int128(source.instances)
        }
        return burn
    }

    let cutAt: Timestamp
    let resources: [UsageResource]
    /// In the order of accounts' ids.
    let shares: [Share]

    /// - Throws: `OrderError.usageMalformed` for a slice that is empty, reaches past the cut or over the top of an hour
    ///   (domain 2.6), for a negative amount, and for an index that points nowhere.
    init(
        cutAt: Timestamp, resources: [UsageResource], prices: [UsagePrice], resource: [UInt32], start: [Int64],
        end: [Int64], price: [UInt32], gross: [Int64]
    ) throws(OrderError) {
        guard cutAt >= .earliest, cutAt <= .latest, BillingCalendar.hour(of: cutAt) == cutAt else {
            throw .usageMalformed(field: "cut_at", value: String(cutAt.milliseconds), why: "is no top of an hour")
        }
        let count = resource.count
        for (field, length) in [
            ("start", start.count), ("end", end.count), ("price", price.count), ("gross_micros", gross.count),
        ] where length != count {
            throw .usageMalformed(
                field: field, value: String(length), why: "is the length of a column; that of resource is \(count)")
        }
        var shares: [AccountID: [UsageLine]] = [:]
        for index in 0..<count {
            func refuse(_ column: String, _ value: some CustomStringConvertible, _ why: String) -> OrderError {
                .usageMalformed(field: "\(column)[\(index)]", value: value.description, why: why)
            }
            guard Int(resource[index]) < resources.count else {
                throw refuse("resource", resource[index], "is no index into resources")
            }
            guard Int(price[index]) < prices.count else {
                throw refuse("price", price[index], "is no index into prices")
            }
            // Bounds first: the arithmetic below is on instants that exist.
            guard (0...Timestamp.latest.milliseconds).contains(start[index]) else {
                throw refuse("start", start[index], "is no instant")
            }
            let (from, to) = (Timestamp(milliseconds: start[index]), Timestamp(milliseconds: end[index]))
            guard from < to else { throw refuse("end", end[index], "is not after the start") }
            guard to <= cutAt else { throw refuse("end", end[index], "is after the cut") }
            guard to - BillingCalendar.hour(of: from) <= .millisecondsPerHour else {
                throw refuse("end", end[index], "is in another hour than the start")
            }
            guard (0...Money.largestInput.micros).contains(gross[index]) else {
                throw refuse("gross_micros", gross[index], "is not between 0 and 1000000000 USD")
            }
            let line = UsageLine(
                resource: Int(resource[index]), start: from, end: to, price: prices[Int(price[index])],
                gross: Money(micros: gross[index]))
            shares[resources[line.resource].account, default: []].append(line)
        }
        self.cutAt = cutAt
        self.resources = resources
        self.shares = shares.sorted { $0.key < $1.key }.map { account, lines in
            Share(
                account: account,
                lines: lines.sorted { left, right in
                    guard left.start == right.start else { return left.start < right.start }
                    let (one, other) = (resources[left.resource].source, resources[right.resource].source)
                    return (one.createdAt, one.id) < (other.createdAt, other.id)
                })
        }
    }
}
