public import BillingCore

/// The methods that a server answers.
public struct Router: Sendable {
    /// A handler with its types erased: it decodes the body, answers, and gives a message to be packed.
    public enum Handler: Sendable {
        /// Never waits: runs on the reactor where the call was read.
        case inline(@Sendable (UnsafeRawBufferPointer, CallContext) throws -> ErasedResponse)
        /// May wait. The body is decoded at once, as its bytes are lent; the work that comes back is run as a task.
        case waiting(
            @Sendable (UnsafeRawBufferPointer, CallContext) throws -> @Sendable () async throws -> ErasedResponse)
    }

    /// A `Response` of any message.
    public struct ErasedResponse: Sendable {
        public let message: any WireMessage
        public let isReplay: Bool
        public let effectiveAt: Timestamp?

        @inlinable
        public init(_ response: Response<some WireMessage>) {
            message = response.message
            isReplay = response.isReplay
            effectiveAt = response.effectiveAt
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
        add(method.descriptor, .inline { ErasedResponse(try answer(try Request(wire: $0, limits: limits), $1)) })
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
                return { ErasedResponse(try await answer(request, context)) }
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
