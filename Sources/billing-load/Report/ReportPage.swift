/// The report as one page that needs nothing else, with the charts drawn in it.
struct ReportPage {
    let report: Report
    /// An earlier run, drawn beside it.
    let before: Report?

    var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
        <title>\(title.escaped)</title>
        <style>\(Self.style)</style></head><body>
        <h1>\(title.escaped)</h1>
        <p>\(report.startedAt.escaped), <code>billing-load \(report.command.escaped)</code></p>
        \(report.warnings.map { "<p class=\"warning\">\($0.escaped)</p>" }.joined(separator: "\n"))
        \(verdicts)
        <p>Latencies are those of answered calls, from when a call was due (in a closed loop: was sent) to its answer.</p>
        \(figures)
        \(steps)
        \(charts.joined(separator: "\n"))
        \(operations)
        \(failures)
        </body></html>

        """
    }

    private var title: String { "Load of \(report.service): \(report.scenario)" }

    private var verdicts: String {
        guard !report.verdicts.isEmpty else { return "" }
        return "<ul>\n"
            + report.verdicts.map { verdict in
                "<li class=\"\(verdict.isMet ? "kept" : "broken")\">\(verdict.objective.escaped): "
                    + "\(verdict.measured.escaped), \(verdict.isMet ? "kept" : "broken")</li>\n"
            }.joined() + "</ul>"
    }

    // MARK: Tables

    private var figures: String {
        let old = before.map(Self.facts)
        let rows = Self.facts(report).enumerated().compactMap { index, fact -> String? in
            guard fact.value != nil || old?[index].value != nil else { return nil }
            var row = "<tr><th>\(fact.name)</th><td>\(Self.value(fact.value))</td>"
            if let before = old?[index].value {
                row += "<td>\(Self.value(before))</td><td>\(Self.change(from: before, to: fact.value))</td>"
            } else if old != nil {
                row += "<td>-</td><td></td>"
            }
            return row + "</tr>"
        }
        let heading =
            before.map { "<th>this run</th><th>\($0.startedAt.escaped)</th><th>change</th>" } ?? "<th>this run</th>"
        return "<table><tr><th></th>\(heading)</tr>\n\(rows.joined(separator: "\n"))</table>"
    }

    private static func facts(_ report: Report) -> [(name: String, value: Double?)] {
        let result = report.result
        let latencies = Percentile.shown.map(Percentile.title).map { ("\($0), ms", result.latency[$0]) }
        return [
            ("knee, calls a second", report.ramp?.knee), ("intended, calls a second", report.load.intendedRate),
            ("answered, calls a second", result.rate),
        ] + latencies + [
            ("errors, %", result.errorShare * 100),
            ("sent late p99, ms", report.load.intendedRate.flatMap { _ in result.lag["p99"] }),
            ("service, % of a core", result.usage.server.map { $0.process * 100 }),
            ("load tester, % of a core", result.usage.generator.process * 100),
            ("machine, %", result.usage.machine * 100),
        ]
    }

    private var steps: String {
        guard let ramp = report.ramp else { return "" }
        let rows = ramp.steps.sorted { $0.rate < $1.rate }.map { step in
            "<tr><th>\(Figures.short(step.rate))</th><td>\(Figures.short(step.answered))</td>"
                + "<td>\(Self.value(step.p50))</td><td>\(Self.value(step.p99))</td>"
                + "<td>\(Figures.short(step.errorShare * 100))</td>"
                + "<td>\(step.holds ? "holds" : "fails: \(step.saturation.rawValue)")</td></tr>\n"
        }
        let bound = Figures.short(ramp.boundMilliseconds)
        let saturated = ramp.saturated.map { ", and what saturated above the knee: \($0.sentence)" } ?? ""
        return "<p>Steps of the ramp with p99 to stay within \(bound) ms\(saturated.escaped).</p>\n"
            + "<table><tr><th>rate</th><th>answered a second</th><th>p50, ms</th><th>p99, ms</th><th>errors, %</th>"
            + "<th></th></tr>\n\(rows.joined())</table>"
    }

    private static func value(_ value: Double?) -> String { value.map(Figures.short) ?? "-" }

    /// "+12 %"; empty where there is nothing to compare with.
    static func change(from before: Double, to now: Double?) -> String {
        guard let now, before != 0 else { return "" }
        let percent = ((now - before) / before * 100).rounded()
        return (percent > 0 ? "+" : "") + Figures.fixed(percent, 0) + " %"
    }

    private var operations: String {
        let titles = Percentile.shown.map(Percentile.title)
        let rows = report.result.operations.map { operation in
            "<tr><th>\(operation.name.escaped)</th><td>\(Figures.grouped(operation.calls))</td>"
                + "<td>\(Figures.short(operation.rate))</td>"
                + titles.map { "<td>\(Self.value(operation.latency[$0]))</td>" }.joined()
                + "<td>\(Figures.grouped(operation.failures.values.reduce(0, +)))</td></tr>\n"
        }
        let heading = titles.map { "<th>\($0), ms</th>" }.joined()
        return "<table><tr><th>operation</th><th>calls</th><th>a second</th>\(heading)<th>errors</th></tr>\n"
            + rows.joined() + "</table>"
    }

    private var failures: String {
        guard !report.result.failures.isEmpty else { return "" }
        let rows = report.result.failures.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { reason, count in
            "<tr><th>\(reason.escaped)</th><td>\(Figures.grouped(count))</td></tr>\n"
        }
        return "<table><tr><th>failed calls by reason</th><th>calls</th></tr>\n\(rows.joined())</table>"
    }

    // MARK: Charts

    private var runs: [(name: String, suffix: String, report: Report)] {
        [("this run", "", report)] + (before.map { [("before", "-old", $0)] } ?? [])
    }

    private var charts: [String] {
        let part = report.ramp == nil ? "" : ", the step that is reported"
        let seconds = "seconds, the first \(Figures.short(report.load.warmUpSeconds)) not measured"
        return [
            LineChart(
                title: "Latency by percentile", x: "percentile", y: "milliseconds", xScale: .logarithmic,
                yScale: .logarithmic, xMarks: percentileMarks,
                xText: { "\(Figures.fixed(100 - 100 / $0, 3)) %" },
                series: runs.map { run in
                    LineChart.Series(
                        name: run.name, style: "a\(run.suffix)",
                        points: run.report.distribution.filter { $0.percentile < 100 }.map {
                            (100 / (100 - $0.percentile), $0.milliseconds)
                        })
                }),
            LineChart(
                title: "Throughput over time" + part, x: seconds, y: "calls a second",
                series: runs.flatMap { run in
                    [
                        over(run, "answered", "a") { $0.rate },
                        over(run, "errors", "b") { $0.failed > 0 ? Double($0.failed) / max($0.length, 1e-3) : nil },
                    ]
                }),
            LineChart(
                title: "Latency over time" + part, x: seconds, y: "milliseconds", yScale: .logarithmic,
                series: runs.flatMap { run in [over(run, "p50", "a") { $0.p50 }, over(run, "p99", "b") { $0.p99 }] }),
            LineChart(
                title: "Latency by rate", x: "calls a second", y: "milliseconds", yScale: .logarithmic,
                series: runs.flatMap { run in
                    [by(run, "p50", "a") { $0.p50 }, by(run, "p99", "b") { $0.p99 }]
                }),
        ].map(\.svg)
    }

    private var percentileMarks: [(at: Double, text: String)] {
        let most =
            runs.compactMap { run in run.report.distribution.map(\.percentile).filter { $0 < 100 }.max() }.max() ?? 0
        return [0, 50, 90, 99, 99.9, 99.99, 99.999].filter { $0 <= most }.map {
            (100 / (100 - $0), "\(Percentile.name($0)) %")
        }
    }

    private func over(
        _ run: (name: String, suffix: String, report: Report), _ name: String, _ style: String,
        _ value: (Second) -> Double?
    ) -> LineChart.Series {
        LineChart.Series(
            name: name + (run.suffix.isEmpty ? "" : " before"), style: style + run.suffix,
            points: run.report.seconds.compactMap { second in value(second).map { (second.at, $0) } })
    }

    private func by(
        _ run: (name: String, suffix: String, report: Report), _ name: String, _ style: String,
        _ value: (Report.RampFacts.Step) -> Double?
    ) -> LineChart.Series {
        let steps = (run.report.ramp?.steps ?? []).sorted { $0.rate < $1.rate }
        return LineChart.Series(
            name: name + (run.suffix.isEmpty ? "" : " before"), style: style + run.suffix,
            points: steps.compactMap { step in value(step).map { (step.answered, $0) } })
    }

    private static let style = """
        :root { color-scheme: light dark; --ink: #222; --quiet: #8884; --a: #1565c0; --b: #c62828; }
        @media (prefers-color-scheme: dark) { :root { --ink: #ddd; --a: #64b5f6; --b: #ef9a9a; } }
        body { font: 14px/1.5 system-ui, sans-serif; max-width: 800px; margin: 2em auto; padding: 0 1em; color: var(--ink); }
        svg { width: 100%; margin: 1em 0; font-size: 11px; } text { fill: var(--ink); } .title { font-weight: bold; }
        polyline { fill: none; stroke-width: 1.6; } .grid { stroke: var(--quiet); }
        .a, .a-old { stroke: var(--a); } .b, .b-old { stroke: var(--b); } .a-old, .b-old { stroke-dasharray: 5 4; opacity: .7; }
        circle { fill: var(--ink); } table { border-collapse: collapse; margin: 1em 0; }
        td, th { padding: .15em .7em; text-align: right; border-bottom: 1px solid var(--quiet); font-weight: normal; }
        th:first-child { text-align: left; } .warning, .broken { color: var(--b); font-weight: bold; }
        """
}
