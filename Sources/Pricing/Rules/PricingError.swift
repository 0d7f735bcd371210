import BillingCore

/// Why something has no price.
enum PricingError: BillingError, Hashable {
    case unknownSpecification(String, valid: [String])
    case unknownRegion(String, valid: [String])
    case unknownDuration(UInt32, valid: [UInt32])
    case unknownItem(String, valid: [String])
    case instanceCount(UInt32)
    case quantity(Int64)
    /// Nothing was sold yet at that instant.
    case noneInForce(Timestamp, first: Timestamp)
    /// What the slice is of was not sold yet at that instant.
    case notYetSold(slice: Int, at: Timestamp)
    case unknownVersion(UInt32, newest: UInt32)
    /// The columns of a batch are of different lengths.
    case columns(resource: Int, start: Int, end: Int)
    /// A slice names a resource that the batch does not have.
    case resourceIndex(UInt32, slice: Int, resources: Int)
    case emptySlice(Int, start: Int64, end: Int64)
    case sliceBeforeAnchor(Int, start: Int64, anchor: Int64)
    /// A slice of a value-added item lies in more than one clock hour.
    case severalHours(Int, start: Int64, end: Int64)
    /// Price changes split the batch into more parts than a reply may hold.
    case tooManyParts(limit: Int)
    /// An instant outside 1970 to 9999.
    case instant(Int64, field: String)
    case emptyTerm(start: Timestamp, end: Timestamp)
    case negativeListPrice(Int64)
    /// A message that is to say what it is about names none or several things.
    case nothingToExplain
    case unknownBillingMethod
    /// One of the above, in an item of a list: "resources[3]".
    indirect case inItem(String, PricingError)

    var status: Status {
        switch self {
        case .unknownSpecification, .unknownRegion, .unknownDuration, .unknownItem, .instanceCount, .quantity,
            .columns, .resourceIndex, .emptySlice, .sliceBeforeAnchor, .severalHours, .instant, .emptyTerm,
            .negativeListPrice, .nothingToExplain, .unknownBillingMethod:
            .invalidArgument
        case .noneInForce, .notYetSold: .failedPrecondition
        case .tooManyParts: .outOfRange
        case .unknownVersion: .notFound
        case .inItem(_, let error): error.status
        }
    }

    var reason: String {
        switch self {
        case .unknownSpecification: "price.unknown_specification"
        case .unknownRegion: "price.unknown_region"
        case .unknownDuration: "price.unknown_duration"
        case .unknownItem: "price.unknown_item"
        case .instanceCount: "group.instance_count"
        case .quantity: "price.quantity"
        case .noneInForce: "price.none_in_force"
        case .notYetSold: "price.not_yet_sold"
        case .unknownVersion: "price.unknown_version"
        case .columns: "price.columns"
        case .resourceIndex: "price.resource_index"
        case .emptySlice: "price.empty_slice"
        case .sliceBeforeAnchor: "price.slice_before_anchor"
        case .severalHours: "price.several_hours"
        case .tooManyParts: "price.too_many_parts"
        case .instant: "price.instant"
        case .emptyTerm: "price.empty_term"
        case .negativeListPrice: "price.negative_list_price"
        case .nothingToExplain: "price.nothing_to_explain"
        case .unknownBillingMethod: "price.billing_method"
        case .inItem(_, let error): error.reason
        }
    }

