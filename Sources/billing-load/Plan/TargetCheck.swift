/// What the load tester may send to.
enum TargetCheck {
    /// Why an endpoint is not sent to, or one of several with commas between them; `nil` if each is.
    /// - Parameter isOwned: whether the user says that the target is theirs to load.
    static func refusal(of endpoints: String, isOwned: Bool) -> String? {
        endpoints.split(separator: ",", omittingEmptySubsequences: false).lazy
            .compactMap { refusal(ofOne: String($0), isOwned: isOwned) }.first
    }

    private static func refusal(ofOne endpoint: String, isOwned: Bool) -> String? {
        if path(of: endpoint) != nil { return nil }
        guard let (host, port) = address(of: endpoint), port > 0, !host.isEmpty else {
            return "'\(endpoint)' is no endpoint; write tcp://HOST:PORT or ipc://PATH."
        }
        guard isOwned || isLoopback(host) else {
            return "\(endpoint) is not on this machine. Load tests of what belongs to somebody else are attacks; if it "
                + "is yours, say so with --i-own-this-target."
        }
        return nil
    }

    /// The port of one endpoint at a loopback address; `nil` for every other one.
    static func loopbackPort(of endpoint: String) -> UInt16? {
        address(of: endpoint).flatMap { isLoopback($0.host) ? $0.port : nil }
    }

    /// The path of one ipc endpoint; `nil` for every other one.
    static func path(of endpoint: String) -> String? {
        endpoint.hasPrefix("ipc://") && endpoint.utf8.count > 6 ? String(endpoint.dropFirst(6)) : nil
    }

    private static func address(of endpoint: String) -> (host: Substring, port: UInt16)? {
        guard endpoint.hasPrefix("tcp://"), let colon = endpoint.lastIndex(of: ":"),
            let port = UInt16(endpoint[endpoint.index(after: colon)...])
        else { return nil }
        return (endpoint[..<colon].dropFirst(6), port)
    }

    private static func isLoopback(_ host: Substring) -> Bool {
        if host == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
