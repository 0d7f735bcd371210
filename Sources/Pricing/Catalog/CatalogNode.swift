import Yams

/// A place in the catalog file: its content with the path of keys that leads there, so that a mistake can be named.
struct CatalogNode {
    private let node: Node
    /// "versions[0].regions[2].class".
    let path: String

    /// - Throws: `CatalogError` when the text is no YAML, or empty.
    init(parsing text: String) throws(CatalogError) {
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw CatalogError(line: 0, path: "", problem: "This is not YAML that can be read: \(error)")
        }
        guard let node else { throw CatalogError(line: 0, path: "", problem: "The file is empty.") }
        self.init(node, path: "")
    }

    private init(_ node: Node, path: String) {
        self.node = node
        self.path = path
    }

    func error(_ problem: String) -> CatalogError {
        CatalogError(line: node.mark?.line ?? 0, path: path, problem: problem)
    }

    /// A mapping that has all of `keys`, perhaps some of `optional`, and nothing else.
    func fields(_ keys: [String], optional: [String] = []) throws(CatalogError) -> [String: CatalogNode] {
        guard case .mapping(let mapping) = node else {
            throw error("Write the keys \(keys.joined(separator: ", ")) here, each with a value.")
        }
        var fields: [String: CatalogNode] = [:]
        for (keyNode, value) in mapping {
            let key = CatalogNode(keyNode, path: path)
            let name = try key.text()
            guard keys.contains(name) || optional.contains(name) else {
                throw key.error("'\(name)' is not a key here; there are \((keys + optional).joined(separator: ", ")).")
            }
            fields[name] = CatalogNode(value, path: path.isEmpty ? name : "\(path).\(name)")
        }
        for key in keys where fields[key] == nil { throw error("The key '\(key)' is missing here.") }
        return fields
    }

    /// A list with one item at least.
    func items() throws(CatalogError) -> [CatalogNode] {
        guard case .sequence(let sequence) = node, !sequence.isEmpty else {
            throw error("Write a list of one item or more here.")
        }
        return sequence.enumerated().map { CatalogNode($1, path: "\(path)[\($0)]") }
    }

    /// A text of one line that is not empty. Numbers are texts too, so that no price is ever read as a binary fraction.
    func text() throws(CatalogError) -> String {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty,
            scalar.string.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
        else { throw error("Write one value here, on one line.") }
        return scalar.string
    }
}

/// What is wrong in the price catalog, and where.
struct CatalogError: Error, Hashable, CustomStringConvertible {
    /// From 1; 0 when no line is to blame.
    let line: Int
    let path: String
    let problem: String

    var description: String {
        let place = line == 0 ? "" : " line \(line)" + (path.isEmpty ? "" : ", \(path)")
        return "Price catalog\(place): \(problem)"
    }
}
