"""Refusals that a user of the command line meets: groups, networks, prices, calls, sagas and the clock."""

import resource
import signal
import unittest

from refusals import SMALL, UNKNOWN, Double, RefusalCase, price_document


class Groups(RefusalCase):
    base_port = 8100

    def setUp(self):
        self.account = self.api.open(1000)

    def test_1_subscriptions(self):
        """The first test, as a month takes long while other groups are billed by the hour."""
        group = self.done(f"order place {SMALL} --months 1 --pay")["group"]["group_id"]
        self.refuses(
            "group.not_pay_as_you_go", group, f"group release {group} --yes", next="a subscribed group is given back")  # fmt: skip
        self.refuses("group.renewal_months", "months = 4", f"group auto-renew {group} on --months 4")
        self.done("clock set '2026-05-11 09:00'")
        self.refuses("group.expired", "ended 2026-05-11 00:00:00; renew it first", f"group power {group} off")
        self.refuses(
            "refund.expired", "2026-05-11 00:00:00", f"refund quote {group}", next="the term is over; billing group renew")  # fmt: skip

    def test_2_groups(self):
        creating = self.api.create_group(self.account, external=True).group_id
        hourly = self.api.create_group(self.account).group_id
        groups = "billing group list"
        self.refuses("group.not_found", "ag-absent", "group show ag-absent", next=groups)
        for count in ["0", "101"]:
            self.refuses(
                "group.instance_count", f"instances = {count}",
                f"group create --specification acp.basic.small --region cn-hangzhou --instances {count}")  # fmt: skip
        self.refuses(
            "group.not_active", f"'{creating}' is creating", f"group power {creating} off",
            next="billing group show GROUP")  # fmt: skip
        self.refuses("group.not_creating", hourly, f"group report-created {hourly}")
        report = f"group report-created {creating} --at"
        self.refuses("group.report_ahead", "at = 2026-05-11 10:00:00", f"{report} '2026-05-11 10:00'")
        self.refuses("group.report_too_old", "at = 2026-05-11 08:00:00", f"{report} '2026-05-11 08:00'")
        self.catches("group.instant_out_of_range", "'1969-12-31' is not an instant", f"{report} 1969-12-31")
        self.refuses("group.text_too_long", "129 bytes", f"group rename {hourly} {'x' * 129}")
        for field in ["name", "network"]:
            self.refuses(
                "group.text_too_long", f"The {field} has 129 bytes",
                f"order place {SMALL} --months 1 --pay --{field} {'x' * 129}")  # fmt: skip
        self.assertEqual(self.api.balance(self.account), 1_000_000_000)
        self.refuses("group.not_subscription", hourly, f"group renew {hourly}", next="a pay-as-you-go group is")
        power = f"group power {hourly}"
        self.refuses(
            "instance.not_found", "acp-absent", f"{power} off --instance acp-absent", next="billing group show GROUP")  # fmt: skip
        self.done(f"{power} off")
        self.refuses("instance.not_running", "turn one on first", f"group connect {hourly}")
        self.catches("field.unknown_enum", "'on', 'off' or 'restart'", f"{power} explode")
        self.catches("field.enum_unspecified", "'on', 'off' or 'restart'", f"{power} unspecified")
        self.refuses("field.too_many", "statuses = 257", "group list" + " --status active" * 257)
        self.catches("id.malformed", "start with 'ag-'", "group show acct-1")

    def test_3_networks_and_backups(self):
        listed = "billing network list and billing backup list"
        self.refuses(
            "network.no_groups", "'nowhere'", "network internet nowhere", next="billing group show GROUP tells the network")  # fmt: skip
        for region in ["cn-hangzhou", "cn-beijing"]:
            self.api.create_group(self.account, region=region)
        self.refuses(
            "network.region_ambiguous", "region = cn-beijing, cn-hangzhou", "network internet default",
            next="give the command again with --region")  # fmt: skip
        bought = self.done("network internet default --region cn-beijing")["resources"][0]["resource_id"]
        self.done(f"network release {bought} --yes")
        self.refuses("resource.not_active", bought, f"network release {bought} --yes", next=listed)
        self.refuses("resource.not_found", "nat-absent", "network release nat-absent --yes", next=listed)
        self.refuses(
            "resource.quantity", "mbps = 1001", "network bandwidth default --region cn-beijing --mbps 1001")  # fmt: skip
        self.refuses("resource.quantity", "gib = 0", "backup set --region cn-hangzhou --gib 0")
        self.refuses("resource.missing_field", "region is missing", "backup set --region '' --gib 1")

    def test_4_prices(self):
        quote = "quote --region cn-hangzhou --instances 1 --specification"
        listed = "billing price list shows the"
        self.refuses("price.unknown_specification", "specification = acp.tiny", f"{quote} acp.tiny", next=listed)
        self.refuses(
            "price.unknown_region", "region = moon-1", f"group create {SMALL} --region moon-1", next=listed)  # fmt: skip
        self.refuses(
            "price.unknown_duration", "months = 4", f"{quote} acp.basic.small --months 4", next="1, 2, 3, 6 and 12")  # fmt: skip
        self.refuses("price.none_in_force", "at = 2000-01-01 00:00:00", "price list --at 2000-01-01")
        self.refuses("price.unknown_version", "price_list_version = 99", "price show 99")

    def test_5_price_documents(self):
        publish = "price publish - --yes"
        self.refuses("price.document", "line 1", publish, stdin="nonsense")
        self.refuses("price.version_number", "write 'version: 2'", publish, stdin=price_document(**{"version: 2": "version: 3"}))
        self.refuses(
            "price.too_early", "later effective_from", publish, stdin=price_document(**{"2026-08-01": "2026-04-10"}))  # fmt: skip
        self.refuses("pricing.no_effect", "version 1", publish, stdin=price_document())
        lines = [line for line in price_document().splitlines() if "cn-beijing" not in line]
        self.refuses("price.cannot_follow", "'cn-beijing'", publish, stdin="\n".join(lines))
        self.catches("field.embedded_nul", "no UTF-8 text", publish, stdin="version: 2\0")

    def test_6_bills(self):
        line = f"{self.account}/line"
        self.refuses("bill.line_not_found", f"line_id = {line}", f"bill explain {line}")
        self.refuses("bill.range_too_long", "18 months", "bill list --from 2024-01-01 --to 2026-01-01")


