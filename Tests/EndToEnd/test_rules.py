"""The rule book through the five processes: overdue, coupons, renewals, value-added resources, prices, month close."""

import datetime
import json

from cluster import DAY, HOUR, ClusterCase, gateway, metering, order
from refusals import price_document

MINUTE = 60_000


def dollars(micros):
    return f"{micros / 1_000_000:.6f}"


def local(instant):
    """An instant as the rules write it, in UTC+8."""
    zone = datetime.timezone(datetime.timedelta(hours=8))
    return datetime.datetime.fromtimestamp(instant / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def micros(text):
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000 + int(fraction.ljust(6, "0"))


class RulesCase(ClusterCase):
    def account(self, account):
        return self.api.Accounts.GetAccount(order.GetAccountRequest(), account=account).account

    def top_up(self, account, text):
        return self.api.Accounts.TopUp(order.TopUpRequest(amount_micros=micros(text)), account=account)

    def grant(self, account, text, **options):
        options.setdefault("expires_at", self.api.now() + 365 * DAY)
        request = order.GrantCouponRequest(amount_micros=micros(text), **options)
        return self.api.Accounts.GrantCoupon(request, account=account).coupon

    def coupon_left(self, account, coupon):
        listed = self.api.Accounts.ListCoupons(order.ListCouponsRequest(), account=account).coupons
        return dollars(next(row.remaining_micros for row in listed if row.coupon_id == coupon.coupon_id))

    def notices(self, account):
        return self.api.Accounts.ListNotices(order.ListNoticesRequest(limit=200), account=account).notices

    def kinds(self, account):
        return [order.NoticeKind.Name(notice.kind)[len("NOTICE_KIND_"):].lower() for notice in self.notices(account)]

    def subscribe(self, account, specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1, **options):
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(
                specification=specification, region=region, instances=instances, months=months, **options),
            account=account).order  # fmt: skip
        return self.pay(account, placed)

    def pay(self, account, placed, **options):
        options.setdefault("payment_method", order.PAYMENT_METHOD_BALANCE)
        return self.api.Orders.PayOrder(gateway.PayOrderRequest(order_id=placed.order_id, **options), account=account)

    def place_renewal(self, account, group_id, months):
        request = gateway.PlaceRenewalOrderRequest(group_id=group_id, months=months)
        return self.api.Orders.PlaceRenewalOrder(request, account=account).order

    def unsubscribe(self, account, group_id):
        quote = self.api.Refunds.QuoteRefund(gateway.QuoteRefundRequest(group_id=group_id), account=account)
        request = gateway.UnsubscribeRequest(group_id=group_id, token=quote.token)
        return self.api.Groups.Unsubscribe(request, account=account)

    def release(self, account, group_id):
        self.api.Groups.ReleaseGroup(gateway.ReleaseGroupRequest(group_id=group_id), account=account)

    def advance_to(self, instant):
        self.api.advance(instant - self.api.now())

    def status(self, account, group):
        return metering.GroupStatus.Name(self.api.group(account, group.group_id).status)[len("GROUP_STATUS_"):].lower()

    def next_midnight(self):
        """00:00 in the billing time zone."""
        return (self.api.now() + 8 * HOUR) // DAY * DAY - 8 * HOUR + DAY

    def assert_audit_ok(self):
        self.assertEqual({key: value for key, value in self.api.audit().items() if value[1]}, {})


