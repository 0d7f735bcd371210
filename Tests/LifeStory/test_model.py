"""The model against every worked example of the rule book's section 11: `python3 Tests/LifeStory/test_model.py`."""

import sys
import unittest

sys.dont_write_bytecode = True

from model import (  # noqa: E402
    ACTIVE, DAY, EXPIRED, HOUR, INT, OVERDUE, RELEASED, SHIPPED, Account, Coupon, PriceList, Prices, Refusal, instant, shipped,
    split, term_end)  # fmt: skip

MINUTE = 60_000
USD = 1_000_000


def world(*parts, dollars="1000", prices=None):
    account = Account(prices or Prices(), instant(*parts))
    if micros(dollars):
        account.top_up(micros(dollars), account.now)
    return account


def micros(text):
    whole, _, part = str(text).partition(".")
    return int(whole + part.ljust(6, "0"))


def gross(account):
    return [line.gross for line in account.lines if line.kind == "usage"]


class Bought:
    def bought(self, specification, region, instances, months, *at, dollars="1000", prices=None):
        account = world(*at, dollars=dollars, prices=prices)
        order = account.place_new(specification, region, instances, months, "", False, 0, account.now)
        account.pay_from_balance(order, None, False, account.now)
        account.report(order.group, False, account.now)
        return account, order


