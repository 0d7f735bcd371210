import Foundation
import Synchronization

/// A shell that waits until nobody holds the other end of its input any more, because we were killed or ended in a hurry;
/// then it ends the service and deletes its data.
private final class Watch: Sendable {
    private let shell: Mutex<Process>
    private let held: FileHandle

    init(of service: Int32, _ folder: URL) throws {
        let pipe = Pipe()
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = [
            "-c", "read -r line; kill -KILL \"$1\"; rm -rf -- \"$2\"", "sh", "\(service)", folder.path(),
        ]
        shell.standardInput = pipe.fileHandleForReading
        shell.standardOutput = FileHandle.nullDevice
        shell.standardError = FileHandle.nullDevice
        try shell.run()
        held = pipe.fileHandleForWriting
        self.shell = Mutex(shell)
    }

    /// To be called when the service has ended, since another process may have its number then.
    func end() {
        shell.withLock { shell in
            kill(shell.processIdentifier, SIGKILL)
            shell.waitUntilExit()
        }
    }
}

/// A service that the load tester starts itself, over data that are deleted at the end.
final class StartedService: Sendable {
    let process: Int32
    private let state: Mutex<Process>
    /// Ends the service when we are gone without having stopped it.
    private let watch: Watch
    private let folder: URL
    /// How long the service may take to stop.
    private static let patience = Duration.seconds(5)

    /// What keeps a service from starting or answering.
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameters:
    ///   - program: `billingd`.
    ///   - neighbours: where the stand-ins for the services that it calls listen.
    /// - Throws: `Fault`.
    init(_ service: Service, program: String, at endpoint: String, neighbours: [Service: String], catalog: String)
        throws
    {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "billing-load-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let log = folder.appending(path: "log")
        guard FileManager.default.createFile(atPath: log.path(), contents: nil) else {
            throw Fault(description: "cannot write to \(folder.path())")
        }
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments =
            StartedService.arguments(service, at: endpoint, neighbours: neighbours, catalog: catalog)
            + ["--data", folder.appending(path: "data").path(), "--log-level", "notice"]
        let handle = try FileHandle(forWritingTo: log)
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        do { try process.run() } catch {
            // What matters is why it does not start; an empty folder may stay behind.
            try? FileManager.default.removeItem(at: folder)
            throw Fault(
                description: "\(program) cannot be started; build it with swift build -c release, or name it "
                    + "with --billingd")
        }
        self.process = process.processIdentifier
        state = Mutex(process)
        do { watch = try Watch(of: process.processIdentifier, folder) } catch {
            process.terminate()
            throw Fault(description: "/bin/sh, which ends the service if the load tester cannot, does not start")
        }
    }

    /// The arguments of `billingd` that start a service for us.
    static func arguments(
        _ service: Service, at endpoint: String, neighbours: [Service: String], catalog: String
    ) -> [String] {
        var arguments = [service.rawValue, "--bind", endpoint]
        if service == .pricing { arguments += ["--catalog", catalog] }
        for neighbour in service.neighbours {
            guard let endpoint = neighbours[neighbour] else { continue }
            arguments += ["--\(neighbour.rawValue)", endpoint]
        }
        return arguments
    }

    var isRunning: Bool { state.withLock { $0.isRunning } }

    /// The end of its log.
    var lastWords: String {
        let text = (try? String(contentsOf: folder.appending(path: "log"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(3).joined(separator: "\n")
    }

    /// Ends it as an operator would, or by force if it does not end, and deletes its data.
    func stop() {
        state.withLock { process in
            guard process.isRunning else { return }
            process.terminate()
            let end = ContinuousClock.now.advanced(by: Self.patience)
            while process.isRunning, ContinuousClock.now < end { usleep(5000) }
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
        }
        watch.end()
        // A folder for temporary files, which the system clears if this cannot.
        try? FileManager.default.removeItem(at: folder)
    }

    /// An endpoint of this machine that nobody listens at.
    static func freeEndpoint() -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
            }
        }
        return isBound ? "tcp://127.0.0.1:\(UInt16(bigEndian: address.sin_port))" : nil
    }
}
