import BillingCore
package import RPC

/// A message without a schema, for tests of the transport: a number, then text to the end.
package struct EchoMessage: WireMessage {
    package static let messageName = "billing.test.Echo"

    package var number: Int64
    package var text: String

    package init() { self.init(0, "") }

    package init(_ number: Int64, _ text: String = "") {
        self.number = number
        self.text = text
    }

    package init(wire bytes: UnsafeRawBufferPointer, limits: WireLimits) throws(RPCError) {
        guard bytes.count >= 8, let text = String(validating: bytes.dropFirst(8), as: UTF8.self) else {
            throw RPCError(.invalidArgument, "call.malformed", "These bytes are no echo.")
        }
        number = Int64(littleEndian: bytes.loadUnaligned(as: Int64.self))
        self.text = text
    }

    package func encode(into buffer: inout WireBuffer) {
        buffer.append(byteCount: 8) { $0.storeBytes(of: number.littleEndian, as: Int64.self) }
        var text = text
        text.withUTF8 { utf8 in buffer.append(copying: UnsafeRawBufferPointer(utf8)) }
    }
}

// What `echo-server` answers.
extension EchoMessage {
    /// With its process id.
    package static let who = Method<EchoMessage, EchoMessage>("billing.test.Echo/Who", .read)
    /// One call after the other, each after as many microseconds as its number, on a thread of its own, as a store does
    /// that commits. Keyed, so that without a key it is sent once and each refusal is seen.
    package static let store = Method<EchoMessage, EchoMessage>("billing.test.Echo/Store", .keyed)
    /// The same on the reactor.
    package static let compute = Method<EchoMessage, EchoMessage>("billing.test.Echo/Compute", .keyed)
    /// Once for each key, with a durable line in the server's file before the answer.
    package static let add = Method<EchoMessage, EchoMessage>("billing.test.Echo/Add", .keyed)
}
