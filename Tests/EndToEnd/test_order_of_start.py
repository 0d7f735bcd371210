"""The five services come up, and go, in any order."""

import unittest

from cluster import DAY, SERVICES, Api, Cluster, metering


class OrderOfStart(unittest.TestCase):
    def test_any_order(self):
        """Started, stopped with calls under way and started again: nothing is lost, nothing needs to be repeated."""
        cluster = Cluster(7560)
        self.addCleanup(cluster.stop)
        orders = [SERVICES, SERVICES[::-1], ["order", "gateway", "refund", "pricing", "metering"]]
        groups = {}
        for first in orders:
            for name in first:
                cluster.start(name)
            cluster.wait_until_healthy()
            api = Api(cluster.client())
            account = api.open(100)
            groups[api.create_group(account).group_id] = account
            api.advance(DAY)
            for group, owner in groups.items():
                self.assertEqual(api.group(owner, group).status, metering.GROUP_STATUS_ACTIVE)
            for name in reversed(first):
                cluster.processes[name].terminate()
                self.assertEqual(cluster.processes[name].wait(timeout=10), 0, f"{name} ended badly")
        for name in SERVICES:
            cluster.start(name)
        cluster.wait_until_healthy()
        api = Api(cluster.client())
        self.assertEqual(sum(breaches for _, breaches, _ in api.audit().values()), 0)
        # A service that is asked before its neighbour is there waits for it.
        cluster.kill("pricing")
        cluster.kill("order")
        cluster.start("order")
        cluster.start("pricing")
        account = api.open(100)
        self.assertTrue(api.create_group(account).group_id)


if __name__ == "__main__":
    unittest.main()
