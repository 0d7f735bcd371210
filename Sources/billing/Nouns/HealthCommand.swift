import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct HealthCommand: GatewayCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Ask whether all services serve; exit status 3 while one does not.")

    @Flag(help: "Also show what each service has counted.")
    var counters = false
    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let reply = try await session.operations.systemHealth(.init(), session.reading())
        session.show(reply.services, none: "The gateway knows no services.") { HealthText.table(reply.services) }
        if counters, !session.isJSON { session.print("\n" + HealthText.counters(reply.services).text) }
        let missing = reply.services.filter { $0.health?.status != .serving }
        guard missing.isEmpty, !reply.services.isEmpty else {
            let names = missing.map { $0.health?.service ?? "" }.filter { !$0.isEmpty }.joined(separator: ", ")
            throw CommandFailure(
                .unknown, names.isEmpty ? "Not all services serve." : "These services do not serve: \(names).",
                next: "their logs tell why; deploy/run --keep starts them all.")
        }
    }
}

enum HealthText {
    static func table(_ services: [GatewayV1.ServiceHealth]) -> Table {
        var table = Table(.text("service"), .text("status"), .text("version"), .text("boot"), .text("problem"))
        for service in services {
            let health = service.health ?? .init()
            table.add(
                Readable.text(health.service), health.status == .unspecified ? "unreachable" : health.status.word,
                Readable.text(health.version),
                health.bootID == 0 ? Readable.nothing : String(health.bootID, radix: 16), Readable.text(service.problem)
            )
        }
        return table
    }

    static func counters(_ services: [GatewayV1.ServiceHealth]) -> Table {
        var table = Table(.text("service"), .text("counter"), .number("count"))
        for health in services.compactMap(\.health) {
            for counter in health.counters {
                table.add(health.service, counter.name, Readable.count(counter.count))
            }
        }
        return table
    }
}
