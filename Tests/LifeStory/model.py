"""A naive model of the whole rule book, for comparison with the real services.

It is written from the rules alone, never from the sources of the services, and shares no line with them. It is meant to be
obvious rather than fast: whole numbers of micro-USD, fractions where something is divided, one object for each account. An
account is carried from one instant to the next by `advance`, which does what is due in the order of the rules' section 10;
what an owner does is a method that either changes the account or raises `Refusal` with every reason that applies (where several
rules are broken at once, the rules do not say which one is named).

Instants are milliseconds since 1970 UTC; days, months and "08:00" are those of UTC+8.
"""

import datetime
from fractions import Fraction
from functools import lru_cache

SECOND, HOUR, DAY = 1000, 3_600_000, 86_400_000
UNIT = 4 * HOUR
CENT = 10_000
DURATIONS = (1, 2, 3, 6, 12)
GRACE = 15 * DAY
ML = ("cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen")
INT = ("cn-hongkong", "ap-southeast-1")
EPOCH = datetime.datetime(1970, 1, 1)
PHONE, NAT, EIP, BANDWIDTH, OSS = "cloud-phone", "nat-gateway", "eip", "shared-bandwidth", "oss"
SUBSCRIPTION, PAY_AS_YOU_GO = "subscription", "pay-as-you-go"
CREATING, ACTIVE, OVERDUE, EXPIRED, RELEASED = "creating", "active", "overdue", "expired", "released"
UNPAID, PAID, CANCELLED = "unpaid", "paid", "cancelled"
NEW, SWITCH, RENEWAL = "new", "switch", "renewal"


class Refusal(Exception):
    """What the rules refuse: the reasons of which one must be named."""

    def __init__(self, *reasons):
        super().__init__(" or ".join(reasons))
        self.reasons = set(reasons)


def refuse(reasons):
    if reasons:
        raise Refusal(*reasons)


# The calendar.


def local(instant):
    return EPOCH + datetime.timedelta(milliseconds=instant + 8 * HOUR)


def instant(*parts):
    """The instant of a date and time of UTC+8."""
    return (datetime.datetime(*parts) - EPOCH) // datetime.timedelta(milliseconds=1) - 8 * HOUR


def midnight(day):
    return instant(day.year, day.month, day.day)


