"""Every saga ends whole, exactly once, when any process is killed before or after any step (reliability 5)."""

import datetime
import signal
import time
import unittest

from cluster import DAY, HOUR, ClusterCase, OutcomeUnknown, common, gateway, metering, order, refund

from billing_client import method_id

# For each saga its steps, with the service that takes part; the steps of gateway alone have none.
SAGAS = {
    "pay-switch": [("lock", "metering"), ("pay", "order"), ("switch", "metering")],
    "pay-new": [("pay", "order"), ("create-group", "metering")],
    "creation-failed": [("report-created", "metering"), ("refund-in-full", "order"), ("note-refund", "refund")],
    "pay-renewal": [("lock", "metering"), ("pay", "order"), ("extend", "metering")],
    "release": [("release", "metering"), ("cancel-unpaid", "order")],
    "unsubscribe": [
        ("lock", "metering"), ("open-refund", "refund"), ("pay-refund", "refund"), ("post-refund", "order"),
        ("end", "metering"), ("cancel-unpaid", "order"), ("close-refund", "refund"),
    ],
    "cancel-renewal": [
        ("lock", "metering"), ("open-refund", "refund"), ("pay-refund", "refund"), ("post-refund", "order"),
        ("drop-renewal", "metering"), ("close-refund", "refund"),
    ],
    "top-up": [("post", "order"), ("resume", "metering")],
    "confirm-top-up": [("post", "order"), ("resume", "metering")],
    "grant-coupon": [("post", "order"), ("resume", "metering")],
    "adjust": [("post", "order"), ("resume", "metering")],
}  # fmt: skip

# Those that the clock starts.
DUE_SAGAS = {
    "auto-renew": [("lock", "metering"), ("auto-renew", "order"), ("extend", "metering")],
    "release-due": [("claim", "order"), ("release", "metering"), ("cancel-unpaid", "order")],
    "start-coupon": [("post", "order"), ("resume", "metering")],
    "resume": [("acknowledge", "order"), ("resume", "metering")],
}


def next_month(instant):
    """The first 00:00 of a month in UTC+8 that is after an instant."""
    local = datetime.datetime.fromtimestamp(instant / 1000, datetime.timezone(datetime.timedelta(hours=8)))
    first = local.replace(year=local.year + local.month // 12, month=local.month % 12 + 1, day=1, hour=0, minute=0,
                          second=0, microsecond=0)  # fmt: skip
    return int(first.timestamp()) * 1000


