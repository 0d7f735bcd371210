import Foundation
import Synchronization

/// A service's directory, ours alone for as long as this object lives: other users cannot enter it and no second
/// process can serve it.
final class DataDirectory: Sendable {
    let path: String
    /// Holds the lock; the system drops it when the process ends, however it ends. `nil` once it was released.
    private let descriptor: Mutex<CInt?>

    /// Creates the directory where it is missing.
    /// - Throws: `directoryInUse` or `cannotOpen`.
    init(_ path: String) throws(StorageError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .cannotOpen(
                directory: path, detail: "the directory cannot be created (\(error.localizedDescription))")
        }
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .cannotOpen(directory: path, detail: String(cString: strerror(errno)))
        }
        do throws(StorageError) {
            try Self.lock(descriptor, path)
            try Self.keepOthersOut(descriptor, path)
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = Mutex(descriptor)
    }

    deinit { release() }

    /// Lets another process serve the directory. A second call does nothing.
    func release() {
        descriptor.withLock { descriptor in
            if let held = descriptor { close(held) }
            descriptor = nil
        }
    }

    private static func lock(_ descriptor: CInt, _ path: String) throws(StorageError) {
        guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
        if errno == EWOULDBLOCK { throw .directoryInUse(path) }
        throw .cannotOpen(directory: path, detail: "it cannot be locked (\(String(cString: strerror(errno))))")
    }

    private static func keepOthersOut(_ descriptor: CInt, _ path: String) throws(StorageError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .cannotOpen(directory: path, detail: String(cString: strerror(errno)))
        }
        if status.st_mode & 0o077 != 0, fchmod(descriptor, 0o700) != 0 {
            throw .cannotOpen(
                directory: path, detail: "other users may enter it and that cannot be changed (chmod 700 as its owner)")
        }
    }
}
