"""Every saga ends whole, exactly once, when any process is killed before or after any step (reliability 5)."""

import signal
import time
import unittest

from cluster import DAY, ClusterCase, OutcomeUnknown, common, gateway, metering, order, refund

from billing_client import method_id

# For each saga its steps, with the service that takes part; the steps of gateway alone have none.
SAGAS = {
    "pay-switch": [("lock", "metering"), ("pay", "order"), ("switch", "metering")],
    "pay-new": [("pay", "order"), ("create-group", "metering")],
    "creation-failed": [("report-created", "metering"), ("refund-in-full", "order")],
    "release": [("release", "metering"), ("cancel-unpaid", "order")],
    "unsubscribe": [
        ("lock", "metering"), ("open-refund", "refund"), ("pay-refund", "refund"), ("post-refund", "order"),
        ("end", "metering"), ("close-refund", "refund"),
    ],
}  # fmt: skip


class Scenario:
    """An account of its own in which one call runs one saga; `check` says what must hold afterwards."""

    def __init__(self, test, saga):
        self.test, self.api, self.saga = test, test.api, saga
        self.account = self.api.open(1000)
        self.key = self.api.new_key()
        self.method, self.request, self.check = getattr(self, "prepare_" + saga.replace("-", "_"))()

    def subscribe(self, external=False):
        """A paid order for one acp.basic.small for a month, 9.91."""
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(
                specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1),
            account=self.account).order  # fmt: skip
        return placed

    def pay(self, order_id):
        return gateway.PayOrderRequest(order_id=order_id, payment_method=order.PAYMENT_METHOD_BALANCE)

    def order(self, order_id):
        return self.api.Orders.GetOrder(order.GetOrderRequest(order_id=order_id), account=self.account).order

    def prepare_pay_switch(self):
        group = self.api.create_group(self.account)
        placed = self.api.Orders.PlaceSwitchOrder(
            gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1), account=self.account).order  # fmt: skip

        def check(reply):
            self.test.assertEqual(reply.order.status, order.ORDER_STATUS_PAID)
            self.test.assertEqual(self.api.balance(self.account), 1_000_000_000 - 9_910_000)
            now = self.api.group(self.account, group.group_id)
            self.test.assertEqual(now.billing_method, common.BILLING_METHOD_SUBSCRIPTION)
            self.test.assertEqual(now.term_start, reply.order.term_start)
            self.test.assertEqual(now.locked_by, "")

        return "billing.gateway.v1.Orders/PayOrder", self.pay(placed.order_id), check

    def prepare_pay_new(self):
        placed = self.subscribe()

        def check(reply):
            self.test.assertEqual(reply.order.status, order.ORDER_STATUS_PAID)
            self.test.assertEqual(self.api.balance(self.account), 1_000_000_000 - 9_910_000)
            groups = self.api.Groups.ListGroups(metering.ListGroupsRequest(), account=self.account).groups
            self.test.assertEqual([(group.group_id, group.order_id) for group in groups],
                                  [(reply.group.group_id, placed.order_id)])  # fmt: skip

        return "billing.gateway.v1.Orders/PayOrder", self.pay(placed.order_id), check

    def prepare_creation_failed(self):
        placed = self.subscribe()
        paid = self.api.Orders.PayOrder(self.pay(placed.order_id), account=self.account)
        self.test.assertEqual(paid.group.status, metering.GROUP_STATUS_CREATING)

        def check(reply):
            self.test.assertEqual(reply.group.status, metering.GROUP_STATUS_RELEASED)
            self.test.assertEqual(self.api.balance(self.account), 1_000_000_000)
            self.test.assertEqual(self.order(placed.order_id).refunded_micros, 9_910_000)

        request = gateway.ReportCreatedRequest(group_id=paid.group.group_id, failed=True)
        return "billing.gateway.v1.Groups/ReportCreated", request, check

    def prepare_release(self):
        group = self.api.create_group(self.account)
        placed = self.api.Orders.PlaceSwitchOrder(
            gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1), account=self.account).order  # fmt: skip

        def check(reply):
            self.test.assertEqual(reply.group.status, metering.GROUP_STATUS_RELEASED)
            self.test.assertEqual(self.order(placed.order_id).status, order.ORDER_STATUS_CANCELLED)

        return "billing.gateway.v1.Groups/ReleaseGroup", gateway.ReleaseGroupRequest(group_id=group.group_id), check

    def prepare_unsubscribe(self):
        placed = self.subscribe()
        group = self.api.Orders.PayOrder(self.pay(placed.order_id), account=self.account).group
        self.api.Groups.ReportCreated(
            gateway.ReportCreatedRequest(group_id=group.group_id), account=self.account)  # fmt: skip
        quote = self.api.Refunds.QuoteRefund(
            gateway.QuoteRefundRequest(group_id=group.group_id), account=self.account)  # fmt: skip

        def check(reply):
            self.test.assertEqual(reply.refund.amount_micros, quote.amount_micros)
            self.test.assertEqual(self.api.balance(self.account), 1_000_000_000 - 9_910_000 + quote.amount_micros)
            self.test.assertEqual(reply.group.status, metering.GROUP_STATUS_RELEASED)
            refunds = self.api.Refunds.ListRefunds(refund.ListRefundsRequest(), account=self.account).refunds
            self.test.assertEqual([one.status for one in refunds], [refund.REFUND_STATUS_CLOSED])

        request = gateway.UnsubscribeRequest(group_id=group.group_id, token=quote.token)
        return "billing.gateway.v1.Groups/Unsubscribe", request, check

    def send(self):
        """Sends the call and does not wait."""
        client = self.api.client
        client.last_call += 1
        client.send(method_id(self.method), self.request.SerializeToString(), self.account, self.key, 8000)

    def call_again(self):
        """The same call with the same key, until its outcome is known."""
        until = time.monotonic() + 30
        while True:
            try:
                return self.api.client.call(self.method, self.request, self.account, self.key, seconds=5)
            except OutcomeUnknown:
                self.test.assertLess(time.monotonic(), until, f"{self.saga} never ended")


