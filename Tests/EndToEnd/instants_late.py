"""The rows of the table for the cut of an instant and what follows it: 3 to 9."""

from cluster import DAY, HOUR, common, gateway, metering, order
from instants import (
    ATTEMPT, GONE, MONTH_END, SECOND_ATTEMPT, START, again, lines, overdue_at, pair, pending, place, timed_out, told)  # fmt: skip
from test_rules import dollars


@pair(3, 4, "A cut settles the slice up to it")
def _(t):
    account = t.api.open(0.0457)
    group = t.api.create_group(account)
    yield START + HOUR
    t.assertEqual((t.api.balance(account), t.account(account).overdue, lines(t, account)), (0, False, ["0.045700"]))
    t.release(account, group.group_id)


@pair(3, 5, "A release is told with what the slices up to it left outstanding")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account).group
    using = yield from overdue_at(t, account, GONE)
    t.assertEqual(t.status(account, group), "released")
    t.assertEqual(
        told(t, account, GONE), [("low_balance", "0.000000"), ("overdue", "0.035700"), ("released", "0.035700")])
    [line] = t.api.bill(account, group_id=using.group_id).lines
    t.assertEqual((line.usage_start, line.usage_end), (GONE - HOUR, GONE))


@pair(3, 6, "The slice up to an attempt of auto-renewal is paid before it")
def _(t):
    short, enough = t.api.open(2 * 9.91 + 0.0456), t.api.open(2 * 9.91 + 0.0457)
    groups = {account: t.subscribe(account, auto_renewal=True).group for account in [short, enough]}
    yield ATTEMPT - HOUR
    using = {account: t.api.create_group(account) for account in groups}
    yield ATTEMPT
    t.assertEqual([pending(t, account, group) for account, group in groups.items()], [0, 1])
    t.assertEqual([dollars(t.api.balance(account)) for account in groups], ["9.909900", "0.000000"])
    t.assertFalse(t.account(short).overdue)
    for account, group in using.items():
        t.release(account, group.group_id)


@pair(3, 7, "A group whose switch times out at a top of the hour is billed up to it and goes on by the hour")
def _(t):
    account = t.api.open(100)
    group = t.api.create_group(account)
    request = gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1)
    placed = t.api.Orders.PlaceSwitchOrder(request, account=account).order
    deadline = START + DAY
    yield deadline
    t.assertTrue(timed_out(t, account, placed))
    bill = t.api.bill(account)
    t.assertEqual((bill.lines[-1].usage_end, dollars(bill.total.gross_micros)), (deadline, "1.096800"))
    found = t.api.group(account, group.group_id)
    t.assertEqual((found.status, found.billing_method), (metering.GROUP_STATUS_ACTIVE, common.BILLING_METHOD_PAY_AS_YOU_GO))
    t.release(account, group.group_id)


@pair(3, 8, "A low balance is told at the cut whose slices bring it below a day's burn, with what they leave")
def _(t):
    account = t.api.open(1.2)
    group = t.api.create_group(account)
    yield START + 3 * HOUR
    # A day costs 1.0968: 1.1086 are left after two hours, 1.0629 after three.
    t.assertEqual(t.kinds(account), ["low_balance"])
    t.assertEqual(told(t, account, START + 3 * HOUR), [("low_balance", "1.062900")])
    t.release(account, group.group_id)


@pair(3, 9, "A switch paid at a top of the hour finds the slice up to it cut, and leaves no other")
def _(t):
    account = t.api.open(100)
    group = t.api.create_group(account)
    request = gateway.PlaceSwitchOrderRequest(group_id=group.group_id, months=1)
    placed = t.api.Orders.PlaceSwitchOrder(request, account=account).order
    yield START + HOUR
    t.assertEqual(lines(t, account), ["0.045700"])
    t.assertEqual(t.pay(account, placed).order.term_start, START + HOUR)
    yield START + 3 * HOUR
    bill = t.api.bill(account, billing_methods=[common.BILLING_METHOD_PAY_AS_YOU_GO])
    t.assertEqual([(line.usage_start, line.usage_end) for line in bill.lines], [(START, START + HOUR)])


