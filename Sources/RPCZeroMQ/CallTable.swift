import RPC

/// The calls of one channel that are not finished, found by the id that each carries over the wire. An id names a place
/// in the table and the place's turn, so finding a call takes no hashing, and the late reply of a finished call finds
/// nothing.
struct CallTable {
    private var places: [(turn: UInt32, call: PendingCall?)] = []
    private var free: [Int] = []
    private let firstTurn: UInt32

    /// - Parameter firstTurn: where ids start; random, so that those of two channels rarely agree.
    init(firstTurn: UInt32) { self.firstTurn = firstTurn }

    var count: Int { places.count - free.count }

    var calls: [PendingCall] { places.compactMap(\.call) }

    /// Gives `call` its id.
    mutating func insert(_ call: PendingCall) {
        let place = free.popLast() ?? places.count
        if place == places.count { places.append((firstTurn, nil)) }
        places[place].call = call
        call.id = UInt64(places[place].turn) << 32 | UInt64(place)
    }

    func find(_ id: UInt64) -> PendingCall? {
        let place = Int(id & 0xffff_ffff)
        guard place < places.count, places[place].turn == UInt32(id >> 32) else { return nil }
        return places[place].call
    }

    mutating func remove(_ call: PendingCall) {
        let place = Int(call.id & 0xffff_ffff)
        precondition(places[place].call === call, "call \(call.id) is not in the table")
        places[place] = (places[place].turn &+ 1, nil)
        free.append(place)
    }
}
