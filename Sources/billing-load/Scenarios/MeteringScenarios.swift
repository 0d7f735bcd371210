import BillingAPI
import BillingCore
import RPC

/// An account as metering knows it.
struct MeteredAccount: Sendable {
    let id: String
    /// Not before the account's latest instant.
    var at: Timestamp
    var groups: [String] = []

    /// The next top of an hour.
    var nextHour: Timestamp {
        BillingCalendar.hour(of: at).adding(milliseconds: .millisecondsPerHour)
    }

    /// Accounts of a run, each beginning somewhere in the first hour.
    static func all(_ dataSet: DataSet) -> [MeteredAccount] {
        (0..<dataSet.accounts).map { index in
            var random = SeededGenerator(seed: dataSet.seed &+ UInt64(index))
            return MeteredAccount(
                id: dataSet.account(index),
                at: BusinessTime.start.adding(milliseconds: Int64.random(in: 0..<3_000_000, using: &random)))
        }
    }

    /// Creates a group as the gateway has it created.
    mutating func create(
        _ offer: Offer, _ name: String, _ maker: CallMaker, _ channel: any Channel
    ) async throws(RPCError) {
        let request = MeteringV1.CreateGroupRequest(
            specification: offer.specification, region: offer.region, instances: offer.instances, name: name,
            provisioner: .immediate)
        let reply = try await MeteringV1.GroupsClient(channel).createGroup(request, maker.writing(id, name, at: at))
        if let group = reply.group { groups.append(group.groupID) }
    }
}

/// The life of pay-as-you-go groups: they are created and released, and now and then their account is cut.
final class LifecycleScenario: Scenario {
    let operations = ["create", "release", "cut"]
    var bound: StockBound? { .accounts(dataSet) }
    private let dataSet: DataSet
    private let stock: Stock<MeteredAccount>

    init(_ dataSet: DataSet) {
        self.dataSet = dataSet
        stock = Stock()
    }

    func prepare(_ preparation: Preparation) async throws {
        for account in try await MeteredAccount.prepared(dataSet, preparation) { stock.put(account) }
    }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        let maker = dataSet.maker
        guard let account = stock.take(&random) else { return nil }
        let chance = random.unit()
        if chance < 0.2 {
            return stock.call(2, about: account) { channel, account throws(RPCError) in
                let partition = UInt32(Partition.of(account.id))
                // Whatever becomes of it, the account may be cut by then.
                account.at = account.nextHour
                let request = MeteringV1.CutRequest(
                    partitionFrom: partition, partitionTo: partition + 1, through: account.at.milliseconds,
                    accountID: account.id)
                _ = try await MeteringV1.CutsClient(channel).cut(request, maker.reading(account.id, at: account.at))
                return 1
            }
        }
        if chance < 0.6, !account.groups.isEmpty {
            return stock.call(1, about: account) { channel, account throws(RPCError) in
                let group = account.groups.removeFirst()
                let (step, options) = maker.step("release", "release", saga: number, account.id, at: account.at)
                _ = try await MeteringV1.GroupStepsClient(channel).releaseGroup(
                    .init(step: step, groupID: group), options)
                return 1
            }
        }
        let offer = Offer.any(&random)
        return stock.call(0, about: account) { channel, account throws(RPCError) in
            try await account.create(offer, "run-\(number)", maker, channel)
            return 1
        }
    }
}

/// The hourly cut of all accounts, a partition a call, hour after hour.
final class CutScenario: Scenario {
    let operations = ["cut"]
    let itemName: String? = "lines"
    let bound: StockBound? = StockBound(count: Partition.count, name: "partitions")
    private let dataSet: DataSet
    private let stock: Stock<CutPartition>

    /// A partition, and how far it is cut.
    private struct CutPartition: Sendable {
        let number: UInt32
        var hour: Timestamp
    }

    init(_ dataSet: DataSet) {
        self.dataSet = dataSet
        stock = Stock(
            (0..<UInt32(Partition.count)).map { CutPartition(number: $0, hour: BusinessTime.start) })
    }

    func prepare(_ preparation: Preparation) async throws {
        _ = try await MeteredAccount.prepared(dataSet, preparation)
    }

    func plan(_ number: Int, _ random: inout SeededGenerator) -> PlannedCall? {
        let maker = dataSet.maker
        guard let partition = stock.take(&random) else { return nil }
        return stock.call(0, about: partition) { channel, partition throws(RPCError) in
            partition.hour = partition.hour.adding(milliseconds: .millisecondsPerHour)
            let request = MeteringV1.CutRequest(
                partitionFrom: partition.number, partitionTo: partition.number + 1,
                through: partition.hour.milliseconds)
            return Int(
                try await MeteringV1.CutsClient(channel).cut(request, maker.reading(at: partition.hour)).lines)
        }
    }
}

extension MeteredAccount {
    /// Creates the groups, divided among the accounts; those of one account one after another.
    fileprivate static func prepared(
        _ dataSet: DataSet, _ preparation: Preparation
    ) async throws -> [MeteredAccount] {
        let accounts = all(dataSet)
        let made = Stock<(index: Int, account: MeteredAccount)>()
        try await preparation.each(
            accounts.count, "accounts", with: "\(Figures.grouped(dataSet.groups)) groups"
        ) { index, channel in
            var random = SeededGenerator(seed: dataSet.seed ^ UInt64(index))
            var account = accounts[index]
            for number in stride(from: index, to: dataSet.groups, by: accounts.count) {
                try await account.create(Offer.any(&random), "prepared-\(number)", dataSet.maker, channel)
            }
            made.put((index, account))
        }
        return made.all.sorted { $0.index < $1.index }.map(\.account)
    }
}