def month_of(at):
    return month_of_day((at + 8 * HOUR) // DAY)


@lru_cache(maxsize=None)
def month_of_day(number):
    day = EPOCH + datetime.timedelta(days=number)
    return day.year, day.month


@lru_cache(maxsize=None)
def month_end(month):
    year, number = month
    return instant(year + number // 12, number % 12 + 1, 1)


def days_in(year, month):
    return (month_end((year, month)) - instant(year, month, 1)) // DAY


def term_end(start, months):
    """00:00 of the day after the same day `months` later, clamped to the month's length (rule 5.2)."""
    day = local(start)
    count = day.year * 12 + day.month - 1 + months
    year, month = count // 12, count % 12 + 1
    return instant(year, month, min(day.day, days_in(year, month))) + DAY


@lru_cache(maxsize=None)
def renewal_attempts(paid_through):
    """All instants at which the auto-renewal of a term that ends then would be tried (rule 5.5)."""
    day = midnight(local(paid_through))
    return [day + number * DAY + 8 * HOUR for number in (-3, -1, 0, 6, 14)]


def hour_after(at):
    return (at // HOUR + 1) * HOUR


def half_up(value, step=CENT):
    return int((Fraction(value) / step + Fraction(1, 2)) // 1) * step


def up(value, step):
    return -(-value // step)


# Prices.


class PriceList:
    """One version: nano-USD of a specification by class of region, monthly and hourly; of an item; factors in millionths."""

    def __init__(self, number, effective_at, monthly, hourly, items, factors=None, unconditional_days=0):
        self.number, self.effective_at = number, effective_at
        self.monthly, self.hourly, self.items = monthly, hourly, items
        self.factors = factors or dict.fromkeys(DURATIONS, 1_000_000)
        self.unconditional_days = unconditional_days


SHIPPED = {
    "acp.basic.small": ("9.9057", "0.0457", "15.3538", "0.0709"),
    "acp.std.small": ("13.8679", "0.0579", "21.4953", "0.0898"),
    "acp.std.medium": ("14.9347", "0.0610", "23.1488", "0.0945"),
    "acp.std.large": ("21.3353", "0.0808", "33.0697", "0.1252"),
    "acp.perf.large": ("36.4224", "0.1524", "56.4546", "0.2362"),
}


def region_class(region):
    return "ML" if region in ML else "INT"


def nanos(text):
    return int(Fraction(text) * 10**9)


def shipped(items=None):
    """The list of the rule book's section 1. What it prices by example only is handed in."""
    monthly, hourly = {}, {}
    for name, (month_ml, hour_ml, month_int, hour_int) in SHIPPED.items():
        monthly[name] = {"ML": nanos(month_ml), "INT": nanos(month_int)}
        hourly[name] = {"ML": nanos(hour_ml), "INT": nanos(hour_int)}
    items = {NAT: {"ML": nanos("0.034"), "INT": nanos("0.043")}, **(items or {})}
    return PriceList(1, instant(2020, 1, 1), monthly, hourly, items)


class Prices:
    def __init__(self, first=None):
        self.versions = [first or shipped()]

    def publish(self, version):
        self.versions.append(version)

    def at(self, instant):
        return [version for version in self.versions if version.effective_at <= instant][-1]

    def changes(self, start, end):
        """Where another version starts strictly inside the slice."""
        return [v.effective_at for v in self.versions if start < v.effective_at < end]

    def quote(self, specification, region, instances, months, at):
        """(version, list price in nanos, gross, total) of an order placed at an instant (rule 5.1)."""
        version = self.at(at)
        listed = version.monthly[specification][region_class(region)] * instances * months
        gross = half_up(Fraction(listed, 1000))
        total = half_up(Fraction(listed, 1000) * Fraction(version.factors[months], 1_000_000))
        return version, listed, gross, total

    def accrued(self, group, anchor, start, end):
        """The slices of a use, split where a price changes (2.5): (start, end, gross, version, hourly nanos of an instance)."""
        marks = [start, *self.changes(start, end), end]
        for left, right in zip(marks, marks[1:]):
            version = self.at(left)
            price = self.hour_price(version, group)
            base = max(anchor, self.priced_since(version, group))

            def accrual(at):
                return price * group.instances * (at - base) // (HOUR * 1000)

            yield left, right, accrual(right) - accrual(left), version, price

    @staticmethod
    def hour_price(version, group):
        return version.hourly[group.specification][region_class(group.region)]

    def priced_since(self, version, group):
        """Since when an hour of a group costs what it costs in a version: one that leaves its price does not count (2.5)."""
        before = [earlier for earlier in self.versions if earlier.effective_at < version.effective_at]
        if before and self.hour_price(before[-1], group) == self.hour_price(version, group):
            return self.priced_since(before[-1], group)
        return version.effective_at

    def clock_hour(self, resource, first_use, quantity):
        """What one clock hour of a value-added item costs, whole (rule 1): (gross, version, nanos of one unit)."""
        version = self.at(first_use)
        price = version.items[resource.item][region_class(resource.region)]
        hours = days_in(*month_of(first_use)) * 24 if resource.item == OSS else 1
        return price * quantity // (hours * 1000), version, price


def split(refund, balance, online):
    """A refund over the ways an order was paid (rule 7.5): (to the balance, online); all of it as it was paid."""
    if refund == balance + online:
        return balance, online
    if refund == 0 or online == 0:
        return refund, 0
    if balance == 0:
        return 0, refund
    to_online = int(Fraction(refund * online, balance + online) // CENT) * CENT
    to_balance = int(Fraction(refund * balance, balance + online) // CENT) * CENT
    odd = refund - to_online - to_balance
    return (to_balance + odd, to_online) if balance > online else (to_balance, to_online + odd)


# What an account has.


class Segment:
    """A stretch of pay-as-you-go use of a group, [anchor, end); `end` None while it runs."""

    def __init__(self, anchor):
        self.anchor, self.end, self.cut_to = anchor, None, anchor

    def open(self):
        return self.end is None or self.cut_to < self.end


class Group:
    def __init__(self, **given):
        self.id = ""
        self.created_at = self.released_at = self.overdue_at = self.expired_at = 0
        self.release_cause = ""
        self.segments, self.terms = [], []
        self.auto_since, self.auto_months, self.tried = None, 0, 0
        self.nominal_start = self.nominal_months = 0
        self.legacy = False
        self.__dict__.update(given)

    @property
    def paid_through(self):
        return self.terms[-1].end if self.terms else 0

    def attempts(self):
        """All instants at which auto-renewal would be tried for the term that ends last."""
        if self.auto_since is None or not self.terms or self.status not in (ACTIVE, EXPIRED):
            return []
        return renewal_attempts(self.paid_through)

    def next_attempt(self, after):
        after = max(after, self.auto_since or 0, self.terms[0].start if self.terms else 0)
        left = [at for at in self.attempts() if at > after and (at < self.paid_through + GRACE)]
        return min(left, default=None)


class Term:
    def __init__(self, order, start, end, months):
        self.order, self.start, self.end, self.months = order, start, end, months


class Resource:
    """A value-added resource: stretches of use [first, last), last None while it runs, and its sizes over time."""

    def __init__(self, item, region, network, quantity, at):
        self.id = ""
        self.item, self.region, self.network = item, region, network
        self.created_at, self.released_at, self.status = at, 0, ACTIVE
        self.use = [[at, None, at]]
        self.sizes = [(at, quantity)]
        self.overdue_at = 0

    @property
    def quantity(self):
        return self.sizes[-1][1]

    def quantity_at(self, at):
        return [size for since, size in self.sizes if since <= at][-1]

    def open(self):
        return any(last is None or cut < last for _, last, cut in self.use)


class Order:
    def __init__(self, **given):
        self.id = ""
        self.status, self.paid_at, self.cancelled_at, self.cancelled_because = UNPAID, 0, 0, ""
        self.coupon, self.coupon_part, self.balance_part, self.online_part = None, 0, 0, 0
        self.refunded, self.automatic = 0, False
        self.term_start = self.term_end = 0
        self.__dict__.update(given)

    @property
    def cash(self):
        return self.total - self.coupon_part

    @property
    def price(self):
        """Of one instance for a month, in nano-USD."""
        return self.list_nanos // (self.instances * self.months)

    def cancel(self, at, because):
        self.status, self.cancelled_at, self.cancelled_because = CANCELLED, at, because


class Coupon:
    def __init__(self, amount, minimum, effective, expires, products, methods, granted):
        self.id = ""
        self.amount = self.remaining = amount
        self.minimum, self.effective, self.expires = minimum, effective, expires
        self.products, self.methods, self.granted = products, methods, granted

    def usable(self, at):
        return self.remaining > 0 and self.effective <= at < self.expires

    def for_usage(self, at):
        return self.usable(at) and self.minimum == 0 and (not self.methods or PAY_AS_YOU_GO in self.methods)

    def for_product(self, product):
        return not self.products or product in self.products

    def rank(self):
        return -self.remaining, self.expires, self.granted, self.id


class Payment:
    def __init__(self, reference, order, amount, coupon=None, coupon_part=0, balance_part=0):
        self.reference, self.order, self.amount = reference, order, amount
        self.coupon, self.coupon_part, self.balance_part = coupon, coupon_part, balance_part
        self.status = "pending"


class Line:
    """A bill line. `coupon` is what coupons paid at posting; `paid` grows when money comes later.

    `start` decides its day and its rank, `period` is what it is for. `price` is that of one unit in nano-USD, `units` how many
    there are, a whole number divided by another; `burn` what an hour of it costs in nano-USD.
    """

    __slots__ = ("kind", "start", "end", "period", "posted", "gross", "discount", "round_down", "coupon", "paid", "thing",
                 "order", "refund", "product", "burn", "version", "price", "units")  # fmt: skip

    def __init__(self, kind, start, end, gross, discount=0, round_down=0, coupon=0, **given):
        self.kind, self.start, self.end, self.period = kind, start, end, (start, end)
        self.gross, self.discount, self.round_down, self.coupon, self.paid = gross, discount, round_down, coupon, 0
        self.posted = given.get("posted", start)
        self.thing, self.order, self.refund = given.get("thing"), given.get("order"), given.get("refund")
        self.product, self.burn = given.get("product", ""), given.get("burn", 0)
        self.version, self.price, self.units = given.get("version", 0), given.get("price", 0), given.get("units", (0, 1))

    @property
    def payable(self):
        return self.gross - self.discount - self.round_down - self.coupon

    @property
    def outstanding(self):
        return self.payable - self.paid

    def age(self):
        return self.start, self.thing.created_at, self.thing.id


class Refund:
    """What was given back at one instant: (order, amount, to the balance, online, consumed or None if in full) of each order."""

    def __init__(self, group, at, because="", renewal_only=False):
        self.id = ""
        self.group, self.at, self.because, self.renewal_only = group, at, because, renewal_only
        self.parts, self.confirmed = [], False

    @property
    def amount(self):
        return sum(part[1] for part in self.parts)

    @property
    def to_balance(self):
        return sum(part[2] for part in self.parts)

    @property
    def online(self):
        return sum(part[3] for part in self.parts)


class Notice:
    def __init__(self, at, kind, amount, group=None):
        self.at, self.kind, self.amount, self.group = at, kind, amount, group


# Reasons that one state may be refused by.
OF_STATE = {
    CREATING: ("group.not_active",),
    OVERDUE: ("group.overdue", "account.overdue"),
    EXPIRED: ("group.expired",),
    RELEASED: ("group.not_active",),
}


class Account:
    def __init__(self, prices, at):
        self.prices, self.now, self.id = prices, at, ""
        self.balance = self.overdue_at = 0
        self.low = False
        self.groups, self.resources, self.orders, self.coupons = [], [], [], []
        # Of groups and resources those that something may still become of.
        self.living, self.running = [], []
        self.payments, self.lines, self.notices, self.refunds = {}, [], [], []
        self.unpaid_lines, self.open_months, self.unconditional_years = [], {}, set()

    # What it shows.

    @property
    def outstanding(self):
        return sum(line.outstanding for line in self.unpaid_lines)

    def available(self, at):
        return self.balance + sum(coupon.remaining for coupon in self.coupons if coupon.for_usage(at))

    def unpaid_orders(self):
        return [order for order in self.orders if order.status == UNPAID]

    # Time.

    def next_due(self):
        """The earliest instant after now at which something is due."""
        due = []
        if any(group.segments[-1].open() for group in self.living if group.segments) or any(r.open() for r in self.running):
            due.append(hour_after(self.now))
        due += [month_end(month) for month in self.open_months]
        for group in self.living:
            if group.status == ACTIVE and group.terms:
                due.append(group.terms[0].end)
            if group.status == OVERDUE:
                due.append(group.overdue_at + GRACE)
            if group.status == EXPIRED:
                due.append(group.expired_at + GRACE)
            if attempt := group.next_attempt(self.now):
                due.append(attempt)
        due += [order.deadline for order in self.unpaid_orders()]
        if self.overdue_at:
            due += [self.overdue_at + number * DAY for number in range(1, 15)]
            due += [coupon.effective for coupon in self.coupons]
        return min((at for at in due if at > self.now), default=None)

    def advance(self, to):
        """Does all that is due up to an instant and at it; what is called at that instant comes after."""
        assert to >= self.now, "time never goes back"
        while (at := self.next_due()) is not None and at <= to:
            self.stop(at)
            self.now = at
        self.now = to

    def stop(self, at):
        """What is due at one instant, in the order of section 10."""
        self.end_terms(at)
        self.start_coupons(at)
        cut = self.cut(at) if at % HOUR == 0 else []
        self.close_months(at)
        if cut:
            self.judge(at, cut)
        self.release_due(at)
        self.renew_due(at)
        for order in self.unpaid_orders():
            if order.deadline <= at:
                order.cancel(at, "timed out")
        self.remind(at)
        self.living = [g for g in self.living if g.status != RELEASED or (g.segments and g.segments[-1].open())]
        self.running = [resource for resource in self.running if resource.status != RELEASED or resource.open()]

    def end_terms(self, at):
        for group in self.living:
            if group.status == ACTIVE and group.terms and group.terms[0].end <= at:
                if len(group.terms) > 1:
                    group.terms.pop(0)
                else:
                    group.status, group.expired_at = EXPIRED, group.terms[0].end

    def start_coupons(self, at):
        """Coupons that become effective pay what is outstanding, as those that are granted do."""
        for coupon in sorted((coupon for coupon in self.coupons if coupon.effective == at), key=Coupon.rank):
            self.settle_by(coupon, at)
        self.recover_if_settled(at)

    def cut(self, at):
        """Cuts the slices up to the top of an hour and settles them; the lines, with the burn of each."""
        lines = []
        for group in self.living:
            for segment in group.segments[-1:]:
                end = at if segment.end is None else min(segment.end, at)
                if end > segment.cut_to:
                    for start, stop, gross, version, price in self.prices.accrued(group, segment.anchor, segment.cut_to, end):
                        lines.append(Line("usage", start, stop, gross, thing=group, product=PHONE, posted=at,
                                          version=version.number, price=price, burn=price * group.instances,
                                          units=(group.instances * (stop - start), HOUR)))  # fmt: skip
                    segment.cut_to = end
        for resource in self.running:
            for stretch in resource.use:
                _, last, cut_to = stretch
                end = at if last is None else min(last, at)
                while cut_to < end:
                    stop = min(hour_after(cut_to), end)
                    size = resource.quantity_at(cut_to)
                    gross, version, price = self.prices.clock_hour(resource, cut_to, size)
                    lines.append(Line("usage", cut_to, stop, gross, thing=resource, product=resource.item, posted=at,
                                      version=version.number, price=price, burn=gross * 1000, units=(size, 1)))  # fmt: skip
                    cut_to = stop
                stretch[2] = cut_to
        lines.sort(key=Line.age)
        ranked = sorted((coupon for coupon in self.coupons if coupon.for_usage(at)), key=Coupon.rank)
        for line in lines:
            for coupon in ranked:
                if coupon.for_product(line.product):
                    part = min(coupon.remaining, line.payable)
                    coupon.remaining -= part
                    line.coupon += part
            line.paid = min(self.balance, line.payable)
            self.balance -= line.paid
            if line.outstanding:
                self.unpaid_lines.append(line)
            month = month_of(line.start)
            self.open_months[month] = self.open_months.get(month, 0) + line.payable
        self.lines += lines
        return lines

    def close_months(self, at):
        for month in sorted(self.open_months):
            end = month_end(month)
            if end <= at:
                fraction = self.open_months.pop(month) % CENT
                if fraction:
                    line = Line("round-down", end - 1, end - 1, 0, round_down=fraction, product=PHONE, posted=at)
                    line.paid = -fraction
                    self.lines.append(line)
                    self.credit(fraction, at)

    def judge(self, at, cut):
        """Low balance and overdue, after a cut was settled (rules 2.7, 4.1 and 4.6)."""
        burn = sum(line.burn for line in cut if line.end == at)
        available = self.available(at)
        if available * 1000 < 24 * burn:
            if not self.low:
                self.notices.append(Notice(at, "low balance", available))
            self.low = True
        else:
            self.low = False
        if not self.outstanding:
            return
        self.overdue_at = at
        self.notices.append(Notice(at, "overdue", self.outstanding))
        for group in self.living:
            for segment in group.segments:
                if segment.end is None or segment.end > at:
                    segment.end = at
            if group.status == ACTIVE and not group.terms:
                group.status, group.overdue_at = OVERDUE, at
        for resource in self.resources:
            if resource.status == ACTIVE:
                resource.status, resource.overdue_at = OVERDUE, at
                resource.use[-1][1] = at

    def release_due(self, at):
        for group in sorted(self.living, key=lambda group: group.id):
            for status, since in ((OVERDUE, group.overdue_at), (EXPIRED, group.expired_at)):
                if group.status == status and since + GRACE <= at:
                    self.let_go(group, at, status)
                    self.notices.append(Notice(at, "released", self.outstanding, group))

    def let_go(self, group, at, cause):
        group.status, group.released_at, group.release_cause = RELEASED, at, cause
        group.terms, group.overdue_at, group.expired_at, group.auto_since = [], 0, 0, None
        for order in self.unpaid_orders():
            if order.group is group:
                order.cancel(at, "group released")

    def renew_due(self, at):
        for group in sorted(self.living, key=lambda group: group.id):
            if group.next_attempt(at - 1) == at:
                self.try_renewal(group, at)

    def try_renewal(self, group, at):
        """One attempt of auto-renewal; tells whether it succeeded."""
        months = group.auto_months or group.terms[-1].months
        if self.overdue_at or any(order.group is group for order in self.unpaid_orders()):
            return False
        order = self.placed(RENEWAL, group, group, months, at, automatic=True)
        coupon, part = self.best_coupon(order, at)
        if order.total - part > self.balance:
            return False
        self.orders.append(order)
        self.pay(order, at, coupon, part, order.total - part, 0)
        return True

    def remind(self, at):
        if not self.overdue_at:
            return
        days, odd = divmod(at - self.overdue_at, DAY)
        if odd == 0 and 1 <= days <= 14:
            self.notices.append(Notice(at, "reminder", self.outstanding))
        if odd == 0 and days == 14 and any(group.status == OVERDUE for group in self.living):
            self.notices.append(Notice(at, "release warning", self.outstanding))

    # Money.

    def settle(self, amount, coupon=None):
        """Pays outstanding lines, oldest first, of a coupon those that it applies to; what is left of the amount."""
        for line in sorted(self.unpaid_lines, key=Line.age):
            if coupon is None or coupon.for_product(line.product):
                part = min(amount, line.outstanding)
                line.paid += part
                amount -= part
                # What coupons pay is not part of what a month costs, whenever before its close they pay it (2.9).
                if coupon and month_of(line.start) in self.open_months:
                    self.open_months[month_of(line.start)] -= part
        self.unpaid_lines = [line for line in self.unpaid_lines if line.outstanding]
        return amount

    def settle_by(self, coupon, at):
        if coupon.for_usage(at):
            coupon.remaining = self.settle(coupon.remaining, coupon)

    def credit(self, amount, at):
        """Money that comes: outstanding bills first, then the balance; it may end the account's being overdue."""
        self.balance += self.settle(amount)
        self.recover_if_settled(at)

    def recover_if_settled(self, at):
        if not self.overdue_at or self.unpaid_lines:
            return
        self.overdue_at = 0
        self.notices.append(Notice(at, "recovered", 0))
        for group in self.groups:
            if group.status == OVERDUE and at < group.overdue_at + GRACE:  # What is due to be released is not saved (4.4).
                group.status, group.overdue_at = ACTIVE, 0
                group.segments.append(Segment(at))
        for resource in self.resources:
            if resource.status == OVERDUE:
                resource.status, resource.overdue_at = ACTIVE, 0
                resource.use.append([at, None, at])

    def top_up(self, amount, at):
        self.credit(amount, at)

    def announce_top_up(self, amount, reference):
        refuse(["payment.reference_used"] if reference in self.payments else [])
        self.payments[reference] = Payment(reference, None, amount)

    def adjust(self, amount, at):
        if amount > 0:
            refuse(["account.insufficient_balance"] if amount > self.balance else [])
        line = Line("adjustment", at, at, amount, product=PHONE)
        line.paid = amount
        if amount > 0:
            self.balance -= amount
        else:
            self.credit(-amount, at)
        self.lines.append(line)

    def grant(self, coupon, at):
        self.coupons.append(coupon)
        self.settle_by(coupon, at)
        self.recover_if_settled(at)

    # Groups.

    def create(self, specification, region, instances, network, external, at):
        reasons = []
        if specification not in SHIPPED:
            reasons.append("price.unknown_specification")
        if region not in ML + INT:
            reasons.append("price.unknown_region")
        if not 1 <= instances <= 100:
            reasons.append("group.instance_count")
        if self.overdue_at:
            reasons.append("account.overdue")
        refuse(reasons)
        group = Group(specification=specification, region=region, instances=instances, network=network or "default",
                      status=CREATING, method=PAY_AS_YOU_GO, requested_at=at)  # fmt: skip
        self.groups.append(group)
        self.living.append(group)
        if not external:
            self.came_up(group, at)
        return group

    def came_up(self, group, at):
        group.status, group.created_at = ACTIVE, at
        self.end_terms(at)  # Its term may be over before it came up (5.2 and 5.4).
        if group.method == PAY_AS_YOU_GO:
            group.legacy = at < instant(2025, 5, 6)
            group.segments = [Segment(at)]

    def report(self, group, failed, at):
        refuse(["group.not_creating"] if group.status != CREATING else [])
        if group.method == PAY_AS_YOU_GO and (failed or self.overdue_at):
            self.let_go(group, at, "creation failed")
        elif failed:
            order = group.terms[0].order
            self.let_go(group, at, "creation failed")
            if order.coupon:  # It pays what is outstanding before the money does, as at a cut (2.8).
                order.coupon.remaining += order.coupon_part
                self.settle_by(order.coupon, at)
            self.refunds.append(Refund(group, at, "creation failed"))
            self.give_back(self.refunds[-1], order, order.cash, restored=order.coupon_part)
            return self.refunds[-1]
        else:
            self.came_up(group, at)

    def release(self, group, at):
        reasons = []
        if group.method != PAY_AS_YOU_GO:
            reasons.append("group.not_pay_as_you_go")
        if group.status not in (ACTIVE, OVERDUE):
            reasons += OF_STATE[group.status]
        refuse(reasons)
        if group.status == ACTIVE:
            segment = group.segments[-1]
            unit = SECOND if group.legacy else UNIT
            segment.end = segment.anchor + max(1, up(at - segment.anchor, unit)) * unit
        self.let_go(group, at, "owner")

    def power(self, group):
        refuse([] if group.status == ACTIVE else OF_STATE[group.status])

    def set_auto_renewal(self, group, enabled, months, at):
        reasons = ["group.not_subscription"] if group.method != SUBSCRIPTION else []
        if group.status == RELEASED:
            reasons += OF_STATE[RELEASED]
        refuse(reasons)
        if enabled and group.auto_since is None:
            group.auto_since = at
        if not enabled:
            group.auto_since = None
        group.auto_months = months

    # Value-added resources.

    def has_groups(self, network, region):
        return any(group.status != RELEASED and (group.network, group.region) == (network, region) for group in self.groups)

    def enable_internet(self, network, region, at):
        reasons = ["account.overdue"] if self.overdue_at else []
        if not self.has_groups(network, region):
            reasons.append("network.no_groups")
        refuse(reasons)
        answer = []
        for item in (NAT, EIP):
            there = [r for r in self.resources if r.status != RELEASED and (r.item, r.network, r.region) == (item, network, region)]
            if not there:
                there = [Resource(item, region, network, 1, at)]
                self.resources += there
                self.running += there
            answer += there
        return answer

    def add_bandwidth(self, network, region, mbps, at):
        refuse((["account.overdue"] if self.overdue_at else []) + ([] if 1 <= mbps <= 1000 else ["resource.quantity"]))
        self.resources.append(Resource(BANDWIDTH, region, network, mbps, at))
        self.running.append(self.resources[-1])
        return self.resources[-1]

    def set_backup(self, region, gib, at):
        refuse((["account.overdue"] if self.overdue_at else []) + ([] if 1 <= gib <= 1_000_000 else ["resource.quantity"]))
        there = [r for r in self.resources if r.status != RELEASED and (r.item, r.region) == (OSS, region)]
        if there:
            there[0].sizes.append((at, gib))
            return there[0]
        self.resources.append(Resource(OSS, region, "", gib, at))
        self.running.append(self.resources[-1])
        return self.resources[-1]

    def release_resource(self, resource, at):
        refuse(["resource.not_active"] if resource.status == RELEASED else [])
        if resource.status == ACTIVE:
            resource.use[-1][1] = at
        resource.status, resource.released_at, resource.overdue_at = RELEASED, at, 0

    # Orders.

    def placing(self, months):
        reasons = ["account.overdue"] if self.overdue_at else []
        if self.unpaid_orders():
            reasons.append("order.unpaid_orders")
        if months not in DURATIONS:
            reasons.append("price.unknown_duration")
        return reasons

    def placed(self, kind, group, what, months, at, **more):
        version, listed, gross, total = self.prices.quote(what.specification, what.region, what.instances, months, at)
        return Order(kind=kind, group=group, specification=what.specification, region=what.region, instances=what.instances,
                     months=months, version=version, list_nanos=listed, gross=gross, total=total, placed_at=at,
                     deadline=at + DAY, **more)  # fmt: skip

    def place_new(self, specification, region, instances, months, network, auto, auto_months, at):
        reasons = self.placing(months)
        if specification not in SHIPPED:
            reasons.append("price.unknown_specification")
        if region not in ML + INT:
            reasons.append("price.unknown_region")
        if not 1 <= instances <= 100:
            reasons.append("group.instance_count")
        refuse(reasons)
        wanted = Group(specification=specification, region=region, instances=instances, network=network or "default",
                       status=CREATING, method=SUBSCRIPTION, requested_at=0)  # fmt: skip
        order = self.placed(NEW, None, wanted, months, at, auto=auto, auto_months=auto_months, wanted=wanted)
        self.orders.append(order)
        return order

    def place_switch(self, group, months, auto, auto_months, at):
        reasons = self.placing(months)
        if group.status != ACTIVE:
            reasons += OF_STATE[group.status]
        if group.method != PAY_AS_YOU_GO:
            reasons.append("group.not_pay_as_you_go")
        refuse(reasons)
        order = self.placed(SWITCH, group, group, months, at, auto=auto, auto_months=auto_months)
        self.orders.append(order)
        return order

    def place_renewal(self, group, months, at):
        if months == 0:
            months = group.terms[-1].months if group.terms else 1
        reasons = self.placing(months)
        if group.status not in (ACTIVE, EXPIRED):
            reasons += OF_STATE[group.status]
        if group.method != SUBSCRIPTION:
            reasons.append("group.not_subscription")
        refuse(reasons)
        order = self.placed(RENEWAL, group, group, months, at)
        self.orders.append(order)
        return order

    def cancel_order(self, order, at):
        refuse(["order.not_unpaid"] if order.status != UNPAID else [])
        order.cancel(at, "owner")

    def fits(self, coupon, order, at):
        """Why a coupon cannot be used for an order (rule 3.2)."""
        reasons = []
        if coupon.effective > at:
            reasons.append("coupon.not_yet_effective")
        if coupon.expires <= at:
            reasons.append("coupon.expired")
        if coupon.remaining == 0:
            reasons.append("coupon.used_up")
        if coupon.minimum > order.total:
            reasons.append("coupon.below_minimum")
        if (coupon.methods and SUBSCRIPTION not in coupon.methods) or not coupon.for_product(PHONE):
            reasons.append("coupon.not_applicable")
        return reasons

    def best_coupon(self, order, at):
        fitting = sorted((coupon for coupon in self.coupons if not self.fits(coupon, order, at)), key=Coupon.rank)
        return (fitting[0], min(fitting[0].remaining, order.total)) if fitting else (None, 0)

    def chosen_coupon(self, order, named, without, at):
        """The coupon of a payment, its part, and why the named one cannot be used."""
        if without:
            return None, 0, []
        if named is None:
            return *self.best_coupon(order, at), []
        reasons = self.fits(named, order, at)
        return named, 0 if reasons else min(named.remaining, order.total), reasons

    def payable(self, order):
        """Why an order cannot be paid now, whatever the money."""
        reasons = ["order.not_unpaid"] if order.status != UNPAID else []
        if self.overdue_at:
            reasons.append("account.overdue")
        if order.kind == SWITCH:
            if order.group.status != ACTIVE:
                reasons += OF_STATE[order.group.status]
            if order.group.method != PAY_AS_YOU_GO:
                reasons.append("group.not_pay_as_you_go")
        if order.kind == RENEWAL and order.group.status not in (ACTIVE, EXPIRED):
            reasons += OF_STATE[order.group.status]
        return reasons

    def pay_from_balance(self, order, named, without, at):
        coupon, part, reasons = self.chosen_coupon(order, named, without, at)
        reasons += self.payable(order)
        if order.total - part > self.balance:
            reasons += ["order.insufficient_balance", "account.insufficient_balance"]
        refuse(reasons)
        self.pay(order, at, coupon, part, order.total - part, 0)

    def pay(self, order, at, coupon, coupon_part, balance_part, online_part):
        """Takes the money and starts or extends the term (rules 5.2, 5.3, 6.3)."""
        order.status, order.paid_at = PAID, at
        order.coupon, order.coupon_part = (coupon, coupon_part) if coupon_part else (None, 0)
        order.balance_part, order.online_part = balance_part, online_part
        if coupon_part:
            coupon.remaining -= coupon_part
        self.balance -= balance_part
        line = Line("order", at, at, order.gross, order.gross - order.total, coupon=coupon_part, order=order, product=PHONE,
                    version=order.version.number, price=order.price,
                    units=(order.instances * order.months, 1))  # fmt: skip
        line.paid = line.payable
        self.lines.append(line)
        start = at
        if order.kind == NEW:
            group = order.group = order.wanted
            group.requested_at = at
            self.groups.append(group)
            self.living.append(group)
        group = order.group
        if order.kind == SWITCH:
            group.segments[-1].end = at
            group.method = SUBSCRIPTION
        if order.kind == RENEWAL and group.status == ACTIVE:
            start = group.paid_through
            group.nominal_months += order.months
        else:
            group.nominal_start, group.nominal_months = at, order.months
            if group.status == EXPIRED:
                group.status, group.expired_at, group.terms = ACTIVE, 0, []
        if order.kind != RENEWAL and order.auto:
            group.auto_since, group.auto_months = at, order.auto_months
        term = Term(order, start, term_end(group.nominal_start, group.nominal_months), order.months)
        order.term_start, order.term_end = line.period = term.start, term.end
        group.terms.append(term)

    def announce_payment(self, order, reference, named, without, balance_part, at):
        coupon, part, reasons = self.chosen_coupon(order, named, without, at)
        if order.status != UNPAID:
            reasons.append("order.not_unpaid")
        if self.overdue_at:
            reasons.append("account.overdue")
        if reference in self.payments:
            reasons.append("payment.reference_used")
        if order.total - part - balance_part <= 0:
            reasons.append("payment.nothing_to_pay")
        refuse(reasons)
        amount = order.total - part - balance_part
        self.payments[reference] = Payment(reference, order, amount, coupon if part else None, part, balance_part)

    def confirm(self, reference, at):
        """Money came from outside. The reasons for which it goes back, empty when it was used."""
        payment = self.payments.get(reference)
        refuse(["payment.not_found"] if payment is None else [])
        refuse(["payment.not_pending"] if payment.status != "pending" else [])
        if payment.order is None:
            payment.status = "booked"
            self.credit(payment.amount, at)
            return set()
        reasons = self.payable(payment.order)
        if payment.coupon and (not payment.coupon.usable(at) or payment.coupon.remaining < payment.coupon_part):
            reasons += ["coupon.changed", "coupon.expired", "coupon.used_up"]
        if payment.balance_part > self.balance:
            reasons += ["account.insufficient_balance", "order.insufficient_balance"]
        if reasons:
            payment.status = "returned"
            return set(reasons)
        payment.status = "booked"
        self.pay(payment.order, at, payment.coupon, payment.coupon_part, payment.balance_part, payment.amount)
        return set()

    # Giving back.

    def give_back(self, refund, order, amount, used=None, restored=0):
        to_balance, online = split(amount, order.balance_part, order.online_part)
        order.refunded += amount
        refund.parts.append((order, amount, to_balance, online, used))
        if amount + restored == 0:
            return
        line = Line("refund", refund.at, refund.at, -amount - restored, coupon=-restored, order=order, refund=refund,
                    product=PHONE, version=order.version.number, price=order.price)  # fmt: skip
        # A creation that fails after its term is over gives back none of it: a period that is empty, not one that ends
        # before it starts.
        line.period = refund.at, max(refund.at, order.term_end)
        line.paid = -amount
        self.lines.append(line)
        self.credit(to_balance, refund.at)

    def confirm_refund(self, refund):
        """The online part of a refund arrived (rules 3.5 and 7.5)."""
        refuse(["refund.not_online"] if refund.online == 0 else ["refund.confirmed"] if refund.confirmed else [])
        refund.confirmed = True
        return refund

    def refundable(self, group):
        reasons = []
        if group.method != SUBSCRIPTION:
            reasons += ["refund.pay_as_you_go", "group.not_subscription"]
        if group.status == EXPIRED:
            reasons += ["refund.expired", "group.expired"]
        if group.status in (CREATING, RELEASED):
            reasons += ["refund.not_active", "group.not_active"]
        if group.status == OVERDUE:
            reasons += ["refund.not_active", "refund.overdue", "group.overdue"]
        if any(order.group is group for order in self.unpaid_orders()):
            reasons.append("refund.unpaid_order")
        return reasons

    def quote_refund(self, group, at):
        """What unsubscribing gives back: (order, refund, consumed or None if in full) of each effective order, and whether
        the policy is used."""
        refuse(self.refundable(group))
        current, *pending = group.terms
        order = current.order
        days = self.prices.at(at).unconditional_days
        paid_for = [o for o in self.orders if o.group is group and o.status == PAID]
        in_full = (order.kind == NEW and len(paid_for) == 1 and order.refunded == 0 and at < order.paid_at + days * DAY
                   and local(at).year not in self.unconditional_years)  # fmt: skip
        used = None if in_full else consumed(current, at)
        parts = [(order, order.cash if in_full else max(0, order.cash - used), used)]
        parts += [(term.order, term.order.cash, None) for term in pending]
        refuse([] if sum(amount for _, amount, _ in parts) else ["refund.zero"])
        return parts, in_full

    def unsubscribe(self, group, at):
        parts, in_full = self.quote_refund(group, at)
        if in_full:
            self.unconditional_years.add(local(at).year)
        self.let_go(group, at, "unsubscribed")
        self.refunds.append(Refund(group, at, "unconditional" if in_full else ""))
        for order, amount, used in parts:
            self.give_back(self.refunds[-1], order, amount, used)
        return self.refunds[-1]

    def quote_renewal_refund(self, group):
        reasons = [reason for reason in self.refundable(group) if reason != "refund.unpaid_order"]
        if len(group.terms) < 2:
            reasons.append("refund.no_pending_renewal")
        if not reasons and group.terms[-1].order.cash == 0:
            reasons.append("refund.zero")
        refuse(reasons)
        return group.terms[-1].order

    def cancel_renewal(self, group, at):
        order = self.quote_renewal_refund(group)
        group.nominal_months -= group.terms.pop().months
        self.refunds.append(Refund(group, at, renewal_only=True))
        self.give_back(self.refunds[-1], order, order.cash)
        return self.refunds[-1]


def consumed(term, at):
    """What the used days of a term cost (rule 7.2)."""
    used, days = max(1, up(at - term.start, DAY)), up(term.end - term.start, DAY)
    served = [months for months in DURATIONS if term_end(term.start, months) <= at]
    factor = term.order.version.factors[served[-1]] if served else 1_000_000
    return half_up(Fraction(term.order.list_nanos * used * factor, 1000 * days * 1_000_000))
