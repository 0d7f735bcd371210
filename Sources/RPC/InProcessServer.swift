import BillingCore
public import Logging
import Synchronization

/// Answers calls from within the process. Requests and replies pass through the records of the wire, so a service
/// behaves here as it does over ZeroMQ.
public final class InProcessServer: Sendable {
    private let machine: Mutex<ServerMachine>
    private let bootID: UInt64
    private let logger: Logger

    /// - Parameter vitals: where the service's `Health` finds the server's figures.
    public init(
        router: Router, admission: Admission = Admission(), vitals: ServerVitals = ServerVitals(),
        logger: Logger = Logger(label: "rpc")
    ) {
        machine = Mutex(ServerMachine(router: router, admission: admission))
        bootID = vitals.bootID
        self.logger = logger
        // Weak, since the router, which the server owns, may well hold the vitals.
        vitals.report { [weak self] in self?.statistics ?? ServerStatistics() }
    }

    public var statistics: ServerStatistics { machine.withLock { $0.statistics } }

    /// Refuses further calls with "server.draining"; those in flight are finished.
    public func drain() { machine.withLock { $0.statistics.isDraining = true } }

    /// Answers each record of `message`. An answer that need not be waited for is given before this returns.
    func receive(
        _ message: UnsafeRawBufferPointer, from peer: Peer, reply: @escaping @Sendable ([UInt8]) -> Void
    ) {
        machine.withLock { $0.statistics.messagesReceived += 1 }
        var reader = RecordReader(message)
        while true {
            do throws(RecordFault) {
                guard let record = try reader.next() else { return }
                guard record.header.kind == .request else { throw RecordFault(.wrongKind, nil) }
                answer(record, from: peer, reply)
            } catch {
                machine.withLock { $0.statistics.malformed += 1 }
                guard let origin = error.origin, origin.kind == .request else { continue }
                var header = RecordHeader(.request)
                (header.methodID, header.callID) = (origin.methodID, origin.callID)
                refuse(error.rpcError, header, reply)
            }
        }
    }

    private func answer(_ record: Record, from peer: Peer, _ reply: @escaping @Sendable ([UInt8]) -> Void) {
        let header = record.header
        let inFlightOfPeer = peer.inFlight.load(ordering: .relaxed)
        let start = MonotonicTime.now
        let verdict = machine.withLock {
            $0.received(record, from: .local, inFlightOfPeer: inFlightOfPeer, at: start)
        }
        switch verdict {
        case .refuse(let error):
            refuse(error, header, reply)
        case .answer(let handler, let context):
            self.reply(to: header, context.method, reply) { buffer in try handler(record.body, context, &buffer) }
        case .start(let handler, let context):
            do {
                let work = try handler(record.body, context)
                peer.inFlight.add(1, ordering: .relaxed)
                let port = Port(server: self, header: header, method: context.method, peer: peer, start, reply)
                Task { await work(port) }
            } catch {
                machine.withLock { $0.finished(start, at: .now) }
                fail(error, header, context.method, reply)
            }
        }
    }

    private func reply(
        to header: RecordHeader, _ method: MethodDescriptor, _ reply: @Sendable ([UInt8]) -> Void,
        packing pack: (inout WireBuffer) throws -> Router.ReplyMarks
    ) {
        var outbox = Outbox()
        do {
            try outbox.append(to: header, limits: method.limits, bootID: bootID, packing: pack)
            send(&outbox, reply)
        } catch {
            fail(error, header, method, reply)
        }
    }

    private func fail(
        _ error: any Error, _ header: RecordHeader, _ method: MethodDescriptor, _ reply: @Sendable ([UInt8]) -> Void
    ) {
        if !RPCError.isTellable(error) {
            machine.withLock { $0.statistics.internalErrors += 1 }
            logger.logFailure(error, header, method)
        }
        refuse(RPCError(error, callID: header.callID), header, reply)
    }

    private func refuse(_ error: RPCError, _ header: RecordHeader, _ reply: @Sendable ([UInt8]) -> Void) {
        var outbox = Outbox()
        outbox.append(error, to: header, bootID: bootID)
        send(&outbox, reply)
    }

    private func send(_ outbox: inout Outbox, _ reply: @Sendable ([UInt8]) -> Void) {
        machine.withLock {
            $0.statistics.replies += 1
            $0.statistics.messagesSent += 1
        }
        outbox.takeMessages { bytes, _ in reply(Array(bytes)) }
    }

    /// Where a call's answer goes that is waited for.
    private final class Port: ReplyPort {
        private let server: InProcessServer
        private let header: RecordHeader
        private let method: MethodDescriptor
        private let peer: Peer
        private let start: MonotonicTime
        private let reply: @Sendable ([UInt8]) -> Void

        init(
            server: InProcessServer, header: RecordHeader, method: MethodDescriptor, peer: Peer, _ start: MonotonicTime,
            _ reply: @escaping @Sendable ([UInt8]) -> Void
        ) {
            self.server = server
            self.header = header
            self.method = method
            self.peer = peer
            self.start = start
            self.reply = reply
        }

        func answer(packing pack: (inout WireBuffer) -> Router.ReplyMarks) {
            finish()
            server.reply(to: header, method, reply, packing: pack)
        }

        func fail(_ error: any Error) {
            finish()
            server.fail(error, header, method, reply)
        }

        private func finish() {
            peer.inFlight.subtract(1, ordering: .relaxed)
            server.machine.withLock { $0.finished(start, at: .now) }
        }
    }

    /// One client, whose calls in flight are counted together.
    final class Peer: Sendable {
        let inFlight = Atomic<Int>(0)
    }
}

extension Logger {
    /// Writes what a caller is not told.
    package func logFailure(_ error: any Error, _ header: RecordHeader, _ method: MethodDescriptor) {
        self.error(
            "a handler failed",
            metadata: [
                LogKey.callID: "\(String(header.callID, radix: 16))", LogKey.method: "\(method.name)",
                LogKey.error: "\(error)",
            ])
    }
}
