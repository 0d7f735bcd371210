// swift-tools-version: 6.1
import PackageDescription

// What other Swift programs may import to call the services. Everything else is `package` or narrower.
let products: [Product] = [
    .library(name: "BillingCore", targets: ["BillingCore"]),
    .library(name: "RPC", targets: ["RPC"]),
    .library(name: "RPCZeroMQ", targets: ["RPCZeroMQ"]),
    .library(name: "BillingAPI", targets: ["BillingAPI"]),
    .executable(name: "billing", targets: ["billing"]),
    .executable(name: "billingd", targets: ["billingd"]),
    .executable(name: "billing-load", targets: ["billing-load"]),
]

let dependencies: [Package.Dependency] = [
    // The command lines of `billing` and `billingd`: parsing, help texts and shell completion.
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    // Structured logs with one vocabulary of metadata keys; the back end is the program's choice.
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    // Deques for bounded queues and heaps for timers, better tested than ours would be.
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    // SQLite: statement cache, row access and a pool of readers over Debian's libsqlite3.
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    // Reads the price catalog, a file that people edit.
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    // Latencies of a load test: every value to three digits in little memory, and sums of histograms that lose nothing.
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
]

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A service thinks over BillingCore and talks through RPC, BillingAPI and Storage; never to another service's module.
func service(_ name: String, _ more: [Target.Dependency] = []) -> Target {
    .target(
        name: name,
        dependencies: ["BillingCore", "RPC", "BillingAPI", "Storage", .product(name: "Logging", package: "swift-log")]
            + more,
        swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

func serviceTests(_ service: String) -> Target {
    tests(
        "\(service)Tests",
        ["BillingAPI", "BillingCore", "BillingTestKit", "RPC", "Storage", Target.Dependency(stringLiteral: service)])
}

let targets: [Target] = [
    // The system libraries, and the C that protoc-c generated from Proto/.
    .systemLibrary(name: "CZeroMQ"),
    .systemLibrary(name: "CProtobufC"),
    .target(name: "CBillingProto", dependencies: ["CProtobufC"]),

    // Values and rules of thumb that every module shares.
    .target(name: "BillingCore", swiftSettings: settings),

    // Calls: as values, over ZeroMQ, and typed from Proto/.
    .target(
        name: "RPC", dependencies: ["BillingCore", .product(name: "Logging", package: "swift-log")],
        swiftSettings: settings),
    .target(
        name: "RPCZeroMQ",
        dependencies: [
            "BillingCore", "CZeroMQ", "RPC", .product(name: "DequeModule", package: "swift-collections"),
            .product(name: "HeapModule", package: "swift-collections"),
            .product(name: "Logging", package: "swift-log"),
        ],
        swiftSettings: settings),
    .target(
        name: "BillingAPI", dependencies: ["BillingCore", "CBillingProto", "CProtobufC", "RPC"],
        swiftSettings: settings),

    .target(
        name: "Storage",
        dependencies: [
            "BillingCore", "RPC", .product(name: "DequeModule", package: "swift-collections"),
            .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Logging", package: "swift-log"),
        ],
        swiftSettings: settings),

    // The five services.
    service("Pricing", [.product(name: "Yams", package: "Yams")]),
    service("Metering"),
    service("Ordering"),
    service("Refunding"),
    service("Gateway"),

    // The programs.
    .executableTarget(
        name: "billingd",
        dependencies: [
            "BillingCore", "RPC", "RPCZeroMQ", "BillingAPI", "Storage", "Pricing", "Metering", "Ordering", "Refunding",
            "Gateway", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "Logging", package: "swift-log"),
        ],
        swiftSettings: settings),
    .executableTarget(
        name: "billing",
        dependencies: [
            "BillingCore", "RPC", "RPCZeroMQ", "BillingAPI",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "Logging", package: "swift-log"),
        ],
        swiftSettings: settings),

    .executableTarget(
        name: "billing-load",
        dependencies: [
            "BillingCore", "RPC", "RPCZeroMQ", "BillingAPI",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "Histogram", package: "hdrhistogram-swift"),
            .product(name: "Logging", package: "swift-log"),
        ],
        swiftSettings: settings),

    // Manual clock, seeded generator, fixtures and doubles for the tests.
    .target(name: "BillingTestKit", dependencies: ["BillingCore", "RPC", "Storage"], swiftSettings: settings),

    // A service for tests that kill and freeze whole processes.
    .executableTarget(
        name: "echo-server",
        dependencies: [
            "BillingCore", "BillingTestKit", "RPC", "RPCZeroMQ", .product(name: "Logging", package: "swift-log"),
        ],
        path: "Tests/EchoServer", exclude: ["proxy.py"], swiftSettings: settings),

    // Each module's tests; the contract suites run on every driver and transport.
    tests("BillingCoreTests", ["BillingCore", "BillingTestKit"]),
    tests("RPCTests", ["BillingCore", "BillingTestKit", "RPC"]),
    tests(
        "TransportContractTests",
        [
            "BillingCore", "BillingTestKit", "CZeroMQ", "RPC", "RPCZeroMQ", "echo-server",
            .product(name: "Logging", package: "swift-log"),
        ]),
    tests("BillingAPITests", ["BillingAPI", "BillingCore", "RPC"]),
    tests("StorageContractTests", ["BillingCore", "BillingTestKit", "RPC", "Storage"]),
    serviceTests("Pricing"),
    serviceTests("Metering"),
    serviceTests("Ordering"),
    serviceTests("Refunding"),
    serviceTests("Gateway"),
    // All services in one process, on a clock that a test turns.
    tests(
        "SystemTests",
        [
            "BillingAPI", "BillingCore", "BillingTestKit", "Gateway", "Metering", "Ordering", "Pricing", "RPC",
            "Refunding", "Storage",
        ]),
    tests("CLITests", ["billing", "BillingAPI", "BillingCore", "BillingTestKit", "RPC"]),
    tests(
        "LoadTests",
        [
            "billing-load", "BillingAPI", "BillingCore", "RPC", "RPCZeroMQ",
            .product(name: "Histogram", package: "hdrhistogram-swift"),
            .product(name: "Logging", package: "swift-log"),
        ]),
    tests("HouseTests", []),
]

let package = Package(name: "billing", products: products, dependencies: dependencies, targets: targets)
