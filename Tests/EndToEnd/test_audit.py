"""`billing audit` against breaches that somebody plants in the databases, and against work that is under way."""

import sqlite3
import threading
import time
import unittest

from cluster import DAY, HOUR, Api, gateway, metering
from refusals import RULE
from test_rules import RulesCase

# After so long an expired group, or an overdue one, has to be released.
TWENTY_DAYS = 20 * DAY

# What names a line, and lines of use.
KEY = "(partition, account, start_at, source)"
USE = """
    SELECT l.partition, l.account, l.start_at, l.source FROM bill_line l JOIN bill_source s USING (partition, account)
    WHERE s.number = l.source AND s.kind = 2 AND s.months = 0 AND s.source_id NOT LIKE 'round-down-%' AND l.gross > 100
"""
FIRST, LAST = f"{USE} ORDER BY l.start_at LIMIT 1", f"{USE} ORDER BY l.start_at DESC LIMIT 1"
# (service, SQL, how the audit names what is broken)
BREACHES = [
    ("order", f"DELETE FROM bill_line WHERE {KEY} IN ({USE} ORDER BY l.start_at LIMIT 1 OFFSET 5)",
     "P1 Every second of pay-as-you-go is billed exactly once"),
    ("order", f"DELETE FROM bill_line WHERE {KEY} IN ({LAST})",
     "P1 Every second of pay-as-you-go is billed exactly once"),
    ("order", f"UPDATE bill_line SET start_at = start_at + 36000000, end_at = end_at + 36000000 WHERE {KEY} IN ({LAST})",
     "P1 Every second of pay-as-you-go is billed exactly once"),
    # Both lines still agree with the ledger.
    ("order", """
     CREATE TEMP TABLE pair AS WITH lines AS (
         SELECT l.partition, l.account, l.start_at, l.source, l.sequence,
             row_number() OVER (PARTITION BY l.account, l.sequence ORDER BY l.source) AS place,
             COUNT(*) OVER (PARTITION BY l.account, l.sequence) AS lines
         FROM bill_line l JOIN bill_source s USING (partition, account)
         WHERE s.number = l.source AND s.kind = 2 AND l.gross > 100 AND l.gross = l.paid)
     SELECT * FROM lines WHERE lines > 1 AND place <= 2 ORDER BY account, sequence, place LIMIT 2;
     UPDATE bill_line SET gross = gross + 1, paid = paid + 1 WHERE (partition, account, start_at, source) IN (
         SELECT partition, account, start_at, source FROM pair WHERE place = 1);
     UPDATE bill_line SET gross = gross - 1, paid = paid - 1 WHERE (partition, account, start_at, source) IN (
         SELECT partition, account, start_at, source FROM pair WHERE place = 2);
     """, "P1 Every slice is within one hour and costs what the price list says"),
    ("order", f"UPDATE bill_line SET list_price_nanos = list_price_nanos + 1 WHERE {KEY} IN ({FIRST})",
     "P1 Every slice is within one hour and costs what the price list says"),
    ("order", f"UPDATE bill_line SET end_at = end_at + 7200000 WHERE {KEY} IN ({FIRST})",
     "P1 Every slice is within one hour and costs what the price list says"),
    ("metering", "UPDATE instance_group SET instances = instances + 1 WHERE method = 2",
     "P1 Every slice is within one hour and costs what the price list says"),
    ("metering", "UPDATE resource_use SET quantity = quantity + 1",
     "P1 Every slice is within one hour and costs what the price list says"),
    ("metering", "DELETE FROM accrual", "P1 Every group and resource that is not billed to its end is due to be cut"),
    ("metering", "UPDATE segment SET ends_at = ends_at + 86400000 WHERE order_id IS NOT NULL",
     "P2 No second of a subscription is covered twice, or longer than it is paid for"),
    ("metering", "UPDATE segment SET starts_at = starts_at + 1 WHERE number = 1 AND method = 2",
     "P3 Groups and resources are covered"),
    ("gateway", "UPDATE saga SET status = 'ABORTED' WHERE saga_id IN ("
     "SELECT saga_id FROM saga WHERE status = 'COMMITTED' LIMIT 1)", "S1 Every saga is at work, or has ended"),
    ("gateway", "DELETE FROM saga_event; DELETE FROM saga", "S1 Every saga is at work, or has ended"),
    ("metering", "UPDATE saga_step SET state = 3 WHERE step = 'lock' AND state = 1",
     "S1 Every saga is at work, or has ended"),
    ("order", "UPDATE saga_step SET state = 1 WHERE step = 'pay' AND state <> 1",
     "S1 Every saga is at work, or has ended"),
    ("order", "DELETE FROM saga_step WHERE step = 'pay' AND state = 1", "E1 Every saga that is committed took effect"),
    ("order", "UPDATE saga_step SET state = 3 WHERE step = 'post-refund'",
     "E1 Every saga that is committed took effect"),
    ("order", "UPDATE saga_step SET state = 1 WHERE step = 'pay' AND state <> 1",
     "E1 Every saga that is committed took effect"),
    ("metering", "UPDATE instance_group SET locked_by = (SELECT saga_id FROM saga_step LIMIT 1) WHERE status = 2;"
     "UPDATE account_progress SET locks = (SELECT COUNT(*) FROM instance_group g WHERE g.account = account_progress.account"
     " AND g.locked_by IS NOT NULL)", "S2 Every lock belongs to a saga at work"),
    ("metering", "UPDATE account_progress SET locks = locks + 1", "S2 An account waits exactly while a saga holds"),
    ("metering", "UPDATE segment SET order_id = 'ord-nobody' WHERE order_id IS NOT NULL",
     "S3 Every paid subscription order is exactly one term"),
    ("metering", "DELETE FROM segment WHERE number = 2 AND order_id IS NOT NULL",
     "S3 Every paid subscription order is exactly one term"),
    ("order", "UPDATE account SET overdue_at = NULL, notice_due_at = NULL WHERE overdue_at IS NOT NULL",
     "O1 Bills and groups say alike since when an account is overdue"),
    ("metering", "UPDATE account_progress SET overdue_at = NULL WHERE overdue_at IS NOT NULL",
     "O1 Bills and groups say alike since when an account is overdue"),
    ("metering", f"UPDATE instance_group SET overdue_at = overdue_at - {TWENTY_DAYS} WHERE status = 3",
     "is overdue past 2026-"),
    ("metering", f"UPDATE instance_group SET term_start = term_start - {TWENTY_DAYS}, term_end = term_end - {TWENTY_DAYS},"
     f" paid_through = paid_through - {TWENTY_DAYS} WHERE status = 4", "is expired past 2026-"),
    ("order", "UPDATE ledger_entry SET amount = amount + 1 WHERE sequence = 1 AND ledger_account = 1", "M1 every ledger"),
    ("order", "UPDATE account SET balance = balance + 1", "M2 balance, outstanding"),
    ("gateway", "UPDATE saga_event SET epoch = 9 WHERE sequence = 1", "T1 Sagas only go along the edges"),
    ("order", "UPDATE saga_fence SET max_epoch = 9", "T1 Sagas only go along the edges"),
    ("metering", "UPDATE instance_group SET requested_at = created_at + 1", "T1 Groups only go along the edges"),
]  # fmt: skip


