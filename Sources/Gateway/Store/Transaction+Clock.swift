import BillingCore
import Storage

extension Transaction {
    /// The clock that the data belongs to; `nil` before the first start.
    func clock() throws -> (mode: ClockMode, now: Timestamp)? {
        try first("SELECT mode, now FROM clock WHERE id = 1") { row in
            guard let mode = ClockMode(rawValue: row.text(0)) else {
                preconditionFailure("a clock of mode \(row.text(0)), which the table's check forbids")
            }
            return (mode, Timestamp(milliseconds: row.integer(1)))
        }
    }

    func insertClock(_ mode: ClockMode, now: Timestamp) throws {
        try execute(
            "INSERT INTO clock (id, mode, now) VALUES (1, ?, ?)", .text(mode.rawValue), .integer(now.milliseconds))
    }

    func setClock(now: Timestamp) throws {
        try execute("UPDATE clock SET now = ? WHERE id = 1", .integer(now.milliseconds))
    }
}
