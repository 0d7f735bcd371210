"""Well-formed calls with values that nobody should send: every method of every service answers, and nothing is broken."""

import random
import unittest

from cluster import (DAY, HOUR, MESSAGES, SERVICES, ClusterCase, OutcomeUnknown, Refused, gateway, metering,
                     order)  # fmt: skip

from google.protobuf.descriptor import FieldDescriptor as Field

SEED = 20261127
CALLS = 36  # Of each method.
INT64 = [0, 1, -1, 2, 999_999, 10**6, 10**9, 10**15, 2**63 - 1, -(2**63), 2**62, 253_402_300_799_999, 253_402_300_800_000]
UINT32 = [0, 1, 2, 3, 12, 36, 100, 255, 1024, 4095, 2**31 - 1, 2**31, 2**32 - 1]
TEXTS = ["", "x", "-", "0", "=1+1", "ag-1", "acct-1", "\u00fc" * 30, "a" * 300, "2026-01", "9999-12", "0000-00", "1/2/3", "\n",
         "cn-hangzhou", "ap-southeast-1", "acp.basic.small", "acp.std.large", "nat-gateway", "eip", "oss", "5000"]  # fmt: skip


class Values:
    """Random requests: real ids among wrong ones, and numbers at the edges of their types."""

    def __init__(self, seed, known, now):
        self.random, self.known, self.now = random.Random(seed), known, now

    def request(self, descriptor, depth=0):
        message = getattr(MESSAGES[descriptor.full_name.split(".")[1]], descriptor.name)()
        for field in descriptor.fields:
            if self.random.random() < 0.15:
                continue
            if field.label == Field.LABEL_REPEATED:
                for _ in range(self.random.choice([0, 1, 1, 2, 3])):
                    if field.type == Field.TYPE_MESSAGE:
                        if depth < 4:
                            getattr(message, field.name).add().CopyFrom(self.request(field.message_type, depth + 1))
                    else:
                        getattr(message, field.name).append(self.value(field))
            elif field.type == Field.TYPE_MESSAGE:
                if depth < 4:
                    getattr(message, field.name).CopyFrom(self.request(field.message_type, depth + 1))
            else:
                setattr(message, field.name, self.value(field))
        return message

    def value(self, field):
        draw = self.random
        if field.type == Field.TYPE_BOOL:
            return draw.random() < 0.5
        if field.type == Field.TYPE_ENUM:
            return draw.choice([*(value.number for value in field.enum_type.values), 99])
        if field.type == Field.TYPE_STRING:
            fitting = [text for text in self.known if field.name.split("_")[0][:2] == text[:2]]
            return draw.choice(TEXTS) if draw.random() < 0.4 else draw.choice(fitting or self.known)
        if field.type == Field.TYPE_BYTES:
            return draw.randbytes(draw.choice([0, 1, 8, 40]))
        if field.type in (Field.TYPE_INT64, Field.TYPE_SINT64, Field.TYPE_SFIXED64):
            return draw.choice(INT64) if draw.random() < 0.5 else self.instant()
        if field.type in (Field.TYPE_UINT64, Field.TYPE_FIXED64):
            return draw.choice([0, 1, 2, 2**32, 2**63, 2**64 - 1])
        if field.type in (Field.TYPE_UINT32, Field.TYPE_FIXED32):
            return draw.choice(UINT32)
        return draw.choice([0, 1, -1, 2**31 - 1, -(2**31)])

    def instant(self):
        """Now or near it, at the top of an hour or a millisecond beside."""
        at = self.now - self.now % HOUR + self.random.choice([-40 * DAY, -DAY, -HOUR, 0, HOUR, DAY, 400 * DAY])
        return at + self.random.choice([-1, 0, 0, 0, 1])


