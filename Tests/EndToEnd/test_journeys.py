"""What users do, through the five processes: by the public API, and by the command line where what it prints matters."""

import contextlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from cluster import BINARIES, DAY, HOUR, REPOSITORY, Api, ClusterCase, common, gateway, metering, order, refund

MINUTE = 60_000


def dollars(micros):
    return f"{micros / 1_000_000:.6f}"


class PayAsYouGo(ClusterCase):
    base_port = 7560
    start = "2026-04-10T08:45:30+08:00"

    def test_1_example_2_slices_to_the_end_of_the_unit(self):
        account = self.api.open(100)
        group = self.api.create_group(account)
        self.api.advance(95 * MINUTE)  # 10:20:30
        self.api.Groups.ReleaseGroup(gateway.ReleaseGroupRequest(group_id=group.group_id), account=account)
        self.api.advance(3 * HOUR)
        bill = self.api.bill(account, group_id=group.group_id)
        self.assertEqual(
            [dollars(line.gross_micros) for line in bill.lines],
            ["0.011044", "0.045700", "0.045700", "0.045700", "0.034656"],
        )
        self.assertEqual(dollars(bill.total.payable_micros), "0.182800")
        self.assertEqual(self.api.balance(account), 100_000_000 - 182_800)

    def test_2_stopped_phones_are_billed_in_full(self):
        account = self.api.open(100)
        group = self.api.create_group(account, "acp.std.medium", instances=3)
        self.api.Groups.SetPower(
            metering.SetPowerRequest(group_id=group.group_id, action=metering.POWER_ACTION_OFF), account=account)  # fmt: skip
        self.refused(
            "instance.not_running", self.api.Groups.Connect, metering.ConnectRequest(group_id=group.group_id),
            account=account)  # fmt: skip
        self.api.Groups.SetPower(
            metering.SetPowerRequest(group_id=group.group_id, action=metering.POWER_ACTION_ON,
                                     instance_id=self.api.group(account, group.group_id).members[1].instance_id),
            account=account)  # fmt: skip
        connected = self.api.Groups.Connect(metering.ConnectRequest(group_id=group.group_id), account=account)
        self.assertTrue(connected.session_id)
        start = self.api.now()
        self.api.advance(3 * HOUR)
        billed = self.api.bill(account).total.gross_micros
        cut = self.api.now() // HOUR * HOUR
        self.assertEqual(billed, 61_000 * 3 * (cut - start) // HOUR)

    def test_3_example_5_a_line_that_the_balance_cannot_cover_stays_outstanding(self):
        self.api.advance((-self.api.now()) % HOUR)
        account = self.api.open(1)
        group = self.api.create_group(account, "acp.perf.large", "ap-southeast-1", instances=2)
        self.api.advance(3 * HOUR)
        bill = self.api.bill(account)
        self.assertEqual(
            [(dollars(line.paid_micros), dollars(line.outstanding_micros)) for line in bill.lines],
            [("0.472400", "0.000000"), ("0.472400", "0.000000"), ("0.055200", "0.417200")],
        )
        self.refused(
            "account.overdue", self.api.Groups.CreateGroup,
            gateway.CreateGroupRequest(specification="acp.std.small", region="cn-hangzhou", instances=1),
            account=account)  # fmt: skip
        self.refused(
            "group.overdue", self.api.Orders.PlaceSwitchOrder,
            gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1), account=account)  # fmt: skip
        self.api.Accounts.TopUp(order.TopUpRequest(amount_micros=400_000), account=account)
        reply = self.api.Accounts.GetAccount(order.GetAccountRequest(), account=account).account
        self.assertEqual(dollars(reply.outstanding_micros), "0.017200")
        self.assertTrue(reply.overdue)
        self.api.Accounts.TopUp(order.TopUpRequest(amount_micros=17_200), account=account)
        reply = self.api.Accounts.GetAccount(order.GetAccountRequest(), account=account).account
        self.assertEqual((reply.outstanding_micros, reply.balance_micros, reply.overdue), (0, 0, False))

    def test_4_a_creation_that_failed_bills_nothing(self):
        account = self.api.open(10)
        group = self.api.create_group(account, external=True)
        self.assertEqual(group.status, metering.GROUP_STATUS_CREATING)
        self.api.Groups.ReportCreated(
            gateway.ReportCreatedRequest(group_id=group.group_id, failed=True), account=account)  # fmt: skip
        self.api.advance(5 * HOUR)
        self.assertEqual(self.api.balance(account), 10_000_000)

    def test_5_audit(self):
        self.api.advance(DAY)
        findings = self.api.audit()
        self.assertEqual({key: value for key, value in findings.items() if value[1]}, {})
        self.assertGreater(sum(value[0] for value in findings.values()), 20)


