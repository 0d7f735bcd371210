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


class Examples(unittest.TestCase):
    def used(self, specification, region, instances, milliseconds):
        account = world(2026, 4, 10, 8, 45, 30)
        group = account.create(specification, region, instances, "", False, account.now)
        account.advance(account.now + milliseconds)
        account.release(group, account.now)
        account.advance(account.now + DAY)
        return sum(gross(account))

    def bought(self, specification, region, instances, months, *at, dollars="1000", prices=None):
        account = world(*at, dollars=dollars, prices=prices)
        order = account.place_new(specification, region, instances, months, "", False, 0, account.now)
        account.pay_from_balance(order, None, False, account.now)
        account.report(order.group, False, account.now)
        return account, order

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


class Rules(unittest.TestCase):
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
