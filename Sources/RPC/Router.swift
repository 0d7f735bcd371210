public import BillingCore

/// The methods that a server answers.
public struct Router: Sendable {
    /// A handler with its types erased: it decodes the body, answers, and packs the answer into what is sent.
    public enum Handler: Sendable {
        /// Never waits: runs on the reactor where the call was read.
        case inline(@Sendable (UnsafeRawBufferPointer, CallContext, inout WireBuffer) throws -> ReplyMarks)
        /// May wait. The body is decoded at once, as its bytes are lent; the work that comes back is run in a task.
        case waiting(@Sendable (UnsafeRawBufferPointer, CallContext) throws -> Work)
    }

    /// Answers a call: tells the port once.
    public typealias Work = @Sendable (any ReplyPort) async -> Void

    /// What a reply's header says of its body.
    public struct ReplyMarks: Sendable {
        public let isReplay: Bool
        public let effectiveAt: Timestamp?

        public init(isReplay: Bool, effectiveAt: Timestamp?) {
            self.isReplay = isReplay
            self.effectiveAt = effectiveAt
        }
    }

    public private(set) var handlers: [UInt32: (descriptor: MethodDescriptor, handler: Handler)] = [:]

    public init() {}

    // Inlinable, so that decoding and answering are compiled for the method's messages.

    /// Answers `method` with a function that never waits.
    @inlinable
    public mutating func handle<Request, Reply>(
        _ method: Method<Request, Reply>, _ answer: @escaping @Sendable (Request, CallContext) throws -> Response<Reply>
    ) {
        let limits = method.descriptor.limits
        add(method.descriptor, .inline { try answer(try Request(wire: $0, limits: limits), $1).pack(into: &$2) })
    }

    /// Answers `method` with a function that may wait, for the store or for another service.
    @inlinable
    public mutating func handle<Request, Reply>(
        _ method: Method<Request, Reply>,
        _ answer: @escaping @Sendable (Request, CallContext) async throws -> Response<Reply>
    ) {
        let limits = method.descriptor.limits
        add(
            method.descriptor,
            .waiting { bytes, context in
                let request = try Request(wire: bytes, limits: limits)
                return { port in
                    do {
                        let response = try await answer(request, context)
                        port.answer { response.pack(into: &$0) }
                    } catch { port.fail(error) }
                }
            })
    }

    /// Checks at start that every method of `service` is answered.
    public func requireAll(_ service: [MethodDescriptor]) {
        for method in service where handlers[method.id] == nil {
            preconditionFailure("no handler for \(method.name)")
        }
    }

    @usableFromInline
    mutating func add(_ descriptor: MethodDescriptor, _ handler: Handler) {
        precondition(handlers[descriptor.id] == nil, "two handlers for \(descriptor.name)")
        handlers[descriptor.id] = (descriptor, handler)
    }
}

/// Where the answer goes of a call whose handler may wait.
public protocol ReplyPort: AnyObject, Sendable {
    /// - Parameter pack: appends the answer to what is sent; called at once or never.
    func answer(packing pack: (inout WireBuffer) -> Router.ReplyMarks)
    func fail(_ error: any Error)
}

extension Response {
    @inlinable
    func pack(into buffer: inout WireBuffer) -> Router.ReplyMarks where Message: WireMessage {
        message.encode(into: &buffer)
        return Router.ReplyMarks(isReplay: isReplay, effectiveAt: effectiveAt)
    }
}