class Subscriptions(ClusterCase):
    base_port = 7580
    start = "2026-04-10T09:10:00+08:00"

    def test_1_example_12_switch_at_the_instant_of_payment(self):
        account = self.api.open(1000)
        group = self.api.create_group(account, "acp.std.large", instances=4)
        self.api.advance(5 * HOUR + 20 * MINUTE)  # 14:30:00
        place = gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=3)
        placed = self.api.Orders.PlaceSwitchOrder(place, account=account).order
        self.assertEqual(dollars(placed.total_micros), "256.020000")
        refusal = self.refused("order.unpaid_orders", self.api.Orders.PlaceSwitchOrder, place, account=account)
        self.assertIn(placed.order_id, refusal.message)
        self.api.Orders.CancelOrder(order.CancelOrderRequest(order_id=placed.order_id), account=account)
        placed = self.api.Orders.PlaceSwitchOrder(place, account=account).order
        paid = self.api.Orders.PayOrder(
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE),
            account=account)  # fmt: skip
        self.assertEqual(paid.order.term_start, self.api.now())
        self.assertEqual(paid.group.billing_method, common.BILLING_METHOD_SUBSCRIPTION)
        self.api.advance(DAY)
        usage = self.api.bill(account, billing_methods=[common.BILLING_METHOD_PAY_AS_YOU_GO])
        self.assertEqual(dollars(usage.total.gross_micros), "1.723733")
        self.assertEqual(usage.lines[-1].usage_end, paid.order.term_start)
        self.assertEqual(self.api.balance(account), 1_000_000_000 - 256_020_000 - 1_723_733)

    def test_2_online_payment_that_comes_too_late_is_returned(self):
        account = self.api.open(10)
        group = self.api.create_group(account)
        placed = self.api.Orders.PlaceSwitchOrder(
            gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1), account=account).order  # fmt: skip
        pay = gateway.PayOrderRequest(
            order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_ONLINE, reference="bank-1")  # fmt: skip
        pending = self.api.Orders.PayOrder(pay, account=account)
        self.assertEqual(pending.payment.status, order.PAYMENT_STATUS_PENDING)
        self.refused("payment.reference_used", self.api.Orders.PayOrder, pay, account=account)
        self.api.Groups.ReleaseGroup(gateway.ReleaseGroupRequest(group_id=group.group_id), account=account)
        confirmed = self.api.Payments.ConfirmPayment(
            order.ConfirmPaymentRequest(reference="bank-1"), account=account)  # fmt: skip
        self.assertEqual(confirmed.payment.status, order.PAYMENT_STATUS_RETURNED)
        self.assertTrue(confirmed.returned_because)

    def test_3_online_payment_pays_its_order(self):
        account = self.api.open(0)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=10, months=1),
            account=account).order  # fmt: skip
        self.assertEqual(dollars(placed.total_micros), "99.060000")
        self.api.Orders.PayOrder(
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_ONLINE,
                                    reference="bank-2"), account=account)  # fmt: skip
        # Whoever runs the payments knows the reference alone.
        confirm, key = order.ConfirmPaymentRequest(reference="bank-2"), self.api.new_key()
        confirmed = self.api.Payments.ConfirmPayment(confirm, key=key)
        self.assertEqual(confirmed.order.status, order.ORDER_STATUS_PAID)
        self.assertEqual(confirmed, self.api.Payments.ConfirmPayment(confirm, key=key))
        self.assertTrue(self.api.client.replayed)
        self.assertEqual(confirmed.group.status, metering.GROUP_STATUS_ACTIVE)
        quote = self.api.Refunds.QuoteRefund(
            gateway.QuoteRefundRequest(group_id=confirmed.group.group_id), account=account)  # fmt: skip
        self.assertEqual(quote.online_micros, quote.amount_micros)
        done = self.api.Groups.Unsubscribe(
            gateway.UnsubscribeRequest(group_id=confirmed.group.group_id, token=quote.token), account=account)  # fmt: skip
        self.assertFalse(done.refund.online_confirmed)
        refund_id = done.refund.refund_id
        arrived = self.api.Refunds.ConfirmRefund(refund.ConfirmRefundRequest(refund_id=refund_id), account=account)
        self.assertTrue(arrived.refund.online_confirmed)

    def test_4_a_term_that_ends_makes_its_group_expired(self):
        account = self.api.open(100)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        paid = self.api.Orders.PayOrder(
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE),
            account=account)  # fmt: skip
        unpaid = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        self.api.advance(paid.order.term_end - self.api.now())
        self.assertEqual(self.api.group(account, paid.group.group_id).status, metering.GROUP_STATUS_EXPIRED)
        timed_out = self.api.Orders.GetOrder(order.GetOrderRequest(order_id=unpaid.order_id), account=account).order
        self.assertEqual(timed_out.cancellation_cause, order.CANCELLATION_CAUSE_TIMED_OUT)
        self.assertEqual(timed_out.cancelled_at, unpaid.placed_at + DAY)
        self.refused(
            "refund.expired", self.api.Refunds.QuoteRefund,
            gateway.QuoteRefundRequest(group_id=paid.group.group_id), account=account)  # fmt: skip

    def test_5_audit(self):
        self.api.advance(DAY)
        self.assertEqual({key: value for key, value in self.api.audit().items() if value[1]}, {})


