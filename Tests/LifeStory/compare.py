"""Compares what the system shows of an account with the model: every field that the rules decide."""

from collections import Counter

from conversation import MESSAGES, Refused
from life import Difference
from model import ACTIVE, DAY, EXPIRED, GRACE, OVERDUE, PAY_AS_YOU_GO

common, order, metering = (MESSAGES[name] for name in ("common", "order", "metering"))


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
KIND = {"usage": order.ITEM_KIND_PAY_AS_YOU_GO_BILL, "round-down": order.ITEM_KIND_PAY_AS_YOU_GO_BILL,
        "order": order.ITEM_KIND_SUBSCRIPTION_ORDER, "refund": order.ITEM_KIND_REFUND,
        "adjustment": order.ITEM_KIND_ADJUSTMENT}  # fmt: skip


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
        raise Difference(life, what, *difference_of(expected, got))


def check_account(life):
    model = life.model
    reply = yield life.call("Accounts/GetAccount", order.GetAccountRequest())
    if isinstance(reply, Refused):
        raise Difference(life, "reading the account", "an answer", str(reply))
    shown = reply.account
    compared(
        life, "the account",
        {"balance": model.balance, "outstanding": model.outstanding, "overdue_at": model.overdue_at,
         "overdue": model.overdue_at > 0, "unpaid orders": len(model.unpaid_orders()),
         "available credit": model.available(model.now)},
        {"balance": shown.balance_micros, "outstanding": shown.outstanding_micros, "overdue_at": shown.overdue_at,
         "overdue": shown.overdue, "unpaid orders": shown.unpaid_orders, "available credit": shown.available_credit_micros})  # fmt: skip


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
            (bought.coupon.id if bought.coupon else "", bought.coupon_part, bought.balance_part, bought.online_part),
            (bought.term_start, bought.term_end) if paid else None)  # fmt: skip
    compared(life, "orders", modelled, {
        o.order_id: (
            ORDER_KIND[o.kind], ORDER_STATUS[o.status], o.total_micros, o.paid_at,
            CANCELLED_BECAUSE[o.cancellation_cause] if o.cancellation_cause else "", o.automatic, o.refunded_micros,
            (o.coupon_id, o.coupon_micros, o.balance_micros, o.online_micros),
            (o.term_start, o.term_end) if ORDER_STATUS[o.status] == "paid" else None)
        for o in shown})  # fmt: skip


def check_coupons(life):
    shown = yield from pages(life, "Accounts/ListCoupons", order.ListCouponsRequest(), "coupons")
    compared(life, "what is left of coupons", {coupon.id: coupon.remaining for coupon in life.model.coupons},
             {coupon.coupon_id: coupon.remaining_micros for coupon in shown})  # fmt: skip


def check_payments(life):
    shown = yield from pages(life, "Payments/ListPayments", order.ListPaymentsRequest(), "payments")
    compared(life, "payments", {p.reference: (p.amount, p.status, p.coupon_part, p.balance_part)
                                for p in life.model.payments.values()},
             {p.reference: (p.amount_micros, PAYMENT[p.status], p.coupon_micros, p.balance_micros) for p in shown})  # fmt: skip


def check_notices(life):
    shown, after = [], 0
    while True:
        reply = yield life.call("Accounts/ListNotices", order.ListNoticesRequest(after_sequence=after, limit=200))
        if isinstance(reply, Refused):
            raise Difference(life, "reading notices", "an answer", str(reply))
        shown += reply.notices
        if not (after := reply.next_sequence):
            break
    expected = [(n.at, n.kind, n.amount, n.group.id if n.group else "") for n in life.model.notices]
    got = [(n.at, NOTICE[n.kind], n.amount_micros, n.group_id) for n in shown]
    compared(life, "notices", dict(enumerate(expected)), dict(enumerate(got)))


def check_usage(life, start, end):
    """All pay-as-you-go lines that begin in [start, end); how many there were."""
    shown = yield from pages(life, "Bills/ListBill", order.ListBillRequest(
        start=start, end=end, item_kinds=[order.ITEM_KIND_PAY_AS_YOU_GO_BILL], period=order.STATISTICAL_PERIOD_DETAILS,
        without_total=True), "lines")  # fmt: skip
    modelled = {}
    for line in life.model.lines:
        if line.kind in ("usage", "round-down") and start <= line.start < end:
            modelled[line.start, line.thing.id if line.thing else line.kind] = (
                line.end, line.gross, line.round_down, line.coupon, line.payable, line.paid, line.outstanding)  # fmt: skip
    compared(life, f"pay-as-you-go lines of [{start}, {end})", modelled, {
        (line.usage_start, "round-down" if line.round_down_line else line.group_id or line.resource_id): (
            line.usage_end, line.gross_micros - line.discount_micros, line.round_down_micros, line.coupon_micros,
            line.payable_micros, line.paid_micros, line.outstanding_micros)
        for line in shown})  # fmt: skip
    return len(modelled)


def check_other_lines(life):
    """Orders, refunds and adjustments, all of them."""
    shown = yield from pages(life, "Bills/ListBill", order.ListBillRequest(
        item_kinds=[KIND["order"], KIND["refund"], KIND["adjustment"]], period=order.STATISTICAL_PERIOD_DETAILS,
        without_total=True), "lines")  # fmt: skip
    modelled = Counter(
        (KIND[line.kind], line.order.id if line.order else "", line.coupon, line.payable, line.paid)
        for line in life.model.lines if line.kind in ("order", "refund", "adjustment"))  # fmt: skip
    compared(life, "lines of orders, refunds and adjustments", modelled, Counter(
        (line.item_kind, line.order_id, line.coupon_micros, line.payable_micros, line.paid_micros)
        for line in shown if line.payable_micros or line.coupon_micros))  # fmt: skip
    return sum(modelled.values())


def check(life, start, end, tally, whole=False):
    """Everything of an account after the day [start, end); at the end of the story, all of its life."""
    yield from check_account(life)
    yield from check_orders(life)
    yield from check_groups(life)
    yield from check_resources(life)
    yield from check_coupons(life)
    yield from check_notices(life)
    yield from check_payments(life)
    tally["lines"] += yield from check_usage(life, start if not whole else 0, end + (DAY if whole else 0))
    tally["lines"] += yield from check_other_lines(life)
    tally["accounts compared"] += 1


def check_briefly(life, tally):
    """The account alone, where the time does not suffice for more."""
    yield from check_account(life)
    tally["balances compared"] += 1
