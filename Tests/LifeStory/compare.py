"""Compares what the system shows of an account with the model: every field that the rules decide."""

from functools import lru_cache

from conversation import MESSAGES, Call, Refused
from life import Difference
from model import (
    ACTIVE, DAY, EXPIRED, GRACE, HOUR, OVERDUE, PAY_AS_YOU_GO, SUBSCRIPTION, Group, local, month_end, month_of, up)  # fmt: skip

common, order, metering, refund = (MESSAGES[name] for name in ("common", "order", "metering", "refund"))


def names(module, prefix):
    """Numbers of an enum to the model's words: GROUP_STATUS_ACTIVE -> "active"."""
    enum = "".join(part.title() for part in prefix.rstrip("_").split("_"))
    values = module.DESCRIPTOR.enum_types_by_name[enum].values
    return {value.number: value.name[len(prefix) :].lower().replace("_", " ") for value in values}


GROUP_STATUS = names(metering, "GROUP_STATUS_")
CAUSE = names(metering, "RELEASE_CAUSE_")
RESOURCE_STATUS = names(metering, "RESOURCE_STATUS_")
ITEM = {number: name.replace(" ", "-") for number, name in names(metering, "RESOURCE_KIND_").items()}
ORDER_STATUS = names(order, "ORDER_STATUS_")
ORDER_KIND = names(order, "ORDER_KIND_")
CANCELLED_BECAUSE = names(order, "CANCELLATION_CAUSE_")
NOTICE = names(order, "NOTICE_KIND_")
PAYMENT = names(order, "PAYMENT_STATUS_")
REFUND_STATUS = names(refund, "REFUND_STATUS_")
LINE_STATUS = names(order, "LINE_STATUS_")
METHOD = {**names(common, "BILLING_METHOD_"), common.BILLING_METHOD_PAY_AS_YOU_GO: PAY_AS_YOU_GO}


def pages(life, method, request, field):
    """All items of a list, page after page."""
    items = []
    request.limit = 200
    while True:
        reply = yield life.call(method, request)
        if isinstance(reply, Refused):
            raise Difference(life, f"reading {method}", "an answer", str(reply))
        items += getattr(reply, field)
        if not reply.next_cursor:
            return items
        request.cursor = reply.next_cursor


def difference_of(expected, got):
    """The things that only one of two dictionaries has, or has otherwise."""
    keys = [key for key in {**expected, **got} if expected.get(key) != got.get(key)]
    return {key: expected.get(key) for key in keys}, {key: got.get(key) for key in keys}


def compared(life, what, expected, got):
    if expected != got:
        both = isinstance(expected, dict) and isinstance(got, dict)
        raise Difference(life, what, *(difference_of(expected, got) if both else (expected, got)))


def check_accounts(lives, tally):
    """Balance, outstanding and what else an account shows of itself, of all accounts."""
    shown, request = {}, order.ListAccountsRequest(limit=200)
    while True:
        reply = yield Call("Accounts/ListAccounts", request)
        if isinstance(reply, Refused):
            raise reply
        shown.update((account.account_id, account) for account in reply.accounts)
        if not reply.next_cursor:
            break
        request.cursor = reply.next_cursor
    for life in lives:
        model, account = life.model, shown.get(life.account, order.Account())
        compared(
            life, "the account",
            {"id": model.id, "balance": model.balance, "outstanding": model.outstanding, "overdue_at": model.overdue_at,
             "overdue": model.overdue_at > 0, "unpaid orders": len(model.unpaid_orders()),
             "available credit": model.available(model.now)},
            {"id": account.account_id, "balance": account.balance_micros, "outstanding": account.outstanding_micros,
             "overdue_at": account.overdue_at, "overdue": account.overdue, "unpaid orders": account.unpaid_orders,
             "available credit": account.available_credit_micros})  # fmt: skip
        tally["balances compared"] += 1


def modelled_group(group, now):
    told = {"status": group.status, "method": group.method, "created_at": group.created_at, "released_at": group.released_at,
            "cause": group.release_cause, "overdue_at": group.overdue_at, "expired_at": group.expired_at,
            "instances": group.instances, "network": group.network}  # fmt: skip
    if group.status == ACTIVE and group.method == PAY_AS_YOU_GO:
        told["anchor"] = group.segments[-1].anchor
    if group.status in (OVERDUE, EXPIRED):
        told["release_at"] = (group.overdue_at or group.expired_at) + GRACE
    if group.status in (ACTIVE, EXPIRED) and group.terms:
        told["term"] = group.terms[0].start, group.terms[0].end, group.terms[0].months, group.terms[0].order.id
        told["pending"] = [(term.order.id, term.start, term.end) for term in group.terms[1:]]
        told["paid_through"] = group.paid_through
        told["nominal"] = group.nominal_start, group.nominal_months
        told["auto"] = group.auto_since is not None
        told["attempt"] = group.next_attempt(now) or 0
    return told