class Refunds(ClusterCase):
    base_port = 7640
    start = "2026-04-10T15:20:00+08:00"

    def test_1_example_9_refund_after_twelve_days(self):
        account = self.api.open(41.60)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.std.small", region="cn-hangzhou", instances=3, months=1),
            account=account).order  # fmt: skip
        self.assertEqual(dollars(placed.total_micros), "41.600000")
        group = self.api.Orders.PayOrder(
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE),
            account=account).group  # fmt: skip
        self.api.advance(12 * DAY)
        ask = gateway.QuoteRefundRequest(group_id=group.group_id)
        for partial in [dict(quantity=2), dict(instance_ids=["acp-1", "acp-2"])]:
            self.refused(
                "refund.partial", self.api.Groups.Unsubscribe,
                gateway.UnsubscribeRequest(group_id=group.group_id, **partial), account=account)  # fmt: skip
        quote = self.api.Refunds.QuoteRefund(ask, account=account)
        self.assertEqual((quote.orders[0].used_days, quote.orders[0].term_days), (12, 31))
        self.assertEqual(dollars(quote.amount_micros), "25.500000")
        self.api.advance(1000)
        later = self.refused(
            "refund.quote_changed", self.api.Groups.Unsubscribe,
            gateway.UnsubscribeRequest(group_id=group.group_id, token=quote.token), account=account)  # fmt: skip
        self.assertTrue(later.message)
        quote = self.api.Refunds.QuoteRefund(ask, account=account)
        self.assertEqual(dollars(quote.amount_micros), "24.150000")
        done = self.api.Groups.Unsubscribe(
            gateway.UnsubscribeRequest(group_id=group.group_id, token=quote.token), account=account)  # fmt: skip
        self.assertEqual(done.refund.amount_micros, quote.amount_micros)
        self.assertEqual(self.api.balance(account), quote.amount_micros)

    def test_2_refusals(self):
        account = self.api.open(100)
        hourly = self.api.create_group(account)
        self.refused(
            "refund.pay_as_you_go", self.api.Refunds.QuoteRefund,
            gateway.QuoteRefundRequest(group_id=hourly.group_id), account=account)  # fmt: skip
        self.refused(
            "group.not_subscription", self.api.Groups.Unsubscribe,
            gateway.UnsubscribeRequest(group_id=hourly.group_id, token="yes"), account=account)  # fmt: skip
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        pay = gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE)
        group = self.api.Orders.PayOrder(pay, account=account).group
        self.refused("order.not_unpaid", self.api.Orders.PayOrder, pay, account=account)
        self.refused(
            "refund.token_malformed", self.api.Groups.Unsubscribe,
            gateway.UnsubscribeRequest(group_id=group.group_id, token="yes"), account=account)  # fmt: skip
        self.refused(
            "group.not_pay_as_you_go", self.api.Groups.ReleaseGroup,
            gateway.ReleaseGroupRequest(group_id=group.group_id), account=account)  # fmt: skip
        self.refused(
            "group.not_pay_as_you_go", self.api.Orders.PlaceSwitchOrder,
            gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1), account=account)  # fmt: skip
        poor = self.api.open(5)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=poor).order  # fmt: skip
        refusal = self.refused(
            "order.insufficient_balance", self.api.Orders.PayOrder,
            gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE),
            account=poor)  # fmt: skip
        self.assertIn("9.91", refusal.message)

    def test_3_audit(self):
        self.api.advance(DAY)
        self.assertEqual({key: value for key, value in self.api.audit().items() if value[1]}, {})


