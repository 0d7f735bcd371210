"""Two things at one instant, through the five processes: the earlier one in the list of domain 10 is seen by the later
one. The list: 1 earlier calls; 2 terms that end, coupons that expire, price versions that start; 3 slices; 4 settlement,
month close, overdue found; 5 releases due; 6 auto-renewals; 7 order deadlines; 8 notices; 9 calls stamped at it."""

from cluster import DAY, HOUR, REPOSITORY, common, gateway, metering, order, pricing
from test_rules import RulesCase, dollars


class OneInstant(RulesCase):
    base_port = 7800
    start = "2026-06-10T08:00:00+08:00"

    def to_hour(self, hour=None):
        """Goes to the next top of the hour, or to the next one of that name in the billing time zone."""
        now = self.api.now()
        if hour is None:
            return self.advance_to(now // HOUR * HOUR + HOUR)
        midnight = (now + 8 * HOUR) // DAY * DAY - 8 * HOUR
        target = midnight + hour * HOUR
        self.advance_to(target if target > now else target + DAY)

    def test_1_3_a_release_stamped_before_a_units_end_pays_for_that_unit_only(self):
        self.to_hour()
        account = self.api.open(100)
        groups = [self.api.create_group(account) for _ in range(2)]
        self.api.advance(4 * HOUR - 1)
        self.release(account, groups[0].group_id)
        self.api.advance(1)
        self.release(account, groups[1].group_id)  # 9: at the very end of the unit
        self.api.advance(5 * HOUR)
        self.assertEqual(
            [dollars(self.api.bill(account, group_id=group.group_id).total.gross_micros) for group in groups],
            ["0.182800", "0.182800"])  # fmt: skip

    def test_1_4_a_top_up_before_the_cut_covers_it(self):
        self.to_hour()
        account = self.api.open(0)
        self.api.create_group(account)
        self.api.advance(HOUR - 1)
        self.top_up(account, "1")
        self.api.advance(1)
        self.assertFalse(self.account(account).overdue)

    def test_1_5_and_5_9_a_top_up_at_the_release_is_too_late(self):
        self.to_hour()
        early, late = self.api.open(0), self.api.open(0)
        groups = {account: self.api.create_group(account) for account in [early, late]}
        self.api.advance(HOUR + 15 * DAY - 1)
        self.top_up(early, "1")
        self.api.advance(1)
        self.assertFalse(self.top_up(late, "1").settled_micros == 0)
        self.assertEqual(self.status(early, groups[early]), "active")
        self.assertEqual(self.status(late, groups[late]), "released")
        self.release(early, groups[early].group_id)

    def test_2_3_a_price_that_starts_splits_the_slice_and_a_full_hour_is_rated_by_the_new_one(self):
        self.to_hour()
        account = self.api.open(100)
        self.api.create_group(account)
        self.publish(self.api.now() + HOUR, "0.0457", "0.1000")
        self.api.advance(2 * HOUR)
        self.assertEqual(
            [dollars(line.gross_micros) for line in self.api.bill(account).lines], ["0.045700", "0.100000"])
        self.publish(self.api.now() + HOUR, "0.1000", "0.0457")
        self.api.advance(HOUR)

    def test_2_4_a_coupon_that_expires_at_a_cut_does_not_pay_it(self):
        self.to_hour()
        account = self.api.open(100)
        at = self.grant(account, "1", expires_at=self.api.now() + HOUR)
        after = self.grant(account, "0.01", expires_at=self.api.now() + HOUR + 1)
        self.api.create_group(account)
        self.api.advance(HOUR)
        self.assertEqual([self.coupon_left(account, one) for one in [at, after]], ["1.000000", "0.000000"])

    def test_2_6_a_coupon_that_expires_at_an_attempt_does_not_pay_it(self):
        self.to_hour(8)
        account = self.api.open(9.91)
        group = self.subscribe(account, auto_renewal=True).group
        first = self.api.group(account, group.group_id).renewal_attempt_at
        expired = self.grant(account, "9.91", expires_at=first)
        self.advance_to(first)
        self.assertEqual(self.coupon_left(account, expired), "9.910000")
        self.assertEqual(len(self.api.group(account, group.group_id).pending_renewals), 0)
        # 6 before 9: money that comes with a call of the instant is for the next attempt.
        self.top_up(account, "9.91")
        self.assertEqual(len(self.api.group(account, group.group_id).pending_renewals), 0)
        self.advance_to(self.api.group(account, group.group_id).renewal_attempt_at)
        self.assertEqual(len(self.api.group(account, group.group_id).pending_renewals), 1)

    def test_2_9_a_call_at_the_end_of_a_term_finds_the_group_expired(self):
        account = self.api.open(100)
        group = self.subscribe(account).group
        power = metering.SetPowerRequest(group_id=group.group_id, action=metering.POWER_ACTION_OFF)
        self.advance_to(group.term_end - 1)
        self.api.Groups.SetPower(power, account=account)
        self.api.advance(1)
        self.refused("group.expired", self.api.Groups.SetPower, power, account=account)

    def test_3_4_the_slice_up_to_a_cut_is_settled_by_it(self):
        self.to_hour()
        account = self.api.open(0.0457)
        self.api.create_group(account)
        self.api.advance(HOUR)
        self.assertEqual((self.api.balance(account), self.account(account).overdue), (0, False))

    def test_4_5_a_month_close_may_save_a_group_at_its_release(self):
        """What is owed is less than the fraction that the month close gives back at the instant of release."""
        midnight = self.next_midnight()
        while (midnight + 15 * DAY + 8 * HOUR) // DAY * DAY not in MONTHS:
            midnight += DAY
        self.advance_to(midnight - 2 * HOUR)
        # Two hours of 3 x 0.0579 cost 0.3474: 0.0074 comes back at the end of the month, and 0.0050 is owed.
        saved, lost = self.api.open(0.3424), self.api.open(0.3324)
        groups = {account: self.api.create_group(account, "acp.std.small", instances=3) for account in [saved, lost]}
        self.advance_to(midnight)
        self.assertEqual(dollars(self.account(saved).outstanding_micros), "0.005000")
        self.advance_to(midnight + 15 * DAY)
        self.assertEqual(self.status(saved, groups[saved]), "active")
        self.assertEqual(self.api.group(saved, groups[saved].group_id).anchor, midnight + 15 * DAY)
        self.assertEqual(dollars(self.api.balance(saved)), "0.002400")
        self.assertEqual(self.status(lost, groups[lost]), "released")
        self.assertEqual(dollars(self.account(lost).outstanding_micros), "0.007600")
        self.release(saved, groups[saved].group_id)

    def test_4_6_overdue_found_at_a_cut_stops_an_auto_renewal_of_the_same_instant(self):
        self.to_hour(8)
        account = self.api.open(9.91)
        group = self.subscribe(account, auto_renewal=True).group
        first = self.api.group(account, group.group_id).renewal_attempt_at
        self.advance_to(first - HOUR)
        self.top_up(account, "0.01")
        self.grant(account, "9.91", billing_methods=[common.BILLING_METHOD_SUBSCRIPTION])
        self.api.create_group(account)
        self.advance_to(first)
        self.assertEqual(self.account(account).overdue_at, first)
        self.assertEqual(len(self.api.group(account, group.group_id).pending_renewals), 0)

    def test_5_7_a_release_cancels_an_order_whose_deadline_is_the_same_instant(self):
        self.to_hour(9)
        account = self.api.open(9.91)
        group = self.subscribe(account).group
        gone = self.api.group(account, group.group_id).term_end + 15 * DAY
        self.advance_to(gone - DAY)
        placed = self.place_renewal(account, group.group_id, 1)
        self.assertEqual(placed.deadline_at, gone)
        self.advance_to(gone)
        placed = self.api.Orders.GetOrder(order.GetOrderRequest(order_id=placed.order_id), account=account).order
        self.assertEqual(placed.cancellation_cause, order.CANCELLATION_CAUSE_GROUP_RELEASED)

    def test_6_7_an_unpaid_order_stops_an_auto_renewal_at_its_deadline(self):
        self.to_hour(9)
        account = self.api.open(1000)
        group = self.subscribe(account, auto_renewal=True).group
        first = self.api.group(account, group.group_id).renewal_attempt_at
        self.advance_to(first - DAY)
        placed = self.place_renewal(account, group.group_id, 1)
        self.advance_to(first)
        self.assertEqual(len(self.api.group(account, group.group_id).pending_renewals), 0)
        placed = self.api.Orders.GetOrder(order.GetOrderRequest(order_id=placed.order_id), account=account).order
        self.assertEqual(placed.cancellation_cause, order.CANCELLATION_CAUSE_TIMED_OUT)

    def test_7_9_a_payment_at_the_deadline_is_too_late(self):
        account = self.api.open(100)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        self.api.advance(DAY)
        self.refused(
            "order.not_unpaid", self.api.Orders.PayOrder,
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE),
            account=account)  # fmt: skip

    def test_8_9_a_reminder_comes_before_a_recovery_of_its_instant(self):
        self.to_hour()
        account = self.api.open(0)
        group = self.api.create_group(account)
        self.api.advance(HOUR + DAY)
        self.top_up(account, "1")
        self.assertEqual(self.kinds(account), ["low_balance", "overdue", "reminder", "recovered"])
        self.release(account, group.group_id)

    def test_9_audit(self):
        self.assert_audit_ok()

    def publish(self, instant, old, new):
        """Publishes the last version again, from an instant on, with one hourly price changed."""
        OneInstant.version = getattr(OneInstant, "version", 1) + 1
        text = (REPOSITORY / "deploy" / "catalog.yaml").read_text()
        document = text[text.index("  - version: 1"):]
        lines = [line[4:] for line in document.splitlines()]
        at = self.text(instant)
        document = "\n".join(lines).replace("version: 1", f"version: {self.version}", 1)
        document = document.replace('"2020-01-01 00:00"', f'"{at}"', 1)
        if new != "0.0457":
            document = document.replace(f'ML: "{old}"', f'ML: "{new}"', 1)
        self.api.Prices.PublishPrices(pricing.PublishPricesRequest(document=document))

    @staticmethod
    def text(instant):
        import datetime

        zone = datetime.timezone(datetime.timedelta(hours=8))
        return datetime.datetime.fromtimestamp(instant / 1000, zone).strftime("%Y-%m-%d %H:%M")


# The beginnings of the months in which these tests play, as days of the billing time zone in milliseconds.
MONTHS = {1_782_864_000_000 + days * DAY for days in [0, 31, 62, 92, 123, 153, 184]}
