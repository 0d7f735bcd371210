"""Every reason of the wire contract is caused by a test through the command line, or it says here why none can."""

import ast
import pathlib
import re
import unittest

from cluster import REPOSITORY

INSIDE = "Tests/EndToEnd/test_refusals_inside.py"
WIRE = "Tests/EndToEnd/test_wire.py"
BYTES = "Tests/BillingAPITests/HostileBytesTests.swift"
CHANNEL = "Tests/TransportContractTests/ZeroMQChannelTests.swift"
SERVER = "Tests/TransportContractTests/ZeroMQServerTests.swift"
TRANSPORT = "Tests/TransportContractTests/TransportContractTests.swift"
STORAGE = "Tests/StorageContractTests/SQLiteDriverTests.swift"
STEPS = "Tests/StorageContractTests/SagaStepContractTests.swift"
GATEWAY = "Tests/GatewayTests/HandlerTests.swift"
CLOCK = "Tests/GatewayTests/ManualClockTests.swift"
SAGAS = "Tests/GatewayTests/SagaEngineTests.swift"
GROUPS = "Tests/MeteringTests/Handlers/GroupHandlerTests.swift"
GROUP_STEPS = "Tests/MeteringTests/Handlers/GroupStepTests.swift"
GROUP_RULES = "Tests/MeteringTests/Rules/GroupStateMachineTests.swift"
RENEWALS = "Tests/MeteringTests/Handlers/RenewalTests.swift"
CUTS = "Tests/MeteringTests/Handlers/CutTests.swift"
LEDGER = "Tests/OrderingTests/LedgerTests.swift"
ORDERS = "Tests/OrderingTests/OrderTests.swift"
PAID_BACK = "Tests/OrderingTests/RefundTests.swift"
USAGE = "Tests/OrderingTests/UsageTests.swift"
REFUNDS = "Tests/RefundingTests/RefundingServiceTests.swift"
QUOTES = "Tests/RefundingTests/RefundQuoteHandlerTests.swift"

ENCODER = "the command line encodes its calls, and well"
RATING = "only metering, refund and gateway ask for it, with what they have stored"
SAGA = "only a gateway runs steps of sagas"
OURS = "it takes a bug of ours"

# Why no command can cause the reason, and the test that does.
UNREACHABLE_BY_CLI = {
    "call.malformed": (ENCODER, WIRE),
    "call.key_missing": ("the command line sends a key with every write", WIRE),
    "call.already_done": ("answers are kept for longer than a key is repeated", "Tests/StorageContractTests/OnceContractTests.swift"),
    "call.account_malformed": ("the command line reads account ids before", TRANSPORT),
    "call.not_stamped": ("the gateway stamps every call", GROUPS),
    "call.effective_at_refused": ("the command line never names an instant in the header", CLOCK),
    "call.time_went_back": ("the gateway's clock does not go back", LEDGER),
    "call.unknown_method": ("the command line knows the methods of its release", TRANSPORT),
    "call.reply_too_large": ("the pages that the command line asks for are small enough", TRANSPORT),
    "call.overloaded": ("the command line makes one call at a time", TRANSPORT),
    "call.outcome_unknown": ("the command line sends a key with every write", CHANNEL),
    "call.cancelled": ("a command that is interrupted says nothing any more", TRANSPORT),
    "call.channel_closed": ("a command closes its channel when it is done", CHANNEL),
    "call.internal": (OURS, TRANSPORT),
    "server.draining": ("the command line sends the call again, to the successor", SERVER),
    "storage.queue_full": ("it takes thousands of calls at once", STORAGE),
    "storage.full": ("it takes a full disk", STORAGE),
    "storage.busy": ("the gateway tries again for as long as the command waits", INSIDE),
    "storage.closed": ("it takes a call in the last moment of a process", STORAGE),
    "storage.broken": ("it takes a broken disk", STORAGE),
    "storage.unsafe_setting": ("it takes another SQLite", STORAGE),
    "field.not_utf8": (ENCODER, BYTES),
    "page.malformed": ("the command line goes from page to page by itself", GATEWAY),
    "money.overflow": ("it takes thousands of the largest payments", LEDGER),
    "account.cut_due": ("it takes a call in the moment of a cut", CUTS),
    "account.not_overdue": (SAGA, INSIDE),
    "group.already_exists": (SAGA, GROUP_STEPS),
    "group.not_due": (SAGA, "Tests/MeteringTests/Handlers/OverdueTests.swift"),
    "group.not_held": (SAGA, GROUP_STEPS),
    "group.before_beginning": ("the instants of an account never go back", GROUP_RULES),
    "group.billed_beyond": (SAGA, GROUP_STEPS),
    "group.term_runs": ("terms are ended by the clock, when they end", GROUP_RULES),
    "group.term_unconnected": (SAGA, RENEWALS),
    "group.not_last_renewal": (SAGA, RENEWALS),
    "group.unexpected_field": (SAGA, GROUPS),
    "group.missing_field": (SAGA, GROUP_STEPS),
    "group.term_malformed": (SAGA, GROUP_STEPS),
    "price.unknown_item": (RATING, INSIDE),
    "price.quantity": (RATING, INSIDE),
    "price.billing_method": (RATING, "Tests/PricingTests/DraftTests.swift"),
    "price.not_yet_sold": (RATING, INSIDE),
    "price.instant": (RATING, INSIDE),
    "price.columns": (RATING, INSIDE),
    "price.resource_index": (RATING, INSIDE),
    "price.empty_slice": (RATING, INSIDE),
    "price.slice_before_anchor": (RATING, INSIDE),
    "price.several_hours": (RATING, INSIDE),
    "price.too_many_parts": (RATING, INSIDE),
    "price.empty_term": (RATING, INSIDE),
    "price.negative_list_price": (RATING, INSIDE),
    "price.nothing_to_explain": (RATING, INSIDE),
    "coupon.changed": ("the money is given back, which is no refusal; test_refusals_money tells how", INSIDE),
    "order.payment_method_missing": ("the command line always names one", ORDERS),
    "order.quote_malformed": ("the gateway passes the quote on", ORDERS),
    "payment.reference": ("the command line names a reference for online payments only", GATEWAY),
    "payment.not_confirmed": (SAGA, ORDERS),
    "payment.mismatch": (SAGA, ORDERS),
    "refund.already_open": ("a group that is given back has the state to say so", INSIDE),
    "refund.not_posted": ("a refund that is listed is posted a moment later", REFUNDS),
    "refund.group_missing": (SAGA, QUOTES),
    "refund.identifier_taken": (SAGA, INSIDE),
    "refund.out_of_turn": (SAGA, INSIDE),
    "refund.malformed": (SAGA, PAID_BACK),
    "refund.too_large": (SAGA, PAID_BACK),
    "refund.unusable_answer": (OURS, QUOTES),
    "clock.drift": ("it takes a machine whose clock is set", "Tests/GatewayTests/ClockRuleTests.swift"),
    "saga.left": ("the command line sends the call again, to the successor", SAGAS),
    "saga.given_up": ("it takes a service that is away for the whole time of a saga", SAGAS),
    "saga.fenced": (SAGA, STEPS),
    "saga.already_done": (SAGA, STEPS),
    "saga.undone": (SAGA, STEPS),
    "saga.step_missing": (SAGA, REFUNDS),
    "cut.not_top_of_hour": ("the gateway cuts at full hours", CUTS),
    "cut.rating_mismatch": (OURS, CUTS),
    "usage.malformed": ("only metering posts usage", USAGE),
    "usage.changed": (OURS, USAGE),
    "ledger.unbalanced": (OURS, LEDGER),
    "ledger.too_few_entries": (OURS, LEDGER),
    "ledger.overdrawn": (OURS, LEDGER),
    "ledger.oversettled": (OURS, LEDGER),
    "ledger.line_broken": (OURS, "Tests/OrderingTests/SettlementTests.swift"),
}  # fmt: skip

