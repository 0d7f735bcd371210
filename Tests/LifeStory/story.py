"""Random lives of many accounts, lived by the real services and by an independent model, compared after every day.

    /usr/bin/python3 Tests/LifeStory/story.py [--seed S] [--accounts A] [--days D] [--only NUMBER] [--budget SECONDS]

After each day all services' data are audited, and what every account shows is compared with the model: its balance, what
is outstanding, the states of its groups, resources and orders; of a share of the accounts, drawn anew each day, and at the end of
all of them, every field of every bill line, refund, coupon, payment and notice as well.

Seeds derive from the commit unless given. The first difference ends the story: it prints both values, what the account did,
and the command that tells its life again, alone. A story that runs out of its budget says so in a line that begins with
"ENDED EARLY". The last line is one JSON object.
"""

import argparse
import collections
import contextlib
import json
import pathlib
import random
import re
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from compare import check, check_accounts, check_states  # noqa: E402
from conversation import MESSAGES, Call, Line, Refused, System, commit  # noqa: E402
from life import Difference, Life  # noqa: E402
from model import DAY, HOUR, PriceList, Prices, instant, local, shipped  # noqa: E402

gateway, pricing, common = (MESSAGES[name] for name in ("gateway", "pricing", "common"))
CATALOG = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "catalog.yaml"
# Where stories begin: before units of 4 hours, before the ends of February, of a leap February, of a year.
BEGINNINGS = ((2025, 5, 4), (2026, 1, 20), (2028, 2, 10), (2026, 12, 5))
INSTANTS_A_DAY = 40
AUDITS = 3  # Slices at a time.


