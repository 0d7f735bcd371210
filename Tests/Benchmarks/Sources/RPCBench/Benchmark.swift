import Glibc
import Logging
import RPC
import RPCZeroMQ

/// One side of a benchmark; `Tests/Benchmarks/run` starts two of these, or one of these and one in another language.
@main struct Benchmark {
    private static let usage = """
        usage: rpc-bench server ENDPOINT
               rpc-bench client ENDPOINT OUTSTANDING SECONDS [--method ask|later] [--client callback|pool|reactor]
                                [--warm SECONDS] [--marks CALLS]
               rpc-bench rate ENDPOINT OUTSTANDING SECONDS [--slices N] [--warm SECONDS]
        With --curve, server and client encrypt.

        """

    static func main() async {
        var arguments = Arguments(CommandLine.arguments.dropFirst())
        do {
            let command = try arguments.next("a command")
            let endpoint = try arguments.next("an endpoint")
            var logger = Logger(label: "rpc-bench")
            logger.logLevel = .warning
            if arguments.take("--curve") { Encryption.use() }
            let reactor = try Reactor.start(name: command, logger: logger)
            switch command {
            case "server":
                try arguments.end()
                let server = try await QuoteServer.start(on: reactor, endpoint: endpoint)
                say("ready")
                // Until a signal ends the process.
                while true { try await Task.sleep(for: .seconds(3600)) }
                _ = server
            case "client":
                try await QuoteClient(reactor, endpoint, &arguments).run()
            case "rate":
                try await RateClient(reactor, endpoint, &arguments).run()
            case _:
                throw Misuse(text: "unknown command \(command)")
            }
        } catch let error as Misuse {
            complain("rpc-bench: \(error.text)\n\(usage)")
            exit(2)
        } catch {
            complain("rpc-bench: \(error)\n")
            exit(1)
        }
    }
}

struct Misuse: Error {
    let text: String
}

/// The words of a command line: positions first, then options with one value each.
struct Arguments {
    private var words: ArraySlice<String>

    init(_ words: ArraySlice<String>) { self.words = words }

    mutating func next(_ what: String) throws -> String {
        guard let word = words.popFirst() else { throw Misuse(text: "\(what) is missing") }
        return word
    }

    mutating func number<Number: LosslessStringConvertible>(_ what: String) throws -> Number {
        let word = try next(what)
        guard let number = Number(word) else { throw Misuse(text: "\(word) is not \(what)") }
        return number
    }

    /// Whether the word `flag` was there; it is not any more.
    mutating func take(_ flag: String) -> Bool {
        guard let index = words.firstIndex(of: flag) else { return false }
        words.remove(at: index)
        return true
    }

    /// The next option's name, or `nil` at the end.
    mutating func option() -> String? { words.popFirst() }

    func end() throws {
        guard let word = words.first else { return }
        throw Misuse(text: "unknown argument \(word)")
    }
}

func complain(_ text: String) {
    var text = text
    text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
}