# What runs a command and looks at the reason it ends with; `billingd` is a command too.
COMMANDS = {"refuses", "catches", "does_not_start", "start_and_fail"}
# What calls a service without the command line.
CALLS = {"refused", "refuses_call", "refuses_step"}


def listed():
    """The reasons in the order of Proto/README.md."""
    section = (REPOSITORY / "Proto" / "README.md").read_text().split("\n## Reasons\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([a-z]+\.[a-z0-9_]+)` \|", section, re.MULTILINE)


def named(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def caused_by_commands(source):
    """The texts of those tests that give commands, without the reasons that are expected of calls."""
    for test in ast.walk(ast.parse(source)):
        if not (isinstance(test, ast.FunctionDef) and test.name.startswith("test_")):
            continue
        calls = [node for node in ast.walk(test) if isinstance(node, ast.Call)]
        if not COMMANDS & {named(call) for call in calls}:
            continue
        expected = [argument for call in calls if named(call) in CALLS for argument in call.args]
        for node in ast.walk(test):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in expected:
                yield node.value


class Complete(unittest.TestCase):
    def setUp(self):
        self.listed = listed()
        self.caused = set()
        for path in pathlib.Path(__file__).parent.glob("test_*.py"):
            self.caused.update(caused_by_commands(path.read_text()))

    def test_every_reason_has_its_test(self):
        self.assertGreater(len(self.listed), 150)
        untested = [reason for reason in self.listed if reason not in self.caused | UNREACHABLE_BY_CLI.keys()]
        self.assertEqual(untested, [], "no test of Tests/EndToEnd causes them through the command line")

    def test_what_no_command_can_cause_is_tested_where_it_is_said(self):
        self.assertEqual([reason for reason in UNREACHABLE_BY_CLI if reason not in self.listed], [], "not listed")
        self.assertEqual([reason for reason in UNREACHABLE_BY_CLI if reason in self.caused], [], "a command does cause them")
        for reason, (why, test) in UNREACHABLE_BY_CLI.items():
            with self.subTest(reason=reason):
                self.assertTrue(why)
                self.assertTrue(f'"{reason}"' in (REPOSITORY / test).read_text(), f"{test} does not name it")

    def test_every_row_of_the_contract_says_what_the_caller_does(self):
        section = (REPOSITORY / "Proto" / "README.md").read_text().split("\n## Reasons\n")[1].split("\n## ")[0]
        for reason in self.listed:
            [row] = re.findall(rf"^\| `{re.escape(reason)}` \| (\d+) \| (.+) \|$", section, re.MULTILINE)
            self.assertGreater(len(row[1].split()), 1, reason)


if __name__ == "__main__":
    unittest.main()
