import GRDB

/// Runs the units of all callers on one thread: many in one transaction, each in a savepoint, one commit, and only then
/// does any caller hear of it. A refusal waits for the commit too, as it may rest on what another unit of the batch did.
struct SQLiteWriter: Sendable {
    private let queue: WorkQueue<PendingUnit>
    private let source: DatabaseQueue
    private let directory: String
    private let options: SQLiteOptions
    private let counting: SQLiteCounting

    init(
        _ source: DatabaseQueue, _ queue: WorkQueue<PendingUnit>, directory: String, options: SQLiteOptions,
        counting: SQLiteCounting
    ) {
        self.source = source
        self.queue = queue
        self.directory = directory
        self.options = options
        self.counting = counting
    }

    /// Serves until the queue is closed and empty. One access to GRDB's queue lasts as long, as entering it anew for
    /// each batch would cost more than a small batch does.
    func serve() {
        source.writeWithoutTransaction { database in
            let connection: SQLiteConnection
            do {
                connection = try SQLiteConnection(database, directory: directory)
            } catch {
                drain(failing: error)
                return
            }
            var pagesMoved = connection.pagesWritten
            do throws(StorageError) {
                while let first = queue.take() {
                    try runBatch(startingWith: first, connection)
                    try checkpointIfDue(connection, &pagesMoved)
                }
            } catch {
                drain(failing: error)
            }
            connection.finalizeStatements()
        }
    }

    /// - Throws: when the disk failed; every unit of the batch has been told.
    private func runBatch(startingWith first: PendingUnit, _ connection: SQLiteConnection) throws(StorageError) {
        var batch: [PendingUnit] = []
        do {
            try connection.beginWriting()
            let end = ContinuousClock.now + options.batchBudget
            var next: PendingUnit? = first
            while let unit = next {
                batch.append(unit)
                try connection.attempt(unit)
                next = batch.count < options.batchLimit && ContinuousClock.now < end ? queue.takeWaiting() : nil
            }
            try connection.commit()
        } catch {
            if batch.isEmpty { batch = [first] }
            try runAlone(batch, connection)
            return
        }
        counting.change {
            $0.commits += 1
            $0.units += batch.count
        }
        for unit in batch { unit.complete() }
    }

    /// Runs each unit again in a transaction of its own, so that the one that spoils a batch spoils nothing else.
    private func runAlone(_ batch: [PendingUnit], _ connection: SQLiteConnection) throws(StorageError) {
        try undo(connection, failing: batch[...])
        counting.change { $0.rerunBatches += 1 }
        for (position, unit) in batch.enumerated() {
            do {
                try connection.beginWriting()
                try connection.attempt(unit)
                try connection.commit()
                counting.change {
                    $0.commits += 1
                    $0.units += 1
                }
                unit.complete()
            } catch {
                try undo(connection, failing: batch[position...])
                counting.change { $0.units += 1 }
                unit.fail(error)
            }
        }
    }

    /// Leaves the connection without a transaction.
    /// - Throws: when the disk failed; `units` have been told.
    private func undo(_ connection: SQLiteConnection, failing units: ArraySlice<PendingUnit>) throws(StorageError) {
        var breakage = connection.breakage
        if breakage == nil {
            do {
                try connection.rollBack()
            } catch {
                breakage = connection.breakage ?? .broken(directory: directory, detail: "a rollback failed: \(error)")
            }
        }
        guard let breakage else { return }
        options.onBrokenDisk(breakage)
        for unit in units { unit.fail(breakage) }
        throw breakage
    }

    /// Moves the log into the database file between batches: SQLite's own way would do it inside some caller's commit.
    private func checkpointIfDue(_ connection: SQLiteConnection, _ pagesMoved: inout Int) throws(StorageError) {
        let waiting = connection.pagesWritten - pagesMoved
        guard waiting >= options.forcedCheckpointPages || (waiting >= options.idleCheckpointPages && queue.count == 0)
        else { return }
        pagesMoved = connection.pagesWritten
        do {
            try connection.checkpoint()
            counting.change { $0.checkpoints += 1 }
        } catch {
            // A full disk or a visitor leaves the log as it is; the next turn comes after as many pages again.
            guard let breakage = connection.breakage else { return }
            options.onBrokenDisk(breakage)
            throw breakage
        }
    }

    /// Refuses all further work; after a failed disk only a test gets here.
    private func drain(failing error: any Error) {
        queue.close()
        while let unit = queue.take() { unit.fail(error) }
    }
}