def shown_group(shown, like):
    told = {"status": GROUP_STATUS[shown.status], "created_at": shown.created_at, "released_at": shown.released_at,
            "method": {common.BILLING_METHOD_SUBSCRIPTION: "subscription"}.get(shown.billing_method, PAY_AS_YOU_GO),
            "cause": CAUSE[shown.release_cause] if shown.release_cause else "", "overdue_at": shown.overdue_at,
            "expired_at": shown.expired_at, "instances": shown.instances, "network": shown.network}  # fmt: skip
    extra = {"anchor": shown.anchor, "release_at": shown.release_at,
             "term": (shown.term_start, shown.term_end, shown.months, shown.order_id),
             "pending": [(term.order_id, term.start, term.end) for term in shown.pending_renewals],
             "paid_through": shown.paid_through, "nominal": (shown.nominal_start, shown.nominal_months),
             "auto": shown.auto_renewal, "attempt": shown.renewal_attempt_at}  # fmt: skip
    if shown.locked_by:
        told["locked_by"] = shown.locked_by
    return {**told, **{key: value for key, value in extra.items() if key in like}}


def check_groups(life):
    shown = yield from pages(life, "Groups/ListGroups", metering.ListGroupsRequest(), "groups")
    modelled = {group.id: modelled_group(group, life.model.now) for group in life.model.groups}
    compared(life, "groups", modelled,
             {group.group_id: shown_group(group, modelled.get(group.group_id, {})) for group in shown})  # fmt: skip


def check_resources(life):
    shown = yield from pages(life, "Resources/ListResources", metering.ListResourcesRequest(), "resources")
    compared(
        life, "value-added resources",
        {r.id: (r.item, r.region, r.quantity, r.status, r.created_at, r.released_at) for r in life.model.resources},
        {r.resource_id: (ITEM[r.kind], r.region, r.quantity, RESOURCE_STATUS[r.status], r.created_at, r.released_at)
         for r in shown})  # fmt: skip


def check_orders(life):
    shown = yield from pages(life, "Orders/ListOrders", order.ListOrdersRequest(), "orders")
    modelled = {}
    for bought in life.model.orders:
        key = bought.id
        if not key:  # Placed by an auto-renewal: the model learns its id from its instant and group.
            matching = [o for o in shown if o.automatic and (o.placed_at, o.group_id) == (bought.placed_at, bought.group.id)]
            key = bought.id = matching[0].order_id if matching else f"none for {bought.group.id} at {bought.placed_at}"
        paid = bought.status == "paid"
        modelled[key] = (
            bought.kind, bought.status, bought.total, bought.paid_at, bought.cancelled_because, bought.automatic, bought.refunded,
            bought.cancelled_at, bought.gross, bought.version.number, bought.placed_at, bought.deadline,
            (bought.specification, bought.region, bought.instances, bought.months), bought.group.id if bought.group else None,
            (bought.coupon.id if bought.coupon else "", bought.coupon_part, bought.balance_part, bought.online_part),
            (bought.term_start, bought.term_end) if paid else None)  # fmt: skip
    compared(life, "orders", modelled, {
        o.order_id: (
            ORDER_KIND[o.kind], ORDER_STATUS[o.status], o.total_micros, o.paid_at,
            CANCELLED_BECAUSE[o.cancellation_cause] if o.cancellation_cause else "", o.automatic, o.refunded_micros,
            o.cancelled_at, o.gross_micros, o.price_list_version, o.placed_at, o.deadline_at,
            (o.specification, o.region, o.instances, o.months),
            # A new order has an id for its group before there is one.
            o.group_id if ORDER_KIND[o.kind] != "new" or ORDER_STATUS[o.status] == "paid" else None,
            (o.coupon_id, o.coupon_micros, o.balance_micros, o.online_micros),
            (o.term_start, o.term_end) if ORDER_STATUS[o.status] == "paid" else None)
        for o in shown})  # fmt: skip


