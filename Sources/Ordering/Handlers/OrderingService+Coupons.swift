import BillingAPI
import BillingCore
import RPC
import Storage

extension OrderingService {
    /// Grants a coupon. If it is usable at once for pay-as-you-go bills it pays what is outstanding of the products that
    /// it applies to, oldest first (domain 3.2).
    /// - Throws: `MoneyError`; `CouponError.malformed` naming the field.
    func grantCoupon(
        _ request: OrderV1.GrantCouponRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.GrantCouponReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        let couponID = CouponID(from: identifiers)
        return try await write(request.step, call, request) { transaction in
            var account = try transaction.account(id)
            let at = try account.takeEffect(at: instant)
            var coupon = try Coupon(request, id: couponID, account: id, grantedAt: at)
            try transaction.insert(coupon)
            let credited = try transaction.settle(&account, with: &coupon)
            try transaction.update(account)
            return Response(try transaction.reply(coupon, account, credited), effectiveAt: at)
        }
    }

    /// Lets a coupon that becomes effective pay what a grant at that instant would (domain 3.2). Comes before the slices
    /// that are cut at that instant (domain 10).
    /// - Throws: `CouponError.notFound`; `.notYetEffective` before its time.
    func startCoupon(
        _ request: OrderV1.StartCouponRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.GrantCouponReply> {
        let (id, instant) = (try call.accountID(), try call.instant())
        return try await step(request.step, call, request) { transaction in
            var account = try transaction.account(id)
            var coupon = try transaction.coupon(request.couponID, of: id)
            guard instant >= coupon.validity.start else {
                throw CouponError.notYetEffective(coupon.id.text, from: coupon.validity.start)
            }
            // The clock's own work, which may come late.
            let at = account.follow(instant)
            let credited = try transaction.settle(&account, with: &coupon)
            try transaction.noteStart(of: coupon)
            try transaction.update(account)
            return Response(try transaction.reply(coupon, account, credited), effectiveAt: at)
        }
    }

    func listStartingCoupons(
        _ request: OrderV1.ListStartingCouponsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListStartingCouponsReply> {
        let (through, limit) = (try DueWork.through(request.through), try PageCursor.limit(request.limit))
        return try await database.read { transaction in
            let coupons = try transaction.startingCoupons(through: through, limit: limit)
            return Response(OrderV1.ListStartingCouponsReply(coupons: coupons.map { OrderV1.Coupon($0) }))
        }
    }

    /// Coupons in the order of their granting.
    func listCoupons(
        _ request: OrderV1.ListCouponsRequest, _ call: CallContext
    ) async throws -> Response<OrderV1.ListCouponsReply> {
        let id = try call.accountID()
        let (cursor, limit) = (try PageCursor(request.cursor), try PageCursor.limit(request.limit))
        let instant = request.usable ? try call.instant() : nil
        return try await database.read { transaction in
            let account = try transaction.account(id)
            let coupons = try transaction.coupons(
                of: account.id, usableAt: instant, after: cursor, limit: limit + 1)
            let page = coupons.prefix(limit)
            let next = page.last.map { PageCursor(instant: $0.grantedAt, id: $0.id.text).text }
            return Response(
                OrderV1.ListCouponsReply(
                    coupons: page.map { OrderV1.Coupon($0) }, nextCursor: coupons.count > limit ? next ?? "" : ""))
        }
    }
}

extension Transaction {
    fileprivate func reply(
        _ coupon: Coupon, _ account: Account, _ credited: Credited
    ) throws -> OrderV1.GrantCouponReply {
        OrderV1.GrantCouponReply(
            coupon: OrderV1.Coupon(coupon), account: try wireAccount(account), settledMicros: credited.settled.micros,
            recovered: credited.recovered)
    }

    /// Pays outstanding lines with a coupon that was granted, has started or was restored, oldest first those that it
    /// applies to. The account itself is kept by `update`.
    func settle(_ account: inout Account, with coupon: inout Coupon) throws -> Credited {
        var credited = Credited(settled: .zero, sequence: 0, recovered: false)
        guard account.outstanding > .zero, coupon.paysUsage(at: account.lastAt) else { return credited }
        let sources = try sources(of: account.id)
        var paid: [(line: OutstandingLine, amount: Money)] = []
        try forEachOutstandingLine(of: account.id) { line in
            guard let source = sources[line.source], coupon.applies(to: source.product) else { return true }
            let part = min(line.outstanding, coupon.remaining)
            coupon.spend(part)
            credited.settled += part
            paid.append((line, part))
            return coupon.remaining > .zero
        }
        guard credited.settled > .zero else { return credited }
        let sequence = try post(.couponGrant(settled: credited.settled, coupon: coupon.id.text), to: &account)
        credited.sequence = sequence
        for (line, amount) in paid {
            try allocate(amount, to: line, of: account.id, sequence: sequence)
            try noteUse(
                of: coupon.id, amount, for: LineKey(start: line.start, source: line.source), of: account.id,
                sequence: sequence)
        }
        try update(coupon)
        credited.recovered = try recover(&account)
        return credited
    }
}

extension Coupon {
    /// - Throws: `MoneyError`; `CouponError.malformed`.
    fileprivate init(
        _ request: OrderV1.GrantCouponRequest, id: CouponID, account: AccountID, grantedAt: Timestamp
    ) throws {
        func refuse(_ field: String, _ value: String, _ why: String) -> CouponError {
            .malformed(field: field, value: value, why: why)
        }
        let amount = try Money.input(micros: request.amountMicros)
        let minimum = Money(micros: request.minimumOrderMicros)
        guard minimum >= .zero, minimum <= .largestInput else {
            throw refuse("minimum_order_micros", minimum.description, "is negative or more than 1000000000 USD")
        }
        let instants = Timestamp.earliest.milliseconds...Timestamp.latest.milliseconds
        guard instants.contains(request.expiresAt) else {
            throw refuse("expires_at", String(request.expiresAt), "is no instant; every coupon expires")
        }
        guard request.effectiveAt == 0 || instants.contains(request.effectiveAt) else {
            throw refuse("effective_at", String(request.effectiveAt), "is no instant")
        }
        let start = request.effectiveAt == 0 ? grantedAt : Timestamp(milliseconds: request.effectiveAt)
        let end = Timestamp(milliseconds: request.expiresAt)
        guard end > max(start, grantedAt) else {
            throw refuse("expires_at", BillingCalendar.format(end), "is not after the coupon can be used first")
        }
        guard request.name.count <= 100, !request.name.unicodeScalars.contains(where: isControl) else {
            throw refuse(
                "name", String(request.name.prefix(100)), "has more than 100 characters or a control character")
        }
        let products = try request.products.map { text in
            guard let product = Product(rawValue: text) else {
                let known = Product.allCases.map(\.rawValue).joined(separator: ", ")
                throw refuse("products", text, "is none of \(known)")
            }
            return product
        }
        // One that is unknown must not make it a coupon for both.
        let methods = try request.billingMethods.map { method in
            guard let known = BillingMethod(wire: method) else {
                throw refuse("billing_methods", method.wireName, "is neither subscription nor pay-as-you-go")
            }
            return known
        }
        self.init(
            id: id, account: account, name: request.name, amount: amount, remaining: amount, minimumOrder: minimum,
            validity: Period(start, end), products: Set(products),
            methods: Set(methods), grantedAt: grantedAt)
    }
}
