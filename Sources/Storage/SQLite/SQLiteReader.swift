import GRDB

/// Answers reads on one thread, each over the snapshot of its own transaction, on a connection that cannot write.
struct SQLiteReader: Sendable {
    private let queue: WorkQueue<PendingUnit>
    private let source: DatabaseQueue
    private let directory: String
    private let counting: SQLiteCounting

    init(_ source: DatabaseQueue, _ queue: WorkQueue<PendingUnit>, directory: String, counting: SQLiteCounting) {
        self.source = source
        self.queue = queue
        self.directory = directory
        self.counting = counting
    }

    /// Serves until the queue is closed and empty.
    func serve() {
        source.unsafeRead { database in
            do {
                let connection = try SQLiteConnection(database, directory: directory)
                while let unit = queue.take() { answer(unit, connection) }
                connection.finalizeStatements()
            } catch {
                while let unit = queue.take() { unit.fail(error) }
            }
        }
    }

    private func answer(_ unit: PendingUnit, _ connection: SQLiteConnection) {
        do {
            try connection.beginReading()
            _ = unit.run(in: connection)
            try connection.rollBack()
        } catch {
            unit.fail(error)
            return
        }
        counting.change { $0.reads += 1 }
        unit.complete()
    }
}
