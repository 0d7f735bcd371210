import BillingAPI
import RPC

/// A message that the tests can draw at random; the conformances are generated.
protocol Sampled: WireReflection {
    static func sample(_ random: inout SampleGenerator) -> Self
}

extension Sampled {
    static func sample(seed: UInt64) -> Self {
        var random = SampleGenerator(seed: seed)
        return sample(&random)
    }
}

/// SplitMix64, drawing the same values as its twin in Proto/generator/sample_output.py.
struct SampleGenerator {
    private var state: UInt64

    private static let texts = [
        "", "a", "acct-01h4", "default", "cn-hangzhou", "héllo", "漢字", "phone 🙂", String(repeating: "x", count: 40),
    ]

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Zero, small and anything, equally often.
    mutating func unsigned<Number: FixedWidthInteger & UnsignedInteger>() -> Number {
        switch below(3) {
        case 0: 0
        case 1: Number(below(300))
        default: Number(truncatingIfNeeded: next())
        }
    }

    mutating func signed() -> Int64 { Int64(bitPattern: unsigned()) }
    mutating func signed() -> Int32 { Int32(bitPattern: unsigned()) }
    mutating func boolean() -> Bool { below(2) == 1 }
    mutating func text() -> String { Self.texts[below(Self.texts.count)] }

    mutating func blob() -> [UInt8] {
        let count = below(20)
        return (0..<count).map { _ in UInt8(below(256)) }
    }

    /// Any value but the unspecified one, which requests refuse.
    mutating func enumeration<Value: WireEnum>() -> Value {
        let all = Array(Value.allCases)
        return all[1 + below(all.count - 1)]
    }
}
