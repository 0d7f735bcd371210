"""One account's life: what its owner does at random, told to the model and to the system alike.

Every operation is a conversation: it takes the model's outcome, makes the call, and raises `Difference` when the system
did something else. An account's choices depend on the seed, its number and its own past alone, so that it can be replayed
without the others.
"""

import random

from conversation import MESSAGES, Call, Refused
from model import (
    ACTIVE, CREATING, DAY, DURATIONS, EXPIRED, GRACE, HOUR, INT, ML, OVERDUE, PAY_AS_YOU_GO, RELEASED, SHIPPED, SUBSCRIPTION,
    UNPAID, Account, Coupon, Refund, Refusal, local)  # fmt: skip

common, order, metering, gateway, refunding = (MESSAGES[name] for name in ("common", "order", "metering", "gateway", "refund"))
CENT, USD = 10_000, 1_000_000
METHODS = {SUBSCRIPTION: common.BILLING_METHOD_SUBSCRIPTION, PAY_AS_YOU_GO: common.BILLING_METHOD_PAY_AS_YOU_GO}
REGIONS = ("cn-hangzhou", "cn-hangzhou", "ap-southeast-1")
NETWORKS = ("default", "default", "lab")


class Difference(Exception):
    def __init__(self, life, what, expected, got):
        super().__init__(f"{what}\n  model:  {expected}\n  system: {got}")
        self.life = life


