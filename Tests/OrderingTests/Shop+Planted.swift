import Storage
import Testing

/// Changes of the data that no call makes.
extension Shop {
    /// As somebody would who edits the file: without our walls.
    func removeWalls() async throws {
        try await database.write { transaction in
            for trigger in try transaction.all(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'", map: { $0.text(0) })
            {
                try transaction.execute("DROP TRIGGER \(trigger)")
            }
        }
    }

    /// Runs statements, each of which has to change something.
    func plant(_ statements: [String]) async throws {
        try await removeWalls()
        let changed = try await database.write { transaction in
            try statements.map { try transaction.execute($0) }
        }
        #expect(changed.allSatisfy { $0 > 0 }, "\(changed)")
    }
}
