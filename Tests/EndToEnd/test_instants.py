"""Two things at one instant, pair by pair. All stories of the table are played together over one clock: accounts keep them
apart, and those about prices have a specification of their own."""

import datetime
import heapq
import itertools

import instants_early  # noqa: F401: its rows
import instants_late  # noqa: F401: its rows
from cluster import REPOSITORY, pricing
from instants import MORE_PRICES, PRICES, START, TABLE, ZONE
from test_rules import RulesCase


class OneInstant(RulesCase):
    base_port = 7800
    start = "2026-06-10T08:00:00+08:00"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.publish(2, PRICES, "20.0000", "0.1000")
        cls.publish(3, MORE_PRICES, "20.0000", "0.2000")
        cls.failures, cls.played = {}, set()
        cls.play()

    @classmethod
    def publish(cls, version, instant, monthly, hourly):
        """Publishes the shipped price list again, from an instant on, with other prices of one specification."""
        text = (REPOSITORY / "deploy" / "catalog.yaml").read_text()
        document = "\n".join(line[4:] for line in text[text.index("  - version: 1") :].splitlines())
        since = datetime.datetime.fromtimestamp(instant / 1000, ZONE).strftime("%Y-%m-%d %H:%M")
        for old, new in [
            ("version: 1", f"version: {version}"), ('"2020-01-01 00:00"', f'"{since}"'),
            ('monthly: {ML: "14.9347"', f'monthly: {{ML: "{monthly}"'), ('hourly: {ML: "0.0610"', f'hourly: {{ML: "{hourly}"'),
        ]:  # fmt: skip
            assert document.count(old) == 1, old
            document = document.replace(old, new)
        cls.api.Prices.PublishPrices(pricing.PublishPricesRequest(document=document))

    @classmethod
    def play(cls):
        """Plays all stories over one clock: the one that waits for the earliest instant goes on first."""
        t = cls()
        stories = {numbers: story(t) for numbers, (_, story) in TABLE.items()}
        waiting = [(START, numbers) for numbers in stories]
        while waiting:
            instant, numbers = heapq.heappop(waiting)
            t.advance_to(instant)
            try:
                heapq.heappush(waiting, (next(stories[numbers]), numbers))
            except StopIteration:
                cls.played.add(numbers)
            except Exception as failure:  # noqa: BLE001: its test raises it.
                cls.failures[numbers] = failure

    def test_0_every_pair_has_a_row(self):
        self.assertEqual(set(TABLE), set(itertools.combinations(range(1, 10), 2)))
        self.assertEqual(len(TABLE), 36)

    def check(self, numbers):
        if numbers in self.failures:
            raise self.failures[numbers]
        self.assertIn(numbers, self.played)

    def test_z_audit(self):
        self.assert_audit_ok()


def test_of(numbers, claim):
    def test(self):
        self.check(numbers)

    test.__doc__ = claim
    return test


for pair_numbers, (claim_of_pair, _story) in TABLE.items():
    setattr(OneInstant, "test_{}_{}".format(*pair_numbers), test_of(pair_numbers, claim_of_pair))