class Scenario:
    """An account of its own in which one call runs one saga; `check` says what must hold afterwards."""

    def __init__(self, test, saga):
        self.test, self.api, self.saga = test, test.api, saga
        self.account = self.api.open(1000)
        # Whether a repeat is answered from the record of its key.
        self.is_keyed = True
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
            kept = self.api.Refunds.ListRefunds(refund.ListRefundsRequest(), account=self.account).refunds
            self.test.assertEqual([(one.group_id, one.amount_micros, one.cause) for one in kept],
                                  [(paid.group.group_id, 9_910_000, "creation failed")])  # fmt: skip

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

    def subscribed(self, **options):
        """A group whose first month is paid and which came up."""
        placed = self.api.Orders.PlaceNewOrder(
            gateway.PlaceNewOrderRequest(
                specification="acp.basic.small", region="cn-hangzhou", instances=1, months=1, **options),
            account=self.account).order  # fmt: skip
        group = self.api.Orders.PayOrder(self.pay(placed.order_id), account=self.account).group
        self.api.Groups.ReportCreated(
            gateway.ReportCreatedRequest(group_id=group.group_id), account=self.account)  # fmt: skip
        return self.api.group(self.account, group.group_id)

    def renewal(self, group):
        return self.api.Orders.PlaceRenewalOrder(
            gateway.PlaceRenewalOrderRequest(group_id=group.group_id, months=3), account=self.account).order  # fmt: skip

    def prepare_pay_renewal(self):
        group = self.subscribed()
        placed = self.renewal(group)

        def check(reply):
            self.test.assertEqual(reply.order.status, order.ORDER_STATUS_PAID)
            self.test.assertEqual(self.api.balance(self.account), 1_000_000_000 - 9_910_000 - 29_720_000)
            now = self.api.group(self.account, group.group_id)
            self.test.assertEqual([term.order_id for term in now.pending_renewals], [placed.order_id])
            self.test.assertEqual(now.pending_renewals[0].start, group.term_end)
            self.test.assertEqual(now.paid_through, reply.order.term_end)
            self.test.assertEqual(now.locked_by, "")

        return "billing.gateway.v1.Orders/PayOrder", self.pay(placed.order_id), check

    def prepare_cancel_renewal(self):
        group = self.subscribed()
        placed = self.renewal(group)
        self.api.Orders.PayOrder(self.pay(placed.order_id), account=self.account)
        quote = self.api.Refunds.QuoteRenewalRefund(
            gateway.QuoteRefundRequest(group_id=group.group_id), account=self.account)  # fmt: skip

        def check(reply):
            self.test.assertEqual(reply.refund.amount_micros, 29_720_000)
            self.test.assertEqual(self.api.balance(self.account), 1_000_000_000 - 9_910_000)
            now = self.api.group(self.account, group.group_id)
            self.test.assertEqual(now.status, metering.GROUP_STATUS_ACTIVE)
            self.test.assertEqual(list(now.pending_renewals), [])
            self.test.assertEqual((now.paid_through, now.locked_by), (group.term_end, ""))
            refunds = self.api.Refunds.ListRefunds(refund.ListRefundsRequest(), account=self.account).refunds
            self.test.assertEqual([one.status for one in refunds], [refund.REFUND_STATUS_CLOSED])

        request = gateway.CancelRenewalRequest(group_id=group.group_id, token=quote.token)
        return "billing.gateway.v1.Groups/CancelRenewal", request, check

    def overdue(self, dollars=0.01):
        """A group whose account, with that balance, is found overdue at the next top of an hour."""
        self.account = self.api.open(dollars)
        group = self.api.create_group(self.account)
        self.api.advance(HOUR - self.api.now() % HOUR)
        found = self.api.group(self.account, group.group_id)
        if found.status == metering.GROUP_STATUS_ACTIVE:  # What was used before that hour cost too little.
            self.api.advance(HOUR)
            found = self.api.group(self.account, group.group_id)
        self.test.assertEqual(found.status, metering.GROUP_STATUS_OVERDUE)
        return found

    def recovered(self, group):
        """What holds after any way of paying the last debt."""

        def check(_):
            account = self.api.Accounts.GetAccount(order.GetAccountRequest(), account=self.account).account
            self.test.assertEqual((account.outstanding_micros, account.overdue, account.overdue_at), (0, False, 0))
            now = self.api.group(self.account, group.group_id)
            self.test.assertEqual((now.status, now.overdue_at), (metering.GROUP_STATUS_ACTIVE, 0))
            notices = self.api.Accounts.ListNotices(order.ListNoticesRequest(), account=self.account).notices
            kinds = [one.kind for one in notices]
            self.test.assertEqual(kinds.count(order.NOTICE_KIND_RECOVERED), 1)
            recovered = notices[kinds.index(order.NOTICE_KIND_RECOVERED)]
            self.test.assertEqual(now.anchor, recovered.at)

        return check

    def prepare_top_up(self):
        group = self.overdue()
        return "billing.gateway.v1.Accounts/TopUp", order.TopUpRequest(amount_micros=10_000_000), self.recovered(group)

    def prepare_confirm_top_up(self):
        group = self.overdue()
        reference = "top-up-" + self.account
        self.api.Accounts.TopUp(
            order.TopUpRequest(amount_micros=10_000_000, reference=reference), account=self.account)  # fmt: skip
        request = order.ConfirmPaymentRequest(reference=reference)
        return "billing.gateway.v1.Payments/ConfirmPayment", request, self.recovered(group)

    def prepare_grant_coupon(self):
        group = self.overdue()
        request = order.GrantCouponRequest(amount_micros=10_000_000, expires_at=self.api.now() + 30 * DAY, name="sorry")
        return "billing.gateway.v1.Accounts/GrantCoupon", request, self.recovered(group)

    def prepare_adjust(self):
        group = self.overdue()
        request = order.AdjustRequest(amount_micros=-10_000_000, reason="sorry")
        return "billing.gateway.v1.Accounts/Adjust", request, self.recovered(group)

    def clock_to(self, target):
        """The call that moves the clock there, where a saga is due."""
        self.is_keyed = False
        request = gateway.AdvanceClockRequest(to=target, wait_milliseconds=4000)
        return "billing.gateway.v1.Operations/AdvanceClock", request

    def arrived(self, clock, target):
        """The clock is there and the work of that instant is done."""
        until = time.monotonic() + 60
        while clock.now < target or clock.problem:
            self.test.assertLess(time.monotonic(), until, f"{self.saga}: {clock.problem}")
            request = gateway.AdvanceClockRequest(to=target, wait_milliseconds=4000)
            clock = self.api.Operations.AdvanceClock(request)

    def prepare_auto_renew(self):
        group = self.subscribed(auto_renewal=True)
        self.test.assertGreater(group.renewal_attempt_at, self.api.now())

        def check(clock):
            self.arrived(clock, group.renewal_attempt_at)
            self.test.assertEqual(self.api.balance(self.account), 1_000_000_000 - 2 * 9_910_000)
            orders = self.api.Orders.ListOrders(order.ListOrdersRequest(), account=self.account).orders
            self.test.assertEqual(sorted((one.status, one.automatic) for one in orders),
                                  [(order.ORDER_STATUS_PAID, False), (order.ORDER_STATUS_PAID, True)])  # fmt: skip
            now = self.api.group(self.account, group.group_id)
            self.test.assertEqual(len(now.pending_renewals), 1)
            self.test.assertEqual(now.locked_by, "")
            # The next month's attempt is not for another scenario to meet.
            self.api.Groups.SetAutoRenewal(
                metering.SetAutoRenewalRequest(group_id=group.group_id), account=self.account)  # fmt: skip

        return *self.clock_to(group.renewal_attempt_at), check

    def prepare_release_due(self):
        group = self.overdue()

        def check(clock):
            self.arrived(clock, group.release_at)
            now = self.api.group(self.account, group.group_id)
            self.test.assertEqual((now.status, now.release_cause, now.released_at),
                                  (metering.GROUP_STATUS_RELEASED, metering.RELEASE_CAUSE_OVERDUE, group.release_at))  # fmt: skip
            notices = self.api.Accounts.ListNotices(order.ListNoticesRequest(), account=self.account).notices
            self.test.assertEqual([(one.at, one.group_id) for one in notices if one.kind == order.NOTICE_KIND_RELEASED],
                                  [(group.release_at, group.group_id)])  # fmt: skip

        return *self.clock_to(group.release_at), check

    def prepare_start_coupon(self):
        group = self.overdue()
        start = self.api.now() + HOUR // 2
        self.api.Accounts.GrantCoupon(
            order.GrantCouponRequest(amount_micros=10_000_000, effective_at=start, expires_at=start + 30 * DAY),
            account=self.account)  # fmt: skip
        recovered = self.recovered(group)

        def check(clock):
            self.arrived(clock, start)
            recovered(clock)
            self.test.assertEqual(self.api.group(self.account, group.group_id).anchor, start)
            # Nothing is left for another scenario to meet.
            self.api.Groups.ReleaseGroup(
                gateway.ReleaseGroupRequest(group_id=group.group_id), account=self.account)  # fmt: skip

        return *self.clock_to(start), check

    def prepare_resume(self):
        """Of an hour for 0.045700 all but 0.005699 is paid; the round-down of the month, 0.005700, pays the rest."""
        close = next_month(self.api.now())
        if close - self.api.now() < 2 * HOUR:
            close = next_month(close + HOUR)
        # Later than 15 days before the end of the month, or it would be released before that.
        late = close - 10 * DAY - self.api.now()
        self.api.advance(late if late > 0 else HOUR - self.api.now() % HOUR)
        group = self.overdue(0.040001)
        recovered = self.recovered(group)

        def check(clock):
            self.arrived(clock, close)
            recovered(clock)
            # Nothing is left for another scenario to meet.
            self.api.Groups.ReleaseGroup(
                gateway.ReleaseGroupRequest(group_id=group.group_id), account=self.account)  # fmt: skip

        return *self.clock_to(close), check

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


