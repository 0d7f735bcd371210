import BillingCore
import Logging
import RPC
import RPCZeroMQ

/// The ways to the service: connections, divided among reactors.
struct Connections: Sendable {
    let reactors: [Reactor]
    /// The connections of each reactor.
    let channels: [[ZeroMQChannel]]
    /// One more, for what is not measured: it sends again what the service was too busy for.
    let patient: ZeroMQChannel

    /// So many calls of a connection may be at the service: as many as it takes of a peer.
    static let window = 4096

    /// - Throws: `RPCError`.
    static func open(
        _ endpoint: String, connections: Int, reactors: Int, logger: Logger
    ) throws(RPCError) -> Connections {
        // Each call is sent once, so that we put no more load on the service than we say, and none is held back or refused
        // by ourselves, so that what is measured is the service. The workers bound what is under way.
        let configuration = ZeroMQChannel.Configuration(
            retry: .never, window: window, holdsBack: false, queuedCalls: 2 * Worker.mostUnderWay)
        var started: [Reactor] = []
        var channels: [[ZeroMQChannel]] = []
        for index in 0..<reactors {
            let reactor = try Reactor.start(name: "load-\(index)", logger: logger)
            started.append(reactor)
            channels.append([])
            for _ in 0..<(connections / reactors + (index < connections % reactors ? 1 : 0)) {
                channels[index].append(
                    try ZeroMQChannel(
                        reactor: reactor, endpoint: endpoint, configuration: configuration))
            }
        }
        return Connections(
            reactors: started, channels: channels, patient: try ZeroMQChannel(reactor: started[0], endpoint: endpoint))
    }

    var count: Int { channels.reduce(0) { $0 + $1.count } }

    /// All of them together.
    var statistics: ClientStatistics {
        channels.joined().map(\.statistics).reduce(into: ClientStatistics()) { sum, one in
            sum.recordsSent += one.recordsSent
            sum.messagesSent += one.messagesSent
            sum.messagesReceived += one.messagesReceived
            sum.lateReplies += one.lateReplies
            sum.malformed += one.malformed
            sum.disconnections += one.disconnections
        }
    }

    func close() async {
        for channel in channels.joined() { channel.close() }
        patient.close()
        for reactor in reactors { await reactor.stop() }
    }
}
