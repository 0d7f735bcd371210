extension Transaction {
    /// Runs `body` so that what it throws undoes what it did and nothing else. Savepoints may nest.
    package func savepoint<Value>(_ body: () throws -> Value) throws -> Value {
        try execute("SAVEPOINT inner_unit")
        let value: Value
        do {
            value = try body()
        } catch {
            let cause = error
            do {
                try execute("ROLLBACK TO inner_unit")
                try execute("RELEASE inner_unit")
            } catch {
                // The database already undid the whole transaction, as on a full disk: the driver knows and reruns.
                throw cause
            }
            throw cause
        }
        try execute("RELEASE inner_unit")
        return value
    }
}