class KillCase(ClusterCase):
    """Scenarios in which one process dies at one point of one saga."""

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
            if scenario.is_keyed:
                repeated = scenario.call_again()
                self.assertTrue(self.api.client.replayed)
                scenario.check(repeated)

    def kill_gateway_around(self, sagas):
        for saga, steps in sagas.items():
            for step, _ in steps:
                if step == "post-refund":
                    continue  # The refund service sends it.
                for point in ["before", "replied", "after"]:
                    self.kill_at(saga, step, "gateway", point)

    def kill_participants_around(self, sagas):
        for saga, steps in sagas.items():
            for step, service in steps:
                for point in ["before", "after"]:
                    self.kill_at(saga, step, service, point)

    def nothing_is_left_over(self):
        sagas = self.api.Operations.ListSagas(
            gateway.ListSagasRequest(statuses=[gateway.SAGA_STATUS_RUNNING, gateway.SAGA_STATUS_UNDOING,
                                               gateway.SAGA_STATUS_PARKED])).sagas  # fmt: skip
        self.assertEqual(list(sagas), [])
        self.api.advance(2 * DAY)
        self.assertEqual({key: value for key, value in self.api.audit().items() if value[1]}, {})


class KilledSagas(KillCase):
    base_port = 7520

    def test_gateway_is_killed_around_every_step(self):
        self.kill_gateway_around(SAGAS)

    def test_participants_are_killed_around_every_step(self):
        self.kill_participants_around(SAGAS)

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
        self.nothing_is_left_over()


class KilledDueSagas(KillCase):
    """A cluster of its own: the clock goes on by months, and nothing else is cut on the way."""

    base_port = 7840

    def test_gateway_is_killed_around_every_step(self):
        self.kill_gateway_around(DUE_SAGAS)

    def test_participants_are_killed_around_every_step(self):
        self.kill_participants_around(DUE_SAGAS)

    def test_zzz_nothing_is_left_over(self):
        self.nothing_is_left_over()


if __name__ == "__main__":
    unittest.main()
