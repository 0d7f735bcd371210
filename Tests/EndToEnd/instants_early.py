"""The rows of the table for what comes before the cut of an instant: 1 earlier calls, and 2 what starts or ends."""

from cluster import DAY, HOUR, metering, order
from instants import ATTEMPT, DEARER, MINUTE, PRICES, START, TERM_END, again, lines, pair, pending, place, timed_out, told
from test_rules import dollars


@pair(1, 2, "A renewal paid before the end of a term goes on from it; an order placed before a price starts has the old one")
def _(t):
    account, buyer = t.api.open(100), t.api.open(0)
    group = t.subscribe(account).group
    t.assertEqual(group.term_end, TERM_END)
    yield PRICES - 1
    t.assertEqual(dollars(place(t, buyer, DEARER).total_micros), "14.930000")
    yield TERM_END - 1
    t.pay(account, t.place_renewal(account, group.group_id, 1))
    yield TERM_END
    found = t.api.group(account, group.group_id)
    t.assertEqual((t.status(account, group), found.term_start), ("active", TERM_END))


@pair(1, 3, "A release before the end of a unit pays for that unit only, one at its end (9) too, one after it for the next")
def _(t):
    account = t.api.open(100)
    groups = [t.api.create_group(account) for _ in range(3)]
    for group, instant in zip(groups, [START + 4 * HOUR - 1, START + 4 * HOUR, START + 4 * HOUR + 1]):
        yield instant
        t.release(account, group.group_id)
    yield START + 9 * HOUR
    t.assertEqual(
        [dollars(t.api.bill(account, group_id=group.group_id).total.gross_micros) for group in groups],
        ["0.182800", "0.182800", "0.365600"])  # fmt: skip


@pair(1, 4, "A top-up before a cut pays what it settles")
def _(t):
    account = t.api.open(0)
    group = t.api.create_group(account)
    yield START + HOUR - 1
    t.top_up(account, "1")
    yield START + HOUR
    t.assertEqual((t.account(account).overdue, dollars(t.api.balance(account))), (False, "0.954300"))
    t.release(account, group.group_id)


@pair(1, 5, "A top-up before the release of an overdue group saves it")
def _(t):
    account = t.api.open(0)
    group = t.api.create_group(account)
    gone = START + HOUR + 15 * DAY
    yield gone - 1
    t.assertTrue(t.top_up(account, "1").recovered)
    yield gone
    t.assertEqual((t.status(account, group), t.api.group(account, group.group_id).anchor), ("active", gone - 1))
    t.release(account, group.group_id)


@pair(1, 6, "A top-up before an attempt of auto-renewal pays it")
def _(t):
    account = t.api.open(9.91)
    group = t.subscribe(account, auto_renewal=True).group
    t.assertEqual(t.api.group(account, group.group_id).renewal_attempt_at, ATTEMPT)
    yield ATTEMPT - 1
    t.top_up(account, "9.91")
    yield ATTEMPT
    t.assertEqual((pending(t, account, group), t.api.balance(account)), (1, 0))


@pair(1, 7, "An order paid before its deadline stays paid")
def _(t):
    account = t.api.open(100)
    placed = place(t, account)
    t.assertEqual(placed.deadline_at, START + DAY)
    yield placed.deadline_at - 1
    t.pay(account, placed)
    yield placed.deadline_at
    t.assertEqual(again(t, account, placed).status, order.ORDER_STATUS_PAID)


@pair(1, 8, "An account that recovers before a reminder is not reminded")
def _(t):
    account = t.api.open(0)
    group = t.api.create_group(account)
    yield START + HOUR + DAY - 1
    t.assertTrue(t.top_up(account, "1").recovered)
    yield START + HOUR + DAY
    t.assertEqual(t.kinds(account), ["low_balance", "overdue", "recovered"])
    t.release(account, group.group_id)


@pair(1, 9, "Money of a call before is there for a call of the instant, at which everything else is done by then")
def _(t):
    account = t.api.open(0)
    placed = place(t, account)
    yield START + 5 * HOUR - 1
    t.top_up(account, "9.91")
    yield START + 5 * HOUR
    t.assertEqual(t.pay(account, placed).order.paid_at, START + 5 * HOUR)


@pair(2, 3, "A price that starts splits the slice and holds from there; one that leaves a price as it is takes nothing of a unit")
def _(t):
    account, same = t.api.open(100), t.api.open(100)
    yield PRICES - HOUR
    dearer = t.api.create_group(account, DEARER)
    yield PRICES - 15 * MINUTE - 30_000
    group = t.api.create_group(same)
    yield PRICES + HOUR
    t.assertEqual(lines(t, account), ["0.061000", "0.050000", "0.100000"])
    t.assertEqual([line.price_list_version for line in t.api.bill(account).lines], [1, 2, 3])
    t.release(account, dearer.group_id)
    t.release(same, group.group_id)
    yield PRICES + 5 * HOUR
    bill = t.api.bill(same)
    t.assertEqual({line.price_list_version for line in bill.lines}, {1, 2, 3})
    t.assertEqual(dollars(bill.total.gross_micros), "0.182800")
    for line in bill.lines:
        explained = t.api.Bills.ExplainLine(order.GetLineRequest(line_id=line.line_id), account=same)
        t.assertTrue(explained.agrees, explained.steps)