class Examples(Bought, unittest.TestCase):
    def used(self, specification, region, instances, milliseconds):
        account = world(2026, 4, 10, 8, 45, 30)
        group = account.create(specification, region, instances, "", False, account.now)
        account.advance(account.now + milliseconds)
        account.release(group, account.now)
        account.advance(account.now + DAY)
        return sum(gross(account))

    def test_1_one_unit(self):
        units = [self.used(name, "cn-hangzhou", 1, HOUR) for name in SHIPPED]
        self.assertEqual(units, [182_800, 231_600, 244_000, 323_200, 609_600])

    def test_2_slices_to_the_end_of_the_unit(self):
        account = world(2026, 4, 10, 8, 45, 30)
        group = account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 4, 10, 10, 20, 30))
        account.release(group, account.now)
        account.advance(instant(2026, 4, 12))
        self.assertEqual(gross(account), [11_044, 45_700, 45_700, 45_700, 34_656])
        self.assertEqual(account.balance, 1000 * USD - 182_800)

    def test_3_and_4_units(self):
        self.assertEqual(self.used("acp.std.medium", "cn-hangzhou", 1, 4 * HOUR), 244_000)
        self.assertEqual(self.used("acp.std.medium", "cn-hangzhou", 1, 4 * HOUR + 1000), 488_000)
        self.assertEqual(self.used("acp.std.small", INT[0], 5, 9 * HOUR + 30 * MINUTE), 5_388_000)

    def overdue(self):
        account = world(2026, 3, 10, 9, dollars="1.00")
        group = account.create("acp.perf.large", "ap-southeast-1", 2, "", False, account.now)
        account.advance(instant(2026, 3, 10, 13))
        return account, group

    def test_5_overdue_at_a_cut(self):
        account, group = self.overdue()
        self.assertEqual([(line.paid, line.outstanding) for line in account.lines],
                         [(472_400, 0), (472_400, 0), (55_200, 417_200)])  # fmt: skip
        self.assertEqual((group.status, account.overdue_at), (OVERDUE, instant(2026, 3, 10, 12)))
        for call in (
            lambda: account.create("acp.std.small", "cn-hangzhou", 1, "", False, account.now),
            lambda: account.place_switch(group, 1, False, 0, account.now),
            lambda: account.enable_internet("default", "ap-southeast-1", account.now),
        ):
            with self.assertRaises(Refusal) as caught:
                call()
            self.assertIn("account.overdue", caught.exception.reasons)

    def test_6_released_on_the_16th_day_unless_settled_strictly_before(self):
        account, group = self.overdue()
        account.top_up(400_000, account.now)
        self.assertEqual((account.outstanding, account.overdue_at), (17_200, instant(2026, 3, 10, 12)))
        account.advance(instant(2026, 3, 25, 12))
        account.top_up(17_200, account.now)
        self.assertEqual((group.status, group.released_at), (RELEASED, instant(2026, 3, 25, 12)))
        self.assertEqual([notice.kind for notice in account.notices],
                         ["low balance", "overdue"] + 14 * ["reminder"] + ["release warning", "released", "recovered"])  # fmt: skip

        account, group = self.overdue()
        account.top_up(400_000, account.now)
        account.advance(instant(2026, 3, 25, 12) - 1)
        account.top_up(17_200, account.now)
        self.assertEqual((group.status, group.segments[-1].anchor), (ACTIVE, instant(2026, 3, 25, 12) - 1))
        account.advance(instant(2026, 3, 25, 12))
        self.assertEqual(group.status, ACTIVE)  # A millisecond costs less than a micro-USD.
        account.advance(instant(2026, 3, 25, 13))
        self.assertEqual((group.status, account.outstanding), (OVERDUE, 472_400))

    def test_7_and_8_orders(self):
        prices = Prices()
        at = instant(2026, 4, 10)
        totals = [prices.quote(name, "cn-hangzhou", 1, 1, at)[3] for name in SHIPPED]
        self.assertEqual(totals, [9_910_000, 13_870_000, 14_930_000, 21_340_000, 36_420_000])
        self.assertEqual(prices.quote("acp.basic.small", "cn-hangzhou", 10, 1, at)[3], 99_060_000)
        self.assertEqual(prices.quote("acp.perf.large", "cn-hongkong", 1, 12, at)[3], 677_460_000)

    def test_9_unsubscribed_by_days(self):
        for second, refund in ((0, 25_500_000), (1, 24_150_000)):
            account, order = self.bought("acp.std.small", "cn-hangzhou", 3, 1, 2026, 4, 10, 15, 20)
            self.assertEqual((order.total, order.term_end), (41_600_000, instant(2026, 5, 11)))
            account.advance(instant(2026, 4, 22, 15, 20, second))
            self.assertEqual(account.unsubscribe(order.group, account.now).amount, refund)
            self.assertEqual(account.balance, 1000 * USD - 41_600_000 + refund)

    def test_10_a_coupon_is_lost(self):
        account = world(2026, 4, 10, 15, 20)
        coupon = Coupon(10 * USD, 0, account.now, instant(2027, 1, 1), [], [], account.now)
        account.grant(coupon, account.now)
        order = account.place_new("acp.std.large", "cn-hongkong", 1, 1, "", False, 0, account.now)
        account.pay_from_balance(order, None, False, account.now)
        account.report(order.group, False, account.now)
        self.assertEqual((order.total, order.cash), (33_070_000, 23_070_000))
        account.advance(instant(2026, 4, 20, 12))
        self.assertEqual(account.unsubscribe(order.group, account.now).amount, 12_400_000)
        self.assertEqual(coupon.remaining, 0)

    def test_11_a_pending_renewal_comes_back_whole(self):
        account, order = self.bought("acp.basic.small", "cn-hangzhou", 5, 1, 2026, 4, 10, 15, 20)
        account.advance(instant(2026, 4, 25))
        renewal = account.place_renewal(order.group, 3, account.now)
        account.pay_from_balance(renewal, None, False, account.now)
        self.assertEqual((order.total, renewal.total), (49_530_000, 148_590_000))
        account.advance(instant(2026, 5, 1))
        self.assertEqual([amount for _, amount, _ in account.quote_refund(order.group, account.now)[0]], [15_980_000, 148_590_000])

    def test_12_switch_to_the_millisecond(self):
        account = world(2026, 4, 10, 9, 10)
        group = account.create("acp.std.large", "cn-hangzhou", 4, "", False, account.now)
        account.advance(instant(2026, 4, 10, 14, 30))
        order = account.place_switch(group, 3, False, 0, account.now)
        account.pay_from_balance(order, None, False, account.now)
        account.advance(instant(2026, 4, 12))
        self.assertEqual((sum(gross(account)), order.total), (1_723_733, 256_020_000))
        self.assertEqual(group.terms[0].start, instant(2026, 4, 10, 14, 30))

    def test_13_attempts_of_auto_renewal(self):
        account, order = self.bought("acp.basic.small", "cn-hangzhou", 1, 1, 2026, 4, 10, 15, 20, dollars="9.91")
        group, tried = order.group, []
        account.set_auto_renewal(group, True, 0, account.now)
        attempt = account.try_renewal
        account.try_renewal = lambda group, at: tried.append(at) or attempt(group, at)
        account.advance(instant(2026, 6, 1))
        self.assertEqual(tried, [instant(2026, 5, day, 8) for day in (8, 10, 11, 17, 25)])
        self.assertEqual((group.status, group.released_at), (RELEASED, instant(2026, 5, 26)))

    def test_13_a_late_attempt_starts_a_new_term(self):
        account, order = self.bought("acp.basic.small", "cn-hangzhou", 1, 1, 2026, 4, 10, 15, 20, dollars="9.91")
        account.set_auto_renewal(order.group, True, 0, account.now)
        account.advance(instant(2026, 5, 12))
        self.assertEqual(order.group.status, EXPIRED)
        account.top_up(20 * USD, account.now)
        account.advance(instant(2026, 5, 18))
        self.assertEqual(order.group.terms[0].start, instant(2026, 5, 17, 8))
        self.assertEqual(order.group.terms[0].end, instant(2026, 6, 18))

    def test_14_legacy_groups_are_billed_by_the_second(self):
        account = world(2025, 5, 5, 23, 59, 59)
        group = account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(account.now + 30 * MINUTE)
        account.release(group, account.now)
        account.advance(account.now + DAY)
        self.assertEqual(sum(gross(account)), 22_850)


