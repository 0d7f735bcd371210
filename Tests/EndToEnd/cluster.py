"""Five real processes, started, killed and asked by the tests of this folder."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests" / "ForeignClient"))
sys.dont_write_bytecode = True

from billing_client import MESSAGES, Client, OutcomeUnknown, Refused  # noqa: E402

BINARIES = pathlib.Path(os.environ.get("BILLING_BINARIES", REPOSITORY / ".build" / "release"))
SERVICES = ["pricing", "metering", "order", "refund", "gateway"]
HOUR = 3_600_000
DAY = 24 * HOUR

common, pricing, metering, order, refund, gateway = (
    MESSAGES[name] for name in ["common", "pricing", "metering", "order", "refund", "gateway"]
)


class Cluster:
    """The five services on `base_port` and the next four ports, over a data directory, in `folder` if one is given, that is
    deleted at the end."""

    def __init__(self, base_port, start="2026-01-01T00:00:00+08:00", folder=None):
        self.base_port, self.start_instant = base_port, start
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="billing-test-", dir=folder))
        self.processes = {}

    def endpoint(self, name):
        return f"tcp://127.0.0.1:{self.base_port + SERVICES.index(name)}"

    def start(self, name, *options):
        if name == "gateway":
            options = ["--clock", "manual", "--start", self.start_instant, *options]
        if name == "pricing":
            options = ["--catalog", REPOSITORY / "deploy" / "catalog.yaml", *options]
        log = open(self.data / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            [BINARIES / "billingd", name, "--data", self.data / name, *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment())  # fmt: skip
        log.close()

    def start_all(self, *gateway_options):
        for name in SERVICES:
            self.start(name, *(gateway_options if name == "gateway" else ()))
        self.wait_until_healthy()
        return self

    def environment(self):
        return {**os.environ, "BILLING_BASE_PORT": str(self.base_port), "SWIFT_BACKTRACE": "enable=no"}

    def wait_until_healthy(self, names=SERVICES, seconds=30):
        until = time.monotonic() + seconds
        for name in names:
            while True:
                if self.processes[name].poll() is not None:
                    raise AssertionError(f"{name} did not start: {self.log(name)[-400:]}")
                try:
                    with Client(self.endpoint(name)) as client:
                        reply = client.call("billing.common.v1.Health/Check", common.CheckRequest(), seconds=0.5)
                    if reply.status == common.SERVING_STATUS_SERVING:
                        break
                except (OutcomeUnknown, Refused):
                    pass
                if time.monotonic() > until:
                    raise AssertionError(f"{name} is not healthy after {seconds} s: {self.log(name)[-400:]}")
                time.sleep(0.02)

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def restart(self, name, *options):
        self.kill(name)
        self.start(name, *options)
        self.wait_until_healthy([name])

    def log(self, name):
        return (self.data / f"{name}.log").read_text(errors="replace")

    def client(self, name="gateway"):
        return Client(self.endpoint(name), reconnect=100)  # Tests restart services all the time.

    def billing(self, *arguments, stdin="", account="", **options):
        """Runs the command line, as `account` if one is given: exit status, output, error output."""
        done = subprocess.run(
            [BINARIES / "billing", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120,
            env={**self.environment(), "BILLING_ACCOUNT": account}, **options)  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for name, process in self.processes.items():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{name} did not stop within 10 s of SIGTERM") from None
        shutil.rmtree(self.data)


class ClusterCase(unittest.TestCase):
    """A test class with a cluster of its own."""

    base_port = 7500
    start = "2026-01-01T00:00:00+08:00"
    gateway_options = ()

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls.base_port, cls.start)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start_all(*cls.gateway_options)
        cls.api = Api(cls.cluster.client())

    def refused(self, reason, call, *arguments, **options):
        with self.assertRaises(Refused) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.reason, reason, caught.exception.message)
        return caught.exception


class Api:
    """The public methods by name, with a new key for each write: `api.Groups.CreateGroup(request, account=...)`."""

    made = 0

    def __init__(self, client):
        self.client = client

    def __getattr__(self, service):
        return _Service(self, service)

    def new_key(self):
        Api.made += 1
        return f"test-{os.getpid()}-{Api.made:012}"

    def open(self, dollars=1000, name="test"):
        account = self.Accounts.OpenAccount(order.OpenAccountRequest(name=name)).account.account_id
        if dollars:
            self.Accounts.TopUp(order.TopUpRequest(amount_micros=round(dollars * 1_000_000)), account=account)
        return account

    def create_group(self, account, specification="acp.basic.small", region="cn-hangzhou", instances=1, external=False):
        provisioner = metering.PROVISIONER_EXTERNAL if external else metering.PROVISIONER_IMMEDIATE
        request = gateway.CreateGroupRequest(
            specification=specification, region=region, instances=instances, provisioner=provisioner)  # fmt: skip
        return self.Groups.CreateGroup(request, account=account).group

    def group(self, account, group_id):
        return self.Groups.GetGroup(metering.GetGroupRequest(group_id=group_id), account=account).group

    def balance(self, account):
        return self.Accounts.GetAccount(order.GetAccountRequest(), account=account).account.balance_micros

    def now(self):
        return self.Operations.ShowClock(gateway.ShowClockRequest()).now

    def advance(self, milliseconds):
        target = self.now() + milliseconds
        while True:
            clock = self.Operations.AdvanceClock(
                gateway.AdvanceClockRequest(to=target, wait_milliseconds=5000), seconds=20)  # fmt: skip
            if clock.now >= target:
                return clock
            if clock.problem:
                raise AssertionError(clock.problem)

    def bill(self, account, **filters):
        return self.Bills.ListBill(
            order.ListBillRequest(period=order.STATISTICAL_PERIOD_DETAILS, limit=200, **filters), account=account)  # fmt: skip

    def audit(self):
        """All findings, added up by invariant: {id: (checked, breaches, examples)}."""
        found, cursor = {}, ""
        while True:
            reply = self.Operations.Audit(gateway.AuditRequest(cursor=cursor), seconds=30)
            for finding in reply.findings:
                checked, breaches, examples = found.get(finding.invariant, (0, 0, []))
                found[finding.invariant] = (
                    checked + finding.checked, breaches + finding.breaches, examples + list(finding.examples))  # fmt: skip
            if not (cursor := reply.next_cursor):
                return found


class _Service:
    def __init__(self, api, name):
        self.api, self.name = api, name

    def __getattr__(self, method):
        def call(request, account="", key=None, seconds=10.0):
            name = f"billing.gateway.v1.{self.name}/{method}"
            return self.api.client.call(name, request, account, key or self.api.new_key(), seconds)

        return call
