import Glibc

/// Lines over two axes, as SVG.
struct LineChart {
    enum Scale: Hashable { case linear, logarithmic }

    struct Series {
        let name: String
        /// A class of the page's style sheet, which has the colour.
        let style: String
        let points: [(x: Double, y: Double)]
    }

    let title: String
    let x: String
    let y: String
    var xScale = Scale.linear
    var yScale = Scale.linear
    /// What stands at places of the x axis instead of numbers.
    var xMarks: [(at: Double, text: String)] = []
    /// What an x is called where the pointer rests on a point.
    var xText: (Double) -> String = Figures.short
    let series: [Series]

    private static let (width, height) = (760.0, 300.0)
    private static let (left, right, top, bottom) = (64.0, 16.0, 28.0, 44.0)

    /// Empty when there is nothing to draw.
    var svg: String {
        let drawn = series.map { series in
            Series(name: series.name, style: series.style, points: series.points.filter { isDrawable($0.x, $0.y) })
        }.filter { !$0.points.isEmpty }
        guard !drawn.isEmpty else { return "" }
        let xs = drawn.flatMap { $0.points.map(\.x) } + xMarks.map(\.at)
        let ys = drawn.flatMap { $0.points.map(\.y) }
        let xAxis = Axis(xs, xScale, from: Self.left, to: Self.width - Self.right)
        let yAxis = Axis(ys, yScale, from: Self.height - Self.bottom, to: Self.top)
        var svg =
            "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"\(title.escaped)\">\n"
        svg += "<text class=\"title\" x=\"\(Self.left)\" y=\"16\">\(title.escaped)</text>\n"
        for mark in yAxis.marks {
            svg += line(Self.left, mark.at, Self.width - Self.right, mark.at)
            svg += text(Self.left - 6, mark.at + 4, mark.text, "end")
        }
        for mark in xMarks.isEmpty ? xAxis.marks : xMarks.map({ (xAxis.place($0.at), $0.text) }) {
            svg += line(mark.at, Self.top, mark.at, Self.height - Self.bottom)
            svg += text(mark.at, Self.height - Self.bottom + 16, mark.text, "middle")
        }
        svg += text(Self.width - Self.right, Self.height - 8, x, "end") + text(Self.left, Self.height - 8, y, "start")
        for (index, one) in drawn.enumerated() {
            svg += draw(one, xAxis, yAxis)
            let at = Self.width - Self.right - Double(drawn.count - index) * 118
            svg += "<line class=\"\(one.style)\" x1=\"\(at)\" x2=\"\(at + 18)\" y1=\"12\" y2=\"12\"/>\n"
            svg += text(at + 22, 16, one.name, "start")
        }
        return svg + "</svg>\n"
    }

    private func isDrawable(_ x: Double, _ y: Double) -> Bool {
        x.isFinite && y.isFinite && (xScale == .linear || x > 0) && (yScale == .linear || y > 0)
    }

    private func draw(_ series: Series, _ xAxis: Axis, _ yAxis: Axis) -> String {
        let places = series.points.map { (xAxis.place($0.x), yAxis.place($0.y)) }
        let path = places.map { "\(Figures.fixed($0.0, 1)),\(Figures.fixed($0.1, 1))" }.joined(separator: " ")
        var svg = "<polyline class=\"\(series.style)\" points=\"\(path)\"/>\n"
        guard places.count <= 60 else { return svg }
        for (place, point) in zip(places, series.points) {
            svg += "<circle class=\"\(series.style)\" r=\"2.5\" cx=\"\(Figures.fixed(place.0, 1))\" "
            svg += "cy=\"\(Figures.fixed(place.1, 1))\"><title>"
            svg += "\(series.name): \(xText(point.x)), \(Figures.short(point.y))".escaped
            svg += "</title></circle>\n"
        }
        return svg
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
        "<line class=\"grid\" x1=\"\(Figures.fixed(x1, 1))\" y1=\"\(Figures.fixed(y1, 1))\" "
            + "x2=\"\(Figures.fixed(x2, 1))\" y2=\"\(Figures.fixed(y2, 1))\"/>\n"
    }

    private func text(_ x: Double, _ y: Double, _ text: String, _ anchor: String) -> String {
        "<text x=\"\(Figures.fixed(x, 1))\" y=\"\(Figures.fixed(y, 1))\" text-anchor=\"\(anchor)\">\(text.escaped)</text>\n"
    }
}

/// Where values stand on one side of a chart.
struct Axis {
    private let low: Double
    private let high: Double
    private let scale: LineChart.Scale
    private let from: Double
    private let to: Double
    /// Places and texts of the grid.
    private(set) var marks: [(at: Double, text: String)] = []

    /// - Parameters:
    ///   - values: not empty; above 0 on a logarithmic scale.
    ///   - from: the place of the lowest mark, in pixels.
    init(_ values: [Double], _ scale: LineChart.Scale, from: Double, to: Double) {
        (self.scale, self.from, self.to) = (scale, from, to)
        let (least, most) = (values.min() ?? 0, values.max() ?? 1)
        switch scale {
        case .logarithmic:
            low = pow(10, floor(log10(least) + 1e-9))
            high = max(low * 10, pow(10, ceil(log10(most) - 1e-9)))
            for exponent in Int(log10(low).rounded())...Int(log10(high).rounded()) {
                let value = pow(10, Double(exponent))
                marks.append((place(value), Figures.short(value)))
            }
        case .linear:
            let step = Axis.step(max(most, 1e-9) / 5)
            low = 0
            high = max(step, (most / step).rounded(.up) * step)
            for index in 0...Int((high / step).rounded()) {
                let value = Double(index) * step
                marks.append((place(value), Axis.brief(value)))
            }
        }
    }

    func place(_ value: Double) -> Double {
        let share =
            switch scale {
            case .linear: (value - low) / (high - low)
            case .logarithmic: log10(value / low) / log10(high / low)
            }
        return from + min(1, max(0, share)) * (to - from)
    }

    /// 1, 2 or 5 times a power of ten, at least `least`.
    static func step(_ least: Double) -> Double {
        let power = pow(10, floor(log10(least)))
        for factor in [1.0, 2, 5] where factor * power >= least * (1 - 1e-9) { return factor * power }
        return 10 * power
    }

    /// "20k", "1.5M".
    static func brief(_ value: Double) -> String {
        value >= 1e6
            ? Figures.short(value / 1e6) + "M" : value >= 1e4 ? Figures.short(value / 1e3) + "k" : Figures.short(value)
    }
}

extension String {
    /// As text or attribute of a page.
    var escaped: String {
        var text = ""
        for character in self {
            switch character {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case "'": text += "&#39;"
            case _: text.append(character)
            }
        }
        return text
    }
}
