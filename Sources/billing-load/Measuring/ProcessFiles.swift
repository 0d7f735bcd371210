import Foundation

/// What Linux tells in /proc.
enum ProcessFiles {
    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// User and system time of a process or thread from its `stat` file.
    static func seconds(in path: String) -> Double? {
        text(path).flatMap { ticks(inStat: $0) }.map { $0 / ticksPerSecond }
    }

    /// The sum of the fields utime and stime. The name in parentheses before them may hold anything.
    static func ticks(inStat text: String) -> Double? {
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return user + system
    }

    /// Processor time by thread.
    static func threadSeconds(of process: Int32) -> [Int32: Double] {
        var seconds: [Int32: Double] = [:]
        let folder = "/proc/\(process)/task"
        // A process may end while it is looked at, here and below; then it has no threads and no files.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let thread = Int32(name) else { continue }
            seconds[thread] = self.seconds(in: "\(folder)/\(name)/stat")
        }
        return seconds
    }

    /// Seconds that all cores together have been busy and idle since the machine started.
    static func machine() -> (busy: Double, idle: Double) { text("/proc/stat").map { machine(inStat: $0) } ?? (0, 0) }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal.
    static func machine(inStat text: String) -> (busy: Double, idle: Double) {
        let fields = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
        guard fields.count >= 5 else { return (0, 0) }
        let idle = fields[3] + fields[4]
        return ((fields.reduce(0, +) - idle) / ticksPerSecond, idle / ticksPerSecond)
    }

    /// The process of this machine that listens at an endpoint; `nil` when there is none, when it is another user's, and
    /// for another machine's endpoint, or several.
    static func listener(at endpoint: String) -> Int32? {
        if let port = TargetCheck.loopbackPort(of: endpoint) {
            return owner(
                ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { text($0).map { listeners($0, port: port) } ?? [] })
        }
        guard let path = TargetCheck.path(of: endpoint) else { return nil }
        return owner(text("/proc/net/unix").map { listeners($0, path: path) } ?? [])
    }

    /// The process that has a socket open, known by one of its inodes.
    private static func owner(_ inodes: [String]) -> Int32? {
        let sockets = Set(inodes.map { "socket:[\($0)]" })
        guard !sockets.isEmpty else { return nil }
        let files = FileManager.default
        for process in ((try? files.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap(Int32.init) {
            let folder = "/proc/\(process)/fd"
            for name in (try? files.contentsOfDirectory(atPath: folder)) ?? [] {
                let link = try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")
                if let link, sockets.contains(link) { return process }
            }
        }
        return nil
    }

    /// The inodes of the sockets that listen at a port, in the form of /proc/net/tcp.
    static func listeners(_ table: String, port: UInt16) -> [String] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":"),
                UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port
            else { return nil }
            return String(fields[9])
        }
    }

    /// The inodes of the sockets that listen at a path, in the form of /proc/net/unix.
    static func listeners(_ table: String, path: String) -> [String] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 7)
            // Of the flags this one says that the socket accepts connections.
            guard fields.count == 8, fields[3] == "00010000", fields[7] == path else { return nil }
            return String(fields[6])
        }
    }

    private static func text(_ path: String) -> String? {
        // These files tell no size, so they are read to their end.
        guard let handle = FileHandle(forReadingAtPath: path), let data = try? handle.readToEnd() else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
