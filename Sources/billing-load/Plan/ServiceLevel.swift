/// What a run must achieve, as "p99=20ms,errors=0.1%".
struct ServiceLevel: Hashable, Sendable {
    enum Objective: Hashable, Sendable {
        /// So many percent of the calls are answered in at most so long; 100 is the slowest one.
        case latency(percentile: Double, atMost: TimeSpan)
        /// At most this share of the calls fails.
        case errors(atMost: Double)
        /// At least so many calls a second are answered without an error.
        case rate(atLeast: Double)
    }

    /// Why a text is no service level.
    struct Fault: Error, Hashable, CustomStringConvertible {
        let description: String
    }

    struct Verdict: Hashable, Sendable, Codable {
        let objective: String
        let measured: String
        let isMet: Bool
    }

    let objectives: [Objective]

    /// - Throws: `Fault` naming the part that is wrong.
    init(_ text: String) throws(Fault) {
        var objectives: [Objective] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let objective = Objective(part) else {
                throw Fault(
                    description: "'\(part)' is no objective; write as in p99=20ms, p99.9=50ms, max=1s, errors=0.1%, "
                        + "rate=5000")
            }
            objectives.append(objective)
        }
        self.objectives = objectives
    }

    /// Judges what was measured; a run in which no call ended has met nothing.
    func judge(_ facts: some MeasuredFacts) -> [Verdict] {
        objectives.map { objective in
            switch objective {
            case .latency(let percentile, let bound):
                let latency = facts.latency(percentile: percentile)
                return Verdict(
                    objective: objective.description,
                    measured: latency?.description ?? (facts.ended > 0 ? "a failed call" : "nothing was measured"),
                    isMet: latency.map { $0 <= bound } ?? false)
            case .errors(let bound):
                return Verdict(
                    objective: objective.description,
                    measured: facts.ended > 0 ? Figures.percent(facts.errorShare) : "nothing was measured",
                    isMet: facts.ended > 0 && facts.errorShare <= bound)
            case .rate(let bound):
                return Verdict(
                    objective: objective.description, measured: Figures.short(facts.rate) + "/s",
                    isMet: facts.rate >= bound)
            }
        }
    }
}

/// What a service level is judged by.
protocol MeasuredFacts {
    /// A failed call is slower than any that is answered; `nil` if it is one that stands there, or none has ended.
    func latency(percentile: Double) -> TimeSpan?
    /// Calls that were answered or failed.
    var ended: Int { get }
    /// Of 1.
    var errorShare: Double { get }
    /// Calls answered without an error, a second.
    var rate: Double { get }
}

extension ServiceLevel.Objective: CustomStringConvertible {
    fileprivate init?(_ part: Substring) {
        let sides = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        guard sides.count == 2 else { return nil }
        switch sides[0] {
        case "errors":
            guard sides[1].hasSuffix("%"), let percent = Double(sides[1].dropLast()), (0...100).contains(percent)
            else { return nil }
            self = .errors(atMost: percent / 100)
        case "rate":
            guard let rate = Double(sides[1]), rate > 0, rate.isFinite else { return nil }
            self = .rate(atLeast: rate)
        case let name:
            let percentile = name == "max" ? 100 : name.hasPrefix("p") ? Double(name.dropFirst()) : nil
            guard let percentile, percentile > 0, percentile <= 100, let bound = TimeSpan(sides[1]) else { return nil }
            self = .latency(percentile: percentile, atMost: bound)
        }
    }

    var description: String {
        switch self {
        case .latency(100, let bound): "max <= \(bound)"
        case .latency(let percentile, let bound): "p\(Percentile.name(percentile)) <= \(bound)"
        case .errors(let bound): "errors <= \(Figures.percent(bound))"
        case .rate(let bound): "rate >= \(Figures.short(bound))/s"
        }
    }
}

/// The percentiles that are shown.
enum Percentile {
    static let shown: [Double] = [50, 90, 99, 99.9, 99.99, 100]

    /// "50", "99.9".
    static func name(_ percentile: Double) -> String {
        percentile == percentile.rounded() ? String(Int(percentile)) : "\(percentile)"
    }

    /// "p99", "max".
    static func title(_ percentile: Double) -> String { percentile == 100 ? "max" : "p" + name(percentile) }
}