class Overdue(RulesCase):
    base_port = 7700
    start = "2026-03-10T09:00:00+08:00"

    def test_1_examples_5_and_6(self):
        nine = self.api.now()
        late, punctual = self.api.open(1), self.api.open(1)
        groups = {
            account: self.api.create_group(account, "acp.perf.large", "ap-southeast-1", instances=2)
            for account in [late, punctual]
        }
        self.api.advance(6 * HOUR)
        for account, group in groups.items():
            bill = self.api.bill(account)
            self.assertEqual(
                [(dollars(line.paid_micros), dollars(line.outstanding_micros)) for line in bill.lines],
                [("0.472400", "0.000000"), ("0.472400", "0.000000"), ("0.055200", "0.417200")])  # fmt: skip
            self.assertEqual(self.account(account).overdue_at, nine + 3 * HOUR)
            found = self.api.group(account, group.group_id)
            self.assertEqual(found.status, metering.GROUP_STATUS_OVERDUE)
            self.assertEqual(found.release_at, nine + 3 * HOUR + 15 * DAY)
            self.assertFalse(self.top_up(account, "0.40").recovered)
            self.assertEqual(dollars(self.account(account).outstanding_micros), "0.017200")
            self.assertEqual(self.account(account).overdue_at, nine + 3 * HOUR)
            power = metering.SetPowerRequest(group_id=group.group_id, action=metering.POWER_ACTION_OFF)
            self.refused("group.overdue", self.api.Groups.SetPower, power, account=account)
        deadline = nine + 3 * HOUR + 15 * DAY
        self.advance_to(deadline - 1)
        self.assertTrue(self.top_up(punctual, "0.0172").recovered)
        self.assertEqual(self.status(punctual, groups[punctual]), "active")
        self.assertEqual(self.api.group(punctual, groups[punctual].group_id).anchor, deadline - 1)
        self.advance_to(deadline)
        self.top_up(late, "0.0172")
        released = self.api.group(late, groups[late].group_id)
        self.assertEqual(released.status, metering.GROUP_STATUS_RELEASED)
        self.assertEqual(released.release_cause, metering.RELEASE_CAUSE_OVERDUE)
        self.assertEqual(released.released_at, deadline)
        # The first millisecond of the new unit is the first to be billed: the overdue days cost nothing.
        self.top_up(punctual, "10")
        self.release(punctual, groups[punctual].group_id)
        self.api.advance(5 * HOUR)
        lines = self.api.bill(punctual).lines
        self.assertEqual(lines[3].usage_start, deadline - 1)
        self.assertEqual(dollars(sum(line.gross_micros for line in lines[3:])), "1.889600")
        self.assertEqual(
            self.kinds(late), ["low_balance", "overdue"] + ["reminder"] * 14 + ["release_warning", "released", "recovered"])  # fmt: skip
        self.assertEqual(
            self.kinds(punctual)[:18], ["low_balance", "overdue"] + ["reminder"] * 14 + ["release_warning", "recovered"])  # fmt: skip

    def test_2_what_an_overdue_account_may_and_may_not(self):
        account = self.api.open(40)
        subscribed = self.subscribe(account).group
        placed = self.place_renewal(account, subscribed.group_id, 1)
        group = self.api.create_group(account, "acp.perf.large", "ap-southeast-1", instances=100)
        creating = self.api.create_group(account, external=True)
        self.api.advance(2 * HOUR)
        self.assertTrue(self.account(account).overdue)
        self.assertEqual(self.status(account, subscribed), "active")
        for call, request in [
            (self.api.Groups.CreateGroup,
             gateway.CreateGroupRequest(specification="acp.std.small", region="cn-hangzhou", instances=1)),
            (self.api.Orders.PlaceNewOrder, gateway.PlaceNewOrderRequest(
                specification="acp.std.small", region="cn-hangzhou", instances=1, months=1)),
            (self.api.Orders.PlaceRenewalOrder,
             gateway.PlaceRenewalOrderRequest(group_id=subscribed.group_id, months=1)),
            (self.api.Orders.PayOrder,
             gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE)),
            (self.api.Resources.SetBackup, metering.SetBackupRequest(region="cn-hangzhou", gib=1)),
            (self.api.Resources.EnableInternet, metering.EnableInternetRequest(network="default", region="cn-hangzhou")),
        ]:  # fmt: skip
            self.refused("account.overdue", call, request, account=account)
        failed = self.api.Groups.ReportCreated(
            gateway.ReportCreatedRequest(group_id=creating.group_id), account=account).group  # fmt: skip
        self.assertEqual(failed.release_cause, metering.RELEASE_CAUSE_CREATION_FAILED)
        self.api.Groups.RenameGroup(metering.RenameGroupRequest(group_id=group.group_id, name="late"), account=account)
        overdue = self.api.bill(account, outstanding=True)
        self.assertEqual(overdue.total.outstanding_micros, self.account(account).outstanding_micros)
        self.api.Orders.CancelOrder(order.CancelOrderRequest(order_id=placed.order_id), account=account)
        owed = self.account(account).outstanding_micros
        done = self.unsubscribe(account, subscribed.group_id)
        self.assertEqual(self.account(account).outstanding_micros, owed - done.refund.to_balance_micros)
        self.release(account, group.group_id)
        self.api.advance(5 * HOUR)
        self.assertEqual(self.account(account).outstanding_micros, owed - done.refund.to_balance_micros)

    def test_3_a_refund_and_a_coupon_may_end_it(self):
        by_refund, by_coupon = self.api.open(400), self.api.open(1)
        subscribed = self.subscribe(by_refund, months=12, instances=3).group
        for account in [by_refund, by_coupon]:
            self.api.create_group(account, "acp.perf.large", "ap-southeast-1", instances=4)
        while not (self.account(by_refund).overdue and self.account(by_coupon).overdue):
            self.api.advance(HOUR)
        self.unsubscribe(by_refund, subscribed.group_id)
        self.grant(by_coupon, "5")
        for account in [by_refund, by_coupon]:
            self.assertFalse(self.account(account).overdue)
            [group] = self.api.Groups.ListGroups(
                metering.ListGroupsRequest(statuses=[metering.GROUP_STATUS_ACTIVE]), account=account).groups  # fmt: skip
            self.assertEqual(group.anchor, self.api.now())

    def test_4_who_has_no_group_left_is_not_warned_of_a_release(self):
        self.advance_to((self.api.now() // HOUR + 1) * HOUR)
        accounts = [self.api.open(0) for _ in range(2)]
        groups = [[self.api.create_group(account) for _ in range(2)] for account in accounts]
        self.api.advance(HOUR)
        for account, released in zip(accounts, [groups[0], groups[1][:1]]):
            for group in released:
                self.release(account, group.group_id)
        self.api.advance(15 * DAY)
        told = ["low_balance", "overdue"] + ["reminder"] * 14
        self.assertEqual(self.kinds(accounts[0]), told)
        self.assertEqual(self.kinds(accounts[1]), [*told, "release_warning", "released"])

    def test_9_audit(self):
        self.api.advance(DAY)
        self.assert_audit_ok()


class Coupons(RulesCase):
    base_port = 7720
    start = "2026-04-10T15:20:00+08:00"

    def test_1_example_10(self):
        account = self.api.open(100)
        coupon = self.grant(account, "10")
        paid = self.subscribe(account, "acp.std.large", "cn-hongkong")
        self.assertEqual(dollars(paid.order.coupon_micros), "10.000000")
        self.assertEqual(dollars(paid.order.balance_micros), "23.070000")
        self.advance_to(self.api.now() + 10 * DAY - 3 * HOUR - 20 * MINUTE)
        done = self.unsubscribe(account, paid.group.group_id)
        self.assertEqual(dollars(done.refund.orders[0].consumed_micros), "10.670000")
        self.assertEqual(dollars(done.refund.amount_micros), "12.400000")
        self.assertEqual(self.coupon_left(account, coupon), "0.000000")

    def test_2_the_best_one_pays_bills_and_the_named_one_an_order(self):
        account = self.api.open(100)
        small, large = self.grant(account, "0.01"), self.grant(account, "0.02")
        self.grant(account, "50", minimum_order_micros=micros("10"))
        self.api.create_group(account)
        self.advance_to((self.api.now() // HOUR + 2) * HOUR)
        self.assertEqual([self.coupon_left(account, one) for one in [small, large]], ["0.000000", "0.000000"])
        bill = self.api.bill(account)
        self.assertEqual(dollars(bill.total.coupon_micros), "0.030000")
        self.assertEqual(
            bill.total.payable_micros, bill.total.gross_micros - bill.total.coupon_micros)  # fmt: skip
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        self.refused(
            "coupon.used_up", self.api.Orders.PayOrder,
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE,
                                    coupon_id=small.coupon_id), account=account)  # fmt: skip
        minimum = self.api.Accounts.ListCoupons(order.ListCouponsRequest(usable=True), account=account).coupons[0]
        self.refused(
            "coupon.below_minimum", self.api.Orders.PayOrder,
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE,
                                    coupon_id=minimum.coupon_id), account=account)  # fmt: skip
        paid = self.pay(account, placed)
        self.assertEqual(paid.order.coupon_micros, 0)

    def test_3_a_coupon_may_pay_an_order_alone(self):
        account = self.api.open(0)
        coupon = self.grant(account, "9.91")
        api = self.api
        placed = api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        self.refused(
            "payment.nothing_to_pay", api.Orders.PayOrder,
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_ONLINE,
                                    reference="nothing"), account=account)  # fmt: skip
        paid = self.pay(account, placed)
        self.assertEqual(self.coupon_left(account, coupon), "0.000000")
        self.assertEqual(paid.order.balance_micros, 0)

    def test_4_a_mixed_payment_goes_back_the_way_it_came(self):
        account = self.api.open(5)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        self.pay(account, placed, payment_method=order.PAYMENT_METHOD_ONLINE, reference="mixed-1",
                 balance_micros=micros("4"))  # fmt: skip
        done = self.api.Payments.ConfirmPayment(order.ConfirmPaymentRequest(reference="mixed-1"), account=account)
        self.assertEqual((dollars(done.order.balance_micros), dollars(done.order.online_micros)), ("4.000000", "5.910000"))
        self.assertEqual(self.api.balance(account), micros("1"))
        given = self.unsubscribe(account, done.group.group_id).refund
        # One of 31 days is used: consumed 0.32 (9.9057 / 31 = 0.3195), 9.59 comes back.
        self.assertEqual(dollars(given.amount_micros), "9.590000")
        self.assertEqual((dollars(given.to_balance_micros), dollars(given.online_micros)), ("3.870000", "5.720000"))

    def test_9_audit(self):
        self.api.advance(DAY)
        self.assert_audit_ok()


class FailedCreations(RulesCase):
    """Paid groups wait for the report of their creation, so that it can fail."""

    base_port = 7860
    start = "2026-04-10T15:20:00+08:00"
    gateway_options = ("--provisioner", "external")

    def report(self, account, group, failed):
        request = gateway.ReportCreatedRequest(group_id=group.group_id, failed=failed)
        return self.api.Groups.ReportCreated(request, account=account).group

    def test_1_our_fault_gives_a_coupon_back(self):
        unlucky, lucky = self.api.open(5.91), self.api.open(5.91)
        coupons, groups = {}, {}
        for account in [unlucky, lucky]:
            coupons[account] = self.grant(account, "4")
            paid = self.subscribe(account)
            groups[account] = paid.group
            self.assertEqual((dollars(paid.order.coupon_micros), self.api.balance(account)), ("4.000000", 0))
            self.assertEqual(self.coupon_left(account, coupons[account]), "0.000000")
        gone = self.report(unlucky, groups[unlucky], failed=True)
        self.assertEqual(gone.release_cause, metering.RELEASE_CAUSE_CREATION_FAILED)
        self.assertEqual(self.coupon_left(unlucky, coupons[unlucky]), "4.000000")
        self.assertEqual(dollars(self.api.balance(unlucky)), "5.910000")
        # Both are as good as before.
        again = self.subscribe(unlucky)
        self.assertEqual((dollars(again.order.coupon_micros), dollars(again.order.balance_micros)), ("4.000000", "5.910000"))
        # Who unsubscribes gets cash alone: 5.91 less 0.32 for the first day.
        self.report(lucky, groups[lucky], failed=False)
        self.assertEqual(dollars(self.unsubscribe(lucky, groups[lucky].group_id).refund.amount_micros), "5.590000")
        self.assertEqual(self.coupon_left(lucky, coupons[lucky]), "0.000000")

    def test_2_what_comes_back_pays_what_is_outstanding(self):
        """0.0457 is owed: 0.01 of cash comes back and pays, then the coupon pays the rest."""
        account = self.api.open(0.01)
        coupon = self.grant(account, "9.90")
        group = self.subscribe(account).group
        self.advance_to((self.api.now() // HOUR + 1) * HOUR)
        using = self.api.create_group(account)
        self.api.advance(HOUR)
        self.assertEqual(dollars(self.account(account).outstanding_micros), "0.045700")
        self.api.advance(HOUR // 2)
        self.report(account, group, failed=True)
        self.assertEqual((self.account(account).overdue, self.api.balance(account)), (False, 0))
        self.assertEqual(self.coupon_left(account, coupon), "9.864300")
        found = self.api.group(account, using.group_id)
        self.assertEqual((found.status, found.anchor), (metering.GROUP_STATUS_ACTIVE, self.api.now()))
        self.assertEqual(self.kinds(account)[-1], "recovered")

    def test_9_audit(self):
        self.api.advance(DAY)
        self.assert_audit_ok()


class UnconditionalRefunds(RulesCase):
    """The opt-in policy of 7.4, by the command line: a price list with unconditional_refund_days 5 from 04-11 on."""

    base_port = 7880
    start = "2026-04-10T15:20:00+08:00"

    def command(self, account, *arguments):
        status, out, err = self.cluster.billing(*arguments, "--json", account=account)
        self.assertEqual(status, 0, f"billing {' '.join(arguments)}: {err}")
        return json.loads(out)

    def given_back(self, account, group_id):
        """What unsubscribing gives back, in full because of what, as the quote says it first."""
        quote = self.command(account, "refund", "quote", group_id)
        done = self.command(account, "group", "unsubscribe", group_id, "--token", quote["token"])
        self.assertEqual(done["refund"]["amount"], quote["amount"])
        return quote["amount"], [row["in_full_because"] for row in quote["orders"]]

    def test_1_strictly_before_five_days_once_a_year_and_not_before_it_holds(self):
        accounts = [self.api.open(1000) for _ in range(5)]
        groups = [self.subscribe(account).group.group_id for account in accounts]
        first, late, renewed, early, switched = accounts
        document = price_document(**{"unconditional_refund_days: 0": "unconditional_refund_days: 5", "2026-08-01": "2026-04-11"})
        status, out, err = self.cluster.billing("price", "publish", "-", "--yes", stdin=document)
        self.assertEqual(status, 0, err)
        self.assertIn("unconditional refund days", out)
        # As shipped there is no such policy: one day of 31 is used, 9.91 - 0.32.
        self.assertEqual(self.given_back(early, groups[3]), ("9.590000", [""]))
        # A renewed order is none of those that it is for; its pending renewal comes back as ever.
        self.pay(renewed, self.place_renewal(renewed, groups[2], 1))
        paid = self.api.now()
        using = self.api.create_group(switched)
        self.api.advance(HOUR)
        request = gateway.PlaceSwitchOrderRequest(group_id=using.group_id, months=1)
        self.pay(switched, self.api.Orders.PlaceSwitchOrder(request, account=switched).order)
        self.advance_to(paid + 2 * DAY)
        amount, because = self.given_back(renewed, groups[2])
        self.assertEqual((amount, because[0]), ("19.180000", ""))  # 9.91 - 0.64, and 9.91
        self.assertEqual(self.given_back(switched, using.group_id), ("9.270000", [""]))
        self.advance_to(paid + 5 * DAY - 1)
        amount, because = self.given_back(first, groups[0])
        self.assertEqual(amount, "9.910000")
        self.assertTrue(because[0])
        again = self.subscribe(first).group.group_id
        self.advance_to(paid + 5 * DAY)
        # Five days are used of 31: 1.60.
        self.assertEqual(self.given_back(late, groups[1]), ("8.310000", [""]))
        # Once per account and calendar year.
        self.assertEqual(self.given_back(first, again)[1], [""])
        self.advance_to(paid + 266 * DAY)  # 2027-01-01 15:20
        self.assertEqual(local(self.api.now()), "2027-01-01 15:20:00")
        next_year = self.subscribe(first).group.group_id
        self.api.advance(4 * DAY)
        amount, because = self.given_back(first, next_year)
        self.assertEqual(amount, "9.910000")
        self.assertTrue(because[0])

    def test_9_audit(self):
        self.api.advance(DAY)
        self.assert_audit_ok()


class Renewals(RulesCase):
    base_port = 7740
    start = "2026-04-10T15:20:00+08:00"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        t = cls()
        # Of example 13: both groups end on 05-11 at 00:00.
        cls.poor, cls.rich = cls.api.open(9.91), cls.api.open(1000)
        cls.lost, cls.kept = (t.subscribe(account, auto_renewal=True).group for account in [cls.poor, cls.rich])

    def test_1_example_11_and_a_cancelled_renewal(self):
        account = self.api.open(1000)
        group = self.subscribe(account, instances=5).group
        self.advance_to(self.api.now() + 15 * DAY)
        renewed = self.pay(account, self.place_renewal(account, group.group_id, 3))
        self.assertEqual(dollars(renewed.order.total_micros), "148.590000")
        self.assertEqual(renewed.order.term_start, group.term_end)
        extra = self.pay(account, self.place_renewal(account, group.group_id, 1)).group
        self.assertEqual(len(extra.pending_renewals), 2)
        quote = self.api.Refunds.QuoteRenewalRefund(
            gateway.QuoteRefundRequest(group_id=group.group_id), account=account)  # fmt: skip
        done = self.api.Groups.CancelRenewal(
            gateway.CancelRenewalRequest(group_id=group.group_id, token=quote.token), account=account)  # fmt: skip
        self.assertEqual(dollars(done.refund.amount_micros), "49.530000")
        self.assertEqual([row.order_id for row in done.group.pending_renewals], [renewed.order.order_id])
        self.advance_to(self.api.now() + 6 * DAY - 15 * HOUR - 20 * MINUTE)  # 05-01 00:00
        done = self.unsubscribe(account, group.group_id)
        self.assertEqual(dollars(done.refund.amount_micros), "164.570000")
        self.assertEqual(self.status(account, group), "released")

    def test_2_example_13_attempts_and_release(self):
        self.assertEqual(local(self.lost.term_end), "2026-05-11 00:00:00")
        attempts = []
        while at := self.api.group(self.poor, self.lost.group_id).renewal_attempt_at:
            self.assertEqual(attempts.count(local(at)), 0)
            attempts.append(local(at))
            self.advance_to(at)
            if len(attempts) == 1:
                # Whoever has the money is renewed by the first one.
                [renewal] = self.api.group(self.rich, self.kept.group_id).pending_renewals
                self.assertEqual((local(renewal.start), local(renewal.end)), ("2026-05-11 00:00:00", "2026-06-11 00:00:00"))
        days = ["2026-05-08", "2026-05-10", "2026-05-11", "2026-05-17", "2026-05-25"]
        self.assertEqual(attempts, [f"{day} 08:00:00" for day in days])
        found = self.api.group(self.poor, self.lost.group_id)
        self.assertEqual((self.status(self.poor, found), local(found.release_at)), ("expired", "2026-05-26 00:00:00"))
        self.advance_to(found.release_at - 1)
        self.assertEqual(self.status(self.poor, found), "expired")
        self.api.advance(1)
        found = self.api.group(self.poor, self.lost.group_id)
        self.assertEqual((local(found.released_at), found.release_cause), ("2026-05-26 00:00:00", metering.RELEASE_CAUSE_EXPIRED))
        # No unpaid order was left behind by any of them.
        listed = self.api.Orders.ListOrders(order.ListOrdersRequest(), account=self.poor).orders
        self.assertEqual([row.status for row in listed], [order.ORDER_STATUS_PAID])
        kept = self.api.group(self.rich, self.kept.group_id)
        self.assertEqual((self.status(self.rich, kept), local(kept.term_start)), ("active", "2026-05-11 00:00:00"))
        self.assertEqual(local(kept.renewal_attempt_at), "2026-06-08 08:00:00")

    def test_3_a_renewal_after_expiry_starts_at_payment(self):
        account = self.api.open(100)
        group = self.subscribe(account).group
        self.advance_to(group.term_end + 3 * DAY + 1234)
        self.assertEqual(self.status(account, group), "expired")
        self.refused(
            "group.expired", self.api.Groups.SetPower,
            metering.SetPowerRequest(group_id=group.group_id, action=metering.POWER_ACTION_OFF), account=account)  # fmt: skip
        renewed = self.pay(account, self.place_renewal(account, group.group_id, 1)).group
        self.assertEqual((renewed.status, renewed.term_start), (metering.GROUP_STATUS_ACTIVE, self.api.now()))

    def test_9_audit(self):
        self.api.advance(DAY)
        self.assert_audit_ok()


class Resources(RulesCase):
    base_port = 7760
    start = "2026-04-10T09:10:00+08:00"

    def test_1_they_outlive_the_groups(self):
        account = self.api.open(100)
        self.refused(
            "network.no_groups", self.api.Resources.EnableInternet, metering.EnableInternetRequest(network="default"),
            account=account)  # fmt: skip
        group = self.api.create_group(account)
        bought = self.api.Resources.EnableInternet(
            metering.EnableInternetRequest(network="default"), account=account).resources  # fmt: skip
        self.assertEqual(
            sorted(one.kind for one in bought), [metering.RESOURCE_KIND_NAT_GATEWAY, metering.RESOURCE_KIND_EIP])
        nat = next(one for one in bought if one.kind == metering.RESOURCE_KIND_NAT_GATEWAY)
        self.release(account, group.group_id)
        self.api.advance(100 * MINUTE)  # 10:50
        accruing = self.api.Resources.ListAccruing(metering.ListAccruingRequest(), account=account).accruing
        by_id = {one.resource_id: one for one in accruing}
        self.assertEqual(by_id[group.group_id].until, group.created_at + 4 * HOUR)
        self.assertEqual(by_id[nat.resource_id].hour_micros, 34_000)
        status, out, _ = self.cluster.billing("bill", "why", account)
        self.assertEqual(status, 0)
        self.assertIn(f"billing network release {nat.resource_id}", out)
        self.api.Resources.ReleaseResource(
            metering.ReleaseResourceRequest(resource_id=nat.resource_id), account=account)  # fmt: skip
        self.api.advance(3 * HOUR)
        # 09:10 to 10:50 is 2 hours.
        lines = [line for line in self.api.bill(account).lines if line.resource_id == nat.resource_id]
        self.assertEqual([dollars(line.gross_micros) for line in lines], ["0.034000", "0.034000"])

    def test_2_overdue_stops_them_and_recovery_goes_on(self):
        account = self.api.open(0.05)
        self.advance_to((self.api.now() // HOUR + 1) * HOUR)
        start = self.api.now()
        group = self.api.create_group(account)
        self.api.Resources.EnableInternet(metering.EnableInternetRequest(network="default"), account=account)
        self.api.advance(5 * HOUR + 20 * MINUTE)
        self.assertEqual(self.account(account).overdue_at, start + HOUR)
        self.assertEqual(len(self.api.bill(account).lines), 3)
        self.top_up(account, "10")
        self.api.advance(HOUR)
        lines = [line for line in self.api.bill(account).lines if line.usage_start > start + HOUR]
        self.assertEqual({line.usage_start for line in lines}, {start + 5 * HOUR + 20 * MINUTE})
        nat = next(line for line in lines if line.product != "cloud phone" and line.gross_micros == 34_000)
        self.assertEqual(nat.usage_end, start + 6 * HOUR)
        self.release(account, group.group_id)

    def test_9_audit(self):
        self.api.advance(DAY)
        self.assert_audit_ok()


class MonthClose(RulesCase):
    base_port = 7780
    start = "2026-04-29T22:10:00+08:00"

    def test_1_the_fraction_of_a_cent_comes_back_once(self):
        account, given = self.api.open(100), self.api.open(0)
        group = self.api.create_group(account, "acp.std.small", "cn-hongkong", instances=3)
        gift = self.api.create_group(given)
        self.advance_to((self.api.now() // HOUR + 1) * HOUR)
        # 50 minutes cost 0.038083, which a coupon pays later, as it pays the rest: none of it becomes cash.
        self.assertEqual(dollars(self.account(given).outstanding_micros), "0.038083")
        coupon = self.grant(given, "5")
        self.advance_to(self.next_midnight() + DAY + HOUR)
        self.assertEqual([line.round_down_micros for line in self.api.bill(given).lines if line.round_down_line], [])
        used = sum(line.gross_micros for line in self.api.bill(given).lines)
        self.assertEqual((self.api.balance(given), self.coupon_left(given, coupon)), (0, dollars(5_000_000 - used)))
        self.release(given, gift.group_id)
        april = {"start": 1_774_972_800_000, "end": 1_777_564_800_000}
        bill = self.api.bill(account, **april)
        net = bill.total.payable_micros
        self.assertEqual(net % 10_000, 0)
        rounded = [line for line in bill.lines if line.round_down_line]
        self.assertEqual(len(rounded), 1)
        self.assertEqual(rounded[0].payable_micros, -rounded[0].round_down_micros)
        self.assertEqual(bill.total.gross_micros - net, rounded[0].round_down_micros)
        status, out, err = self.cluster.billing("bill", "explain", rounded[0].line_id, "--account", account)
        self.assertEqual(status, 0, err)
        self.release(account, group.group_id)
        views = {}
        for group_by in order.BillGrouping.values()[1:]:
            for period in [order.STATISTICAL_PERIOD_MONTH, order.STATISTICAL_PERIOD_DAY, order.STATISTICAL_PERIOD_TOTAL]:
                request = order.ListBillRequest(group_by=group_by, period=period, limit=200)
                reply = self.api.Bills.ListBill(request, account=account)
                views[group_by, period] = (
                    sum(line.payable_micros for line in reply.lines), reply.total.payable_micros, reply.total.lines)
        self.assertEqual(len(set(views.values())), 1, views)

    def test_2_every_kind_of_line_explains_itself(self):
        account = self.api.open(1000)
        self.grant(account, "3")
        group = self.subscribe(account, "acp.std.large", instances=2).group
        self.api.create_group(account, "acp.std.medium", instances=7)
        self.api.Resources.EnableInternet(metering.EnableInternetRequest(network="default"), account=account)
        self.api.Resources.SetBackup(metering.SetBackupRequest(region="cn-hangzhou", gib=77), account=account)
        self.api.Accounts.Adjust(order.AdjustRequest(amount_micros=123_456, reason="=cmd|' /C calc'!A0"), account=account)
        self.api.advance(2 * HOUR + 7)
        self.pay(account, self.place_renewal(account, group.group_id, 1))
        self.unsubscribe(account, group.group_id)
        self.api.advance(2 * HOUR)
        for line in self.api.bill(account).lines:
            reply = self.api.Bills.ExplainLine(order.GetLineRequest(line_id=line.line_id), account=account)
            self.assertTrue(reply.agrees, (line, reply.steps))
            self.assertTrue(reply.steps)
            self.assertEqual(line.payable_micros, line.paid_micros + line.outstanding_micros)
        status, out, err = self.cluster.billing("bill", "export", "--account", account)
        self.assertEqual(status, 0, err)
        self.assertIn("'=cmd", out)
        self.assertEqual(len(out.strip().splitlines()) > 10, True)
        status, out, err = self.cluster.billing("bill", "export", "--format", "focus", "--account", account)
        self.assertEqual(status, 0, err)
        self.assertIn("BilledCost", out.splitlines()[0])

    def test_9_audit(self):
        self.api.advance(DAY)
        self.assert_audit_ok()