class Planted(RulesCase):
    base_port = 7610
    start = "2026-03-02T09:10:00+08:00"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls().live()

    def live(self):
        """A little of everything: use, releases, switches, terms, refunds, debts and what was paid late."""
        rich, poor, late = self.api.open(1000), self.api.open(1), self.api.open(1)
        self.api.create_group(rich, "acp.std.large", instances=3)
        self.api.create_group(rich, "acp.std.small", instances=2)
        released = self.api.create_group(rich, "acp.perf.large")
        self.api.Resources.EnableInternet(metering.EnableInternetRequest(network="default"), account=rich)
        self.api.Resources.SetBackup(metering.SetBackupRequest(region="cn-hangzhou", gib=77), account=rich)
        for account in [poor, late]:
            self.api.create_group(account, "acp.perf.large", "ap-southeast-1", instances=2)
        expiring = self.subscribe(rich).group
        self.api.advance(5 * HOUR)
        self.release(rich, released.group_id)
        self.switch(rich, self.api.create_group(rich, "acp.std.medium"))
        renewed = self.subscribe(rich, "acp.std.large").group
        self.pay(rich, self.place_renewal(rich, renewed.group_id, 3))
        unsubscribed = self.subscribe(rich, "acp.std.small").group
        self.api.advance(DAY)
        self.unsubscribe(rich, unsubscribed.group_id)
        self.top_up(late, "1.00")
        self.refuse_payment()
        self.api.advance(31 * DAY)
        self.assertEqual(self.status(rich, expiring), "expired")
        debtor = self.api.open(1)
        group = self.api.create_group(debtor, "acp.perf.large", "ap-southeast-1", instances=2)
        self.api.advance(12 * HOUR)
        self.assertEqual(self.status(debtor, group), "overdue")

    def switch(self, account, group):
        request = gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1)
        self.pay(account, self.api.Orders.PlaceSwitchOrder(request, account=account).order)

    def refuse_payment(self):
        """A saga that is aborted: the money does not suffice."""
        account = self.api.open(0)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        self.refused("order.insufficient_balance", self.pay, account, placed)

    def database(self, service):
        return sqlite3.connect(self.cluster.data / service / "data.sqlite", isolation_level=None)

    def plant(self, service, sql):
        """Changes a database behind the back of its service, walls removed. It is as before when the test ends."""
        kept = sqlite3.connect(":memory:")
        database = self.database(service)
        self.addCleanup(database.close)
        self.addCleanup(kept.close)
        database.backup(kept)
        database.execute("PRAGMA ignore_check_constraints = ON")
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            database.execute(f"DROP TRIGGER {name}")
        before = database.total_changes
        database.executescript(sql)
        self.assertGreater(database.total_changes, before, "nothing was planted")
        return lambda: kept.backup(database)

    def audit(self):
        return self.cluster.billing("audit")

    def test_1_nothing_is_wrong(self):
        code, output, problem = self.audit()
        self.assertEqual(code, 0, problem)
        self.assertIn("audit: OK", output)

    def test_2_every_planted_breach_is_named(self):
        for service, sql, named in BREACHES:
            with self.subTest(named=named, sql=" ".join(sql.split())[:200]):
                restore = self.plant(service, sql)
                try:
                    code, _, problem = self.audit()
                finally:
                    restore()
                self.assertEqual(code, RULE, problem)
                self.assertIn("audit: NOT OK", problem)
                self.assertIn(named, problem)
        self.test_1_nothing_is_wrong()

    def test_3_explain_alarms_on_a_line_that_was_changed(self):
        with self.database("order") as database:
            account, start, source = database.execute(
                f"SELECT account, start_at, source FROM bill_line WHERE {KEY} IN ({FIRST})").fetchone()  # fmt: skip
        line = f"{account}/{start}/{source}"
        code, _, problem = self.cluster.billing("bill", "explain", line, account=account)
        self.assertEqual(code, 0, problem)
        restore = self.plant(
            "order", f"UPDATE bill_line SET gross = gross + 1, paid = paid + 1 WHERE {KEY} IN ({FIRST})")  # fmt: skip
        try:
            code, _, problem = self.cluster.billing("bill", "explain", line, account=account)
        finally:
            restore()
        self.assertEqual(code, RULE, problem)
        self.assertIn("ALARM", problem)


