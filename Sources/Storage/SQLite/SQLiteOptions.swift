import Foundation

/// How a SQLite database is served. The defaults suit every service.
package struct SQLiteOptions: Sendable {
    /// Calls of each lane that may wait for the writer, and reads that may wait for a reader.
    package var queueCapacity = 4096
    /// Work after which a batch takes no further unit and commits.
    package var batchBudget = Duration.milliseconds(5)
    /// Units of one batch at most.
    package var batchLimit = 512
    /// Threads that read, each with its own connection.
    package var readers = 2
    /// Memory of the writer's page cache; each reader's has a quarter.
    package var cacheKibibytes = 16 << 10
    /// Written pages after which the log is moved into the database once nobody waits: 4 MiB.
    package var idleCheckpointPages = 1024
    /// Written pages after which it is moved though calls wait, which bounds the log: 64 MiB.
    package var forcedCheckpointPages = 16 << 10
    /// What happens after a failed sync or another error of the disk: nothing that was read or written since may be
    /// trusted, so the process ends and recovers from what the disk holds. Only a test returns from it.
    package var onBrokenDisk: @Sendable (StorageError) -> Void = { error in
        FileHandle.standardError.write(Data("\(error.message) This process ends now.\n".utf8))
        // EX_IOERR; without exit handlers, which might try to write.
        _exit(74)
    }
    /// Where a test of recovery wants this process to die.
    package var crashPlan: CrashPlan?

    package init() {}
}

/// What a database did since it was opened.
package struct SQLiteCounters: Hashable, Sendable {
    /// Units that were completed, whether they succeeded or threw.
    package var units = 0
    /// Transactions committed for them, hence syncs.
    package var commits = 0
    /// Batches whose units were run again one by one.
    package var rerunBatches = 0
    package var checkpoints = 0
    package var reads = 0
}
