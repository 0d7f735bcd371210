"""Bills of damaged data, of all accounts and of long spans; prices that would change; refunds that order made by itself."""

import json
import unittest

from cluster import DAY, HOUR, gateway, metering, order
from refusals import SMALL, RefusalCase, price_document


class Bills(RefusalCase):
    base_port = 8200
    gateway_options = ("--provisioner", "external")

    def setUp(self):
        self.account = self.api.open(1000)

    def objects(self, command):
        """All JSON objects that a command prints."""
        code, output, problem = self.cluster.billing(*command.split(), "--json", account=self.account)
        self.assertEqual(code, 0, problem)
        return [json.loads(line) for line in output.splitlines()]

    def lines(self, **filters):
        return self.api.bill(self.account, **filters).lines

    def alarm(self, line, sentence):
        """Explaining the line ends with an alarm that says what is wrong."""
        code, output, problem = self.cluster.billing("bill", "explain", line.line_id, account=self.account)
        self.assertEqual(code, 1, output)
        self.assertIn(f"ALARM: line {line.line_id} is not what it follows from.", problem)
        self.assertIn(sentence, problem)
        self.assertNotIn("which agrees", output)

    def test_1_a_price_that_is_not_the_price_lists_is_an_alarm(self):
        self.api.create_group(self.account, instances=2)
        self.done("backup set --region cn-hangzhou --gib 1000")
        placed = self.done(f"order place {SMALL} --months 1")["order_id"]
        self.done(f"order pay {placed}")
        self.api.advance(2 * HOUR)
        kinds = {}
        for line in self.lines():
            self.done(f"bill explain {line.line_id}")
            kinds.setdefault(line.product if line.billing_method == 2 else "order", line)
        self.assertEqual(len(kinds), 3, kinds.keys())
        with self.database("order") as database:
            database.execute("DROP TRIGGER bill_line_is_final")
            for line in kinds.values():
                # The stored price and everything that follows from it agree with each other, and not with the list.
                database.execute(
                    """
                    UPDATE bill_line SET list_price_nanos = list_price_nanos * 2, gross = gross * 2, paid = paid * 2
                    WHERE account = ? AND start_at = ? AND list_price_nanos = ?
                    """,
                    [self.account, line.usage_start, line.list_price_nanos])  # fmt: skip
        for line in kinds.values():
            wrong, right = 2 * line.list_price_nanos, line.list_price_nanos
            nanos = [f"{value / 1e9:.9f}".rstrip("0") for value in (wrong, right)]
            self.alarm(line, f"list price is stored as {nanos[0]} USD, and price list 1 has {nanos[1]} USD.")
            self.alarm(line, f"gives {line.gross_micros / 1e6:.6f} USD.")

    def test_2_the_bills_of_all_accounts(self):
        mine, other = self.account, self.api.open(1000)
        for account in (mine, other):
            self.api.create_group(account)
        self.api.advance(2 * HOUR)
        rows = {row["grouping"]: row for row in self.objects("bill list --all-accounts --group-by account") if "total" not in row}
        for account in (mine, other):
            self.assertEqual(rows[account]["gross"], f"{self.api.bill(account).total.gross_micros / 1e6:.6f}")
        details = self.objects("bill list --all-accounts --period details")
        self.assertLessEqual({mine, other}, {line.get("account_id") for line in details})
        code, output, problem = self.cluster.billing("bill", "export", "--all-accounts", "--columns", "account_id,payable")
        self.assertEqual(code, 0, problem)
        self.assertEqual(len(output.splitlines()), len(details))  # a header for the total
        self.catches("", "leave out --account", f"bill list --all-accounts --account {mine}")
        self.catches("", "--period month, day or total", "bill list --period details --group-by region")

    def test_3_what_a_price_list_changes(self):
        running = self.api.create_group(self.account).group_id
        creating = self.done(f"group create {SMALL} --provisioner external")["group_id"]
        poor = self.api.open(0.05)
        owing = self.api.create_group(poor).group_id
        self.api.Resources.EnableInternet(metering.EnableInternetRequest(network="default"), account=poor)
        self.api.advance(3 * HOUR)
        self.assertEqual(self.api.group(poor, owing).status, metering.GROUP_STATUS_OVERDUE)
        dearer = price_document(**{'ML: "0.0457"': 'ML: "0.0500"', 'ML: "0.034"': 'ML: "0.040"'})
        code, output, problem = self.cluster.billing("price", "impact", "-", "--json", stdin=dearer)
        self.assertEqual(code, 0, problem)
        found = {one["thing"]["id"] for one in map(json.loads, output.splitlines())}
        self.assertLessEqual({running, creating, owing}, found)
        self.assertTrue(any(one.startswith("nat-") for one in found), found)

        for command in ["price impact -", "price publish - --yes"]:
            self.refuses("pricing.no_effect", "version 1", command, stdin=price_document())
            past = price_document(**{"2025-05-06 00:00": "2025-05-07 00:00"})
            self.refuses("pricing.no_effect", "version 1", command, stdin=past)
        by_the_second = price_document(**{"unit: 4 hours from creation": "unit: second"})
        code, output, problem = self.cluster.billing("price", "impact", "-", stdin=by_the_second)
        self.assertEqual(code, 0, problem)
        self.assertRegex(output, r"billing unit of groups created from 2026-08-01 00:00:00 +4 hours +a second")

    def test_4_the_refund_of_a_creation_that_failed(self):
        placed = self.done(f"order place {SMALL} --months 1")["order_id"]
        self.done(f"order pay {placed} --online bank-of-test-4")
        self.done("payment confirm bank-of-test-4")
        group = self.api.Groups.ListGroups(metering.ListGroupsRequest(), account=self.account).groups[0].group_id
        self.api.Groups.ReportCreated(gateway.ReportCreatedRequest(group_id=group, failed=True), account=self.account)
        listed = self.done("refund list")
        self.assertEqual((listed["group_id"], listed["cause"], listed["online"]), (group, "creation failed", "9.910000"))
        self.assertFalse(listed["online_confirmed"])
        self.assertEqual(self.done(f"refund show {listed['refund_id']}"), listed)
        confirmed = self.done(f"refund confirm {listed['refund_id']}")
        self.assertTrue(confirmed["online_confirmed"])
        self.refuses("refund.confirmed", listed["refund_id"], f"refund confirm {listed['refund_id']}")
        self.assertTrue(self.done("refund list")["online_confirmed"])
        line = next(line for line in self.lines() if line.item_kind == order.ITEM_KIND_REFUND)
        self.assertIn("creation failed", " ".join(self.done(f"bill explain {line.line_id}")["steps"]))

    def test_5_audit(self):
        # Of what the first test has damaged nothing is said here: only that the refunds stand.
        self.assertEqual(self.api.audit()["M6"][1], 0)

    def test_6_eighteen_months(self):
        self.api.create_group(self.account)
        self.api.advance(HOUR)
        self.done("bill list")
        self.api.advance(30 * DAY)
        self.done("bill list --to 2026-04-11")
        too_long = "bill list --from 2024-11-01 --to 2026-05-02"
        self.refuses("bill.range_too_long", "18 months", too_long)
        self.refuses("bill.range_too_long", "18 months", "bill list --from 2024-11-01")
        self.refuses("bill.range_too_long", "18 months", "bill export --all-accounts --from 2024-11-01")


if __name__ == "__main__":
    unittest.main()
