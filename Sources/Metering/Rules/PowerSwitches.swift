/// Which of a group's phones are stopped, one bit each, so that a hundred of them take 13 bytes. Changes no bill
/// (domain 2.3).
package struct PowerSwitches: Hashable, Sendable {
    /// The low bit of the first byte is the first phone. Bytes at the end that are zero are left out, so a group that runs
    /// as a whole takes none.
    package private(set) var stoppedBits: [UInt8]

    package init(stoppedBits: [UInt8] = []) { self.stoppedBits = stoppedBits }

    /// - Parameter index: from 0.
    package func isStopped(_ index: Int) -> Bool {
        index / 8 < stoppedBits.count && stoppedBits[index / 8] >> UInt8(index % 8) & 1 == 1
    }

    package mutating func set(_ indices: Range<Int>, stopped: Bool) {
        for index in indices {
            while stoppedBits.count <= index / 8 { stoppedBits.append(0) }
            let bit = UInt8(1) << UInt8(index % 8)
            if stopped { stoppedBits[index / 8] |= bit } else { stoppedBits[index / 8] &= ~bit }
        }
        while stoppedBits.last == 0 { stoppedBits.removeLast() }
    }
}