@pair(4, 5, "A month close that pays the debt saves a group at its release")
def _(t):
    overdue = MONTH_END - 15 * DAY
    # Two hours of 3 x 0.0579 cost 0.3474: 0.0074 comes back at the end of the month.
    saved, lost = t.api.open(0.3424), t.api.open(0.3324)
    yield overdue - 2 * HOUR
    groups = {account: t.api.create_group(account, "acp.std.small", instances=3) for account in [saved, lost]}
    yield overdue
    t.assertEqual(dollars(t.account(saved).outstanding_micros), "0.005000")
    yield MONTH_END
    t.assertEqual((t.status(saved, groups[saved]), t.api.group(saved, groups[saved].group_id).anchor), ("active", MONTH_END))
    t.assertEqual(dollars(t.api.balance(saved)), "0.002400")
    t.assertEqual(t.status(lost, groups[lost]), "released")
    t.assertEqual(dollars(t.account(lost).outstanding_micros), "0.007600")
    t.release(saved, groups[saved].group_id)


@pair(4, 6, "An account found overdue at an attempt of auto-renewal does not renew, though a coupon would pay all of it")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account, auto_renewal=True).group
    coupon = t.grant(account, "9.91", billing_methods=[common.BILLING_METHOD_SUBSCRIPTION])
    yield from overdue_at(t, account, ATTEMPT)
    t.assertEqual((pending(t, account, group), t.coupon_left(account, coupon)), (0, "9.910000"))


@pair(4, 7, "An account found overdue at a deadline has the order timed out, and is refused a new one for its debt alone")
def _(t):
    account = t.api.open(0)
    placed = place(t, account)
    yield from overdue_at(t, account, placed.deadline_at)
    t.assertTrue(timed_out(t, account, placed))
    t.refused("account.overdue", place, t, account)


@pair(4, 8, "A month close that pays the debt comes before a reminder, which does not come")
def _(t):
    overdue = MONTH_END - 2 * DAY
    account = t.api.open(0.3424)
    yield overdue - 2 * HOUR
    group = t.api.create_group(account, "acp.std.small", instances=3)
    yield MONTH_END
    t.assertEqual(t.kinds(account), ["low_balance", "overdue", "reminder", "recovered"])
    t.assertEqual(told(t, account, MONTH_END), [("recovered", "0.000000")])
    t.release(account, group.group_id)


@pair(4, 9, "A top-up at a cut is too late for it: the account is found overdue, and recovers at the same instant")
def _(t):
    account = t.api.open(0)
    group = t.api.create_group(account)
    cut = START + HOUR
    yield cut
    t.assertEqual(t.account(account).overdue_at, cut)
    t.assertTrue(t.top_up(account, "1").recovered)
    t.assertEqual(
        told(t, account, cut), [("low_balance", "0.000000"), ("overdue", "0.045700"), ("recovered", "0.000000")])
    t.assertEqual((t.status(account, group), t.api.group(account, group.group_id).anchor), ("active", cut))
    t.release(account, group.group_id)


@pair(5, 6, "The release of an overdue group ends no debt: an auto-renewal of that instant is refused for it")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account, auto_renewal=True).group
    coupon = t.grant(account, "9.91", billing_methods=[common.BILLING_METHOD_SUBSCRIPTION])
    using = yield from overdue_at(t, account, ATTEMPT - 15 * DAY)
    yield ATTEMPT
    t.assertEqual((t.status(account, using), t.status(account, group)), ("released", "active"))
    t.assertEqual((pending(t, account, group), t.coupon_left(account, coupon)), (0, "9.910000"))
    # The debt ends before the next attempt, which succeeds.
    t.top_up(account, "0.0357")
    yield SECOND_ATTEMPT
    t.assertEqual((pending(t, account, group), t.coupon_left(account, coupon)), (1, "0.000000"))


@pair(5, 7, "A release cancels an order of the group whose deadline is the same instant")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account).group
    yield GONE - DAY
    placed = t.place_renewal(account, group.group_id, 1)
    t.assertEqual(placed.deadline_at, GONE)
    yield GONE
    t.assertEqual(again(t, account, placed).cancellation_cause, order.CANCELLATION_CAUSE_GROUP_RELEASED)


