"""Refusals that no command meets while the services are in order: between services, by damaged data, at the start."""

import signal
import unittest

from cluster import DAY, HOUR, common, gateway, metering, order, pricing, refund
from refusals import SMALL, UNKNOWN, Double, RefusalCase, price_document

from billing_client import method_id

NOT_MINE = "key-of-nobody-0001"


def step(saga, name, definition="unsubscribe"):
    return common.SagaStep(saga_id=saga, definition=definition, step=name)


class BetweenServices(RefusalCase):
    base_port = 8160

    def refuses_step(self, reason, service, method, message, account, saga, name, **fields):
        """A service refuses a step of a saga that no gateway has begun."""
        request = message(step=step(saga, name), **fields)
        self.refuses_call(
            reason, service, method, request, account=account, key=f"{saga}:{name}", epoch=1)  # fmt: skip

    def test_1_rating(self):
        now = self.api.now()
        small = pricing.RatedResource(
            specification="acp.basic.small", region="cn-hangzhou", instances=1, anchor=now)  # fmt: skip

        def no_price(reason, resource=small, index=0, start=now, end=now + 1, ends=1):
            request = pricing.RateRequest(resources=[resource], resource=[index], start=[start], end=[end] * ends)
            self.refuses_call(reason, "pricing", "Prices/Rate", request)

        def item(name="eip", quantity=1):
            return pricing.RatedResource(item=name, region="cn-hangzhou", quantity=quantity)

        no_price("price.unknown_item", item("pear"))
        no_price("price.quantity", item(quantity=-1))
        no_price("price.columns", ends=0)
        no_price("price.resource_index", index=1)
        no_price("price.empty_slice", end=now)
        no_price("price.slice_before_anchor", start=now - 1)
        no_price("price.several_hours", item(), start=now - 1)
        no_price("price.not_yet_sold", item(), start=0, end=1)
        # A price that changes in the middle makes two parts of each slice.
        august = price_document(**{'ML: "0.0457"': 'ML: "0.0500"'})
        self.api.Prices.PublishPrices(pricing.PublishPricesRequest(document=august))
        many = pricing.RateRequest(
            resources=[small], resource=[0] * 4096, start=[now] * 4096, end=[now + 150 * DAY] * 4096)  # fmt: skip
        self.refuses_call("price.too_many_parts", "pricing", "Prices/Rate", many)

    def test_2_terms_and_explanations(self):
        now = self.api.now()

        def no_price(reason, at=now, end=now + DAY, list_nanos=10):
            term = pricing.PaidTerm(
                order_id="ord-1", specification="acp.basic.small", region="cn-hangzhou", price_list_version=1, months=1,
                list_nanos=list_nanos, term_start=now, term_end=end)  # fmt: skip
            self.refuses_call(reason, "pricing", "Prices/Consumed", pricing.ConsumedRequest(at=at, terms=[term]))

        no_price("price.empty_term", end=now - 1)
        no_price("price.negative_list_price", list_nanos=-1)
        no_price("price.instant", at=-1)
        self.refuses_call("price.nothing_to_explain", "pricing", "Prices/Explain", pricing.ExplainRequest())

    def test_3_steps_of_refunds(self):
        account = self.api.open(100)
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        pay = gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE)
        group = self.api.Orders.PayOrder(pay, account=account).group
        ask = gateway.QuoteRefundRequest(group_id=group.group_id)
        fields = {"group": group, "token": self.api.Refunds.QuoteRefund(ask, account=account).token}
        with self.cluster.client("refund") as client:
            request = refund.OpenRefundRequest(step=step("saga-of-nobody-1", "open-refund"), refund_id="ref-one", **fields)
            client.call(
                "billing.refund.v1.RefundSteps/OpenRefund", request, account, "saga-of-nobody-1:open-refund",
                effective_at=self.api.now(), epoch=1)  # fmt: skip
        opening = ["refund", "RefundSteps/OpenRefund", refund.OpenRefundRequest, account]
        self.refuses_step(
            "refund.identifier_taken", *opening, "saga-of-nobody-2", "open-refund", refund_id="ref-one", **fields)  # fmt: skip
        self.refuses_step(
            "refund.already_open", *opening, "saga-of-nobody-3", "open-refund", refund_id="ref-two", **fields)  # fmt: skip
        self.refuses_step(
            "refund.out_of_turn", "refund", "RefundSteps/CloseRefund", refund.CloseRefundRequest, account, "saga-of-nobody-1",
            "close-refund", refund_id="ref-one")  # fmt: skip

    def test_4_steps_of_orders(self):
        account = self.api.open(100)
        self.refuses_step(
            "account.not_overdue", "order", "OrderSteps/ClaimOverdue", order.ClaimOverdueRequest, account, "saga-of-nobody-4",
            "claim", overdue_at=self.api.now() // HOUR * HOUR)  # fmt: skip
        # A payment that was announced with a coupon is confirmed when the coupon is used up.
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=account).order  # fmt: skip
        granted = order.GrantCouponRequest(amount_micros=1_000_000, expires_at=self.api.now() + 30 * DAY)
        coupon = self.api.Accounts.GrantCoupon(granted, account=account).coupon.coupon_id
        announced = gateway.PayOrderRequest(
            order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_ONLINE, reference="bank", coupon_id=coupon)  # fmt: skip
        payment = self.api.Orders.PayOrder(announced, account=account).payment.payment_id
        self.api.create_group(account, "acp.perf.large", "ap-southeast-1", instances=20)
        self.api.advance(HOUR)
        with self.cluster.client("order") as client:
            client.call(
                "billing.order.v1.Payments/ConfirmPayment", order.ConfirmPaymentRequest(reference="bank"), account,
                NOT_MINE, effective_at=self.api.now())  # fmt: skip
        self.refuses_step(
            "coupon.changed", "order", "OrderSteps/PayOrder", order.PayOrderRequest, account, "saga-of-nobody-5", "pay",
            order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_ONLINE, payment_id=payment,
            coupon_id=coupon)  # fmt: skip

    def test_5_answers_that_no_service_of_this_release_gives(self):
        self.account = self.api.open(10)
        unpaid = order.Order(order_id="ord-x", account_id=self.account, status=order.ORDER_STATUS_UNPAID)
        with Double(self.base_port + 10, order.OrderReply(order=unpaid).SerializeToString()) as double:
            asking = self.serve(
                "gateway", self.base_port + 11, "--clock", "manual", "--data", self.fresh(), "--order", double.endpoint)  # fmt: skip
            self.refuses("order.kind", "order_id = ord-x", f"order pay ord-x --gateway {asking}")
        with Double(self.base_port + 12, pricing.QuoteReply(instances=1).SerializeToString()) as double:
            asked = self.serve("metering", self.base_port + 13, "--data", self.fresh(), "--pricing", double.endpoint)
            asking = self.serve(
                "gateway", self.base_port + 14, "--clock", "manual", "--data", self.fresh(), "--metering", asked)  # fmt: skip
            self.refuses(
                "group.unit_unknown", "named no unit", f"group create {SMALL} --gateway {asking}", status=UNKNOWN)  # fmt: skip


