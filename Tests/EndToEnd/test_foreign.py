"""The client in another language: when it sends a call again, and its example, run as the process that a reader would start."""

import re
import subprocess
import threading
import time
import unittest

import zmq
from cluster import REPOSITORY, Client, ClusterCase, OutcomeUnknown, Refused, gateway, metering, order, pricing

from billing_client import HEADER, RESOURCE_EXHAUSTED, UNAVAILABLE

FAILED_PRECONDITION, INTERNAL = 9, 13
READ = "billing.gateway.v1.Prices/ListPrices"
WRITE = "billing.gateway.v1.Accounts/OpenAccount"
KEY = "key-of-one-operation"


class Script:
    """A server that treats the requests it gets as the steps say, one each: silence, or (status, retry-after in ms)."""

    def __init__(self, *steps):
        self.steps, self.requests, self.instants = list(steps), [], []
        self.socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.linger = 0
        self.endpoint = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1', 8440, 8499)}"
        self.thread = threading.Thread(target=self.serve)
        self.ended = False

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()
        self.socket.close()

    def serve(self):
        while not self.ended:
            if not self.socket.poll(20):
                continue
            peer, request = self.socket.recv_multipart()
            self.requests.append(request)
            self.instants.append(time.monotonic())
            step = self.steps.pop(0) if self.steps else None
            if step is not None:
                method, call = HEADER.unpack_from(request)[6], HEADER.unpack_from(request)[8]
                reply = HEADER.pack(0xB111, 1, 2, 0, step[0], 0, method, 0, call, 0, 0, 0, 7, 0, step[1], 0, 0, 0)
                self.socket.send_multipart([peer, reply])

    def budgets(self):
        return [HEADER.unpack_from(request)[13] for request in self.requests]


class Repeats(unittest.TestCase):
    """What Proto/README.md says under "Deadlines and retries"."""

    def read(self, script, seconds=10.0):
        with Client(script.endpoint) as client:
            return client.call(READ, pricing.ListPricesRequest(), seconds=seconds)

    def write(self, script, key=KEY, seconds=10.0):
        with Client(script.endpoint) as client:
            return client.call(WRITE, order.OpenAccountRequest(name="one"), account="acct-1", key=key, seconds=seconds)

    def test_a_request_without_a_reply_is_sent_again_after_a_second_with_the_same_bytes_but_for_the_budget(self):
        with Script(None, (0, 0)) as script:
            self.write(script)
        self.assertEqual(len(script.requests), 2)
        self.assertGreater(script.instants[1] - script.instants[0], 0.95)
        self.assertLess(script.instants[1] - script.instants[0], 3)
        first, second = (request[:56] + request[60:] for request in script.requests)
        self.assertEqual(first, second)
        self.assertIn(KEY.encode(), first)
        self.assertLess(script.budgets()[1], script.budgets()[0] - 900)

    def test_what_was_not_executed_is_sent_again_after_retry_after(self):
        for status in [UNAVAILABLE, RESOURCE_EXHAUSTED]:
            with self.subTest(status=status), Script((status, 300), (status, 200), (0, 0)) as script:
                self.read(script)
                first, second, third = script.instants
                self.assertGreaterEqual(second - first, 0.3)
                self.assertGreaterEqual(third - second, 0.2)
                self.assertLess(third - first, 3)

    def test_a_refusal_stands(self):
        for status in [FAILED_PRECONDITION, INTERNAL, RESOURCE_EXHAUSTED]:
            with self.subTest(status=status), Script((status, 0)) as script:
                with self.assertRaises(Refused) as caught:
                    self.write(script)
                self.assertEqual((caught.exception.status, len(script.requests)), (status, 1))

    def test_a_write_without_a_key_is_sent_once(self):
        with Script(None) as script:
            with self.assertRaises(OutcomeUnknown):
                self.write(script, key="", seconds=1.5)
            self.assertEqual(len(script.requests), 1)
        with Script((UNAVAILABLE, 10)) as script:
            with self.assertRaises(Refused):
                self.write(script, key="")
            self.assertEqual(len(script.requests), 1)

    def test_nothing_is_sent_after_the_deadline(self):
        with Script(None, None, None, None) as script:
            started = time.monotonic()
            with self.assertRaises(OutcomeUnknown):
                self.read(script, seconds=1.5)
            self.assertGreater(time.monotonic() - started, 1.45)
            self.assertLess(time.monotonic() - started, 4)
            self.assertEqual(len(script.requests), 2)
            self.assertLessEqual(script.budgets()[1], 500)
        with Script((UNAVAILABLE, 30_000)) as script:
            started = time.monotonic()
            with self.assertRaises(Refused):
                self.read(script, seconds=10)
            self.assertLess(time.monotonic() - started, 4)

    def test_a_reply_to_an_earlier_call_is_passed_over(self):
        with Script((0, 0)) as script, Client(script.endpoint) as client:
            client.last_call += 1
            client.send(1, b"", "", "", 1000)
            while not script.requests:
                time.sleep(0.01)
            script.steps.append((FAILED_PRECONDITION, 0))
            with self.assertRaises(Refused):
                client.call(READ, pricing.ListPricesRequest())

    def test_nobody_there(self):
        with Client("tcp://127.0.0.1:8439") as client, self.assertRaises(Refused) as caught:
            client.call(WRITE, order.OpenAccountRequest(), key=KEY, seconds=0.3)
        self.assertEqual((caught.exception.reason, caught.exception.status), ("call.unreachable", UNAVAILABLE))