class Story:
    def __init__(self, options):
        self.options, self.seed = options, options.seed
        self.random = random.Random(self.seed)
        self.start = instant(*self.random.choice(BEGINNINGS))
        self.began, self.tally, self.spent = time.monotonic(), collections.Counter(), collections.Counter()
        self.prices = Prices()
        numbers = range(options.accounts) if options.only is None else [options.only]
        self.lives = [Life(self.seed, number, self.prices, self.start) for number in numbers]
        self.days_done, self.ended_early = 0, False
        # Where slices of the audit begin.
        self.audited_from = [""]

    def tell(self, system):
        self.line = Line(system.endpoint("gateway"))
        self.learn_prices()
        self.line.run([life.open() for life in self.lives])
        for day in range(self.options.days):
            self.live_a_day(day)
            self.days_done = day + 1
            if self.days_done % 10 == 0 or self.days_done == self.options.days:
                self.progress()
            if self.options.budget and time.monotonic() - self.began > self.options.budget:
                self.ended_early = self.days_done < self.options.days
                break
        with self.timed("comparing all of it"):
            self.line.run([check(life, 0, 0, self.tally, whole=True) for life in self.lives])

    @contextlib.contextmanager
    def timed(self, what):
        began = time.monotonic()
        yield
        self.spent[what] += time.monotonic() - began

    # Prices.

    def learn_prices(self):
        """The model has the prices of the rule book; those that are examples only it is told."""
        listed = self.line.ask("Prices/ListPrices", pricing.ListPricesRequest())
        told = price_list(listed)
        self.prices.versions = [shipped({item: told.items[item] for item in told.items})]
        ours = self.prices.versions[0]
        if (ours.monthly, ours.hourly, ours.factors) != (told.monthly, told.hourly, told.factors):
            raise AssertionError("the shipped price list is not the rule book's")

    def publish(self, day, now):
        """Publishes the next version of the price list, other prices and discounts, from a minute of the next days on."""
        chance = random.Random(f"{self.seed}/prices/{day}")
        number = len(self.prices.versions) + 1
        effective = (max(now, self.prices.versions[-1].effective_at) + chance.randint(1, 2 * DAY)) // 60_000 * 60_000 + 60_000
        days = chance.choice((0, 5))
        document = price_document(chance, number, effective, days)
        self.line.ask("Prices/PublishPrices", pricing.PublishPricesRequest(document=document))
        told = price_list(self.line.ask("Prices/ListPrices", pricing.ListPricesRequest(version=number)))
        if (told.number, told.effective_at) != (number, effective):
            raise AssertionError(f"version {number} from {effective} was published as {told.number} from {told.effective_at}")
        told.unconditional_days = days
        self.prices.publish(told)
        self.tally["price versions"] += 1

    # Days.

    def live_a_day(self, day):
        start = self.start + day * DAY
        end = start + DAY
        chance = random.Random(f"{self.seed}/day/{day}")
        shared = sorted(chance.sample(range(start + 1, end), INSTANTS_A_DAY - 10))
        shared += [start + hour * HOUR for hour in chance.sample(range(1, 24), 10)]
        publish_at = chance.choice(shared) if chance.random() < 0.12 else None
        acting = collections.defaultdict(list)
        for life in self.lives:
            instants = {life.random.choice(shared) for _ in range(life.random.choice((0, 1, 1, 2, 3)))}
            moments = life.moments(start, end)
            if moments and life.random.random() < 0.5:
                instants.add(life.random.choice(moments))
            for at in instants:
                acting[at].append(life)
        left = collections.Counter(life for lives in acting.values() for life in lives)
        # Those who do nothing more today: their models may be carried to its end while the system is at work.
        idle, resting = [], [life for life in self.lives if not left[life]]
        for at in sorted({*acting, *([publish_at] if publish_at else [])}):
            if publish_at is None or publish_at < at:  # A model must know the prices that it comes to.
                idle, resting = idle + resting, []
            self.advance(at, self.model_ahead(acting.get(at, []), at, idle, end))
            with self.timed("acting"):
                self.line.run([life.step(at) for life in acting.get(at, [])])
            left.subtract(acting.get(at, []))
            resting += [life for life in acting.get(at, []) if not left[life]]
            if at == publish_at:
                self.publish(day, at)
        self.advance(end, self.model_ahead([], end, idle + resting, end))
        with self.timed("modelling"):
            for life in self.lives:
                life.model.advance(end)
        self.look(day, start, end)

    @staticmethod
    def model_ahead(acting, at, idle, end):
        for life in acting:
            life.model.advance(at)
            yield life
        while idle:
            life = idle.pop()
            life.model.advance(end)
            yield life

    def look(self, day, start, end):
        """Audits the system, and compares it with the model."""
        chance = random.Random(f"{self.seed}/sample/{day}")
        whole = [chance.random() < self.options.sample for _ in self.lives]
        self.tally["audits"] += 1
        with self.timed("auditing and comparing"):
            audits = [self.audit(self.audited_from[number::AUDITS]) for number in range(AUDITS)]
            self.line.run(audits + [check_accounts(self.lives, self.tally)] + [
                check(life, start, end, self.tally) if all_of_it else check_states(life)
                for life, all_of_it in zip(self.lives, whole)])  # fmt: skip

    def advance(self, to, meanwhile=iter(())):
        """Moves the system's clock; `meanwhile` as for `Line.run`."""

        def talk():
            while True:
                clock = yield Call("Operations/AdvanceClock", gateway.AdvanceClockRequest(to=to, wait_milliseconds=20_000))
                if isinstance(clock, Refused):
                    raise clock
                if clock.now >= to:
                    return
                if clock.problem:
                    raise AssertionError(f"the clock stands at {clock.now}: {clock.problem}")

        with self.timed("advancing"):
            self.line.run([talk()], meanwhile)

    def audit(self, places):
        """Audits the slices of the accounts that begin at some places, and those that follow and were never come to before."""
        places, breaches = collections.deque(places), []
        while places:
            reply = yield Call("Operations/Audit", gateway.AuditRequest(cursor=places.popleft()))
            if isinstance(reply, Refused):
                raise reply
            for finding in reply.findings:
                self.tally["audited"] += finding.checked
                if finding.breaches:
                    breaches.append(f"{finding.invariant} {finding.title}: {finding.breaches}; {', '.join(finding.examples)}")
            if reply.next_cursor and reply.next_cursor not in self.audited_from:
                self.audited_from.append(reply.next_cursor)
                places.append(reply.next_cursor)
        if breaches:
            raise AssertionError("the audit finds breaches:\n  " + "\n  ".join(breaches))

    def summary(self):
        return {
            "seed": self.seed, "accounts": len(self.lives), "days": self.days_done,
            "operations": sum(life.operations for life in self.lives), "refusals": sum(life.refusals for life in self.lives),
            "overdue": sum(notice.kind == "overdue" for life in self.lives for notice in life.model.notices),
            "refunds": sum(len(life.model.refunds) for life in self.lives),
            "refunds online": sum(refund.online > 0 for life in self.lives for refund in life.model.refunds),
            "refunds confirmed": sum(refund.confirmed for life in self.lives for refund in life.model.refunds),
            "replays": self.line.replays if hasattr(self, "line") else 0, **self.tally,
            "seconds": round(time.monotonic() - self.began, 1),
            "spent": {what: round(seconds, 1) for what, seconds in self.spent.items()}}  # fmt: skip

    def progress(self):
        summary = self.summary()
        print(f"life story: day {self.days_done} of {self.options.days}: {summary['operations']} operations, "
              f"{summary['refusals']} refused, {self.tally['lines compared']} lines compared, {summary['seconds']} s", flush=True)  # fmt: skip

    def replay(self, life):
        options = self.options
        return (f"/usr/bin/python3 Tests/LifeStory/story.py --seed {self.seed} --accounts {options.accounts}"
                f" --days {self.days_done + 1} --only {life.number} --sample 1")  # fmt: skip


