import Testing

@testable import billing_load

@Suite("Processor time") struct ProcessorTimeTests {
    private func time(_ at: Double, _ seconds: Double, _ threads: [Int32: Double]) -> ProcessorTime {
        ProcessorTime(at: start.advanced(by: .seconds(at)), seconds: seconds, threads: threads)
    }
    private let start = ContinuousClock.now

    @Test("A share is of one core; the busiest thread counts by itself, also one that is new")
    func share() {
        let share = time(10, 18, [1: 9, 2: 8.5, 3: 0.5]).share(since: time(0, 3, [1: 2, 2: 1]))
        #expect(share == ProcessorTime.Share(process: 1.5, busiestThread: 0.75))
        #expect(time(1, 5, [7: 0.25]).share(since: time(0, 5, [:])).busiestThread == 0.25)
        #expect(time(0, 5, [:]).share(since: time(0, 3, [:])) == ProcessorTime.Share(process: 0, busiestThread: 0))
    }

    @Test("Ticks are read behind the name, whatever that holds")
    func ticks() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0"
        #expect(ProcessFiles.ticks(inStat: "42 (billingd) \(rest)") == 300)
        #expect(ProcessFiles.ticks(inStat: "42 (a) b) 9 (c) \(rest)") == 300)
        #expect(ProcessFiles.ticks(inStat: "42 billingd \(rest)") == nil)
        #expect(ProcessFiles.ticks(inStat: "42 (billingd) S 1") == nil)
    }

    @Test("The machine is idle while it waits for a disk")
    func machine() {
        let (busy, idle) = ProcessFiles.machine(inStat: "cpu  100 0 50 1000 200 0 0 50 0 0\ncpu0 1 1 1 1 1\n")
        #expect(busy / idle == 200.0 / 1200)
        #expect(ProcessFiles.machine(inStat: "x") == (0, 0))
    }

    @Test("Listening sockets are found by port; connected ones and other ports are not")
    func listeners() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1CF2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1111 1 0
               1: 0100007F:1CF3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2222 1 0
               2: 0100007F:1CF2 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3333 1 0
            """
        #expect(ProcessFiles.listeners(table, port: 7410) == ["1111"])
        #expect(ProcessFiles.listeners(table, port: 7412) == [])
    }

    @Test("Listening sockets are found by path, whatever that holds; connected ones are not")
    func pathListeners() {
        let table = """
            Num       RefCount Protocol Flags    Type St Inode Path
            0000000000000000: 00000002 00000000 00010000 0001 01  1111 /tmp/a b.sock
            0000000000000000: 00000003 00000000 00000000 0001 03  2222 /tmp/a b.sock
            0000000000000000: 00000002 00000000 00010000 0001 01  3333 /tmp/a
            0000000000000000: 00000003 00000000 00000000 0001 03  4444
            """
        #expect(ProcessFiles.listeners(table, path: "/tmp/a b.sock") == ["1111"])
        #expect(ProcessFiles.listeners(table, path: "/tmp/b") == [])
    }

    @Test("This process is seen to work")
    func own() throws {
        let before = ProcessorTime.own()
        var random = SeededGenerator(seed: 1)
        var sum: UInt64 = 0
        repeat { sum ^= random.next() } while ProcessorTime.own().seconds - before.seconds < 0.05
        #expect(ProcessorTime.own().share(since: before).process > 0)
        #expect(sum != 0)
        #expect(ProcessorTime.of(process: -1) == nil)
    }
}