    var message: String {
        switch self {
        case .unknownSpecification(let name, let valid):
            "There is no specification '\(name)'; there are \(valid.joined(separator: ", "))."
        case .unknownRegion(let id, let valid):
            "There is no region '\(id)'; there are \(valid.joined(separator: ", "))."
        case .unknownDuration(let months, let valid):
            "A subscription cannot last \(months) months; choose \(valid.map(String.init).joined(separator: ", "))."
        case .instanceCount(let count):
            "A group cannot have \(count) instances; it has \(InstanceCount.valid.lowerBound) to "
                + "\(InstanceCount.valid.upperBound)."
        case .unknownItem(let id, let valid):
            "There is no value-added item '\(id)'; there are \(valid.joined(separator: ", "))."
        case .quantity(let quantity):
            "A quantity cannot be \(quantity); it is \(Quantity.valid.lowerBound) to \(Quantity.valid.upperBound)."
        case .noneInForce(let instant, let first):
            "No price list is in force at \(instant); the first one is effective from \(first)."
        case .notYetSold(let slice, let instant):
            "What slice \(slice) is of was not sold yet at \(instant)."
        case .unknownVersion(let version, let newest):
            "There is no version \(version) of the price list; the newest is \(newest)."
        case .columns(let resource, let start, let end):
            "The columns of a batch are equally long; resource has \(resource) entries, start \(start), end \(end)."
        case .resourceIndex(let index, let slice, let resources):
            "Slice \(slice) is of resource \(index), and the batch has \(resources) resources, counted from 0."
        case .emptySlice(let slice, let start, let end):
            "Slice \(slice) does not end (\(end)) after it starts (\(start))."
        case .sliceBeforeAnchor(let slice, let start, let anchor):
            "Slice \(slice) starts (\(start)) before the accrual of its resource does (\(anchor))."
        case .severalHours(let slice, let start, let end):
            "Slice \(slice) (\(start) to \(end)) is not within one clock hour, as a slice of a value-added item is."
        case .tooManyParts(let limit):
            "Price changes split these slices into more than \(limit) parts; send fewer slices at once."
        case .instant(let milliseconds, _):
            "\(milliseconds) is no instant of ours; those are milliseconds since 1970, up to the end of 9999."
        case .emptyTerm(let start, let end): "A term cannot end (\(end)) before it has started (\(start))."
        case .negativeListPrice(let nanos): "A list price cannot be negative: \(nanos) nano-dollars."
        case .nothingToExplain: "Name one of a slice, an order and what was consumed of an order."
        case .unknownBillingMethod: "A group is billed by subscription or pay-as-you-go; name one of the two."
        case .inItem(_, let error): error.message
        }
    }

    var field: String {
        switch self {
        case .unknownSpecification: "specification"
        case .unknownRegion: "region"
        case .unknownDuration: "months"
        case .unknownItem: "item"
        case .quantity: "quantity"
        case .instanceCount: "instances"
        case .noneInForce: "at"
        case .notYetSold(let slice, _): "start[\(slice)]"
        case .unknownVersion: "price_list_version"
        case .columns: "resource"
        case .resourceIndex(_, let slice, _): "resource[\(slice)]"
        case .emptySlice(let slice, _, _): "end[\(slice)]"
        case .sliceBeforeAnchor(let slice, _, _): "start[\(slice)]"
        case .severalHours(let slice, _, _): "end[\(slice)]"
        case .tooManyParts: "start"
        case .instant(_, let field): field
        case .emptyTerm: "term_end"
        case .negativeListPrice: "list_nanos"
        case .nothingToExplain: "slice"
        case .unknownBillingMethod: "billing_method"
        case .inItem(let path, let error): "\(path).\(error.field)"
        }
    }

    var value: String {
        switch self {
        case .unknownSpecification(let name, _): name
        case .unknownRegion(let id, _): id
        case .unknownDuration(let months, _): String(months)
        case .unknownItem(let id, _): id
        case .quantity(let quantity): String(quantity)
        case .instanceCount(let count): String(count)
        case .noneInForce(let instant, _), .notYetSold(_, let instant): "\(instant)"
        case .unknownVersion(let version, _): String(version)
        case .columns(let resource, _, _): String(resource)
        case .resourceIndex(let index, _, _): String(index)
        case .emptySlice(_, _, let end): String(end)
        case .sliceBeforeAnchor(_, let start, _): String(start)
        case .severalHours(_, _, let end): String(end)
        case .tooManyParts: ""
        case .instant(let milliseconds, _): String(milliseconds)
        case .emptyTerm(_, let end): "\(end)"
        case .negativeListPrice(let nanos): String(nanos)
        case .nothingToExplain, .unknownBillingMethod: ""
        case .inItem(_, let error): error.value
        }
    }
}

extension Timestamp {
    /// An instant from outside.
    /// - Throws: `PricingError.instant` outside 1970 to 9999.
    init(checked milliseconds: Int64, field: String) throws(PricingError) {
        let instant = Timestamp(milliseconds: milliseconds)
        guard instant >= .earliest, instant <= .latest else { throw .instant(milliseconds, field: field) }
        self = instant
    }
}
