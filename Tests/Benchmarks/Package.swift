// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that what only benchmarks need stays out of the main one.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "benchmarks",
    products: [.executable(name: "rpc-bench", targets: ["RPCBench"])],
    dependencies: [
        .package(name: "billing", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // Written by Proto/generate from Proto/benchmark. The other files of QuoteAPI are links to BillingAPI's coding,
        // which the generated code needs and which no module sees but its own.
        .target(name: "CQuoteProto"),
        // libzmq's own options, for what the product has no setting for.
        .systemLibrary(name: "CSocketOptions"),
        .target(
            name: "QuoteAPI",
            dependencies: [
                "CQuoteProto", .product(name: "BillingAPI", package: "billing"),
                .product(name: "BillingCore", package: "billing"), .product(name: "RPC", package: "billing"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "RPCBench",
            dependencies: [
                "CSocketOptions", "QuoteAPI", .product(name: "BillingAPI", package: "billing"),
                .product(name: "BillingCore", package: "billing"), .product(name: "RPC", package: "billing"),
                .product(name: "RPCZeroMQ", package: "billing"), .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
    ])