class Damage(RefusalCase):
    """Databases that somebody else has been at."""

    base_port = 8180

    def setUp(self):
        self.account = self.api.open(1000)

    def test_1_a_recorded_answer(self):
        command = f"account open '' --key {NOT_MINE}"
        self.refuses("account.name_malformed", "1 to 100 characters", command)
        with self.database("order") as database:
            database.execute("UPDATE idempotency SET reply = x'00' WHERE key = ?", [NOT_MINE])
        self.refuses("call.record_damaged", "tell the operator", command, status=UNKNOWN)

    def test_2_the_journal_of_a_saga(self):
        group = self.api.create_group(self.account).group_id
        paused = self.cluster.processes["metering"]
        paused.send_signal(signal.SIGSTOP)
        code, _, _ = self.cluster.billing(
            "group", "release", group, "--yes", "--timeout", "0.5", account=self.account)  # fmt: skip
        self.assertEqual(code, UNKNOWN)
        self.cluster.kill("gateway")
        paused.send_signal(signal.SIGCONT)
        with self.database("gateway") as database:
            database.execute("UPDATE saga SET definition = 'nonsense' WHERE group_id = ?", [group])
        self.cluster.start("gateway")
        self.cluster.wait_until_healthy(["gateway"])
        saga = self.done("saga list --status parked")["saga_id"]
        self.assertIn("'nonsense'", self.done(f"saga retry {saga}")["last_error"])
        self.refuses("saga.journal_damaged", f"{saga} of {self.account} is parked at release", "audit")

    def test_3_a_database_that_another_program_locks(self):
        with self.database("refund") as database, self.cluster.client("refund") as client:
            database.execute("BEGIN IMMEDIATE")
            # One attempt: `call` would repeat it, as anybody should who is told this.
            client.last_call += 1
            request = refund.ConfirmRefundRequest(refund_id="ref-x").SerializeToString()
            method = method_id("billing.refund.v1.Refunds/ConfirmRefund")
            client.send(method, request, self.account, NOT_MINE, 60_000, effective_at=self.api.now())
            reply = client.receive(60)
            self.assertEqual(common.Error.FromString(reply.body).reason, "storage.busy")
            database.execute("ROLLBACK")

    def test_4_more_than_one_reply_can_hold(self):
        group = self.api.create_group(self.account).group_id
        with self.database("metering") as database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(instance_group)")]
            copied = ["'ag-' || printf('%016d', n)" if column == "group_id" else column for column in columns]
            database.execute(
                f"""
                WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < 4096)
                INSERT INTO instance_group ({', '.join(columns)}) SELECT {', '.join(copied)} FROM instance_group, copy
                WHERE group_id = ?
                """,
                [group])  # fmt: skip
        document = price_document(**{'ML: "0.0457"': 'ML: "0.0500"'})
        self.refuses(
            "resource.account_too_large", "4097 things", "price impact -", stdin=document, status=UNKNOWN)  # fmt: skip


class Starting(RefusalCase):
    """What keeps `billingd` from serving; `test_journeys.Starting` has the rest."""

    base_port = 8190

    def test_1_endpoints(self):
        for reason, says, endpoint in [
            ("server.endpoint_unusable", "No such file or directory", "ipc:///no/such/directory/socket"),
            ("call.endpoint_malformed", "'tcp://127.0.0.1:99999' is no endpoint", "tcp://127.0.0.1:99999"),
        ]:
            self.does_not_start(reason, says, "order", "--data", self.fresh(), "--bind", endpoint)

    def test_2_data(self):
        self.does_not_start("storage.cannot_open", "'/dev/null'", "order", "--data", "/dev/null")
        changed = self.data_of("order")
        with self.database(changed) as database:
            database.execute("UPDATE schema_migration SET fingerprint = fingerprint + 1")
        self.does_not_start("storage.changed_migration", str(changed), "order", "--data", changed)
        failing = self.data_of("order")
        with self.database(failing) as database:
            database.execute("DELETE FROM schema_migration WHERE owner = 'service'")
        self.does_not_start("storage.failed_migration", str(failing), "order", "--data", failing)

    def test_3_the_price_list(self):
        self.does_not_start(
            "price.catalog_unreadable", "name the file with --catalog", "pricing", "--data", self.fresh(), "--catalog",
            "/no/such/catalog.yaml")  # fmt: skip


if __name__ == "__main__":
    unittest.main()