class HostileValues(ClusterCase):
    base_port = 7800

    def test_1_through_the_gateway_every_account_stays_whole(self):
        known = self.world()
        # The clock goes on all the while, though not to the year 9999.
        for turn in range(6):
            self.ask("gateway", Values(SEED + turn, known, self.api.now()), CALLS // 6)
            self.api.advance(7 * HOUR)
        self.api.advance(40 * DAY)
        findings = self.api.audit()
        self.assertEqual([], [(name, found[2]) for name, found in findings.items() if found[1]])
        self.assertGreater(findings["M1"][0], 10)

    def test_2_behind_the_gateway_every_service_goes_on(self):
        known = self.world()
        for service in ["pricing", "metering", "order", "refund"]:
            self.ask(service, Values(SEED, known, self.api.now()), CALLS)

    def world(self):
        """An account with a little of everything, another with little, and the ids of it all."""
        api, known = self.api, []
        for _ in range(2):
            account = api.open(5000)
            groups = [
                api.Groups.CreateGroup(
                    gateway.CreateGroupRequest(
                        specification="acp.basic.small", region="cn-hangzhou", instances=size, network="lab",
                        provisioner=metering.PROVISIONER_IMMEDIATE),
                    account=account).group
                for size in (1, 3, 2)]  # fmt: skip
            coupon = api.Accounts.GrantCoupon(
                order.GrantCouponRequest(amount_micros=5_000_000, expires_at=api.now() + 90 * DAY), account=account)  # fmt: skip
            switch = api.Orders.PlaceSwitchOrder(
                gateway.PlaceSwitchOrderRequest(group_id=groups[0].group_id, months=1), account=account).order  # fmt: skip
            api.Orders.PayOrder(
                gateway.PayOrderRequest(order_id=switch.order_id, payment_method=order.PAYMENT_METHOD_BALANCE),
                account=account)  # fmt: skip
            unpaid = api.Orders.PlaceSwitchOrder(
                gateway.PlaceSwitchOrderRequest(group_id=groups[1].group_id, months=2), account=account).order  # fmt: skip
            payment = api.Orders.PayOrder(
                gateway.PayOrderRequest(
                    order_id=unpaid.order_id, payment_method=order.PAYMENT_METHOD_ONLINE, reference=f"bank {account}"),
                account=account).payment  # fmt: skip
            resources = api.Resources.EnableInternet(
                metering.EnableInternetRequest(network="lab", region="cn-hangzhou"), account=account).resources  # fmt: skip
            known += [
                account, *(group.group_id for group in groups), coupon.coupon.coupon_id, switch.order_id,
                unpaid.order_id, payment.payment_id, *(resource.resource_id for resource in resources)]  # fmt: skip
        return known

    def ask(self, service, values, count):
        answered = 0
        with self.cluster.client(service) as client:
            for package in (service, "common"):
                for name, descriptor in MESSAGES[package].DESCRIPTOR.services_by_name.items():
                    for method in descriptor.methods:
                        full = f"billing.{package}.v1.{name}/{method.name}"
                        if full.endswith("Operations/AdvanceClock"):
                            continue
                        for _ in range(count):
                            answered += self.one(client, service, full, method, values)
        self.assertGreater(answered, 0, "all calls were refused: nothing was tried")

    def one(self, client, service, name, method, values):
        draw = values.random
        request = values.request(method.input_type)
        account = draw.choice([*(text for text in values.known if text.startswith("acct-")), "", "acct-absent"])
        options = {"effective_at": 0, "epoch": 0}
        if service != "gateway":
            options = {"effective_at": draw.choice([0, 1, values.now, values.now, values.instant(), 253_402_300_799_999]),
                       "epoch": draw.choice([0, 1, 7, 2**63 - 1, 2**64 - 1])}  # fmt: skip
        where = f"{name} of {account!r} {options} with\n{request}"
        try:
            client.call(name, request, account, self.api.new_key(), 8.0, **options)
            return 1
        except Refused as refusal:
            self.assertNotIn(refusal.reason, ["", "call.internal"], f"{where}\n{refusal}")
            return 0
        except OutcomeUnknown as silence:
            for each in SERVICES:
                self.assertIsNone(
                    self.cluster.processes[each].poll(), f"{each} died of {where}\n{self.cluster.log(each)[-1500:]}")
            self.assertIn("deadline", str(silence), where)
            return 0


if __name__ == "__main__":
    unittest.main()
