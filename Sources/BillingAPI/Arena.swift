import CProtobufC
import Glibc

/// Memory for the C structs of one decoding or encoding: handed out by moving a pointer, forgotten all at once.
///
/// A peer decides how much memory its bytes take: 64 KiB of hostile input can ask for 4 MiB (reliability 9). So what is
/// handed out is capped, and protobuf-c gives up cleanly when it gets NULL.
///
/// Each thread keeps one arena, lent through `withArena`. Nothing in it outlives the closure.
struct Arena: ~Copyable {
    /// A thread that once needed more than this gives the rest back each time.
    private static let keptBytes = 4 << 20
    private static let alignment = 16

    private var block: UnsafeMutableRawPointer
    private var blockBytes: Int
    /// Where the next piece starts, and what it must not pass: the end of the newest block, or of what may be handed out.
    private var cursor: UnsafeMutableRawPointer
    private var end: UnsafeMutableRawPointer
    /// Blocks added while the first one was too small.
    private var furtherBlocks: [UnsafeMutableRawPointer] = []
    private var newestStart: UnsafeMutableRawPointer
    private var usedBefore = 0
    private var allowance = 0
    /// Whether something was refused since the arena was lent.
    private(set) var isExhausted = false
    private var isLent = false

    private init() {
        blockBytes = 64 << 10
        block = .allocate(byteCount: blockBytes, alignment: Self.alignment)
        (cursor, end, newestStart) = (block, block, block)
    }

    deinit {
        for each in furtherBlocks { each.deallocate() }
        block.deallocate()
    }

    /// Bytes handed out since the arena was lent.
    var used: Int { usedBefore + (cursor - newestStart) }

    /// `size` bytes aligned to 16, not initialized; `nil` above the cap.
    mutating func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        // `end` is aligned, so what fits does so rounded up as well.
        guard size >= 0, size <= end - cursor else { return allocateElsewhere(size) }
        let memory = cursor
        cursor += (size + Self.alignment - 1) & ~(Self.alignment - 1)
        return memory
    }

    private mutating func allocateElsewhere(_ size: Int) -> UnsafeMutableRawPointer? {
        let left = allowance - used
        guard size >= 0, size <= left else {
            isExhausted = true
            return nil
        }
        usedBefore = used
        let bytes = max((size + Self.alignment - 1) & ~(Self.alignment - 1), blockBytes, usedBefore)
        newestStart = .allocate(byteCount: bytes, alignment: Self.alignment)
        furtherBlocks.append(newestStart)
        cursor = newestStart
        end = newestStart + min(bytes, left)
        return allocate(size)
    }

    private mutating func lend(_ cap: Int) {
        isLent = true
        isExhausted = false
        // The least multiple of the alignment that is not below the cap, or half of all memory, so that sums of two fit.
        allowance = (min(cap, Int.max / 2) + Self.alignment - 1) & ~(Self.alignment - 1)
        end = block + min(blockBytes, allowance)
    }

    /// Forgets what was handed out. Where one block did not do, the next borrower finds one that would have.
    private mutating func takeBack() {
        if !furtherBlocks.isEmpty {
            for each in furtherBlocks { each.deallocate() }
            furtherBlocks.removeAll()
            var wanted = blockBytes
            while wanted < used, wanted < Self.keptBytes { wanted *= 2 }
            if wanted > blockBytes {
                block.deallocate()
                block = .allocate(byteCount: wanted, alignment: Self.alignment)
                blockBytes = wanted
            }
        }
        (cursor, newestStart, usedBefore) = (block, block, 0)
        isLent = false
    }

    // Lending

    /// Lends the thread's arena, empty, for the time of `body`. `body` cannot suspend, so the thread stays the same.
    /// - Parameter cap: bytes that it hands out at most.
    static func withArena<T, Failure: Error>(
        cap: Int, _ body: (UnsafeMutablePointer<Arena>) throws(Failure) -> T
    ) throws(Failure) -> T {
        let arena = ofThread()
        // Coding calls no code but its own, so an arena is never borrowed twice; were it ever, the second borrower
        // must not forget what the first one still uses.
        precondition(!arena.pointee.isLent, "an arena was borrowed while it was lent")
        arena.pointee.lend(cap)
        defer { arena.pointee.takeBack() }
        return try body(arena)
    }

    private static func ofThread() -> UnsafeMutablePointer<Arena> {
        if let known = pthread_getspecific(key) { return known.assumingMemoryBound(to: Arena.self) }
        let new = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
        new.initialize(to: Arena())
        pthread_setspecific(key, new)
        return new
    }

    /// Where each thread keeps its arena; freed when the thread ends.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let failure = pthread_key_create(&key) { memory in
            // pthread calls this for values that are not NULL alone, and ours is the only value ever set.
            guard let arena = memory?.assumingMemoryBound(to: Arena.self) else { return }
            arena.deinitialize(count: 1)
            arena.deallocate()
        }
        precondition(failure == 0, "no thread-specific key is left for the arenas")
        return key
    }()
}

extension UnsafeMutablePointer where Pointee == Arena {
    /// The arena as protobuf-c wants it. Freeing does nothing: all is forgotten together.
    var allocator: ProtobufCAllocator {
        ProtobufCAllocator(
            alloc: { data, size in data?.assumingMemoryBound(to: Arena.self).pointee.allocate(size) },
            free: { _, _ in },
            allocator_data: self)
    }
}
