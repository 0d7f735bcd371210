import Foundation
import Histogram

/// The report on disk: report.json, histogram.csv and report.html.
enum ReportFiles {
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    /// Makes the folder, so that one that cannot be is found out before the run.
    /// - Throws: `Fault`.
    static func prepare(_ folder: String) throws(Fault) {
        do {
            try FileManager.default.createDirectory(at: URL(filePath: folder), withIntermediateDirectories: true)
        } catch {
            throw Fault(description: "the report's folder '\(folder)' cannot be made: \(error.localizedDescription)")
        }
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw Fault(description: "the report's folder '\(folder)' cannot be written to")
        }
    }

    /// - Throws: `Fault`.
    static func write(_ report: Report, _ histogram: LatencyHistogram, before: Report?, to folder: String) throws {
        let folder = URL(filePath: folder)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try encoder.encode(report).write(to: folder.appending(path: "report.json"), options: .atomic)
            try Data(histogram.csv.utf8).write(to: folder.appending(path: "histogram.csv"), options: .atomic)
            let page = ReportPage(report: report, before: before).html
            try Data(page.utf8).write(to: folder.appending(path: "report.html"), options: .atomic)
        } catch {
            throw Fault(description: "the report cannot be written to \(folder.path()): \(error.localizedDescription)")
        }
    }

    /// A report that was written by an earlier run of the same scenario.
    /// - Throws: `Fault`.
    static func read(_ path: String, of service: Service, _ scenario: String) throws(Fault) -> Report {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Fault(description: "the report '\(path)' cannot be read")
        }
        guard let report = try? JSONDecoder().decode(Report.self, from: data), report.format == 1 else {
            throw Fault(description: "'\(path)' is no report.json of this program")
        }
        guard report.service == service.rawValue, report.scenario == scenario else {
            throw Fault(
                description: "'\(path)' is of \(report.service) \(report.scenario), which does not compare with "
                    + "\(service.rawValue) \(scenario)")
        }
        return report
    }
}
