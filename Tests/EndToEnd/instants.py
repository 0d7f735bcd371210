"""What two things at one instant do to each other, through the five processes: the earlier one in the list of domain 10 is
seen by the later one. The list: 1 earlier calls; 2 terms that end, coupons that start or expire, price versions that start;
3 slices; 4 settlement, month close, overdue found; 5 releases due; 6 auto-renewals; 7 order deadlines; 8 notices; 9 calls
stamped at it.

TABLE, which instants_early and instants_late fill, has a row for each pair of them: what must be seen, and a story that
looks. A story is a generator: it does something, and yields the next instant at which it has something to do or to look at.
It is given a test case, whose clock it does not move itself.
"""

import datetime

from cluster import HOUR, gateway, order
from test_rules import dollars

MINUTE = 60_000
ZONE = datetime.timezone(datetime.timedelta(hours=8))


def at(text):
    """An instant of 2026 in UTC+8, "07-11 00:00"."""
    return int(datetime.datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=ZONE).timestamp()) * 1000


START = at("06-10 08:00")
MONTH_END = at("07-01 00:00")
# Of a subscription bought at the start: its end, the first two attempts of auto-renewal, its release.
TERM_END = at("07-11 00:00")
ATTEMPT, SECOND_ATTEMPT = at("07-08 08:00"), at("07-10 08:00")
GONE = at("07-26 00:00")
# Prices of acp.std.medium alone: from here 20.00 a month and 0.1000 an hour, and half an hour later 0.2000 an hour.
PRICES, MORE_PRICES = ATTEMPT, ATTEMPT + HOUR // 2
DEARER = "acp.std.medium"

TABLE = {}


def pair(earlier, later, claim):
    """A row of the table; the claim of a pair that cannot meet says why."""

    def add(story):
        assert (earlier, later) not in TABLE, (earlier, later)
        TABLE[earlier, later] = claim, story
        return story

    return add


def place(t, account, specification="acp.basic.small"):
    request = gateway.PlaceNewOrderRequest(specification=specification, region="cn-hangzhou", instances=1, months=1)
    return t.api.Orders.PlaceNewOrder(request, account=account).order


def again(t, account, placed):
    """The order as it is now."""
    return t.api.Orders.GetOrder(order.GetOrderRequest(order_id=placed.order_id), account=account).order


def timed_out(t, account, placed):
    now = again(t, account, placed)
    return (now.cancellation_cause, now.cancelled_at) == (order.CANCELLATION_CAUSE_TIMED_OUT, placed.deadline_at)


def pending(t, account, group):
    """How many renewals a group has before it."""
    return len(t.api.group(account, group.group_id).pending_renewals)


def told(t, account, instant):
    """The kinds and amounts of the notices of an instant, in order."""
    found = [(kind, dollars(notice.amount_micros), notice.at) for kind, notice in zip(t.kinds(account), t.notices(account))]
    return [(kind, amount) for kind, amount, told_at in found if told_at == instant]


def lines(t, account):
    return [dollars(line.gross_micros) for line in t.api.bill(account).lines if not line.round_down_line]


def overdue_at(t, account, instant):
    """Goes on, in a story, until the account is found overdue at a top of the hour: it has 0.01 and uses 0.0457."""
    t.top_up(account, "0.01")
    yield instant - HOUR
    group = t.api.create_group(account)
    yield instant
    t.assertEqual(t.account(account).overdue_at, instant)
    t.assertEqual(dollars(t.account(account).outstanding_micros), "0.035700")
    return group
