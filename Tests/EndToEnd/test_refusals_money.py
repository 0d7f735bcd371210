"""Refusals that a user of the command line meets where money moves: accounts, coupons, orders, payments and refunds."""

import unittest

from refusals import SMALL, RefusalCase

PLACE = f"order place {SMALL} --months 1"
LONG = "x" * 129


class Money(RefusalCase):
    base_port = 8140

    def setUp(self):
        self.account = self.api.open(1000)

    def place(self):
        return self.done(PLACE)["order_id"]

    def subscribe(self):
        return self.done(f"{PLACE} --pay --no-coupon")["group"]["group_id"]

    def grant(self, options):
        return self.done(f"coupon grant {options}")["coupon"]["coupon_id"]

    def token(self, group, options=""):
        return self.done(f"refund quote {group} {options}")["token"]

    def test_01_amounts_as_they_are_typed(self):
        for reason, says, amount in [
            ("money.not_positive", "'0' is not a positive amount", "0"),
            ("money.too_large", "at most 1000000000 USD", "1000000001"),
            ("money.malformed", "'twelve' is not an amount", "twelve"),
            ("money.too_many_decimals", "'0.0000001' has more than 6 decimals", "0.0000001"),
        ]:
            self.catches(reason, says, f"account top-up {amount}")

    def test_02_accounts(self):
        self.refuses("account.not_found", "acct-absent", "account show acct-absent", next="billing account list")
        for name in ["''", "x" * 101]:
            self.refuses("account.name_malformed", "1 to 100 characters", f"account open {name}")
        self.refuses(
            "account.insufficient_balance", "1000.00 USD does not cover", "account adjust --charge 1001 --reason x",
            next="billing account top-up")  # fmt: skip
        for reason in ["''", "x" * 201]:
            self.refuses("adjustment.malformed", "1 to 200 characters", f"account adjust --credit 1 --reason {reason}")

    def test_03_coupons(self):
        self.refuses("coupon.malformed", "expires_at = 2026-01-01", "coupon grant 5 --expires 2026-01-01")
        placed = self.place()
        until = "--expires '2026-04-10 12:00'"
        listed = "billing coupon list"
        for reason, says, coupon in [
            ("coupon.not_found", "cpn-absent", "cpn-absent"),
            ("coupon.not_yet_effective", "from 2026-04-10 11:00", self.grant(f"5 {until} --effective '2026-04-10 11:00'")),
            ("coupon.below_minimum", "50.00 USD or more", self.grant(f"5 {until} --minimum 50")),
            ("coupon.not_applicable", "cloud phone subscriptions", self.grant(f"5 {until} --product eip")),
        ]:
            with self.subTest(coupon=coupon):
                self.refuses(reason, says, f"order pay {placed} --coupon {coupon}", next=listed)
        self.catches("payment.coupon_choice", "leave out --coupon", f"order pay {placed} --coupon cpn-1 --no-coupon")
        used, late = self.grant(f"1 {until}"), self.grant(f"5 {until} --method subscription")
        # The cut of an hour takes what there is.
        self.api.create_group(self.account, "acp.perf.large", "ap-southeast-1", instances=20)
        self.done("clock advance 1h")
        self.refuses("coupon.used_up", used, f"order pay {placed} --coupon {used}", next=f"{listed} --usable")
        self.done("clock set '2026-04-10 12:00'")
        self.refuses("coupon.expired", "2026-04-10 12:00", f"order pay {placed} --coupon {late}", next=f"{listed} --usable")

    def test_04_orders(self):
        self.refuses("order.not_found", "ord-absent", "order show ord-absent", next="billing order list")
        placed = self.place()
        self.refuses("order.unpaid_orders", placed, PLACE, next="billing order list --status unpaid")
        self.done(f"order pay {placed}")
        self.refuses("order.not_unpaid", placed, f"order pay {placed}", next="nothing is left to pay")
        self.account = self.api.open(9.90)
        self.refuses(
            "order.insufficient_balance", "costs 9.91 USD and the balance is 9.90", f"{PLACE} --pay",
            next="billing account top-up AMOUNT, then billing order pay")  # fmt: skip

    def test_05_payments(self):
        placed = self.place()
        pay = f"order pay {placed}"
        self.catches("payment.balance_part", "leave out --balance", f"{pay} --balance 5")
        for reference in ["''", LONG]:
            self.refuses("payment.reference_malformed", "1 to 128 characters", f"{pay} --online {reference}")
        self.refuses("payment.not_found", "'absent'", "payment confirm absent", next="billing payment list")
        self.done("account top-up 5 --online bank-1")
        self.refuses("payment.reference_used", "reference = bank-1", f"{pay} --online bank-1")
        self.done("payment confirm bank-1")
        self.refuses("payment.not_pending", "reference = bank-1", "payment confirm bank-1")
        self.grant("50 --expires 2027-01-01")
        self.refuses(
            "payment.nothing_to_pay", placed, f"{pay} --online bank-2", next="billing order pay ORDER without --online")  # fmt: skip

    def test_06_an_online_payment_whose_coupon_was_used_elsewhere_is_given_back(self):
        placed, coupon = self.place(), self.grant("1 --expires 2027-01-01")
        self.done(f"order pay {placed} --online bank-3 --coupon {coupon}")
        self.api.create_group(self.account, "acp.perf.large", "ap-southeast-1", instances=20)
        self.done("clock advance 1h")
        reply = self.done("payment confirm bank-3")
        self.assertEqual(reply["payment"]["status"], "returned")
        self.assertIn(f"counts on 1.00 USD of coupon {coupon}, which has 0.00 USD left", reply["returned_because"])

    def test_07_refunds(self):
        release, quoted = "a pay-as-you-go group is given back with billing group release", "billing refund quote"
        hourly = self.api.create_group(self.account).group_id
        self.refuses("refund.pay_as_you_go", hourly, f"refund quote {hourly}", next=release)
        self.refuses("refund.not_found", "ref-absent", "refund show ref-absent", next="billing refund list")
        group = self.subscribe()
        unsubscribe = f"group unsubscribe {group}"
        self.refuses("refund.partial", "quantity = 1", f"{unsubscribe} --quantity 1")
        self.refuses("refund.partial", "instance_ids = acp-1,acp-2", f"{unsubscribe} --instances acp-1,acp-2")
        self.refuses("refund.token_missing", "token of a refund quote", f"{unsubscribe} --token ''")
        self.refuses("refund.token_malformed", "token = yes", f"{unsubscribe} --token yes")
        self.refuses(
            "refund.no_pending_renewal", group, f"refund quote {group} --renewal", next="billing group show GROUP")  # fmt: skip
        token = self.token(group)
        placed = self.done(f"group renew {group}")["order_id"]
        self.refuses("refund.unpaid_order", placed, f"refund quote {group}", next="billing order list --status unpaid")
        self.done(f"order pay {placed}")
        self.refuses("refund.quote_changed", "by now 19.50 USD", f"{unsubscribe} --token {token}", next=quoted)
        refund = self.done(f"{unsubscribe} --token {self.token(group)}")["refund"]["refund_id"]
        self.refuses("refund.not_online", refund, f"refund confirm {refund}")
        self.refuses("refund.not_active", f"'{group}' is released", f"refund quote {group}")

    def test_08_refunds_of_what_no_balance_paid(self):
        self.account = self.api.open(0)
        self.done(f"order pay {self.place()} --online bank-4")
        group = self.done("payment confirm bank-4")["group"]["group_id"]
        refund = self.done(f"group unsubscribe {group} --token {self.token(group)}")["refund"]["refund_id"]
        self.done(f"refund confirm {refund}")
        self.refuses("refund.confirmed", refund, f"refund confirm {refund}")
        self.grant("9.91 --expires 2027-01-01")
        paid = self.done(f"order pay {self.place()}")["group"]["group_id"]
        self.refuses("refund.zero", "would refund 0.00 USD", f"refund quote {paid}")

    def test_09_an_account_that_owes(self):
        self.account = self.api.open(0.01)
        group = self.api.create_group(self.account).group_id
        self.done("clock advance 2h")
        self.refuses("account.overdue", "owes 0.", f"group create {SMALL}", next="billing account top-up AMOUNT pays")
        self.refuses("group.overdue", group, f"group power {group} off")


if __name__ == "__main__":
    unittest.main()
