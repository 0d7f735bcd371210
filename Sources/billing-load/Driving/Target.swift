import BillingAPI
import BillingCore
import RPC

/// The service under test, found to be there.
struct Target: Sendable {
    let endpoint: String
    /// Its process, if it is on this machine and ours to look at.
    let process: Int32?

    /// Waits until the service answers.
    /// - Parameters:
    ///   - started: the process that was started for it; `nil`: somebody else started it.
    ///   - hint: how the user starts the service.
    /// - Throws: `StartedService.Fault`.
    static func find(
        _ service: Service, at endpoint: String, through channel: any Channel, started: StartedService?, hint: String
    ) async throws -> Target {
        let health = CommonV1.HealthClient(channel)
        let patience = ContinuousClock.now.advanced(by: .seconds(started == nil ? 3 : 20))
        while true {
            switch await health.name() {
            case .success(service.rawValue):
                let process = started?.process ?? ProcessFiles.listener(at: endpoint)
                return Target(endpoint: endpoint, process: process)
            case .success(let name):
                throw StartedService.Fault(
                    description: "the service at \(endpoint) is \(name), not \(service.rawValue)")
            case .failure(let error):
                if let started, !started.isRunning {
                    throw StartedService.Fault(description: "the service did not start:\n\(started.lastWords)")
                }
                guard ContinuousClock.now < patience else {
                    throw StartedService.Fault(
                        description: "no service answers at \(endpoint) (\(error.reason)). " + hint)
                }
                // Only a cancelled task is woken early, and then asks once more.
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}

extension CommonV1.HealthClient {
    /// What the service calls itself.
    fileprivate func name() async -> Result<String, RPCError> {
        do throws(RPCError) {
            return .success(try await check(.init(), CallOptions(deadline: .after(milliseconds: 1000))).service)
        } catch {
            return .failure(error)
        }
    }
}