class UnderWay(RulesCase):
    base_port = 7630
    start = "2026-03-02T09:10:00+08:00"

    def test_1_no_false_alarm_while_cuts_and_calls_go_on(self):
        accounts = [self.api.open(200) for _ in range(20)]
        for account in accounts:
            self.api.create_group(account, "acp.std.large", instances=2)
            self.api.Resources.EnableInternet(metering.EnableInternetRequest(network="default"), account=account)
        ended, problems = threading.Event(), []

        def work():
            """Hours pass, accounts fall overdue and recover, groups come and go, terms are bought and given back."""
            with self.cluster.client() as client:
                self.api = Api(client)
                turn = 0
                while not ended.is_set():
                    self.api.advance(3 * HOUR)
                    account = accounts[turn % len(accounts)]
                    if self.account(account).overdue:
                        self.top_up(account, "60")
                    bought = self.subscribe(account).group
                    self.release(account, self.api.create_group(account).group_id)
                    self.unsubscribe(account, bought.group_id)
                    turn += 1

        def watched():
            try:
                work()
            except Exception as problem:
                problems.append(problem)

        asking = self.api
        worker = threading.Thread(target=watched)
        worker.start()
        try:
            until, audits, start = time.monotonic() + 20, 0, asking.now()
            while time.monotonic() < until or audits < 5:
                code, output, problem = self.cluster.billing("audit")
                self.assertEqual((code, problems), (0, []), problem)
                self.assertIn("audit: OK", output)
                audits += 1
        finally:
            ended.set()
            worker.join()
        self.assertEqual(problems, [])
        self.assertGreater(asking.now(), start + DAY)


if __name__ == "__main__":
    unittest.main()
