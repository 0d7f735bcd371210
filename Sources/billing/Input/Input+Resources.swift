import ArgumentParser
import BillingCore

extension Input {
    /// A NAT gateway, an EIP or shared bandwidth.
    static func networkResourceID(_ text: String) throws -> String {
        let id = try resourceID(text)
        guard id.kind != .oss else {
            throw ValidationError("'\(text)' is a backup; release it with billing backup release \(text).")
        }
        return id.text
    }

    static func backupID(_ text: String) throws -> String {
        let id = try resourceID(text)
        guard id.kind == .oss else {
            throw ValidationError("'\(text)' is no backup; release it with billing network release \(text).")
        }
        return id.text
    }

    private static func resourceID(_ text: String) throws -> ResourceID {
        do { return try ResourceID(text) } catch { throw ValidationError(error.message) }
    }

    /// A whole number that the service will judge.
    static func wholeNumber(_ text: String) throws -> Int64 {
        guard let number = Int64(text), number >= 0 else {
            throw ValidationError("'\(text)' is not a whole number of 0 or more.")
        }
        return number
    }
}