def check_coupons(life):
    shown = yield from pages(life, "Accounts/ListCoupons", order.ListCouponsRequest(), "coupons")
    compared(
        life, "coupons",
        {c.id: (c.remaining, c.amount, c.minimum, c.effective, c.expires, c.granted, set(c.products), set(c.methods))
         for c in life.model.coupons},
        {c.coupon_id: (c.remaining_micros, c.amount_micros, c.minimum_order_micros, c.effective_at, c.expires_at, c.granted_at,
                       set(c.products), {METHOD[method] for method in c.billing_methods})
         for c in shown})  # fmt: skip


def check_payments(life):
    shown = yield from pages(life, "Payments/ListPayments", order.ListPaymentsRequest(), "payments")
    compared(
        life, "payments",
        {p.reference: (p.amount, p.status, p.order.id if p.order else "", p.coupon.id if p.coupon else "", p.coupon_part,
                       p.balance_part)
         for p in life.model.payments.values()},
        {p.reference: (p.amount_micros, PAYMENT[p.status], p.order_id, p.coupon_id, p.coupon_micros, p.balance_micros)
         for p in shown})  # fmt: skip


def check_notices(life, whole):
    """All notices, or those since the last look."""
    if whole:
        life.notices_seen = life.last_notice = 0
    shown = []
    while True:
        reply = yield life.call("Accounts/ListNotices", order.ListNoticesRequest(after_sequence=life.last_notice, limit=200))
        if isinstance(reply, Refused):
            raise Difference(life, "reading notices", "an answer", str(reply))
        shown += reply.notices
        if reply.notices:
            life.last_notice = reply.notices[-1].sequence
        if not reply.next_sequence:
            break
    expected = [(n.at, n.kind, n.amount, n.group.id if n.group else "") for n in life.model.notices[life.notices_seen :]]
    got = [(n.at, NOTICE[n.kind], n.amount_micros, n.group_id) for n in shown]
    compared(life, "notices", dict(enumerate(expected)), dict(enumerate(got)))
    life.notices_seen += len(got)


def modelled_refund(given):
    return (given.group.id, "closed", given.at, given.amount, given.to_balance, given.online, given.confirmed, given.because,
            given.renewal_only, [
                (bought.id, amount, to_balance, online, bought.cash, bought.coupon_part, bought.version.number,
                 given.because or "pending renewal" if used is None else
                 (used, max(1, up(given.at - bought.term_start, DAY)), up(bought.term_end - bought.term_start, DAY)))
                for bought, amount, to_balance, online, used in given.parts])  # fmt: skip


def shown_refund(shown):
    return (shown.group_id, REFUND_STATUS[shown.status], shown.at, shown.amount_micros, shown.to_balance_micros,
            shown.online_micros, shown.online_confirmed, shown.cause, shown.renewal_only, [
                (part.order_id, part.refund_micros, part.to_balance_micros, part.online_micros, part.cash_paid_micros,
                 part.coupon_lost_micros, part.price_list_version,
                 part.in_full_because or (part.consumed_micros, part.used_days, part.term_days))
                for part in shown.orders])  # fmt: skip


def check_refunds(life):
    shown = yield from pages(life, "Refunds/ListRefunds", refund.ListRefundsRequest(), "refunds")
    compared(life, "refunds", {r.id: modelled_refund(r) for r in life.model.refunds if r.because != "creation failed" or r.amount},
             {r.refund_id: shown_refund(r) for r in shown})  # fmt: skip


# Bill lines.

LINE_FIELDS = ("usage start", "usage end", "day", "posted at", "final", "gross", "discount", "round-down", "coupon", "payable",
               "paid", "outstanding", "status", "price version", "list price", "thousandths of a unit", "method", "unit",
               "product", "region", "specification", "size")  # fmt: skip
QUANTITY = LINE_FIELDS.index("thousandths of a unit")


@lru_cache(maxsize=None)
def day_of(number):
    """A day of the billing time zone as bills tell it, and from when its month is final (rule 9.4)."""
    start = number * DAY - 8 * HOUR
    return f"{local(start):%Y-%m-%d}", month_end(month_of(start)) + 2 * DAY + 12 * HOUR


