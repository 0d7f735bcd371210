import Glibc

/// Reads a trace: a file, standard input, or a file that gzip unpacks.
enum ReplayFile {
    /// - Parameter name: "-" is standard input; a name ending in ".gz" is unpacked.
    /// - Throws: `ReplayError.unreadable`.
    static func read(_ name: String) throws(ReplayError) -> [UInt8] {
        if name == "-" {
            let bytes = try contents(STDIN_FILENO)
            guard !bytes.starts(with: gzipMagic) else {
                throw .unreadable(because: "it is compressed; unpack it with gzip -dc first")
            }
            return bytes
        }
        let file = open(name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .unreadable(because: reason(errno)) }
        defer { close(file) }
        return name.hasSuffix(".gz") ? try unpacked(file) : try contents(file)
    }

    private static let gzipMagic: [UInt8] = [0x1f, 0x8b]
    private static let chunkBytes = 1 << 16

    private static func contents(_ descriptor: Int32) throws(ReplayError) -> [UInt8] {
        var bytes: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 1)
        defer { chunk.deallocate() }
        while true {
            let count = Glibc.read(descriptor, chunk.baseAddress, chunkBytes)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw .unreadable(because: reason(errno))
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// What `gzip -dc` makes of `file`.
    private static func unpacked(_ file: Int32) throws(ReplayError) -> [UInt8] {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .unreadable(because: reason(errno)) }
        let (reading, writing) = (ends[0], ends[1])
        defer { close(reading) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, file, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, writing, STDOUT_FILENO)
        // What gzip says is told by its exit status, in our own words.
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addclose(&actions, reading)
        posix_spawn_file_actions_addclose(&actions, writing)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("gzip"), strdup("-dc"), nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let spawned = posix_spawnp(&child, "gzip", &actions, nil, &arguments, Glibc.environ)
        close(writing)
        guard spawned == 0 else { throw .unreadable(because: "gzip cannot be run: \(reason(spawned))") }
        let outcome = Result { () throws(ReplayError) -> [UInt8] in try contents(reading) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw .unreadable(because: "gzip cannot unpack it") }
        return try outcome.get()
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