class Life:
    def __init__(self, seed, number, prices, start):
        self.number, self.random = number, random.Random(f"{seed}/{number}")
        self.model = Account(prices, start)
        self.history, self.references = [], 0
        self.operations = self.refusals = 0
        # Some owners are careless with their money.
        self.thrift = self.random.choice((0.2, 0.5, 0.9))
        # Some pay by the hour, some by the month, which takes more money at once.
        self.subscriber = self.random.random() < 0.5
        self.stale_quote = None
        # How many notices were compared, and the number of the last.
        self.notices_seen = self.last_notice = 0

    @property
    def account(self):
        return self.model.id

    def call(self, method, request, again=False):
        return Call(method, request, self.account, again)

    def note(self, text):
        self.history.append(f"{local(self.model.now).isoformat(sep=' ', timespec='milliseconds')}  {text}")

    def attempt(self, expected, method, request):
        """Tries an operation on the model and on the system: (what the model answers, the reply), or None if refused."""
        self.operations += 1
        result, reasons = None, set()
        try:
            result = expected()
        except Refusal as refusal:
            reasons = refusal.reasons
        fields = str(request).replace("\n", " ").strip()
        twice = self.random.random() < 0.03 and "Quote" not in method
        reply = yield self.call(method, request, again=twice)
        outcome = reply.reason if isinstance(reply, Refused) else "done"
        self.note(f"{method} {fields} -> {outcome}")
        if (isinstance(reply, Refused) and reply.reason not in reasons) or (reasons and not isinstance(reply, Refused)):
            got = f"{reply.reason}: {reply.message}" if isinstance(reply, Refused) else "done"
            raise Difference(self, f"outcome of {method} {fields}", " or ".join(sorted(reasons)) or "done", got)
        self.refusals += bool(reasons)
        return None if reasons else (result, reply)

    def same(self, what, expected, got):
        if expected != got:
            raise Difference(self, what, expected, got)

    # What the owner chooses from.

    def pick(self, things, *wanted):
        """Mostly one that suits, now and then any."""
        suiting = [thing for thing in things if all(want(thing) for want in wanted)]
        if suiting and self.random.random() < 0.92:
            return self.random.choice(suiting)
        return self.random.choice(things) if things and (suiting or self.random.random() < 0.25) else None

    def reference(self):
        self.references += 1
        return f"bank-{self.number}-{self.references}"

    def money(self, least, most):
        """An amount, of whole cents or to the last decimal."""
        amount = self.random.randint(least, most)
        return amount if self.random.random() < 0.3 else max(CENT, amount // CENT * CENT)

    def moments(self, start, end):
        """Instants of this day at which something of this account is due: to do something exactly then, or just before."""
        account, found = self.model, []
        if account.overdue_at:
            found.append(account.overdue_at + GRACE)
        for group in account.groups:
            if group.status == EXPIRED:
                found.append(group.expired_at + GRACE)
            if group.status == ACTIVE and group.terms:
                found += [group.terms[0].end, group.terms[0].start + DAY, group.paid_through]
            if group.status == ACTIVE and not group.terms:
                found.append(group.segments[-1].anchor + 24 * HOUR)
        found += [an_order.deadline for an_order in account.unpaid_orders()]
        return [at for at in found for at in (at, at - 1) if start < at < end]

    def choose(self):
        account, chance = self.model, self.random
        creating = [group for group in account.groups if group.status == CREATING]
        unpaid, pending = account.unpaid_orders(), [p for p in account.payments.values() if p.status == "pending"]
        on_the_way = any(refund.online and not refund.confirmed for refund in account.refunds)
        weights = {
            self.create: (4 if self.subscriber else 12) if len(account.living) < 6 else 1,
            self.create_badly: 1,
            self.report: 30 if creating else 0,
            self.release: 7, self.power: 3, self.rename: 1,
            self.place_new: (14 if self.subscriber else 4) if len(account.living) < 8 else 1,
            self.place_switch: 6, self.place_renewal: 8,
            self.pay: 40 if unpaid else 1, self.announce: 14 if unpaid else 0, self.cancel_order: 5 if unpaid else 1,
            self.confirm: 16 if pending else 1,
            self.unsubscribe: 7, self.stale_unsubscribe: 2, self.unsubscribe_partly: 1, self.cancel_renewal: 5,
            self.confirm_refund: 8 if on_the_way else 1,
            self.auto_renewal: 5,
            self.top_up: 40 * self.thrift if account.overdue_at else 6, self.top_up_online: 4,
            self.grant: 10 if account.overdue_at else 5, self.adjust: 3,
            self.internet: 3, self.bandwidth: 2, self.backup: 4, self.release_resource: 5,
        }  # fmt: skip
        return chance.choices(list(weights), list(weights.values()))[0]

    # Life itself.

    def open(self):
        opened = yield Call("Accounts/OpenAccount", order.OpenAccountRequest(name=f"life {self.number}"))
        if isinstance(opened, Refused):
            raise opened
        self.model.id = opened.account.account_id
        self.note(f"opened {self.model.id}")
        yield from self.top_up_by(self.random.choice((60, 300, 900) if self.subscriber else (1, 5, 20, 60, 300)) * USD)

    def step(self, at):
        """One operation at an instant to which the system's clock was moved."""
        self.model.advance(at)
        yield from self.choose()()

    def create(self):
        chance = self.random
        yield from self.create_group(chance.choice(list(SHIPPED)), chance.choice(REGIONS), chance.choice((1, 1, 2, 5, 10)))

    def create_badly(self):
        bad = self.random.choice((("acp.none", "cn-hangzhou", 1), ("acp.std.small", "mars", 1), ("acp.std.small", ML[1], 0),
                                  ("acp.std.small", INT[0], 101)))  # fmt: skip
        yield from self.create_group(*bad)

    def create_group(self, specification, region, instances):
        chance, account = self.random, self.model
        network, external = chance.choice(NETWORKS), chance.random() < 0.3
        provisioner = metering.PROVISIONER_EXTERNAL if external else metering.PROVISIONER_IMMEDIATE
        done = yield from self.attempt(
            lambda: account.create(specification, region, instances, network, external, account.now),
            "Groups/CreateGroup",
            gateway.CreateGroupRequest(specification=specification, region=region, instances=instances, network=network,
                                       provisioner=provisioner))  # fmt: skip
        if done:
            done[0].id = done[1].group.group_id

    def report(self):
        group = self.pick(self.model.groups, lambda group: group.status == CREATING)
        # What becomes of a group that comes up when an expired one would be released is not said.
        if group and not (group.status == CREATING and group.terms and group.paid_through + GRACE <= self.model.now):
            failed = self.random.random() < 0.15
            done = yield from self.attempt(lambda: self.model.report(group, failed, self.model.now), "Groups/ReportCreated",
                                           gateway.ReportCreatedRequest(group_id=group.id, failed=failed))  # fmt: skip
            if done and done[0]:  # Its refund is told by its bill line alone.
                bill = yield self.call("Bills/ListBill", order.ListBillRequest(
                    group_id=group.id, item_kinds=[order.ITEM_KIND_REFUND], period=order.STATISTICAL_PERIOD_DETAILS))  # fmt: skip
                self.same(f"refunds of {group.id}", 1, len(bill.lines))
                done[0].id = bill.lines[0].refund_id

    def release(self):
        group = self.pick(self.model.groups, lambda group: group.status in (ACTIVE, OVERDUE), lambda group: not group.terms)
        # What an owner's release of an expired subscription does is not said.
        if group and group.status != EXPIRED and group.status != CREATING:
            yield from self.attempt(lambda: self.model.release(group, self.model.now), "Groups/ReleaseGroup",
                                    gateway.ReleaseGroupRequest(group_id=group.id))  # fmt: skip

    def power(self):
        group = self.pick(self.model.groups, lambda group: group.status == ACTIVE)
        if group:
            action = self.random.choice((metering.POWER_ACTION_ON, metering.POWER_ACTION_OFF, metering.POWER_ACTION_RESTART))
            yield from self.attempt(lambda: self.model.power(group), "Groups/SetPower",
                                    metering.SetPowerRequest(group_id=group.id, action=action))  # fmt: skip

    def rename(self):
        group = self.pick(self.model.groups, lambda group: group.status != RELEASED)
        if group and group.status != RELEASED:
            yield from self.attempt(lambda: None, "Groups/RenameGroup",
                                    metering.RenameGroupRequest(group_id=group.id, name=f"phones {self.operations}"))  # fmt: skip

    # Orders.

    def months(self):
        return 4 if self.random.random() < 0.03 else self.random.choice((1, 1, 1, 1, *DURATIONS))

    def after_placing(self, done):
        if done:
            placed, reply = done
            placed.id = reply.order.order_id
            self.same(f"price of {placed.id}", (placed.gross, placed.total, placed.version.number),
                      (reply.order.gross_micros, reply.order.total_micros, reply.order.price_list_version))  # fmt: skip
            draw = self.random.random()
            if draw < 0.45:
                yield from self.pay(placed)
            elif draw < 0.75:
                yield from self.announce(placed)

    def place_new(self):
        chance, account = self.random, self.model
        specification, region = chance.choice(list(SHIPPED)), chance.choice(REGIONS)
        instances, months, network = chance.choice((1, 1, 2, 3)), self.months(), chance.choice(NETWORKS)
        auto, auto_months = chance.random() < 0.4, chance.choice((0, 0, 1, 3))
        done = yield from self.attempt(
            lambda: account.place_new(specification, region, instances, months, network, auto, auto_months * auto, account.now),
            "Orders/PlaceNewOrder",
            gateway.PlaceNewOrderRequest(specification=specification, region=region, instances=instances, months=months,
                                         network=network, auto_renewal=auto, auto_renewal_months=auto_months * auto))  # fmt: skip
        yield from self.after_placing(done)

    def place_switch(self):
        group = self.pick(self.model.groups, lambda group: group.status == ACTIVE, lambda group: not group.terms)
        if group:
            months, auto = self.months(), self.random.random() < 0.4
            done = yield from self.attempt(
                lambda: self.model.place_switch(group, months, auto, 0, self.model.now), "Orders/PlaceSwitchOrder",
                gateway.PlaceSwitchOrderRequest(group_id=group.id, months=months, auto_renewal=auto))  # fmt: skip
            yield from self.after_placing(done)

    def place_renewal(self):
        group = self.pick(self.model.groups, lambda group: group.status in (ACTIVE, EXPIRED), lambda group: group.terms)
        if group:
            months = self.random.choice((0, self.months()))
            done = yield from self.attempt(
                lambda: self.model.place_renewal(group, months, self.model.now), "Orders/PlaceRenewalOrder",
                gateway.PlaceRenewalOrderRequest(group_id=group.id, months=months))  # fmt: skip
            yield from self.after_placing(done)

    def coupon_choice(self):
        """A coupon by name, none at all, or (mostly) the best."""
        coupons = [coupon for coupon in self.model.coupons if coupon.id]
        draw = self.random.random()
        if coupons and draw < 0.3:
            return self.random.choice(coupons), False
        return None, draw > 0.85

    def unpaid_order(self):
        return self.pick([known for known in self.model.orders if known.id], lambda an_order: an_order.status == UNPAID)

    def pay(self, an_order=None):
        an_order = an_order or self.unpaid_order()
        if an_order:
            coupon, without = self.coupon_choice()
            now = self.model.now
            done = yield from self.attempt(
                lambda: self.model.pay_from_balance(an_order, coupon, without, now), "Orders/PayOrder",
                gateway.PayOrderRequest(order_id=an_order.id, payment_method=order.PAYMENT_METHOD_BALANCE,
                                        coupon_id=coupon.id if coupon else "", without_coupon=without))  # fmt: skip
            if done:
                self.paid(an_order, done[1].group)

    def paid(self, an_order, group):
        if an_order.kind == "new":
            an_order.group.id = group.group_id

    def announce(self, an_order=None):
        an_order = an_order or self.unpaid_order()
        if an_order:
            account, (coupon, without) = self.model, self.coupon_choice()
            part = min(account.balance, self.money(CENT, max(USD, an_order.total // 2))) if self.random.random() < 0.4 else 0
            reference = self.random.choice(list(account.payments)) if account.payments and self.random.random() < 0.05 else None
            reference = reference or self.reference()
            done = yield from self.attempt(
                lambda: account.announce_payment(an_order, reference, coupon, without, part, account.now), "Orders/PayOrder",
                gateway.PayOrderRequest(order_id=an_order.id, payment_method=order.PAYMENT_METHOD_ONLINE, reference=reference,
                                        coupon_id=coupon.id if coupon else "", without_coupon=without,
                                        balance_micros=part))  # fmt: skip
            if done:
                self.same(f"amount of {reference}", account.payments[reference].amount, done[1].payment.amount_micros)
                if self.random.random() < 0.6:
                    yield from self.confirm(reference)

    def confirm(self, reference=None):
        account = self.model
        payments = [account.payments[key] for key in account.payments]
        chosen = self.pick(payments, lambda payment: payment.status == "pending")
        reference = reference or (chosen.reference if chosen else f"unknown-{self.number}")
        done = yield from self.attempt(
            lambda: account.confirm(reference, account.now), "Payments/ConfirmPayment",
            order.ConfirmPaymentRequest(reference=reference))  # fmt: skip
        if done:
            because, reply = done
            self.same(f"whether {reference} is used", not because, not reply.returned_because)
            payment = account.payments[reference]
            if not because and payment.order:
                self.paid(payment.order, reply.group)

    def cancel_order(self):
        an_order = self.unpaid_order()
        if an_order:
            yield from self.attempt(lambda: self.model.cancel_order(an_order, self.model.now), "Orders/CancelOrder",
                                    order.CancelOrderRequest(order_id=an_order.id))  # fmt: skip

    # Giving back.

    def subscribed(self):
        return self.pick(self.model.groups, lambda group: group.status == ACTIVE, lambda group: group.terms)

    def unsubscribe(self):
        if group := self.subscribed():
            account = self.model
            if account.overdue_at and any(o.group is group for o in account.unpaid_orders()):
                return
            quoted = yield from self.attempt(lambda: account.quote_refund(group, account.now)[0], "Refunds/QuoteRefund",
                                             gateway.QuoteRefundRequest(group_id=group.id))  # fmt: skip
            if quoted:
                parts, reply = quoted
                # The id of an auto-renewal's order is learnt at the end of its day.
                known = {an_order.id for an_order, _, _ in parts}
                self.same(f"refund quoted for {group.id}", sorted((o.id, amount) for o, amount, _ in parts),
                          sorted((o.order_id if o.order_id in known else "", o.refund_micros) for o in reply.orders))  # fmt: skip
                if self.random.random() < 0.3:
                    self.stale_quote = group, reply.token, [amount for _, amount, _ in parts], account.now
                else:
                    yield from self.give_up(group, reply.token)

    def stale_unsubscribe(self):
        """Acts by a quote of earlier: the same amount or a refusal, never another amount (rule 7.7)."""
        if not self.stale_quote:
            return
        group, token, quoted, _ = self.stale_quote
        self.stale_quote = None
        account = self.model

        def expected():
            parts = account.quote_refund(group, account.now)[0]
            if sum(amount for _, amount, _ in parts) != sum(quoted):
                raise Refusal("refund.quote_changed")
            return account.unsubscribe(group, account.now)

        try:
            amounts = [amount for _, amount, _ in account.quote_refund(group, account.now)[0]]
        except Refusal:
            amounts = quoted
        if sum(amounts) == sum(quoted) and 0 in amounts:
            return  # The same amount from other days: whether that is the same quote is not said.
        done = yield from self.attempt(expected, "Groups/Unsubscribe", gateway.UnsubscribeRequest(group_id=group.id, token=token))
        self.given_back(done)

    def given_back(self, done):
        """The id of a refund, and whether it is split as modelled; the rest of it is compared at the end of the day."""
        if done:
            refund, shown = done[0], done[1].refund
            refund.id = shown.refund_id
            self.same(f"refund {refund.id}", (refund.amount, refund.to_balance, refund.online, refund.confirmed),
                      (shown.amount_micros, shown.to_balance_micros, shown.online_micros, shown.online_confirmed))  # fmt: skip

    def give_up(self, group, token):
        done = yield from self.attempt(
            lambda: self.model.unsubscribe(group, self.model.now), "Groups/Unsubscribe",
            gateway.UnsubscribeRequest(group_id=group.id, token=token))  # fmt: skip
        self.given_back(done)

    def unsubscribe_partly(self):
        if group := self.subscribed():
            def never():
                raise Refusal("refund.partial")

            yield from self.attempt(never, "Groups/Unsubscribe",
                                    gateway.UnsubscribeRequest(group_id=group.id, token="any", quantity=1))  # fmt: skip

    def cancel_renewal(self):
        account = self.model
        group = self.pick(account.groups, lambda group: len(group.terms) > 1)
        # Whether an order that waits for the group stands in the way, and what becomes of attempts, is not said.
        if not group or group.auto_since is not None or any(o.group is group for o in account.unpaid_orders()):
            return
        quoted = yield from self.attempt(lambda: account.quote_renewal_refund(group), "Refunds/QuoteRenewalRefund",
                                         gateway.QuoteRefundRequest(group_id=group.id))  # fmt: skip
        if quoted:
            self.same(f"renewal refund quoted for {group.id}", quoted[0].cash, quoted[1].amount_micros)
            done = yield from self.attempt(
                lambda: account.cancel_renewal(group, account.now), "Groups/CancelRenewal",
                gateway.CancelRenewalRequest(group_id=group.id, token=quoted[1].token))  # fmt: skip
            self.given_back(done)

    def confirm_refund(self):
        account, unknown = self.model, Refund(None, 0)
        unknown.id = f"ref-{self.number:016}"
        chosen = self.pick(account.refunds, lambda refund: refund.online, lambda refund: not refund.confirmed) or unknown

        def expected():
            if chosen is unknown:
                raise Refusal("refund.not_found")
            return account.confirm_refund(chosen)

        done = yield from self.attempt(expected, "Refunds/ConfirmRefund", refunding.ConfirmRefundRequest(refund_id=chosen.id))
        self.given_back(done)

    def auto_renewal(self):
        group = self.subscribed()
        # Whether an owner who is overdue may change it is not said.
        if group and not self.model.overdue_at and group.status in (ACTIVE, EXPIRED, CREATING):
            enabled, months = self.random.random() < 0.8, self.random.choice((0, 0, 1, 2))
            yield from self.attempt(
                lambda: self.model.set_auto_renewal(group, enabled, months, self.model.now), "Groups/SetAutoRenewal",
                metering.SetAutoRenewalRequest(group_id=group.id, enabled=enabled, months=months))  # fmt: skip

    # Money.

    def top_up(self):
        account = self.model
        if account.overdue_at and self.random.random() < 0.4:
            amount = self.random.choice((account.outstanding, max(1, account.outstanding - 1), max(1, account.outstanding // 2)))
        else:
            amount = self.money(CENT, int((400 if self.subscriber else 80) * USD * self.thrift))
        yield from self.top_up_by(amount)

    def top_up_by(self, amount):
        account = self.model
        yield from self.attempt(lambda: account.top_up(amount, account.now), "Accounts/TopUp",
                                order.TopUpRequest(amount_micros=amount))  # fmt: skip

    def top_up_online(self):
        account, amount, reference = self.model, self.money(USD, 50 * USD), self.reference()
        yield from self.attempt(lambda: account.announce_top_up(amount, reference), "Accounts/TopUp",
                                order.TopUpRequest(amount_micros=amount, reference=reference))  # fmt: skip

    def grant(self):
        chance, account = self.random, self.model
        now, amount = account.now, self.money(CENT, 8 * USD)
        minimum = chance.choice((0, 0, 0, 10 * USD, 40 * USD))
        effective = chance.choice((0, 0, 0, now + chance.randint(1, 5 * DAY)))
        expires = (effective or now) + chance.randint(HOUR, 40 * DAY)
        products = chance.choice(([], [], ["cloud-phone"], ["nat-gateway", "eip"], ["oss", "shared-bandwidth"]))
        methods = chance.choice(([], [], [SUBSCRIPTION], [PAY_AS_YOU_GO]))
        coupon = Coupon(amount, minimum, effective or now, expires, products, methods, now)
        # Its id ranks it, so the model learns of it after the call.
        reply = yield self.call("Accounts/GrantCoupon", order.GrantCouponRequest(
            amount_micros=amount, minimum_order_micros=minimum, effective_at=effective, expires_at=expires, products=products,
            billing_methods=[METHODS[method] for method in methods]))  # fmt: skip
        self.operations += 1
        if isinstance(reply, Refused):
            raise Difference(self, "outcome of Accounts/GrantCoupon", "done", f"{reply.reason}: {reply.message}")
        coupon.id = reply.coupon.coupon_id
        self.note(f"Accounts/GrantCoupon {str(reply.coupon)!r} -> done")
        account.grant(coupon, now)

    def adjust(self):
        account = self.model
        amount = self.random.choice((-1, 1, 1)) * self.money(CENT, 3 * USD)
        yield from self.attempt(lambda: account.adjust(amount, account.now), "Accounts/Adjust",
                                order.AdjustRequest(amount_micros=amount, reason="as agreed"))  # fmt: skip

    # Value-added resources.

    def internet(self):
        account = self.model
        network, region = self.random.choice(NETWORKS), self.random.choice(REGIONS)
        done = yield from self.attempt(
            lambda: account.enable_internet(network, region, account.now), "Resources/EnableInternet",
            metering.EnableInternetRequest(network=network, region=region))  # fmt: skip
        if done:
            kinds = {"nat-gateway": metering.RESOURCE_KIND_NAT_GATEWAY, "eip": metering.RESOURCE_KIND_EIP}
            by_kind = {resource.kind: resource.resource_id for resource in done[1].resources}
            for resource in done[0]:
                got = by_kind.get(kinds[resource.item], "")
                self.same(f"{resource.item} of {network}", resource.id or got, got)
                resource.id = got

    def bandwidth(self):
        account = self.model
        network, region = self.random.choice(NETWORKS), self.random.choice(REGIONS)
        mbps = self.random.choice((1, 5, 20, 1001))
        if account.has_groups(network, region):  # What it does without groups is not said.
            done = yield from self.attempt(
                lambda: account.add_bandwidth(network, region, mbps, account.now), "Resources/AddBandwidth",
                metering.AddBandwidthRequest(network=network, region=region, mbps=mbps))  # fmt: skip
            if done:
                done[0].id = done[1].resources[-1].resource_id

    def backup(self):
        account, region = self.model, self.random.choice(REGIONS)
        gib = self.random.choice((0, 1, 50, 700, 12_345))
        if account.now % HOUR:  # Which of two sizes an hour starts with, if it is changed in that instant, is not said.
            done = yield from self.attempt(
                lambda: account.set_backup(region, gib, account.now), "Resources/SetBackup",
                metering.SetBackupRequest(region=region, gib=gib))  # fmt: skip
            if done:
                got = done[1].resources[-1].resource_id
                self.same(f"backup of {region}", done[0].id or got, got)
                done[0].id = got

    def release_resource(self):
        account = self.model
        resource = self.pick(account.resources, lambda resource: resource.status != RELEASED)
        if resource and (resource.status != ACTIVE or resource.use[-1][0] < account.now):
            yield from self.attempt(
                lambda: account.release_resource(resource, account.now), "Resources/ReleaseResource",
                metering.ReleaseResourceRequest(resource_id=resource.id))  # fmt: skip