class Example:
    """switch_and_unsubscribe.py as a process; `told` is what it has printed so far."""

    def __init__(self, endpoint):
        program = REPOSITORY / "Tests" / "ForeignClient" / "switch_and_unsubscribe.py"
        self.told = ""
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-u", "-B", program, endpoint], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)  # fmt: skip

    def read_until(self, text):
        while text not in self.told:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"the program ended before it told '{text}':\n{self.told}")
            self.told += line

    def end(self):
        """What it told, and its status."""
        self.told += self.process.communicate(timeout=60)[0]
        return self.told, self.process.returncode


class ExampleCase(ClusterCase):
    """Whoever runs the phones takes its time, so the program has to wait until its group is active."""

    gateway_options = ("--provisioner", "external")

    def example_with_a_group_in_creation(self):
        example = Example(self.cluster.endpoint("gateway"))
        self.addCleanup(example.process.kill)
        example.read_until("is open")
        account = re.search(r"acct-\w+", example.told)[0]
        while not (groups := self.api.Groups.ListGroups(metering.ListGroupsRequest(), account=account).groups):
            self.assertIsNone(example.process.poll())
            time.sleep(0.02)
        return example, account, groups[0]

    def report(self, account, group, failed=False):
        self.api.Groups.ReportCreated(
            gateway.ReportCreatedRequest(group_id=group.group_id, failed=failed), account=account)  # fmt: skip

    def check(self, example, account, *told):
        story, status = example.end()
        self.assertEqual(status, 0, story)
        for text in [
            "refused, order.unpaid_orders", "refused, refund.partial", "refused, refund.token_malformed",
            "marked as replayed", "for 384.040000 USD", *told]:  # fmt: skip
            self.assertIn(text, story)
        # The same from outside: one order was paid, once, and one refund closed.
        orders = self.api.Orders.ListOrders(order.ListOrdersRequest(), account=account).orders
        self.assertEqual([one.status for one in orders], [order.ORDER_STATUS_PAID])
        self.assertEqual(self.api.balance(account), 1_000_000_000 - self.api.bill(account).total.payable_micros)
        self.assertEqual({key: value for key, value in self.api.audit().items() if value[1]}, {})


class ExampleOnManualClock(ExampleCase):
    base_port = 8400
    start = "2026-04-10T09:10:00+08:00"

    def test_three_hours_and_forty_days_while_the_gateway_is_killed(self):
        example, account, group = self.example_with_a_group_in_creation()
        self.cluster.restart("gateway", *self.gateway_options)
        self.report(account, group)
        self.check(
            example, account, "to 2026-10-11 00:00:00", "40 of 184 days", "300.550000 USD are back", "-0.007200",
            "The balance is 915.790000 USD")  # fmt: skip

    def test_what_is_not_as_it_should_be_ends_the_program_with_status_1(self):
        example, account, group = self.example_with_a_group_in_creation()
        self.report(account, group, failed=True)
        story, status = example.end()
        self.assertIn(f"not as it should be: {group.group_id} is not active", story)
        self.assertEqual(status, 1)


class ExampleOnRealClock(ExampleCase):
    base_port = 8410
    gateway_options = ("--clock", "real", *ExampleCase.gateway_options)

    def test_an_order_that_is_placed_while_the_order_service_is_down(self):
        example, account, group = self.example_with_a_group_in_creation()
        self.cluster.kill("order")
        self.report(account, group)
        example.read_until("is active")
        self.cluster.start("order")
        self.check(example, account, "1 of 18", "381.", "USD are back", "The balance is 997.")


if __name__ == "__main__":
    unittest.main()
