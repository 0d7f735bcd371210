import BillingCore
import Glibc
import RPC

/// Where a service listens: "tcp://127.0.0.1:7410" or "ipc:///run/billing/order.sock".
struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// Bytes that the path of a Unix domain socket may take.
    private static let maximumPathBytes = 107

    let text: String
    private let host: Substring?

    /// - Throws: `RPCError` "call.endpoint_malformed".
    init(_ text: String) throws(RPCError) {
        self.text = text
        if text.hasPrefix("ipc://"), (1...Self.maximumPathBytes).contains(text.utf8.count - 6), !text.contains("\0") {
            host = nil
        } else if text.hasPrefix("tcp://"), case let address = text.dropFirst(6),
            let colon = address.lastIndex(of: ":"), colon > address.startIndex, !address.contains("\0"),
            UInt16(address[address.index(after: colon)...]) != nil
        {
            host = address[..<colon]
        } else {
            throw RPCError(
                .invalidArgument, "call.endpoint_malformed",
                "'\(text)' is no endpoint; write tcp://HOST:PORT, or ipc://PATH with a path of at most "
                    + "\(Self.maximumPathBytes) bytes.", field: "endpoint", value: text)
        }
    }

    /// Whether only this machine can reach it. Others need keys, which are not there yet.
    var isLocal: Bool {
        guard let host else { return true }
        if host == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    var isIPv6: Bool { host?.hasPrefix("[") == true }

    /// Whether the host is a name that may stand for several addresses.
    var isName: Bool { host.map { !isLocal && !isIPv6 && $0.contains { $0.isLetter } } ?? false }

    /// An endpoint for each address that the name stands for; `nil` if that cannot be found out. Blocks.
    func addresses() -> [Endpoint]? {
        guard let host else { return nil }
        var wanted = addrinfo()
        wanted.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(String(host), nil, &wanted, &list) == 0 else { return nil }
        defer { freeaddrinfo(list) }
        var found: [Endpoint] = []
        var next = list
        while let address = next?.pointee {
            next = address.ai_next
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard
                getnameinfo(
                    address.ai_addr, address.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { continue }
            let number = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let literal = number.contains(":") ? "[\(number)]" : number
            // A literal address with a checked port always is one.
            if let endpoint = try? Endpoint("tcp://\(literal):\(port)"), !found.contains(endpoint) {
                found.append(endpoint)
            }
        }
        return found.isEmpty ? nil : found
    }

    private var port: Substring { text[text.index(after: text.lastIndex(of: ":") ?? text.startIndex)...] }

    var description: String { text }
}
