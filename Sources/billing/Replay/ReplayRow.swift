import BillingCore

/// The columns that a trace must have, in the order that people write them. Others are ignored.
enum ReplayColumn: String, CaseIterable {
    case group = "group_id"
    case account = "account_id"
    case edition
    case region
    case instances
    case requestedAt = "requested_at"
    case createdAt = "created_at"
    case releasedAt = "released_at"
    case cutoff

    static var list: String { allCases.map(\.rawValue).joined(separator: ",") }
}

/// What is sold: a trace may name nothing else.
struct ReplayCatalog: Equatable {
    /// Id of each specification.
    let specifications: [String]
    /// Class of each region by its id: "ML" or "INT".
    let regions: [String: String]

    /// The region that a trace means: "cn" and "intl" stand for the first of each class.
    func region(_ text: String) -> String? {
        let region = ReplayCatalog.shorthands[text] ?? text
        return regions[region] == nil ? nil : region
    }

    private static let shorthands = ["cn": "cn-hangzhou", "intl": "ap-southeast-1"]
}

/// The life of one group, checked.
struct ReplayRow: Equatable {
    /// Line in the file, counted from 1.
    let line: Int
    /// The trace's own names; the system gives ids of its own.
    let group: String
    let account: String
    let specification: String
    let region: String
    let instances: UInt32
    let requestedAt: Timestamp
    /// `nil`: the creation failed.
    let createdAt: Timestamp?
    /// Where the trace is silent, the cutoff. Means nothing when the creation failed.
    let releasedAt: Timestamp

    /// Names become group and account names, which are at most this many bytes.
    static let longestName = 64
}

extension ReplayRow {
    /// Reads all rows of a file.
    /// - Throws: `ReplayError` for the first row that breaks a rule, with its line.
    static func read(_ bytes: [UInt8], catalog: ReplayCatalog) throws(ReplayError) -> [ReplayRow] {
        var reader = CSVReader(bytes)
        guard let header = try reader.next() else { throw .empty }
        let columns = try ReplayHeader(header.fields)
        var rows: [ReplayRow] = []
        var lines: [String: Int] = [:]
        while let record = try reader.next() {
            let row = try ReplayRow(record, columns, catalog)
            if let first = lines.updateValue(row.line, forKey: row.group) {
                throw .repeatedGroup(line: row.line, value: row.group, firstLine: first)
            }
            rows.append(row)
        }
        guard !rows.isEmpty else { throw .noRows }
        return rows
    }

    private init(_ record: CSVReader.Record, _ header: ReplayHeader, _ catalog: ReplayCatalog) throws(ReplayError) {
        let line = record.line
        guard record.fields.count == header.count else {
            throw .fieldCount(line: line, found: record.fields.count, expected: header.count)
        }
        func text(_ column: ReplayColumn) -> String { record.fields[header[column]] }
        func name(_ column: ReplayColumn) throws(ReplayError) -> String {
            let value = text(column)
            guard !value.isEmpty else { throw .emptyValue(line: line, column: column.rawValue) }
            guard value.utf8.count <= ReplayRow.longestName else {
                throw .tooLong(line: line, column: column.rawValue, value: value)
            }
            return value
        }
        func instant(_ column: ReplayColumn, notBefore earlier: (column: ReplayColumn, instant: Timestamp)? = nil)
            throws(ReplayError) -> Timestamp?
        {
            let value = text(column)
            guard !value.isEmpty else { return nil }
            guard let instant = Timestamp(value) else {
                throw .notAnInstant(line: line, column: column.rawValue, value: value)
            }
            if let earlier, instant < earlier.instant {
                throw .outOfOrder(
                    line: line, column: column.rawValue, value: value, before: earlier.column.rawValue,
                    beforeValue: text(earlier.column))
            }
            return instant
        }

        group = try name(.group)
        account = try name(.account)
        self.line = line
        specification = text(.edition)
        guard catalog.specifications.contains(specification) else {
            throw .unknownSpecification(line: line, value: specification, known: catalog.specifications)
        }
        guard let region = catalog.region(text(.region)) else {
            throw .unknownRegion(line: line, value: text(.region), known: catalog.regions.keys.sorted())
        }
        self.region = region
        let count = text(.instances)
        guard count.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let instances = UInt32(count),
            (1...100).contains(instances)
        else { throw .instanceCount(line: line, value: count) }
        self.instances = instances
        guard let requestedAt = try instant(.requestedAt) else {
            throw .emptyValue(line: line, column: ReplayColumn.requestedAt.rawValue)
        }
        self.requestedAt = requestedAt
        createdAt = try instant(.createdAt, notBefore: (.requestedAt, requestedAt))
        let released = try instant(
            .releasedAt, notBefore: createdAt.map { (.createdAt, $0) } ?? (.requestedAt, requestedAt))
        let last: (ReplayColumn, Timestamp)
        if let released {
            last = (.releasedAt, released)
        } else {
            last = createdAt.map { (.createdAt, $0) } ?? (.requestedAt, requestedAt)
        }
        guard let cutoff = try instant(.cutoff) else {
            throw .emptyValue(line: line, column: ReplayColumn.cutoff.rawValue)
        }
        guard cutoff >= last.1 else {
            throw .outOfOrder(
                line: line, column: ReplayColumn.cutoff.rawValue, value: text(.cutoff), before: last.0.rawValue,
                beforeValue: text(last.0))
        }
        releasedAt = released ?? cutoff
    }
}

/// Where each column stands.
private struct ReplayHeader {
    let count: Int
    private let places: [ReplayColumn: Int]

    init(_ fields: [String]) throws(ReplayError) {
        count = fields.count
        var places: [ReplayColumn: Int] = [:]
        for (place, field) in fields.enumerated() {
            guard let column = ReplayColumn(rawValue: field) else { continue }
            guard places.updateValue(place, forKey: column) == nil else { throw .repeatedColumn(field) }
        }
        for column in ReplayColumn.allCases where places[column] == nil { throw .missingColumn(column.rawValue) }
        self.places = places
    }

    /// Every column has a place once the header was accepted.
    subscript(column: ReplayColumn) -> Int {
        guard let place = places[column] else {
            preconditionFailure("a header without \(column.rawValue) was accepted")
        }
        return place
    }
}
