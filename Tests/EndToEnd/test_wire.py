"""What a client in another language sees, and what no bytes from a peer can do to a service."""

import random
import time
import unittest

from cluster import SERVICES, ClusterCase, Refused, common, gateway, metering, order, pricing

from billing_client import HEADER, method_id, records

FAILED_PRECONDITION, INVALID_ARGUMENT, UNIMPLEMENTED, DEADLINE_EXCEEDED = 9, 3, 12, 4


class Wire(ClusterCase):
    base_port = 7540

    def test_price_list_and_a_refusal_with_its_reason(self):
        prices = self.api.Prices.ListPrices(pricing.ListPricesRequest())
        small = next(one for one in prices.specifications if one.specification == "acp.basic.small")
        self.assertEqual(
            [(price.monthly_nanos, price.hourly_nanos) for price in small.prices],
            [(9_905_700_000, 45_700_000), (15_353_800_000, 70_900_000)],
        )
        refusal = self.refused(
            "price.unknown_specification", self.api.Prices.Quote,
            pricing.QuoteRequest(specification="acp.tiny", region="cn-hangzhou", instances=1))  # fmt: skip
        self.assertEqual((refusal.status, refusal.value), (INVALID_ARGUMENT, "acp.tiny"))

    def test_same_key_same_answer_and_another_body_is_refused(self):
        key = self.api.new_key()
        first = self.api.Accounts.OpenAccount(order.OpenAccountRequest(name="one"), key=key)
        second = self.api.Accounts.OpenAccount(order.OpenAccountRequest(name="one"), key=key)
        self.assertTrue(self.api.client.replayed)
        self.assertEqual(first.SerializeToString(), second.SerializeToString())
        refusal = self.refused(
            "call.key_reused", self.api.Accounts.OpenAccount, order.OpenAccountRequest(name="two"), key=key)  # fmt: skip
        self.assertEqual(refusal.status, FAILED_PRECONDITION)

    def test_a_write_needs_a_key(self):
        for key, reason in [("", "call.key_missing"), ("short", "call.key_malformed")]:
            with self.assertRaises(Refused) as caught:
                self.api.client.call("billing.gateway.v1.Accounts/OpenAccount", order.OpenAccountRequest(), key=key)
            self.assertEqual(caught.exception.reason, reason)

    def test_unknown_method_and_expired_deadline(self):
        client = self.api.client
        replies = self.raw(self.record(method=0x12345678))
        self.assertEqual([reply[0] for reply in replies], [UNIMPLEMENTED])
        replies = self.raw(self.record(budget=0))
        self.assertEqual([reply[0] for reply in replies], [DEADLINE_EXCEEDED])
        client.call("billing.common.v1.Health/Check", common.CheckRequest())

    def test_a_record_that_cannot_be_read_is_refused_if_it_can_be_told_which(self):
        good = self.record()
        for position, byte in [(2, 2), (66, 1)]:  # Another version, a reserved byte.
            with self.subTest(position=position):
                [(status, body)] = self.raw(good[:position] + bytes([byte]) + good[position + 1:])
                self.assertEqual((status, common.Error.FromString(body).reason), (INVALID_ARGUMENT, "call.malformed"))
        self.assertEqual([status for status, _ in self.raw(good)], [0])

    def test_strings_with_nul_or_bad_utf8(self):
        for name in [b"a\0b", b"\xff\xfe"]:
            body = b"\x0a" + bytes([len(name)]) + name
            key = self.api.new_key().encode()
            replies = self.raw(self.record("billing.gateway.v1.Accounts/OpenAccount", body, key))
            self.assertEqual(replies[0][0], INVALID_ARGUMENT)
            self.assertEqual(common.Error.FromString(replies[0][1]).field, "name")

    def test_one_message_may_hold_many_records(self):
        replies = self.raw(b"".join(self.record(call=number) for number in range(1, 51)), expected=50)
        self.assertEqual([status for status, _ in replies], [0] * 50)

    def test_garbage_leaves_every_service_up_and_is_counted(self):
        random.seed(1)
        valid = self.record("billing.gateway.v1.Accounts/OpenAccount", b"\x0a\x03abc", b"key-0123456789abcdef")
        hostile = [valid[:length] for length in range(len(valid))]
        hostile += [random.randbytes(random.randrange(1, 300)) for _ in range(200)]
        # A flipped bit may leave a valid call: then it is answered.
        hostile += [valid[:bit // 8] + bytes([valid[bit // 8] ^ 1 << bit % 8]) + valid[bit // 8 + 1:]
                    for bit in range(len(valid) * 8)]  # fmt: skip
        hostile += [b"\0" * 65_000, HEADER.pack(0xB111, 1, 1, 0, 0, 0, 1, 0xFFFFFFFF, 1, 0, 0, 0, 0, 9, 0, 0, 0, 0)]
        for name in SERVICES:
            with self.subTest(service=name), self.cluster.client(name) as peer:
                before = self.counters(name)
                for message in hostile:
                    peer.socket.send(message)
                peer.socket.send_multipart([b"two", b"frames"])
                big = self.cluster.client(name)
                big.socket.send(b"x" * (5 << 20))
                big.socket.close()
                until = time.monotonic() + 10
                while self.counters(name)["malformed"] < before["malformed"] + 200 and time.monotonic() < until:
                    time.sleep(0.05)
                self.assertGreaterEqual(self.counters(name)["malformed"], before["malformed"] + 200)
                self.assertIsNone(self.cluster.processes[name].poll())

    def test_oversize_message_is_refused_or_cut_off_and_others_are_served(self):
        with self.cluster.client() as peer:
            peer.socket.send(self.record(body=b"\x0a" + b"x" * 70_000))
            self.api.Prices.ListPrices(pricing.ListPricesRequest())

    def test_a_group_of_another_account_is_absent(self):
        owner, stranger = self.api.open(), self.api.open()
        group = self.api.create_group(owner)
        theirs = self.refused(
            "group.not_found", self.api.Groups.GetGroup, metering.GetGroupRequest(group_id=group.group_id),
            account=stranger)  # fmt: skip
        absent = self.refused(
            "group.not_found", self.api.Groups.GetGroup, metering.GetGroupRequest(group_id="ag-absent"),
            account=stranger)  # fmt: skip
        self.assertEqual(theirs.message.replace(group.group_id, "X"), absent.message.replace("ag-absent", "X"))
        self.refused(
            "group.not_found", self.api.Groups.ReleaseGroup, gateway.ReleaseGroupRequest(group_id=group.group_id),
            account=stranger)  # fmt: skip

    def test_killed_service_answers_again_with_what_it_acknowledged(self):
        account = self.api.open(12.5)
        self.cluster.restart("order")
        self.assertEqual(self.api.balance(account), 12_500_000)

    def test_processes_stop_on_sigterm(self):
        self.cluster.processes["refund"].terminate()
        self.assertEqual(self.cluster.processes["refund"].wait(timeout=10), 0)
        self.cluster.start("refund")
        self.cluster.wait_until_healthy(["refund"])

    def record(self, method="billing.gateway.v1.Prices/ListPrices", body=b"", key=b"", budget=5000, call=1):
        number = method if isinstance(method, int) else method_id(method)
        return HEADER.pack(0xB111, 1, 1, 0, 0, len(key), number, len(body), call, 0, 0, 0, 0, budget, 0, 0, 0, 0) + key + body  # fmt: skip

    def raw(self, message, expected=1):
        """Sends bytes as they are; the status and body of each reply."""
        replies, until = [], time.monotonic() + 30
        with self.cluster.client() as peer:
            peer.socket.send(message)
            while len(replies) < expected and time.monotonic() < until:
                if peer.socket.poll(100):
                    replies += [(reply.status, reply.body) for reply in records(peer.socket.recv())]
        return replies

    def counters(self, name):
        with self.cluster.client(name) as client:
            reply = client.call("billing.common.v1.Health/Check", common.CheckRequest())
        return {counter.name: counter.count for counter in reply.counters}


if __name__ == "__main__":
    unittest.main()