def price_list(listed):
    """The model's form of a price list as the system tells it."""
    classes = {common.REGION_CLASS_ML: "ML", common.REGION_CLASS_INT: "INT"}
    monthly = {s.specification: {classes[p.region_class]: p.monthly_nanos for p in s.prices} for s in listed.specifications}
    hourly = {s.specification: {classes[p.region_class]: p.hourly_nanos for p in s.prices} for s in listed.specifications}
    items = {i.item: {classes[p.region_class]: p.price_nanos for p in i.prices} for i in listed.value_added_items}
    factors = {discount.months: discount.factor_millionths for discount in listed.term_discounts}
    return PriceList(listed.version, listed.effective_at, monthly, hourly, items, factors)


def price_document(chance, number, effective, days):
    """The catalog's first version with another number, instant and discounts, and with some other prices."""
    text = CATALOG.read_text().split("  - version: 1", 1)[1].split("\n  - version:", 1)[0]
    lines = [f"version: {number}"] + [line[4:] if line.startswith("    ") else line for line in text.splitlines()[1:]]
    changed = []
    for line in lines:
        if line.startswith("effective_from:"):
            line = f'effective_from: "{local(effective):%Y-%m-%d %H:%M}"'
        elif line.startswith("term_discounts:"):
            factors = [f"0.{chance.randint(80, 99)}" for _ in range(4)]
            line = "term_discounts: {1: \"1.00\", " + ", ".join(
                f'{months}: "{factor}"' for months, factor in zip((2, 3, 6, 12), sorted(factors, reverse=True))) + "}"  # fmt: skip
        elif line.startswith("unconditional_refund_days:"):
            line = f"unconditional_refund_days: {days}"
        elif ("ML:" in line or "INT:" in line) and chance.random() < 0.6:
            line = re.sub(r'"(\d+)\.(\d+)"', lambda found: another_price(chance, *found.groups()), line)
        changed.append(line)
    return "\n".join(changed) + "\n"


def another_price(chance, whole, part):
    value = max(1, int(whole + part) * chance.randint(80, 125) // 100)
    digits = str(value).rjust(len(part) + 1, "0")
    return f'"{digits[: -len(part)]}.{digits[-len(part) :]}"'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default=commit()[:12])
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--only", type=int, help="the life of this account alone")
    parser.add_argument("--budget", type=float, default=0, help="end after the day in which so many seconds are over")
    parser.add_argument("--sample", type=float, default=1, help="share of the accounts of which everything is compared daily")
    options = parser.parse_args()
    story = Story(options)
    print(f"life story: seed {story.seed}, {len(story.lives)} accounts, {options.days} days "
          f"from {local(story.start):%Y-%m-%d}", flush=True)  # fmt: skip
    system = System(f"{local(story.start):%Y-%m-%dT%H:%M:%S}+08:00")
    failed = False
    try:
        story.tell(system.start_system())
    except Difference as difference:
        failed, life = True, difference.life
        print(f"\nDIFFERENCE at {local(life.model.now).isoformat(sep=' ', timespec='milliseconds')} (day {story.days_done + 1}), "
              f"seed {story.seed}, account {life.number} ({life.model.id}):\n{difference}")  # fmt: skip
        print("What it did:\n  " + "\n  ".join(life.history[-60:]))
        print(f"Replay: {story.replay(life)}")
    except Exception:
        failed = True
        traceback.print_exc()
        print(f"seed {story.seed}, day {story.days_done + 1}; the log ends: {system.log('gateway')[-800:]}")
    finally:
        system.stop()
    if story.ended_early and not failed:
        print(f"ENDED EARLY: {story.days_done} of {options.days} days of {len(story.lives)} accounts were told, all as modelled, "
              f"in {options.budget:g} s; seed {story.seed}")  # fmt: skip
    outcome = "failed" if failed else "ended early" if story.ended_early else "as modelled"
    print(json.dumps({"story": outcome, **story.summary()}))
    return failed


if __name__ == "__main__":
    sys.exit(main())