class Calls(RefusalCase):
    """What keeps a command from reaching its service, or from being answered."""

    base_port = 8120

    def setUp(self):
        self.account = self.api.open(1000)

    def pause(self, name):
        """The service says nothing until the test ends."""
        process = self.cluster.processes[name]
        process.send_signal(signal.SIGSTOP)
        self.addCleanup(process.send_signal, signal.SIGCONT)

    def test_1_keys_and_accounts(self):
        self.done("account open one --key key-of-mine-000001")
        self.refuses(
            "call.key_reused", "another request", "account open two --key key-of-mine-000001", next="leave out --key")  # fmt: skip
        self.catches("call.key_malformed", "this one has 5 bytes", "account open one --key short")
        self.refuses("call.too_large", "65536", f"account open {'x' * 70_000}")
        self.account = ""
        self.catches("call.account_missing", "billing account list shows them", "account show")

    def test_2_endpoints(self):
        start = "start the services with deploy/run --keep"
        self.refuses(
            "call.endpoint_malformed", "endpoint = tcp://127.0.0.1", "health --gateway tcp://127.0.0.1")  # fmt: skip
        self.refuses(
            "call.unreachable", "No gateway answers at tcp://127.0.0.1:1 ", "health --gateway tcp://127.0.0.1:1",
            next=start, status=UNKNOWN)  # fmt: skip
        # The gateway is there, and what it would ask is not.
        self.cluster.kill("refund")
        self.addCleanup(self.cluster.wait_until_healthy, ["refund"])
        self.addCleanup(self.cluster.start, "refund")
        self.refuses(
            "call.unreachable", f"Nobody answers at {self.cluster.endpoint('refund')}",
            "refund list --timeout 1", next="start that service", status=UNKNOWN, at_deadline=True)  # fmt: skip

    def test_3_time(self):
        self.refuses("call.not_sent", "was over before", "account list --timeout 0.001", status=UNKNOWN)
        self.pause("order")
        self.refuses(
            "call.deadline_exceeded", "GetAccount did not answer in time", "account show --timeout 0.3",
            next="try again, with a longer --timeout", status=UNKNOWN)  # fmt: skip
        self.refuses(
            "call.deadline_exceeded", "OpenAccount did not answer in time",
            "account open late --timeout 0.3 --key key-of-mine-000002",
            next="the outcome is unknown; repeat the command with --key key-of-mine-000002", status=UNKNOWN)  # fmt: skip

    def test_4_a_reply_that_cannot_be_read(self):
        with Double(self.base_port + 10, b"\xff\xff", status=9) as double:
            self.refuses(
                "call.malformed_reply", "cannot be read", f"account list --gateway {double.endpoint}",
                next="try again", status=UNKNOWN)  # fmt: skip

    def test_5_no_descriptors(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))

        self.refuses("call.no_resources", "limit on open files", "account list", status=UNKNOWN, preexec_fn=limit)

    def test_6_sagas(self):
        self.refuses("saga.not_found", "saga-absent", "saga show saga-absent", next="billing saga list")
        group = self.api.create_group(self.account).group_id
        release = f"group release {group} --yes --timeout 1"
        self.pause("order")
        self.refuses(
            "saga.under_way", "saga_id = saga-", release + " --key key-of-mine-000003",
            next="the outcome is unknown; repeat the command with --key key-of-mine-000003", status=UNKNOWN,
            at_deadline=True)  # fmt: skip
        self.refuses("group.locked", f"group_id = {group}", release, next="something else is at work on it")
        self.doCleanups()
        released = self.done(f"group release {group} --yes --key key-of-mine-000003")
        self.assertEqual(released["status"], "released")
        ended = self.done("saga list")["saga_id"]
        self.refuses("saga.finished", ended, f"saga retry {ended}")

    def test_7_the_clock(self):
        self.refuses("clock.backwards", "to = 2026-04-10 08:00:00", "clock set '2026-04-10 08:00'")
        self.catches("clock.out_of_range", "'10000-01-01' is not an instant", "clock set 10000-01-01")
        data = self.fresh()
        gateway = self.serve("gateway", self.base_port + 10, "--clock", "real", "--data", data)
        self.refuses(
            "clock.real", "nobody moves", f"clock advance 1h --gateway {gateway}", next="start the services with a manual")  # fmt: skip
        self.does_not_start(
            "clock.other_mode", "was made with a manual clock", "gateway", "--clock", "real", "--data",
            self.data_of("gateway"))  # fmt: skip

    def test_8_work_that_is_due_and_cannot_be_done(self):
        self.api.create_group(self.account)
        self.pause("metering")
        code, _, problem = self.cluster.billing("clock", "advance", "2h", "--timeout", "0.5")
        self.assertEqual(code, UNKNOWN, problem)
        self.assertIn("billing saga list and billing cut status tell what it waits for", problem)
        self.refuses(
            "clock.standing", "The clock stands at 2026-04-10", "account top-up 5 --timeout 1 --key key-of-mine-000004",
            next="try again in a moment, with --key key-of-mine-000004", status=UNKNOWN, at_deadline=True)  # fmt: skip
        self.doCleanups()
        # The two hours go on by themselves, so a second more than what the clock shows may be past when it is asked for.
        self.done("clock set '2026-04-10 11:00'")
        self.done("account top-up 5 --key key-of-mine-000004")


if __name__ == "__main__":
    unittest.main()