@pair(5, 8, "A release is told before a reminder of its instant")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account).group
    yield from overdue_at(t, account, GONE - 2 * DAY)
    yield GONE
    t.assertEqual(t.status(account, group), "released")
    t.assertEqual(told(t, account, GONE), [("released", "0.035700"), ("reminder", "0.035700")])


@pair(5, 9, "A top-up at the release of an overdue group is too late")
def _(t):
    account = t.api.open(0)
    group = t.api.create_group(account)
    gone = START + HOUR + 15 * DAY
    yield gone
    t.assertEqual(dollars(t.top_up(account, "1").settled_micros), "0.045700")
    found = t.api.group(account, group.group_id)
    t.assertEqual((found.status, found.released_at), (metering.GROUP_STATUS_RELEASED, gone))


@pair(6, 7, "An order of the group that times out at an attempt stops it still; one of another group does not")
def _(t):
    account, other = t.api.open(1000), t.api.open(1000)
    groups = {each: t.subscribe(each, auto_renewal=True).group for each in [account, other]}
    yield ATTEMPT - DAY
    placed = t.place_renewal(account, groups[account].group_id, 1)
    unrelated = place(t, other)
    yield ATTEMPT
    t.assertEqual([pending(t, each, group) for each, group in groups.items()], [0, 1])
    t.assertTrue(timed_out(t, account, placed))
    t.assertTrue(timed_out(t, other, unrelated))
    yield SECOND_ATTEMPT
    t.assertEqual(pending(t, account, groups[account]), 1)


@pair(6, 8, "A failed auto-renewal changes nothing of the debt that a reminder of its instant tells")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account, auto_renewal=True).group
    coupon = t.grant(account, "9.91", billing_methods=[common.BILLING_METHOD_SUBSCRIPTION])
    yield from overdue_at(t, account, ATTEMPT - DAY)
    yield ATTEMPT
    t.assertEqual((pending(t, account, group), t.coupon_left(account, coupon)), (0, "9.910000"))
    t.assertEqual(told(t, account, ATTEMPT), [("reminder", "0.035700")])


@pair(6, 9, "A top-up at an attempt of auto-renewal is for the next one")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account, auto_renewal=True).group
    yield ATTEMPT
    t.top_up(account, "9.91")
    t.assertEqual(pending(t, account, group), 0)
    t.assertEqual(t.api.group(account, group.group_id).renewal_attempt_at, SECOND_ATTEMPT)
    yield SECOND_ATTEMPT
    t.assertEqual((pending(t, account, group), t.api.balance(account)), (1, 0))


@pair(7, 8, "Cannot meet: a reminder comes at whole days after an account was found overdue, and an order that times out then "
            "was placed while it was overdue, which is refused")  # fmt: skip
def _(t):
    account = t.api.open(0)
    group = t.api.create_group(account)
    cut = START + HOUR
    yield cut - 1
    last = place(t, account)
    yield cut
    # The last one before it times out a millisecond before the reminder; from here on there is no other.
    t.api.Orders.CancelOrder(order.CancelOrderRequest(order_id=last.order_id), account=account)
    t.refused("account.overdue", place, t, account)
    t.assertEqual(last.deadline_at, cut + DAY - 1)
    yield cut + DAY
    t.assertEqual(told(t, account, cut + DAY), [("reminder", "0.045700")])
    t.release(account, group.group_id)


@pair(7, 9, "A payment at the deadline is too late, and nothing is in the way of a new order")
def _(t):
    account = t.api.open(100)
    placed = place(t, account)
    yield placed.deadline_at
    t.refused("order.not_unpaid", t.pay, account, placed)
    t.assertEqual(place(t, account).status, order.ORDER_STATUS_UNPAID)


@pair(8, 9, "A reminder comes before a recovery of its instant")
def _(t):
    account = t.api.open(0)
    group = t.api.create_group(account)
    reminder = START + HOUR + DAY
    yield reminder
    t.top_up(account, "1")
    t.assertEqual(told(t, account, reminder), [("reminder", "0.045700"), ("recovered", "0.000000")])
    t.release(account, group.group_id)
