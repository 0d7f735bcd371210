/// How a run goes, once a second: a line that is written over on a terminal, a line a second in a pipe.
struct LiveDisplay: Sendable {
    let console: Console
    let duration: TimeSpan

    func show(_ second: Second) {
        let line = Self.line(second, of: duration)
        if console.isTerminal { console.status(line) } else { console.line(line) }
    }

    static func line(_ second: Second, of duration: TimeSpan) -> String {
        func milliseconds(_ value: Double?) -> String { value.map { Figures.fixed($0, 2) + " ms" } ?? "-" }
        func padded(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let clock = padded(Figures.fixed(second.at, 0), 4) + " of \(Figures.fixed(duration.seconds, 0)) s"
        let rate = padded(Figures.grouped(Int(second.rate.rounded())), 9) + "/s"
        let latency = "p50 \(padded(milliseconds(second.p50), 10))  p99 \(padded(milliseconds(second.p99), 10))"
        let errors = "errors \(Figures.grouped(second.failed))"
        return "\(clock)  \(rate)  \(latency)  \(errors)" + (second.isWarmUp ? "  warm-up" : "")
    }
}
