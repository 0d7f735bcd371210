import BillingCore

/// What the scenarios of a run share.
struct DataSet: Sendable {
    let accounts: Int
    let groups: Int
    let seed: UInt64
    let maker: CallMaker
    /// Slices or lines of one batch between services.
    let linesPerBatch: Int

    var groupsPerAccount: Int { max(1, min(groups / accounts, 256)) }

    /// The id of one of the run's accounts, for services that take the gateway's word for it.
    func account(_ index: Int) -> String { "acct-\(maker.runID)-\(index % accounts)" }
}

extension StockBound {
    static func accounts(_ dataSet: DataSet) -> StockBound {
        StockBound(count: dataSet.accounts, name: "accounts (--accounts)")
    }
}

/// Business time of the calls that the load tester stamps, as the gateway would.
enum BusinessTime {
    /// 2026-01-01 00:00 in the billing time zone.
    static let start = Timestamp(milliseconds: 1_767_196_800_000)
}

/// Something that is sold, in deploy/catalog.yaml as well as by the stand-in for pricing.
struct Offer: Hashable, Sendable {
    let specification: String
    let region: String
    let instances: UInt32

    static let specifications = [
        "acp.basic.small", "acp.std.small", "acp.std.medium", "acp.std.large", "acp.perf.large",
    ]
    static let regions = ["cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "cn-hongkong", "ap-southeast-1"]

    static let usual = Offer(specification: "acp.basic.small", region: "cn-hangzhou", instances: 2)

    /// Small specifications and small groups are the most common.
    static func any(_ random: inout SeededGenerator) -> Offer {
        let rank = Int(random.unit() * random.unit() * Double(specifications.count))
        let instances = 1 + Int(random.unit() * random.unit() * random.unit() * 20)
        return Offer(
            specification: specifications[rank], region: regions[Int.random(in: 0..<regions.count, using: &random)],
            instances: UInt32(instances))
    }
}
