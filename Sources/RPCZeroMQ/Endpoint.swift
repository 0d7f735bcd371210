import BillingCore
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

    var description: String { text }
}