@pair(2, 4, "A coupon that expires at a cut does not pay what it settles, one that starts at it does")
def _(t):
    account = t.api.open(100)
    cut = START + HOUR
    expiring, later = (t.grant(account, text, expires_at=when) for text, when in [("1", cut), ("0.01", cut + 1)])
    starting, too_late = (t.grant(account, text, effective_at=when) for text, when in [("0.02", cut), ("1", cut + 1)])
    group = t.api.create_group(account)
    yield cut
    t.assertEqual(
        [t.coupon_left(account, one) for one in [expiring, later, starting, too_late]],
        ["1.000000", "0.000000", "0.000000", "1.000000"])  # fmt: skip
    t.release(account, group.group_id)


@pair(2, 5, "A coupon that starts at the release of an overdue group saves it, a millisecond later it is too late")
def _(t):
    saved, lost = t.api.open(0), t.api.open(0)
    groups = {account: t.api.create_group(account) for account in [saved, lost]}
    gone = START + HOUR + 15 * DAY
    t.grant(saved, "1", effective_at=gone)
    coupon = t.grant(lost, "1", effective_at=gone + 1)
    yield gone
    t.assertEqual((t.status(saved, groups[saved]), t.api.group(saved, groups[saved].group_id).anchor), ("active", gone))
    t.assertEqual(t.status(lost, groups[lost]), "released")
    t.assertEqual(dollars(t.account(lost).outstanding_micros), "0.045700")
    t.release(saved, groups[saved].group_id)
    yield gone + 1
    t.assertEqual((t.account(lost).overdue, t.coupon_left(lost, coupon)), (False, "0.954300"))
    t.assertEqual(t.status(lost, groups[lost]), "released")


@pair(2, 6, "A coupon that expires at an attempt of auto-renewal does not pay it; a price that starts is what it costs")
def _(t):
    account, other = t.api.open(9.91), t.api.open(14.93 + 20.00)
    group = t.subscribe(account, auto_renewal=True).group
    coupon = t.grant(account, "9.91", expires_at=ATTEMPT)
    dearer = t.subscribe(other, DEARER, auto_renewal=True).group
    t.assertEqual(dollars(t.api.balance(other)), "20.000000")
    yield ATTEMPT
    t.assertEqual((pending(t, account, group), t.coupon_left(account, coupon)), (0, "9.910000"))
    t.assertEqual((pending(t, other, dearer), t.api.balance(other)), (1, 0))


@pair(2, 7, "A group whose term ends when its renewal's deadline comes is expired, and the order has timed out")
def _(t):
    account = t.api.open(100)
    group = t.subscribe(account).group
    yield TERM_END - DAY
    placed = t.place_renewal(account, group.group_id, 1)
    yield TERM_END
    t.assertEqual((t.status(account, group), t.api.group(account, group.group_id).expired_at), ("expired", TERM_END))
    t.assertTrue(timed_out(t, account, placed))
    # What comes after both starts anew.
    t.assertEqual(t.pay(account, t.place_renewal(account, group.group_id, 1)).order.term_start, TERM_END)


@pair(2, 8, "A coupon that starts when a reminder is due recovers the account, which is not reminded")
def _(t):
    account, other = t.api.open(0), t.api.open(0)
    groups = {each: t.api.create_group(each) for each in [account, other]}
    reminder = START + HOUR + DAY
    t.grant(account, "1", effective_at=reminder)
    t.grant(other, "1", effective_at=reminder + 1)
    yield reminder
    t.assertEqual(told(t, account, reminder), [("recovered", "0.000000")])
    t.assertEqual(told(t, other, reminder), [("reminder", "0.045700")])
    yield reminder + 1
    t.assertEqual(told(t, other, reminder + 1), [("recovered", "0.000000")])
    for each, group in groups.items():
        t.release(each, group.group_id)


@pair(2, 9, "A call at the end of a term finds the group expired; one at the start of a price pays that")
def _(t):
    account, buyer = t.api.open(100), t.api.open(0)
    group = t.subscribe(account).group
    power = metering.SetPowerRequest(group_id=group.group_id, action=metering.POWER_ACTION_OFF)
    yield PRICES
    t.assertEqual(dollars(place(t, buyer, DEARER).total_micros), "20.000000")
    yield TERM_END - 1
    t.api.Groups.SetPower(power, account=account)
    yield TERM_END
    t.refused("group.expired", t.api.Groups.SetPower, power, account=account)
