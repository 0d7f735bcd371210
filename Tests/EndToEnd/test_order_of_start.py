"""The five services come up, and go, in any order."""

import threading
import unittest

from cluster import DAY, SERVICES, Api, Cluster, OutcomeUnknown, Refused, metering, order


class Caller:
    """Tops up an account again and again, by a thread of its own, as long as the block lasts."""

    REQUEST = order.TopUpRequest(amount_micros=1_000_000)

    def __init__(self, cluster):
        self.api = Api(cluster.client())
        self.account = self.api.open(0)
        self.keys, self.is_over = [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.is_over.is_set():
            self.keys.append(self.api.new_key())
            try:
                self.api.Accounts.TopUp(self.REQUEST, account=self.account, key=self.keys[-1], seconds=1)
            except (OutcomeUnknown, Refused):
                pass  # The services stop; what became of it is asked later.

    def __enter__(self):
        self.thread.start()
        while len(self.keys) < 3:
            self.is_over.wait(0.001)
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


class OrderOfStart(unittest.TestCase):
    def test_any_order(self):
        """Started, stopped with calls under way and started again: nothing is lost, nothing needs to be repeated."""
        cluster = Cluster(7560)
        self.addCleanup(cluster.stop)
        arrangements = [SERVICES, SERVICES[::-1], ["order", "gateway", "refund", "pricing", "metering"]]
        groups, top_ups = {}, []
        for first in arrangements:
            for name in first:
                cluster.start(name)
            cluster.wait_until_healthy()
            api = Api(cluster.client())
            account = api.open(100)
            groups[api.create_group(account).group_id] = account
            api.advance(DAY)
            for group, owner in groups.items():
                self.assertEqual(api.group(owner, group).status, metering.GROUP_STATUS_ACTIVE)
            with Caller(cluster) as caller:
                for name in reversed(first):
                    cluster.processes[name].terminate()
                    self.assertEqual(cluster.processes[name].wait(timeout=10), 0, f"{name} ended badly")
            top_ups.append(caller)
        for name in SERVICES:
            cluster.start(name)
        cluster.wait_until_healthy()
        api = Api(cluster.client())
        self.assertEqual(sum(breaches for _, breaches, _ in api.audit().values()), 0)
        for caller in top_ups:
            self.assertGreater(len(caller.keys), 0)
            # What the last calls came to is not known: with their keys they are asked again, and act once.
            for key in caller.keys:
                api.Accounts.TopUp(Caller.REQUEST, account=caller.account, key=key)
            self.assertEqual(api.balance(caller.account), len(caller.keys) * Caller.REQUEST.amount_micros)
        # A service that is asked before its neighbour is there waits for it.
        cluster.kill("pricing")
        cluster.kill("order")
        cluster.start("order")
        cluster.start("pricing")
        account = api.open(100)
        self.assertTrue(api.create_group(account).group_id)


if __name__ == "__main__":
    unittest.main()