class Rules(Bought, unittest.TestCase):
    def test_terms_end_by_the_nominal_day(self):
        self.assertEqual(term_end(instant(2020, 11, 20, 15, 20), 1), instant(2020, 12, 21))
        self.assertEqual(term_end(instant(2026, 1, 31), 1), instant(2026, 3, 1))
        self.assertEqual(term_end(instant(2026, 1, 31), 2), instant(2026, 4, 1))
        self.assertEqual(term_end(instant(2027, 12, 31, 23, 59), 2), instant(2028, 3, 1))

    def test_refunds_are_split_to_the_cent(self):
        self.assertEqual(split(10_000_000, 1_000_000, 2_000_000), (3_330_000, 6_670_000))
        self.assertEqual(split(10_000, 5, 5), (0, 10_000))
        self.assertEqual(split(10_000, 6, 5), (10_000, 0))

    def test_a_month_is_rounded_down_to_the_cent_once(self):
        account = world(2026, 4, 30, 20)
        group = account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 5, 1))
        self.assertEqual((account.lines[-1].kind, account.lines[-1].payable), ("round-down", -2_800))
        self.assertEqual(account.balance, 1000 * USD - 180_000)
        account.release(group, account.now)

    def test_a_month_is_rounded_net_of_all_that_coupons_paid_before_its_close(self):
        account = world(2026, 4, 30, 20, dollars="0.10")
        account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 4, 30, 23, 10))
        self.assertEqual((account.overdue_at, account.outstanding), (instant(2026, 4, 30, 23), 37_100))
        # It pays 0.0371 of an older line now, and 0.0029 of the last one at its cut.
        account.grant(Coupon(40_000, 0, account.now, instant(2027, 1, 1), [], [], account.now), account.now)
        account.advance(instant(2026, 5, 1))
        self.assertEqual(gross(account), [45_700, 45_700, 45_700, 38_083])
        self.assertEqual((account.lines[-1].kind, account.lines[-1].round_down), ("round-down", 5_183))
        self.assertEqual(account.outstanding, 38_083 - 2_900 - 5_183)

    def test_a_coupon_that_pays_after_the_close_changes_no_month(self):
        account = world(2026, 4, 30, 22, dollars="0.05")
        account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 5, 1, 0, 30))
        self.assertEqual((account.lines[-1].round_down, account.outstanding), (1_400, 40_000))
        account.grant(Coupon(50_000, 0, account.now, instant(2027, 1, 1), [], [], account.now), account.now)
        self.assertEqual((account.overdue_at, account.coupons[0].remaining), (0, 10_000))
        self.assertEqual(sum(line.round_down for line in account.lines), 1_400)

    def test_a_coupon_pays_outstanding_bills_when_it_becomes_effective(self):
        account = world(2026, 4, 10, 9, dollars="0.05")
        group = account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 4, 10, 11, 30))
        effective = instant(2026, 4, 12, 13, 14, 15)
        for products in (["oss"], ["cloud-phone"]):
            account.grant(Coupon(USD, 0, effective, instant(2027, 1, 1), products, [], account.now), account.now)
        account.advance(effective - 1)
        self.assertEqual((group.status, account.outstanding), (OVERDUE, 41_400))
        account.advance(effective)
        self.assertEqual((group.status, account.overdue_at, account.outstanding), (ACTIVE, 0, 0))
        self.assertEqual(group.segments[-1].anchor, effective)
        self.assertEqual([coupon.remaining for coupon in account.coupons], [USD, USD - 41_400])
        self.assertEqual((account.notices[-1].kind, account.notices[-1].at), ("recovered", effective))

    def test_a_coupon_that_becomes_effective_as_a_group_is_due_for_release_does_not_save_it(self):
        account = world(2026, 4, 10, 9, dollars="0.05")
        group = account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 4, 10, 11))
        account.grant(Coupon(USD, 0, instant(2026, 4, 25, 11), instant(2027, 1, 1), [], [], account.now), account.now)
        account.advance(instant(2026, 4, 25, 11))
        self.assertEqual((group.status, account.overdue_at, account.outstanding), (RELEASED, 0, 0))

    def test_a_restored_coupon_pays_outstanding_bills(self):
        account = world(2026, 4, 10, 9, dollars="0.05")
        account.grant(coupon := Coupon(10 * USD, 0, account.now, instant(2027, 1, 1), [], [], account.now), account.now)
        order = account.place_new("acp.basic.small", "cn-hangzhou", 1, 1, "", False, 0, account.now)
        account.pay_from_balance(order, None, False, account.now)
        coupon.remaining = 0
        running = account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 4, 10, 11, 30))
        self.assertEqual((running.status, account.outstanding), (OVERDUE, 41_400))
        account.report(order.group, True, account.now)
        self.assertEqual((running.status, account.overdue_at, coupon.remaining), (ACTIVE, 0, 9_910_000 - 41_400))

    def test_there_is_no_release_warning_when_nothing_is_left_to_release(self):
        for released, warnings in ((False, 1), (True, 0)):
            account = world(2026, 4, 10, 9, dollars="0.05")
            group = account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
            account.advance(instant(2026, 4, 12))
            if released:
                account.release(group, account.now)
            account.advance(instant(2026, 5, 10))
            kinds = [notice.kind for notice in account.notices]
            self.assertEqual((kinds.count("release warning"), kinds.count("reminder")), (warnings, 14))

    def test_auto_renewal_is_hindered_by_an_unpaid_order_of_its_own_group_alone(self):
        for own, attempt in ((False, True), (True, False)):
            account, order = self.bought("acp.basic.small", "cn-hangzhou", 1, 1, 2026, 4, 10, 15, 20)
            account.set_auto_renewal(order.group, True, 0, account.now)
            account.advance(instant(2026, 5, 7, 20))
            if own:
                account.place_renewal(order.group, 1, account.now)
            else:
                account.place_new("acp.std.small", "cn-hangzhou", 1, 1, "", False, 0, account.now)
            account.advance(instant(2026, 5, 8, 8))
            self.assertEqual(len(order.group.terms) == 2, attempt)

    def test_a_renewal_at_the_instant_of_release_is_too_late(self):
        for late in (0, 1):
            account, order = self.bought("acp.basic.small", "cn-hangzhou", 1, 1, 2026, 4, 10, 15, 20)
            account.advance(instant(2026, 5, 26) - 1)
            renewal = account.place_renewal(order.group, 1, account.now)
            account.advance(account.now + late)
            if late:
                with self.assertRaises(Refusal):
                    account.pay_from_balance(renewal, None, False, account.now)
                with self.assertRaises(Refusal):
                    account.place_renewal(order.group, 1, account.now)
            else:
                account.pay_from_balance(renewal, None, False, account.now)
                self.assertEqual(order.group.status, ACTIVE)

    def test_a_price_list_that_leaves_a_price_splits_a_slice_but_goes_on_with_the_accrual(self):
        prices, first = Prices(), shipped()
        others = {name: dict(price) for name, price in first.hourly.items()}
        others["acp.std.small"]["ML"] += 1_000_000
        prices.publish(PriceList(2, instant(2026, 4, 10, 9, 20), first.monthly, others, first.items))
        prices.publish(PriceList(3, instant(2026, 4, 10, 10, 10), first.monthly, others, first.items))
        account = world(2026, 4, 10, 9, prices=prices)
        account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 4, 10, 11))
        # Of 45,700 an hour; accruals that begin anew would make 30,466, 7,617 and 38,083 of the last three.
        self.assertEqual(gross(account), [15_233, 30_467, 7_616, 38_084])
        self.assertEqual([line.version for line in account.lines], [1, 2, 2, 3])

    def test_a_price_change_splits_a_slice_and_starts_the_accrual_anew(self):
        prices = Prices()
        first = shipped()
        hourly = {name: {"ML": 70_000_001, "INT": 90_000_000} for name in SHIPPED}
        prices.publish(PriceList(2, instant(2026, 4, 10, 9, 30), first.monthly, hourly, first.items))
        account = world(2026, 4, 10, 9, prices=prices)
        account.create("acp.basic.small", "cn-hangzhou", 1, "", False, account.now)
        account.advance(instant(2026, 4, 10, 11))
        self.assertEqual(gross(account), [22_850, 35_000, 70_000])

    def test_clock_hours_are_charged_whole_and_an_overdue_stretch_not_at_all(self):
        account = world(2026, 4, 10, 9, 10, dollars="0.25")
        account.create("acp.std.large", "cn-hangzhou", 1, "", True, account.now)
        account.prices.versions[0].items["eip"] = {"ML": 5_000_000, "INT": 5_000_000}
        nat, _ = account.enable_internet("default", "cn-hangzhou", account.now)
        account.advance(instant(2026, 4, 10, 10, 50))
        account.release_resource(nat, account.now)
        account.advance(instant(2026, 4, 10, 12))
        self.assertEqual(sum(line.gross for line in account.lines if line.thing is nat), 68_000)


if __name__ == "__main__":
    unittest.main()