class Starting(ClusterCase):
    """What keeps a service from starting is one clear sentence."""

    base_port = 7620

    def start_and_fail(self, *options):
        done = subprocess.run(
            [BINARIES / "billingd", *map(str, options)], capture_output=True, text=True, timeout=30,
            env=self.cluster.environment())  # fmt: skip
        self.assertNotEqual(done.returncode, 0)
        last = done.stderr.strip().splitlines()[-1]
        self.assertLess(len(last), 300)
        return last

    def fresh(self):
        return self.enterContext(tempfile.TemporaryDirectory())

    def test_port_in_use(self):
        said = self.start_and_fail("order", "--data", self.fresh())
        self.assertIn(self.cluster.endpoint("order"), said)
        self.assertIn("server.endpoint_in_use", said)

    def test_data_in_use_by_another_process(self):
        said = self.start_and_fail("order", "--data", self.cluster.data / "order", "--bind", "tcp://127.0.0.1:0")
        self.assertIn(str(self.cluster.data / "order"), said)
        self.assertIn("storage.in_use", said)

    def test_data_of_a_newer_schema(self):
        self.cluster.kill("refund")
        self.addCleanup(lambda: self.cluster.restart("refund"))
        copy = pathlib.Path(self.fresh()) / "newer"
        shutil.copytree(self.cluster.data / "refund", copy)
        with contextlib.closing(sqlite3.connect(copy / "data.sqlite")) as database, database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(schema_migration)")]
            row = {"owner": "service", "number": 99, "name": "from the future", "fingerprint": 1}
            database.execute(
                f"INSERT INTO schema_migration ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                [row[column] for column in columns])  # fmt: skip
        said = self.start_and_fail("refund", "--data", copy, "--bind", "tcp://127.0.0.1:0")
        self.assertIn("99", said)
        self.assertIn("storage.newer_schema", said)

    def test_manual_data_on_a_real_clock(self):
        self.cluster.kill("gateway")
        self.addCleanup(lambda: self.cluster.restart("gateway"))
        said = self.start_and_fail("gateway", "--clock", "real", "--data", self.cluster.data / "gateway")
        self.assertIn("manual", said)

    def test_planned_crash_on_a_real_clock(self):
        for options in [["gateway", "--clock", "real"], ["order"]]:
            self.assertIn("--help", self.start_and_fail(*options, "--crash-after", "release.release"))

    def test_endpoint_of_another_machine(self):
        said = self.start_and_fail("order", "--data", self.fresh(), "--bind", "tcp://0.0.0.0:7999")
        self.assertIn("server.endpoint_not_local", said)

    def test_all_services_in_one_process(self):
        self.cluster.kill("gateway")
        self.addCleanup(lambda: self.cluster.restart("gateway"))
        process = subprocess.Popen(
            [BINARIES / "billingd", "all", "--clock", "manual", "--data", self.fresh(), "--catalog",
             REPOSITORY / "deploy" / "catalog.yaml"],
            stderr=subprocess.DEVNULL, env=self.cluster.environment())  # fmt: skip
        try:
            api = Api(self.cluster.client())
            account = api.open(5)
            api.create_group(account)
            api.advance(5 * HOUR)
            self.assertEqual(api.balance(account), 5_000_000 - 5 * 45_700)
            self.assertEqual({key: value for key, value in api.audit().items() if value[1]}, {})
        finally:
            process.terminate()
            self.assertEqual(process.wait(timeout=10), 0)


class CommandLine(ClusterCase):
    base_port = 7600

    def expect(self, status, text, *arguments):
        code, output, problem = self.cluster.billing(*arguments)
        self.assertEqual(code, status, f"billing {' '.join(map(str, arguments))}\n{output}{problem}")
        self.assertIn(text, output if status == 0 else problem)
        return output

    def test_refusals_name_the_value_and_the_reason(self):
        account = json.loads(self.expect(0, "acct-", "account", "open", "Mistakes", "--json"))["account_id"]
        create = ["group", "create", "--account", account, "--specification", "acp.basic.small", "--region", "cn-hangzhou"]
        for status, text, arguments in [
            (1, "acp.tiny", [*create[:4], "--specification", "acp.tiny", "--region", "cn-hangzhou", "--instances", "1"]),
            (1, "moon-1", [*create[:6], "--region", "moon-1", "--instances", "1"]),
            (1, "101", [*create, "--instances", "101"]),
            (1, "0", [*create, "--instances", "0"]),
            (1, "4", ["quote", "--specification", "acp.basic.small", "--region", "cn-hangzhou", "--instances", "1",
                      "--months", "4"]),
            (2, "-5", ["account", "top-up", account, "--", "-5"]),
            (2, "0", ["account", "top-up", account, "0"]),
            (2, "1234567890123456789", ["account", "top-up", account, "1234567890123456789"]),
            (2, "0.0000001", ["account", "top-up", account, "0.0000001"]),
            (2, "twelve", ["account", "top-up", account, "twelve"]),
            (1, "acct-absent", ["account", "show", "acct-absent"]),
            (1, "ag-absent", ["group", "show", "ag-absent", "--account", account]),
            (1, "ord-absent", ["order", "pay", "ord-absent", "--account", account]),
            (2, "frobnicate", ["frobnicate"]),
        ]:  # fmt: skip
            with self.subTest(arguments=arguments):
                self.expect(status, text, *arguments)

    def test_nothing_listening_is_one_sentence(self):
        code, output, problem = self.cluster.billing("--gateway", "tcp://127.0.0.1:1", "health", "--timeout", "2")
        self.assertEqual((code, output), (3, ""))
        self.assertIn("tcp://127.0.0.1:1", problem)

    def test_malformed_csv_names_its_line_and_creates_nothing(self):
        header = "group_id,account_id,edition,region,instances,requested_at,created_at,released_at,cutoff\n"
        good = "a,b,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-02-01T00:00:00Z,,2026-03-01T00:00:00Z\n"
        for bad in ["a,b,acp.basic.small,cn,1,yesterday,,,2026-03-01T00:00:00Z\n", "a,b\n",
                    "a,b,acp.basic.small,cn,many,2026-02-01T00:00:00Z,,,2026-03-01T00:00:00Z\n"]:  # fmt: skip
            with self.subTest(row=bad):
                code, _, problem = self.cluster.billing("replay", "-", stdin=header + good + bad)
                self.assertEqual(code, 2, problem)
                self.assertIn("line 3", problem)
        self.assertNotIn(" b ", self.expect(0, "", "account", "list"))

    def test_small_replay_is_exact(self):
        header = "group_id,account_id,edition,region,instances,requested_at,created_at,released_at,cutoff,note\n"
        rows = ("one,x,acp.basic.small,cn,1,2026-02-01T00:00:00Z,2026-02-01T00:45:30Z,2026-02-01T02:20:30Z,2026-02-02T00:00:00Z,\n"
                "two,x,acp.std.small,intl,5,2026-02-01T00:00:00Z,2026-02-01T00:00:00Z,2026-02-01T09:30:00Z,2026-02-02T00:00:00Z,\n"
                "three,y,acp.std.small,intl,5,2026-02-01T00:00:00Z,,,2026-02-02T00:00:00Z,never came up\n")  # fmt: skip
        code, output, problem = self.cluster.billing("replay", "-", stdin=header + rows)
        self.assertEqual(code, 0, problem)
        self.assertIn("5.570800", output)  # 0.1828 and 5.3880
        self.assertIn("OK", output)


if __name__ == "__main__":
    unittest.main()
