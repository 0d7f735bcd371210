import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct AuditCommand: GatewayCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Check the data of all services against the invariants.")

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let progress = Progress(session.terminal)
        defer { progress.end() }
        let findings = try await Audit.run(session.operations, timeoutMilliseconds: session.timeoutMilliseconds) {
            checked in
            progress.update { "audit: \(Readable.count(checked)) checked" }
        }
        progress.end()
        session.show(findings, none: "There was nothing to check.") { Audit.table(findings) }
        try Audit.require(findings)
        if !session.isJSON { session.print("\naudit: OK\n") }
    }
}

/// The checks of all services, each over all accounts.
enum Audit {
    /// The examples of one invariant that are shown.
    private static let examplesLimit = 10

    /// Asks slice by slice, and adds up what is found.
    /// - Parameter observe: is told how many things were looked at so far.
    static func run(
        _ operations: GatewayV1.OperationsClient, timeoutMilliseconds: Int64, observe: (Int64) -> Void
    ) async throws -> [CommonV1.AuditFinding] {
        var findings: [CommonV1.AuditFinding] = []
        var cursor = ""
        repeat {
            let reply = try await operations.audit(
                .init(cursor: cursor), CallOptions(deadline: .after(milliseconds: timeoutMilliseconds)))
            for finding in reply.findings { add(finding, to: &findings) }
            observe(findings.reduce(0) { $0 + $1.checked })
            guard reply.nextCursor.isEmpty || reply.nextCursor != cursor else {
                throw CommandFailure(.unknown, "The audit does not go on after cursor '\(cursor)'.")
            }
            cursor = reply.nextCursor
        } while !cursor.isEmpty
        return findings
    }

    static func add(_ finding: CommonV1.AuditFinding, to findings: inout [CommonV1.AuditFinding]) {
        guard
            let index = findings.firstIndex(where: { $0.invariant == finding.invariant && $0.title == finding.title })
        else { return findings.append(finding) }
        findings[index].checked += finding.checked
        findings[index].breaches += finding.breaches
        findings[index].examples += finding.examples.prefix(
            examplesLimit - min(examplesLimit, findings[index].examples.count))
    }

    static func table(_ findings: [CommonV1.AuditFinding]) -> Table {
        var table = Table(.text("rule"), .text("what must hold"), .number("checked"), .number("broken"))
        for finding in findings {
            table.add(
                finding.invariant, finding.title, Readable.count(finding.checked), Readable.count(finding.breaches))
        }
        return table
    }

    /// - Throws: `CommandFailure` naming the rules that are broken, with examples.
    static func require(_ findings: [CommonV1.AuditFinding]) throws {
        let broken = findings.filter { $0.breaches > 0 }
        guard broken.isEmpty else {
            let rules = broken.map { finding in
                "\(finding.invariant) \(finding.title) (\(finding.examples.joined(separator: "; ")))"
            }
            throw CommandFailure(.refused, "audit: NOT OK: \(rules.joined(separator: ", ")).")
        }
    }
}
