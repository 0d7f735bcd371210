import ArgumentParser
import BillingAPI
import BillingCore
import RPC

struct OrderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "order", abstract: "Orders of subscriptions.",
        subcommands: [Place.self, List.self, Show.self, Pay.self, Cancel.self])
}

/// The order that a command is about.
struct OrderArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The order, ord-...", valueName: "order"), transform: Input.orderID)
    var id: String
}

extension OrderCommand {
    struct Place: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "place", abstract: "Order a new subscribed group; it is created when the order is paid.")

        @OptionGroup var wanted: WantedGroup
        @Option(help: ArgumentHelp("1, 2, 3, 6 or 12.", valueName: "months"), transform: Input.count)
        var months: UInt32
        @OptionGroup var new: NewGroupOptions
        @OptionGroup var autoRenewal: AutoRenewalOptions
        @OptionGroup var payment: PayAtOnceOptions
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            let placed = try await session.orders.placeNewOrder(
                .init(
                    specification: wanted.specification, region: wanted.region, instances: wanted.instances,
                    months: months, name: new.name ?? "", network: new.network ?? "",
                    autoRenewal: autoRenewal.autoRenew, autoRenewalMonths: autoRenewal.autoRenewMonths ?? 0),
                session.writing(account))
            try await session.finish(placing: placed, account, payment)
        }
    }

    struct List: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the account's orders.")

        @Option(help: ArgumentHelp("Only orders in this state; may be repeated.", valueName: "status"))
        var status: [OrderV1.OrderStatus] = []
        @Option(help: ArgumentHelp("Only orders for this group.", valueName: "group"), transform: Input.groupID)
        var group: String?
        @Option(help: ArgumentHelp("Rows at most (default: all).", valueName: "rows"), transform: Input.limit)
        var limit: Int?
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            let orders = try await session.all(limit: limit) { cursor, limit in
                let reply = try await session.orders.listOrders(
                    .init(statuses: status, groupID: group ?? "", cursor: cursor, limit: limit),
                    session.reading(account))
                return (reply.orders, reply.nextCursor)
            }
            session.show(orders, none: "No such orders.") { OrderText.table(orders) }
        }
    }

    struct Show: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show an order.")

        @OptionGroup var order: OrderArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.orders.getOrder(
                .init(orderID: order.id), session.reading(try session.account()))
            let order = reply.order ?? .init()
            session.show(order) { OrderText.text(order) }
        }
    }

    struct Pay: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "pay", abstract: "Pay an order from a coupon and the balance, or announce an online payment.",
            discussion: """
                At most one coupon pays, the best that applies unless one is named. With --online the rest is paid from \
                outside, or all but --balance of it; coupon and balance part are fixed now, taken when the payment is \
                confirmed, and must still be there then.
                """)

        @OptionGroup var order: OrderArgument
        @Option(
            help: ArgumentHelp(
                "External reference of an online payment; it counts when billing payment confirm says that it came.",
                valueName: "reference"))
        var online: String?
        @Option(
            help: ArgumentHelp("With --online: so many USD of it from the balance.", valueName: "amount"),
            transform: Input.amount)
        var balance: Money?
        @OptionGroup var coupon: CouponChoice
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if balance != nil, online == nil {
                throw ValidationError("Without --online the balance pays it all; leave out --balance.")
            }
        }

        func run(_ session: Session) async throws {
            let reply = try await session.orders.payOrder(
                .init(
                    orderID: order.id, paymentMethod: online == nil ? .balance : .online, reference: online ?? "",
                    couponID: coupon.coupon ?? "", withoutCoupon: coupon.noCoupon,
                    balanceMicros: balance?.micros ?? 0),
                session.writing(try session.account()))
            session.show(payment: reply)
        }
    }

    struct Cancel: GatewayCommand {
        static let configuration = CommandConfiguration(commandName: "cancel", abstract: "Cancel an unpaid order.")

        @OptionGroup var order: OrderArgument
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let reply = try await session.orders.cancelOrder(
                .init(orderID: order.id), session.writing(try session.account()))
            let order = reply.order ?? .init()
            session.show(order, isReplay: reply.isReplay) { OrderText.text(order) }
        }
    }
}

extension Session {
    /// Prints what came of paying an order.
    func show(payment reply: Response<GatewayV1.PayOrderReply>) {
        show(reply.message, isReplay: reply.isReplay) {
            var parts: [String] = []
            if let payment = reply.payment, payment.status == .pending {
                parts.append(
                    "The order is paid when billing payment confirm \(payment.reference) tells that "
                        + "\(Readable.money(payment.amountMicros)) came.\n" + PaymentText.rest(payment))
            }
            parts += [reply.order.map(OrderText.text), reply.group.map(GroupText.text)].compactMap { $0 }
            return parts.joined(separator: "\n")
        }
    }
}

enum OrderText {
    static func text(_ order: OrderV1.Order) -> String {
        var sheet = FactSheet(
            ("order", order.orderID), ("kind", Readable.word(order.kind)), ("status", Readable.word(order.status)),
            ("group", order.groupID), ("name", order.name), ("network", order.network),
            ("phones", "\(order.instances) x \(order.specification) in \(order.region)"),
            ("months", String(order.months)), ("price", Readable.money(order.totalMicros)))
        if order.discountMicros != 0 {
            sheet.add("discount", "\(Readable.money(order.discountMicros)) off \(Readable.money(order.grossMicros))")
        }
        sheet.add("placed", Readable.instant(order.placedAt))
        if order.status == .unpaid { sheet.add("to be paid before", Readable.instant(order.deadlineAt)) }
        sheet.add("paid", Readable.instant(order.paidAt))
        sheet.add("paid from", ways(order))
        sheet.add("coupon", order.couponID)
        sheet.add("payment", order.paymentID)
        sheet.add("term", Readable.period(order.termStart, order.termEnd))
        if order.autoRenewal { sheet.add("auto-renewal", "on") }
        if order.automatic { sheet.add("placed by", "auto-renewal") }
        sheet.add("cancelled", Readable.instant(order.cancelledAt))
        sheet.add("because", Readable.word(order.cancellationCause))
        if order.refundedAt != 0 {
            sheet.add("refunded", "\(Readable.money(order.refundedMicros)) at \(Readable.instant(order.refundedAt))")
        }
        return sheet.text
    }

    /// "balance"; "coupon 10.00, balance 23.07" where several ways paid.
    private static func ways(_ order: OrderV1.Order) -> String {
        let parts = [
            ("coupon", order.couponMicros), ("balance", order.balanceMicros), ("online", order.onlineMicros),
        ].filter { $0.1 != 0 }
        guard parts.count > 1 || order.couponMicros != 0 else { return Readable.word(order.paymentMethod) }
        return parts.map { "\($0.0) \(Readable.money($0.1))" }.joined(separator: ", ")
    }

    static func table(_ orders: [OrderV1.Order]) -> Table {
        var table = Table(
            .text("order"), .text("kind"), .text("status"), .text("group"), .number("phones"), .text("specification"),
            .text("region"), .number("months"), .money("price"), .text("placed"), .text("paid"), .money("refunded"))
        for order in orders {
            table.add(
                order.orderID, Readable.word(order.kind), Readable.word(order.status), Readable.text(order.groupID),
                String(order.instances), order.specification, order.region, String(order.months),
                Readable.money(order.totalMicros), Readable.instant(order.placedAt), Readable.instant(order.paidAt),
                order.refundedAt == 0 ? Readable.nothing : Readable.money(order.refundedMicros))
        }
        return table
    }
}