class KilledSagas(ClusterCase):
    base_port = 7520

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Paid groups wait for the report of their creation, so that it can fail.
        cls.cluster.restart("gateway", "--provisioner", "external")

    def kill_at(self, saga, step, service, point):
        with self.subTest(saga=saga, step=step, killed=service, point=point):
            scenario = Scenario(self, saga)
            options = ["--provisioner", "external"] if service == "gateway" else []
            manual = [] if service == "gateway" else ["--manual-clock"]
            try:
                self.cluster.restart(service, *options, *manual, "--crash-after", f"{saga}.{step}.{point}")
                scenario.send()
                self.assertEqual(self.cluster.processes[service].wait(timeout=20), -signal.SIGKILL)
            finally:
                self.cluster.restart(service, *options)
            scenario.check(scenario.call_again())
            repeated = scenario.call_again()
            self.assertTrue(self.api.client.replayed)
            scenario.check(repeated)

    def test_gateway_is_killed_around_every_step(self):
        for saga, steps in SAGAS.items():
            for step, _ in steps:
                if step == "post-refund":
                    continue  # The refund service sends it.
                for point in ["before", "replied", "after"]:
                    self.kill_at(saga, step, "gateway", point)

    def test_participants_are_killed_around_every_step(self):
        for saga, steps in SAGAS.items():
            for step, service in steps:
                for point in ["before", "after"]:
                    self.kill_at(saga, step, service, point)

    def test_online_payment_is_never_left_without_a_saga(self):
        scenario = Scenario(self, "pay-new")
        order_id = scenario.request.order_id
        online = gateway.PayOrderRequest(
            order_id=order_id, payment_method=order.PAYMENT_METHOD_ONLINE, reference="online-" + order_id)  # fmt: skip
        key = self.api.new_key()
        self.api.Orders.PayOrder(online, account=scenario.account, key=key)
        self.refused("call.key_reused", self.api.Orders.PayOrder, scenario.request, account=scenario.account, key=key)
        # The balance pays, and the saga waits for metering, when the online money comes.
        self.cluster.kill("metering")
        scenario.send()
        confirm = order.ConfirmPaymentRequest(reference=online.reference)
        while self.api.balance(scenario.account) == 1_000_000_000:
            time.sleep(0.01)
        self.refused("group.locked", self.api.Payments.ConfirmPayment, confirm)
        self.cluster.restart("metering")
        scenario.check(scenario.call_again())
        late = self.api.Payments.ConfirmPayment(confirm)
        self.assertEqual(late.payment.status, order.PAYMENT_STATUS_RETURNED)
        self.assertIn("paid", late.returned_because)
        self.refused("payment.not_pending", self.api.Payments.ConfirmPayment, confirm)

    def test_zzz_nothing_is_left_over(self):
        sagas = self.api.Operations.ListSagas(
            gateway.ListSagasRequest(statuses=[gateway.SAGA_STATUS_RUNNING, gateway.SAGA_STATUS_UNDOING,
                                               gateway.SAGA_STATUS_PARKED])).sagas  # fmt: skip
        self.assertEqual(list(sagas), [])
        self.api.advance(2 * DAY)
        self.assertEqual({key: value for key, value in self.api.audit().items() if value[1]}, {})


if __name__ == "__main__":
    unittest.main()