def modelled_line(line, now):
    """What is told of a line, and its name: what it is for."""
    bought, thing, payable = line.order, line.thing, line.payable
    day, final_at = day_of((line.start + 8 * HOUR) // DAY)
    if bought:
        name, about, size, unit, method = (line.kind, bought.id), bought, bought.instances, 0, SUBSCRIPTION
        if line.refund:
            name += (line.refund.id,)
    elif isinstance(thing, Group):
        name, about, size, method = (line.start, thing.id), thing, thing.instances, PAY_AS_YOU_GO
        unit = common.BILLING_UNIT_SECOND if thing.legacy else common.BILLING_UNIT_FOUR_HOURS
    elif thing:
        name, about, size, method = (line.start, thing.id), thing, line.units[0], PAY_AS_YOU_GO
        unit = common.BILLING_UNIT_CLOCK_HOUR
    else:
        name, about, size, unit = (line.kind, line.start), None, 0, 0
        method = PAY_AS_YOU_GO if line.kind == "round-down" else "unspecified"
    return name, (
        *line.period, day, line.posted, now >= final_at, line.gross, line.discount, line.round_down, line.coupon, payable,
        line.paid, payable - line.paid, "paid" if payable == line.paid else "partly paid" if line.paid else "unpaid",
        line.version, line.price, line.units[0] * 1000 // line.units[1], method, unit, line.product,
        about.region if about else "", getattr(about, "specification", ""), size)  # fmt: skip


def shown_line(line):
    if line.refund_id:
        name = "refund", line.order_id, line.refund_id
    elif line.order_id:
        name = "order", line.order_id
    elif line.item_kind == order.ITEM_KIND_ADJUSTMENT:
        name = "adjustment", line.usage_start
    elif line.round_down_line:
        name = "round-down", line.usage_start
    else:
        name = line.usage_start, line.group_id or line.resource_id
    return name, (
        line.usage_start, line.usage_end, line.billing_period, line.posted_at, line.final, line.gross_micros,
        line.discount_micros, line.round_down_micros, line.coupon_micros, line.payable_micros, line.paid_micros,
        line.outstanding_micros, LINE_STATUS[line.status], line.price_list_version, line.list_price_nanos,
        line.quantity_thousandths, METHOD[line.billing_method], line.billing_unit, line.product, line.region, line.specification,
        line.size)  # fmt: skip


def check_lines(life, start, end):
    """All bill lines that start in [start, end), field by field; how many there were. An `end` of 0 is none."""
    shown = yield from pages(life, "Bills/ListBill", order.ListBillRequest(
        start=start, end=end, period=order.STATISTICAL_PERIOD_DETAILS, without_total=True), "lines")  # fmt: skip
    expected, got, lines = {}, {}, [line for line in life.model.lines if start <= line.start and (line.start < end or not end)]
    for line in lines:
        name, told = modelled_line(line, life.model.now)
        expected[name] = told
    for line in shown:
        name, told = shown_line(line)
        like = expected.get(name)
        # How a quantity is rounded to thousandths is not said: either way will do.
        if like and like != told and told[QUANTITY] == like[QUANTITY] + 1:
            told = (*told[:QUANTITY], like[QUANTITY], *told[QUANTITY + 1 :])
        got[name] = told
    if expected != got:
        raise Difference(life, f"bill lines that start in [{start}, {end})", *lines_that_differ(expected, got))
    compared(life, "numbers of lines", len(lines), len(shown))
    return len(lines)


def lines_that_differ(expected, got):
    """Of the lines that both have, the fields that differ; of others, all."""
    told = {}, {}
    for name in {**expected, **got}:
        both = name in expected and name in got
        for lines, some in zip((expected, got), told):
            if name in lines and expected.get(name) != got.get(name):
                some[name] = {field: value for number, (field, value) in enumerate(zip(LINE_FIELDS, lines[name]))
                              if not both or expected[name][number] != got[name][number]}  # fmt: skip
    return told


# All of it.


def check(life, start, end, tally, whole=False):
    """Everything of an account after the day [start, end); with `whole`, all of its bill lines and notices."""
    yield from check_states(life)
    yield from check_coupons(life)
    yield from check_payments(life)
    yield from check_refunds(life)
    yield from check_notices(life, whole)
    lines = yield from check_lines(life, 0 if whole else start, 0 if whole else end)
    tally["lines compared"] += lines
    tally["accounts compared"] += 1


def check_states(life):
    """The states of an account's orders, groups and resources."""
    yield from check_orders(life)
    yield from check_groups(life)
    yield from check_resources(life)
