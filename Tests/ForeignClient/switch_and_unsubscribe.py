"""From pay-as-you-go to a subscription, and back out of it, by a program in another language through the gateway.

    /usr/bin/python3 Tests/ForeignClient/switch_and_unsubscribe.py [ENDPOINT]

On a manual clock it lets time pass, so that there is something to bill. It ends with status 1 when something is not as it
should be.
"""

import datetime
import sys
import time

from billing_client import MESSAGES, Client, OutcomeUnknown, Refused, new_key

common, metering, order, gateway = (MESSAGES[name] for name in ["common", "metering", "order", "gateway"])
HOUR = 3_600_000
BEIJING = datetime.timezone(datetime.timedelta(hours=8))


def dollars(micros):
    return f"{micros / 1_000_000:.6f}"


def instant(milliseconds):
    return datetime.datetime.fromtimestamp(milliseconds / 1000, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def insist(holds, what):
    if not holds:
        sys.exit(f"This is not as it should be: {what}.")


class Story:
    """One account's calls, each told in a line."""

    def __init__(self, client):
        self.client, self.account = client, ""
        # One key a purpose, made before its call is sent. A program that may die in between keeps them on its disk.
        self.keys = {}

    def ask(self, method, request, key="", seconds=10.0):
        return self.client.call(f"billing.gateway.v1.{method}", request, self.account, key, seconds)

    def write(self, purpose, method, request):
        return self.ask(method, request, self.keys.setdefault(purpose, new_key()))

    def refused(self, reason, method, request):
        try:
            self.ask(method, request, new_key())
        except Refused as refusal:
            insist(refusal.reason == reason, f"{method} was refused as {refusal}, not as {reason}")
            print(f"  refused, {refusal.reason}: {refusal.message}")
        else:
            insist(False, f"{method} was not refused as {reason}")

    def let_pass(self, hours):
        clock = self.ask("Operations/ShowClock", gateway.ShowClockRequest())
        target = clock.now + hours * HOUR
        while clock.mode == gateway.CLOCK_MODE_MANUAL and clock.now < target:
            request = gateway.AdvanceClockRequest(to=target, wait_milliseconds=5000)
            clock = self.ask("Operations/AdvanceClock", request, seconds=30.0)
            insist(not clock.problem, f"the clock stands at {instant(clock.now)}: {clock.problem}")
        if clock.mode == gateway.CLOCK_MODE_MANUAL:
            print(f"  the manual clock moves by {hours} h, to {instant(clock.now)}")

    def open(self, amount):
        opened = self.write("open", "Accounts/OpenAccount", order.OpenAccountRequest(name="Foreign Phones"))
        self.account = opened.account.account_id
        account = self.write("top up", "Accounts/TopUp", order.TopUpRequest(amount_micros=amount)).account
        insist(account.balance_micros == amount, f"the balance is {dollars(account.balance_micros)}")
        print(f"Account {self.account} is open, with {dollars(amount)} USD.")

    def create(self):
        request = gateway.CreateGroupRequest(specification="acp.std.large", region="cn-hangzhou", instances=3)
        group = self.write("create", "Groups/CreateGroup", request).group
        until = time.monotonic() + 60
        while group.status == metering.GROUP_STATUS_CREATING and time.monotonic() < until:
            time.sleep(0.2)
            group = self.ask("Groups/GetGroup", metering.GetGroupRequest(group_id=group.group_id)).group
        insist(group.status == metering.GROUP_STATUS_ACTIVE, f"{group.group_id} is not active")
        print(f"Group {group.group_id} of {group.instances} x {group.specification} is active since "
              f"{instant(group.created_at)} and billed by the hour.")  # fmt: skip
        return group.group_id

    def switch(self, group_id):
        switch = gateway.PlaceSwitchOrderRequest(group_id=group_id, months=6)
        placed = self.write("switch", "Orders/PlaceSwitchOrder", switch).order
        print(f"Order {placed.order_id}: a subscription of 6 months for {dollars(placed.total_micros)} USD. A second order:")
        self.refused("order.unpaid_orders", "Orders/PlaceSwitchOrder", switch)
        payment = gateway.PayOrderRequest(order_id=placed.order_id, payment_method=order.PAYMENT_METHOD_BALANCE)
        paid = self.write("pay", "Orders/PayOrder", payment)
        insist(paid.group.billing_method == common.BILLING_METHOD_SUBSCRIPTION, "the group is no subscription")
        print(f"Paid. The group is a subscription from {instant(paid.group.term_start)} to {instant(paid.group.term_end)}.")
        again = self.write("pay", "Orders/PayOrder", payment)
        insist(self.client.replayed and again == paid, "the repeat was executed or answered otherwise")
        print("The same call with the same key: the same answer, marked as replayed. Nothing is paid twice.")

    def unsubscribe(self, group_id):
        quote = self.ask("Refunds/QuoteRefund", gateway.QuoteRefundRequest(group_id=group_id))
        used, term = quote.orders[0].used_days, quote.orders[0].term_days
        print(f"Unsubscribing gives back {dollars(quote.amount_micros)} USD: {used} of {term} days are used. "
              "One phone alone, and without the quote's token:")  # fmt: skip
        whole = gateway.UnsubscribeRequest(group_id=group_id, token=quote.token)
        part = gateway.UnsubscribeRequest(group_id=group_id, token=quote.token, quantity=1)
        wrong = gateway.UnsubscribeRequest(group_id=group_id, token="yes")
        self.refused("refund.partial", "Groups/Unsubscribe", part)
        self.refused("refund.token_malformed", "Groups/Unsubscribe", wrong)
        done = self.write("unsubscribe", "Groups/Unsubscribe", whole)
        insist(done.refund.amount_micros == quote.amount_micros, "another amount came back than the quote said")
        insist(done.group.status == metering.GROUP_STATUS_RELEASED, "the group is not released")
        print(f"The whole group, with it: {dollars(done.refund.amount_micros)} USD are back, by {done.refund.refund_id}.")

    def show_bill(self, topped_up):
        request = order.ListBillRequest(period=order.STATISTICAL_PERIOD_DETAILS, limit=200)
        bill = self.ask("Bills/ListBill", request)
        print("The bill:")
        for line in bill.lines:
            kind = order.ItemKind.Name(line.item_kind).removeprefix("ITEM_KIND_").replace("_", " ").lower()
            kind = "round-down" if line.round_down_line else kind
            print(f"  {kind:19} {instant(line.usage_start)} to {instant(line.usage_end)} {dollars(line.payable_micros):>13}")
        account = self.ask("Accounts/GetAccount", order.GetAccountRequest()).account
        print(f"  {'total':62} {dollars(bill.total.payable_micros):>13}")
        insist(bill.total.payable_micros == sum(line.payable_micros for line in bill.lines), "the lines do not add up")
        insist(account.balance_micros == topped_up - bill.total.payable_micros, "balance and bill differ")
        print(f"The balance is {dollars(account.balance_micros)} USD: what was topped up, less the bill.")


def tell(story):
    story.open(amount=1_000_000_000)
    group_id = story.create()
    story.let_pass(hours=3)
    story.switch(group_id)
    story.let_pass(hours=40 * 24)
    story.unsubscribe(group_id)
    story.show_bill(topped_up=1_000_000_000)


if __name__ == "__main__":
    with Client(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:7414") as client:
        try:
            tell(Story(client))
        except (Refused, OutcomeUnknown) as problem:
            sys.exit(f"This is not as it should be: {problem}")
