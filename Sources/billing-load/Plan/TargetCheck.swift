/// What the load tester may send to.
enum TargetCheck {
    /// Why an endpoint is not sent to; `nil` if it is.
    /// - Parameter isOwned: whether the user says that the target is theirs to load.
    static func refusal(of endpoint: String, isOwned: Bool) -> String? {
        if endpoint.hasPrefix("ipc://"), endpoint.utf8.count > 6 { return nil }
        guard endpoint.hasPrefix("tcp://"), let colon = endpoint.lastIndex(of: ":"),
            let port = UInt16(endpoint[endpoint.index(after: colon)...]), port > 0,
            case let host = endpoint[..<colon].dropFirst(6), !host.isEmpty
        else { return "'\(endpoint)' is no endpoint; write tcp://HOST:PORT or ipc://PATH." }
        guard isOwned || isLoopback(host) else {
            return "\(endpoint) is not on this machine. Load tests of what belongs to somebody else are attacks; if it "
                + "is yours, say so with --i-own-this-target."
        }
        return nil
    }

    /// The TCP port of an endpoint; `nil` for another transport.
    static func port(of endpoint: String) -> UInt16? {
        guard endpoint.hasPrefix("tcp://"), let colon = endpoint.lastIndex(of: ":") else { return nil }
        return UInt16(endpoint[endpoint.index(after: colon)...])
    }

    private static func isLoopback(_ host: Substring) -> Bool {
        if host == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
