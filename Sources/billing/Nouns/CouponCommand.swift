import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct CouponCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coupon", abstract: "Coupons of an account.", subcommands: [Grant.self, List.self])

    struct Grant: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "grant", abstract: "Give the account a coupon; once usable, it pays outstanding bills.",
            discussion: """
                A coupon with --minimum pays orders only: pay-as-you-go bills cannot use it. What is left of a coupon \
                stays usable until it expires. A refund never gives it back.
                """)

        @Argument(help: ArgumentHelp("USD with at most 6 decimals.", valueName: "amount"), transform: Input.amount)
        var amount: Money
        @Option(
            help: ArgumentHelp("Not usable from this instant on.", valueName: "instant"), transform: Input.instant)
        var expires: Timestamp
        @Option(
            help: ArgumentHelp("Usable from this instant on (default: now).", valueName: "instant"),
            transform: Input.instant)
        var effective: Timestamp?
        @Option(
            help: ArgumentHelp("Only for orders of so many USD or more (default: no minimum).", valueName: "amount"),
            transform: Input.amount)
        var minimum: Money?
        @Option(help: ArgumentHelp("Only for this product; may be repeated (default: all).", valueName: "product"))
        var product: [CouponProduct] = []
        @Option(help: ArgumentHelp("Only for what is billed this way; may be repeated.", valueName: "method"))
        var method: [CommonV1.BillingMethod] = []
        @Option(help: ArgumentHelp("What people call it.", valueName: "name"))
        var name: String?
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if let effective, effective >= expires {
                throw ValidationError(
                    "--effective \(BillingCalendar.format(effective)) is not before --expires "
                        + "\(BillingCalendar.format(expires)).")
            }
        }

        func run(_ session: Session) async throws {
            let reply = try await session.accounts.grantCoupon(
                .init(
                    amountMicros: amount.micros, minimumOrderMicros: minimum?.micros ?? 0,
                    effectiveAt: effective?.milliseconds ?? 0, expiresAt: expires.milliseconds,
                    products: product.map(\.rawValue), billingMethods: method, name: name ?? ""),
                session.writing(try session.account()))
            session.show(reply.message, isReplay: reply.isReplay) {
                let cleared = AccountText.cleared(reply.settledMicros, recovered: reply.recovered)
                return (reply.coupon.map(CouponText.text) ?? "") + (cleared.isEmpty ? "" : "\n" + cleared)
            }
        }
    }

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the account's coupons.")

        @Flag(help: "Only coupons that can be used now.")
        var usable = false
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            let coupons = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.accounts.listCoupons(
                    .init(usable: usable, cursor: cursor, limit: limit), session.reading(account))
                return (reply.coupons, reply.nextCursor)
            }
            session.show(coupons, none: "No such coupons.") { CouponText.table(coupons) }
        }
    }
}

/// What a coupon can be limited to, by the codes of the wire.
enum CouponProduct: String, CaseIterable, ExpressibleByArgument {
    case cloudPhone = "cloud-phone"
    case natGateway = "nat-gateway"
    case eip
    case sharedBandwidth = "shared-bandwidth"
    case oss
}

/// Which coupon pays an order.
struct CouponChoice: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The coupon to use (default: the best that applies); billing coupon list shows them.", valueName: "coupon"))
    var coupon: String?
    @Flag(help: "Use no coupon.")
    var noCoupon = false

    func validate() throws {
        if coupon != nil, noCoupon { throw ValidationError("--no-coupon uses none; leave out --coupon.") }
        if coupon == "" { throw ValidationError("'' is no coupon; billing coupon list shows them.") }
    }

    /// Whether the command line says anything about coupons.
    var isGiven: Bool { coupon != nil || noCoupon }
}

enum CouponText {
    static func text(_ coupon: OrderV1.Coupon) -> String {
        FactSheet(
            ("coupon", coupon.couponID), ("name", coupon.name), ("left", left(coupon)),
            ("minimum order", minimum(coupon)), ("usable from", Readable.instant(coupon.effectiveAt)),
            ("until", Readable.instant(coupon.expiresAt)), ("for", scope(coupon)),
            ("granted", Readable.instant(coupon.grantedAt))
        ).text
    }

    static func table(_ coupons: [OrderV1.Coupon]) -> Table {
        var table = Table(
            .text("coupon"), .text("name"), .money("left"), .money("of"), .money("minimum order"), .text("usable from"),
            .text("until"), .text("for"))
        for coupon in coupons {
            table.add(
                coupon.couponID, Readable.text(coupon.name), Readable.money(coupon.remainingMicros),
                Readable.money(coupon.amountMicros), minimum(coupon), Readable.instant(coupon.effectiveAt),
                Readable.instant(coupon.expiresAt), scope(coupon))
        }
        return table
    }

    private static func left(_ coupon: OrderV1.Coupon) -> String {
        "\(Readable.money(coupon.remainingMicros)) of \(Readable.money(coupon.amountMicros))"
    }

    private static func minimum(_ coupon: OrderV1.Coupon) -> String {
        coupon.minimumOrderMicros == 0 ? Readable.nothing : Readable.money(coupon.minimumOrderMicros)
    }

    /// "cloud-phone, eip; subscription", "everything".
    private static func scope(_ coupon: OrderV1.Coupon) -> String {
        let scope = [coupon.products, coupon.billingMethods.map(\.word)].filter { !$0.isEmpty }
        return scope.isEmpty ? "everything" : scope.map { $0.joined(separator: ", ") }.joined(separator: "; ")
    }
}
