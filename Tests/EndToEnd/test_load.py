"""The load tester against each real service, which runs alone."""

import csv
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from cluster import BINARIES, REPOSITORY, Cluster

BROKEN, NOT_MADE, USAGE = 1, 2, 64
SMALL = ["--accounts", "60", "--groups", "120", "--lines", "40", "--warm-up", "500ms"]


class LoadCase(unittest.TestCase):
    base_port = 8300

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="billing-load-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def environment(self):
        return {**os.environ, "BILLING_BASE_PORT": str(self.base_port), "SWIFT_BACKTRACE": "enable=no"}

    def load(self, *arguments, status=0):
        """Runs the load tester: its output and, if it wrote one, its report."""
        done = subprocess.run(
            [BINARIES / "billing-load", *map(str, arguments), "--report", self.folder / "report"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=self.environment(),
            cwd=REPOSITORY)  # fmt: skip
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        written = self.folder / "report" / "report.json"
        return done.stdout + done.stderr, json.loads(written.read_text()) if written.exists() else None


class Scenarios(LoadCase):
    def check(self, service, scenario, rate=150):
        output, report = self.load(
            service, "--scenario", scenario, "--start", "--rate", rate, "--duration", "2500ms", *SMALL)  # fmt: skip
        result = report["result"]
        self.assertEqual(result["failures"], {}, output)
        self.assertAlmostEqual(result["calls"], rate * 2, delta=1)
        self.assertEqual(sum(operation["calls"] for operation in result["operations"]), result["calls"])
        for operation in result["operations"]:
            self.assertGreater(operation["calls"], 0, operation["name"])
            self.assertGreater(operation["latency"]["p50"], 0)
        self.assertGreater(result["usage"]["server"]["process"], 0)
        self.assertGreater(result["usage"]["generator"]["process"], 0)
        self.assertRegex(output, r"(?m)^ +2 of \d+ s +\d+/s +p50 +[\d.]+ ms")
        cells = list(csv.DictReader((self.folder / "report" / "histogram.csv").open()))
        self.assertEqual(sum(int(cell["calls"]) for cell in cells), result["calls"])
        page = (self.folder / "report" / "report.html").read_text()
        self.assertIn("<svg", page)
        self.assertIsNone(re.search(r"https?:|src=|<script", page))
        return result

    def test_pricing_quotes(self):
        self.check("pricing", "quotes")

    def test_pricing_rating(self):
        result = self.check("pricing", "rating")
        self.assertEqual(result["items"], 40 * result["calls"])

    def test_metering_lifecycle(self):
        self.check("metering", "lifecycle")

    def test_metering_cuts(self):
        self.assertGreater(self.check("metering", "cuts", rate=40)["items"], 0)

    def test_order_money(self):
        self.check("order", "money")

    def test_order_usage(self):
        # Every line is new, so all that was sent is posted: 60 accounts with 2 groups, 20 of them a call.
        result = self.check("order", "usage", rate=20)
        self.assertEqual(result["items"], 40 * result["calls"])

    def test_refund(self):
        self.check("refund", "refunds")

    def test_gateway(self):
        self.check("gateway", "users")


class Ways(LoadCase):
    """Other ways to load, on the service that needs least."""

    def test_closed_loop(self):
        output, report = self.load(
            "pricing", "--start", "--outstanding", 8, "--connections", 2, "--duration", "2s", *SMALL)
        self.assertEqual((report["load"]["loop"], report["load"].get("intendedRate")), ("closed", None))
        self.assertGreater(report["result"]["calls"], 500)

    def test_a_trace_is_played_at_its_speed_and_ends_the_run(self):
        trace = self.folder / "trace.csv.gz"
        with gzip.open(trace, "wt") as file:
            file.write("TIMESTAMP,Tokens\n")
            file.writelines(f"2026-01-01 00:{second // 60:02}:{second % 60:02}.5000000,1\n" for second in range(300))
        started = time.monotonic()
        output, report = self.load(
            "pricing", "--start", "--arrivals", trace, "--speed", 200, "--duration", "60s", "--warm-up", "0s")
        self.assertEqual((report["load"]["loop"], report["result"]["calls"]), ("trace", 300))
        self.assertLess(time.monotonic() - started, 30)

    def test_two_runs_are_compared(self):
        self.load("pricing", "--start", "--rate", 100, "--duration", "1s", *SMALL)
        before = self.folder / "before.json"
        shutil.copy(self.folder / "report" / "report.json", before)
        self.load("pricing", "--start", "--poisson", "--rate", 200, "--duration", "1s", *SMALL, "--compare", before)
        page = (self.folder / "report" / "report.html").read_text()
        self.assertIn('class="a-old"', page)
        self.assertIn("<th>intended, calls a second</th><td>200</td><td>100</td><td>+100 %</td>", page)

    def test_a_service_level_that_is_broken_is_told_by_the_status(self):
        run = ["pricing", "--start", "--rate", 100, "--duration", "1s", *SMALL]
        output, report = self.load(*run, "--slo", "p99=1us,errors=0%", status=BROKEN)
        self.assertRegex(output, r"BROKEN  p99 <= 1 µs: .*\n +kept  errors <= 0 %: 0 %")
        self.assertEqual([verdict["isMet"] for verdict in report["verdicts"]], [False, True])
        self.load(*run, "--slo", "p50=5s,errors=0%")

    def test_a_ramp_that_nothing_can_hold_ends_without_a_knee(self):
        output, report = self.load(
            "pricing", "--start", "--ramp", "--rate", 2, "--ramp-step", "1s", "--ramp-bound", "1us")
        self.assertIn("knee          none: not even 1/s holds p99 <= 1 µs", output)
        self.assertEqual([step["rate"] for step in report["ramp"]["steps"]], [2, 2, 1, 1])
        self.assertIsNone(report["ramp"].get("knee"))

    def started(self, *arguments):
        """A load tester under way over a metering service: its process and the service's number."""
        process = subprocess.Popen(
            [BINARIES / "billing-load", "metering", "--start", "--rate", "50", *SMALL, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=self.environment(), cwd=REPOSITORY)  # fmt: skip
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        while "errors 0" not in (line := process.stdout.readline()):
            self.assertNotEqual(line, "", "the run ended before its first second")
        threads = pathlib.Path(f"/proc/{process.pid}/task").iterdir()
        [service] = [child for thread in threads for child in (thread / "children").read_text().split()]
        return process, int(service)

    def test_interrupted_it_tells_what_it_has_and_leaves_no_service(self):
        process, service = self.started("--duration", "60s")
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
        self.assertEqual(process.returncode, 0)
        self.assertIn("stopped before its time", rest)
        self.assertFalse(pathlib.Path(f"/proc/{service}").exists())

    def test_when_nobody_reads_any_more_the_service_is_stopped_all_the_same(self):
        process, service = self.started("--duration", "3s")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertFalse(pathlib.Path(f"/proc/{service}").exists())


class Targets(LoadCase):
    """What is loaded, and what is not."""

    def test_a_service_that_somebody_else_started_alone(self):
        cluster = Cluster(self.base_port)
        self.addCleanup(cluster.stop)
        cluster.start("metering")
        cluster.wait_until_healthy(["metering"])
        output, report = self.load("metering", "--rate", 50, "--duration", "1500ms", *SMALL)
        self.assertEqual(report["result"]["failures"], {}, output)
        self.assertGreater(report["result"]["usage"]["server"]["process"], 0, "its process is found by its port")
        with self.subTest("another service is there than was asked for"):
            output, _ = self.load(
                "order", "--target", cluster.endpoint("metering"), "--rate", 50, *SMALL, status=NOT_MADE)
            self.assertIn("is metering, not order", output)
        with self.subTest("a neighbour runs where the stand-in is to answer"):
            cluster.start("pricing")
            cluster.wait_until_healthy(["pricing"])
            output, _ = self.load("metering", "--rate", 50, *SMALL, status=NOT_MADE)
            self.assertIn("must not run", output)

    def test_where_no_service_is_the_user_reads_how_to_start_one(self):
        output, report = self.load("refund", "--rate", 50, status=NOT_MADE)
        port = self.base_port
        self.assertIn(
            f"billingd refund --bind tcp://127.0.0.1:{port + 3} --pricing tcp://127.0.0.1:{port} "
            f"--order tcp://127.0.0.1:{port + 2}", output)  # fmt: skip
        self.assertIsNone(report)

    def test_other_machines_are_refused(self):
        for target in ["tcp://192.0.2.1:7410", "tcp://example.com:7410", "tcp://0.0.0.0:7410"]:
            output, _ = self.load("pricing", "--target", target, status=USAGE)
            self.assertIn("--i-own-this-target", output)

    def test_what_cannot_be_meant_is_refused(self):
        for arguments in [
            ["pricing", "--scenario", "lifecycle"], ["prices"], [], ["pricing", "--rate", "0"],
            ["pricing", "--rate", "5", "--outstanding", "5"], ["pricing", "--duration", "1s", "--warm-up", "1s"],
            ["pricing", "--slo", "p99=20"], ["pricing", "--ramp", "--outstanding", "5"],
            ["pricing", "--arrivals", "no.csv"], ["pricing", "--target", "127.0.0.1:7410"],
        ]:  # fmt: skip
            self.load(*arguments, status=USAGE)


if __name__ == "__main__":
    unittest.main()
