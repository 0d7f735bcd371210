import ArgumentParser
import BillingAPI
import BillingCore
import RPC

extension GroupCommand {
    struct Switch: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "switch", abstract: "Switch a pay-as-you-go group to a subscription.",
            discussion: """
                Three steps: --quote shows the price; without it an unpaid order is placed; billing order pay pays it, \
                and the group is switched at that instant. --pay places and pays at once.
                """)

        @OptionGroup var group: GroupArgument
        @Option(help: ArgumentHelp("1, 2, 3, 6 or 12.", valueName: "months"), transform: Input.count)
        var months: UInt32
        @Flag(help: "Only show what it would cost.")
        var quote = false
        @OptionGroup var autoRenewal: AutoRenewalOptions
        @OptionGroup var payment: PayAtOnceOptions
        @OptionGroup var global: GlobalOptions

        func validate() throws {
            if quote, payment.pay { throw ValidationError("--quote only shows the price; leave out --pay.") }
        }

        func run(_ session: Session) async throws {
            let account = try session.account()
            if quote {
                let group = try await session.groups.getGroup(.init(groupID: group.id), session.reading(account)).group
                let reply = try await session.prices.quote(
                    .init(
                        specification: group?.specification ?? "", region: group?.region ?? "",
                        instances: group?.instances ?? 0, months: months), session.reading(account))
                session.show(reply.message) { QuoteText.text(reply.message) }
                return
            }
            let placed = try await session.orders.placeSwitchOrder(
                .init(
                    groupID: group.id, months: months, autoRenewal: autoRenewal.autoRenew,
                    autoRenewalMonths: autoRenewal.autoRenewMonths ?? 0), session.writing(account))
            try await session.finish(placing: placed, account, payment)
        }
    }

    struct Unsubscribe: GatewayCommand {
        static let configuration = CommandConfiguration(
            commandName: "unsubscribe", abstract: "Give a whole subscribed group back, and get the unused part back.",
            discussion: """
                The refund is quoted first, with what is lost; then it is paid, the same amount or not at all. A token \
                of billing refund quote confirms that quote.
                """)

        @OptionGroup var group: GroupArgument
        @Option(help: ArgumentHelp("Confirms the refund quote that it comes from.", valueName: "token"))
        var token: String?
        @Option(
            help: ArgumentHelp("Only these phones, acp-...,acp-...: refused, as groups go whole.", valueName: "ids"),
            transform: Input.instanceIDs)
        var instances: [String]?
        @Option(
            help: ArgumentHelp("Only so many phones: refused, as groups go whole.", valueName: "count"),
            transform: Input.count)
        var quantity: UInt32?
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let account = try session.account()
            var request = GatewayV1.UnsubscribeRequest(
                groupID: group.id, token: token ?? "", instanceIDs: instances ?? [], quantity: quantity ?? 0)
            // Partial requests go as they are, so that the service refuses them by name.
            let isPartial = instances != nil || quantity != nil
            if token == nil, !isPartial {
                let quote = try await session.refunds.quoteRefund(
                    .init(groupID: group.id), session.reading(account)
                ).message
                request.token = try session.confirm(quote, "Unsubscribe \(group.id)", renewal: false, yes: yes)
            }
            let reply = try await session.groups.unsubscribe(
                request, session.writing(account, repeatedWith: "--token \(request.token)"))
            session.show(unsubscription: reply)
        }
    }
}

/// Whether an order that is placed is also paid.
struct PayAtOnceOptions: ParsableArguments {
    @Flag(help: "Also pay the order, from a coupon and the balance.")
    var pay = false
    @OptionGroup var coupon: CouponChoice

    func validate() throws {
        if coupon.isGiven, !pay { throw ValidationError("A coupon is used when the order is paid; add --pay.") }
    }
}

extension Session {
    /// Shows an order that was placed, or pays it at once and shows what came of it.
    func finish(
        placing placed: Response<OrderV1.OrderReply>, _ account: String, _ payment: PayAtOnceOptions
    ) async throws {
        let order = placed.order ?? .init()
        guard payment.pay else {
            show(order, isReplay: placed.isReplay) {
                OrderText.text(order)
                    + "\nnext: billing order pay \(order.orderID), before \(Readable.instant(order.deadlineAt)).\n"
            }
            return
        }
        do {
            let paid = try await orders.payOrder(
                .init(
                    orderID: order.orderID, paymentMethod: .balance, couponID: payment.coupon.coupon ?? "",
                    withoutCoupon: payment.coupon.noCoupon), writing(account))
            show(payment: paid)
        } catch {
            let placed = "Order \(order.orderID) of \(Readable.money(order.totalMicros)) was placed"
            switch failure(error).status {
            case .refused:
                note(
                    placed + " and is unpaid until \(Readable.instant(order.deadlineAt)): billing order pay "
                        + "\(order.orderID) pays it, billing order cancel \(order.orderID) gives it up.")
            case .unknown, .usage, .done:
                note(placed + "; billing order show \(order.orderID) tells whether it is paid.")
            }
            throw error
        }
    }
}
