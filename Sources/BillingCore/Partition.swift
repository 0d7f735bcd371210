/// The partition of an account: every primary key starts with it, so that no transaction of one account crosses two
/// databases (design 2.7).
public enum Partition {
    public static let count = 256

    /// FNV-1a 64 of the account's id, modulo 256. Pinned by a test: stored keys depend on it.
    public static func of(_ account: String) -> Int { Int(FNV1a.hash64(account.utf8) % UInt64(count)) }
}

/// The Fowler-Noll-Vo hash, variant 1a: the same in every process and language.
public enum FNV1a {
    public static func hash64(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { hash, byte in (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }

    public static func hash32(_ bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.reduce(0x811c_9dc5) { hash, byte in (hash ^ UInt32(byte)) &* 0x0100_0193 }
    }
}
