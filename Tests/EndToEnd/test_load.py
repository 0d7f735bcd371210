"""The load tester against each real service, which runs alone."""

import contextlib
import csv
import fcntl
import gzip
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
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

    def load(self, *arguments, status=0, report="report"):
        """Runs the load tester: its output and, if it wrote one, its report."""
        done = subprocess.run(
            [BINARIES / "billing-load", *map(str, arguments), "--report", self.folder / report],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, env=self.environment(),
            cwd=REPOSITORY)  # fmt: skip
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        written = self.folder / report / "report.json"
        return done.stdout + done.stderr, json.loads(written.read_text()) if written.exists() else None


class Scenarios(LoadCase):
    def check(self, service, scenario, rate=150):
        output, report = self.load(
            service, "--scenario", scenario, "--start", "--rate", rate, "--duration", "2500ms", "--timeout", "30s", *SMALL)  # fmt: skip
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

    def test_a_trace_that_ends_in_the_warm_up_keeps_no_service_level(self):
        trace = self.folder / "trace.csv"
        trace.write_text("at\n0\n0.5\n1\n")
        run = ["pricing", "--start", "--arrivals", trace, "--slo", "errors=0.1%"]
        output, _ = self.load(*run, "--warm-up", "2s", status=USAGE)
        self.assertIn("ends in the warm-up", output)
        # What the user does not say is fitted to the trace.
        _, report = self.load(*run)
        self.assertEqual((report["load"]["warmUpSeconds"], report["result"]["calls"]), (0.2, 2))

    def test_what_would_spoil_the_end_is_told_before_the_start(self):
        (self.folder / "file").touch()
        output, _ = self.load("pricing", "--start", report="file/report", status=NOT_MADE)
        self.assertIn("cannot be made", output)
        self.load("pricing", "--start", "--rate", 50, "--duration", "500ms")
        before = self.folder / "report" / "report.json"
        for other in [["metering"], ["pricing", "--scenario", "rating"]]:
            output, _ = self.load(*other, "--start", "--compare", before, report="other", status=NOT_MADE)
            self.assertIn("is of pricing quotes", output)
            self.assertNotIn("Prepared", output)

    def test_a_ramp_finds_the_knee(self):
        # One account has one call at a time, so the knee is where that is all the time.
        output, report = self.load(
            "metering", "--start", "--accounts", 1, "--groups", 2, "--ramp", "--rate", 20, "--ramp-step", "1s",
            "--ramp-bound", "100ms", "--timeout", "1s", "--duration", "300s")  # fmt: skip
        ramp = report["ramp"]
        held = [step["rate"] for step in ramp["steps"] if step["holds"]]
        failed = [step["rate"] for step in ramp["steps"] if not step["holds"] and step["rate"] > ramp["knee"]]
        self.assertEqual(ramp["knee"], max(held))
        self.assertLessEqual(min(failed), ramp["knee"] * 1.06 + 1)
        self.assertNotIn(ramp.get("saturated"), [None, "nothing"])
        self.assertRegex(
            output, rf"knee          {ramp['knee']:,.0f}/s with p99 .* \(bound 100 ms\)\n +saturated     at")
        self.assertEqual(report["result"]["calls"], sum(step["calls"] for step in report["result"]["operations"]))
        # Who reads a pipe sees each second and each step.
        self.assertRegex(output, r"(?m)^ +\d of 1 s +[\d,]+/s +p50.*\n +[\d,]+ +[\d,]+ .* (holds|fails: [a-z]+)$")

    def test_a_ramp_ends_at_its_duration(self):
        started = time.monotonic()
        output, report = self.load(
            "pricing", "--start", "--ramp", "--rate", 10, "--ramp-step", "1s", "--duration", "2500ms",
            "--ramp-bound", "5s")  # fmt: skip
        self.assertLess(time.monotonic() - started, 30)
        self.assertLessEqual(len(report["ramp"]["steps"]), 2)
        self.assertIn("the time was over before the knee was found", output)

    def test_too_few_accounts_are_told_and_cost_no_calls(self):
        output, report = self.load(
            "metering", "--start", "--accounts", 1, "--groups", 1, "--rate", 2000, "--duration", "1s",
            "--timeout", "120s")  # fmt: skip
        self.assertEqual(report["result"]["failures"], {})
        self.assertEqual(report["result"]["calls"], 1600)
        self.assertRegex(output, r"warning: [\d.]+ % of the calls had to wait, since all that they could be about")

    def test_a_ramp_that_nothing_can_hold_ends_without_a_knee(self):
        output, report = self.load(
            "pricing", "--start", "--ramp", "--rate", 2, "--ramp-step", "1s", "--ramp-bound", "1us")
        self.assertNotIn("the time was over", output)
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
        children = [child for thread in threads for child in (thread / "children").read_text().split()]
        [service] = [child for child in children if "billingd" in pathlib.Path(f"/proc/{child}/cmdline").read_text()]
        return process, int(service)

    def assert_gone(self, service, seconds=20):
        until = time.monotonic() + seconds
        while pathlib.Path(f"/proc/{service}").exists():
            self.assertLess(time.monotonic(), until, "the service is left behind")
            time.sleep(0.05)

    def test_interrupted_it_tells_what_it_has_and_leaves_no_service(self):
        process, service = self.started("--duration", "60s")
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0]
        self.assertEqual(process.returncode, 0)
        self.assertIn("stopped before its time", rest)
        self.assertFalse(pathlib.Path(f"/proc/{service}").exists())

    def test_a_service_that_freezes_keeps_no_service_level_and_is_ended_by_force(self):
        process, service = self.started("--duration", "4s", "--timeout", "500ms", "--slo", "p99=1s,errors=0%")
        os.kill(service, signal.SIGSTOP)
        rest = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, BROKEN)
        self.assertRegex(rest, r"BROKEN  p99 <= 1 s: a failed call\n +BROKEN  errors <= 0 %: ")
        self.assert_gone(service)

    def test_whoever_cannot_wait_leaves_no_service_either(self):
        for ends in [[signal.SIGINT, signal.SIGINT], [signal.SIGKILL]]:
            with self.subTest(ends=ends):
                process, service = self.started("--duration", "60s")
                data = pathlib.Path(f"/proc/{service}/cmdline").read_text().split("\0")
                data = pathlib.Path(data[data.index("--data") + 1]).parent
                os.kill(service, signal.SIGSTOP)  # So that the load tester waits for it.
                for end in ends:
                    process.send_signal(end)
                    time.sleep(0.2)
                if len(ends) == 2:  # Two signals may come as one.
                    while process.poll() is None:
                        process.send_signal(signal.SIGINT)
                        time.sleep(0.2)
                process.communicate(timeout=30)
                self.assertEqual(process.returncode, 130 if len(ends) == 2 else -signal.SIGKILL)
                self.assert_gone(service)
                until = time.monotonic() + 10
                while data.exists():
                    self.assertLess(time.monotonic(), until, "the data are left behind")
                    time.sleep(0.05)

    def test_on_a_terminal_lines_take_each_others_place(self):
        master, terminal = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        with subprocess.Popen(
            [BINARIES / "billing-load", "metering", "--start", "--rate", "50", "--duration", "3s", *SMALL],
            stdin=terminal, stdout=terminal, stderr=terminal, env=self.environment(), cwd=REPOSITORY,
        ) as process:  # fmt: skip
            os.close(terminal)
            output = b""
            with contextlib.suppress(OSError):  # What reading a terminal that nobody writes to any more ends in.
                while part := os.read(master, 65536):
                    output += part
        self.assertEqual(process.returncode, 0, output)
        text = output.decode().replace("\r\n", "\n")
        shown = text.split("\r\x1b[K")
        self.assertRegex(shown[2], r"^Preparing accounts \[\.{30}\] 0 of 60$")
        seconds = [line for line in shown if re.match(r" +\d of 3 s ", line)]
        self.assertGreaterEqual(len(seconds), 2)
        for line in seconds:
            self.assertNotIn("\n", line)
            self.assertEqual(len(line), 59)
        # After the last one, which is cleared, comes the table.
        self.assertRegex(shown[-1], r"^\n  operation .*\n  create ")

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

    def test_an_ipc_target(self):
        path = self.folder / "pricing.sock"
        with self.subTest("started by us"):
            _, report = self.load("pricing", "--start", "--target", f"ipc://{path}", "--rate", 50, "--duration", "1s")
            self.assertEqual((report["result"]["calls"], report["result"]["failures"]), (40, {}))
        with self.subTest("started by somebody else"):
            cluster = Cluster(self.base_port)
            self.addCleanup(cluster.stop)
            cluster.start("pricing", "--bind", f"ipc://{path}.other")
            until = time.monotonic() + 30
            while not path.with_name("pricing.sock.other").exists():
                self.assertLess(time.monotonic(), until, cluster.log("pricing"))
                time.sleep(0.05)
            output, report = self.load("pricing", "--target", f"ipc://{path}.other", "--rate", 50, "--duration", "1s")
            self.assertEqual((report["result"]["calls"], report["result"]["failures"]), (40, {}))
            self.assertIsNotNone(report["result"]["usage"].get("server"), "its process is found by its path")

    def test_where_no_service_is_the_user_reads_how_to_start_one(self):
        output, report = self.load("refund", "--rate", 50, status=NOT_MADE)
        port = self.base_port
        self.assertIn(
            f"billingd refund --bind tcp://127.0.0.1:{port + 3} --pricing tcp://127.0.0.1:{port} "
            f"--order tcp://127.0.0.1:{port + 2}", output)  # fmt: skip
        self.assertIsNone(report)

    def test_other_machines_are_refused(self):
        for target in [
            "tcp://192.0.2.1:7410", "tcp://example.com:7410", "tcp://0.0.0.0:7410",
            "ipc:///tmp/x,tcp://192.0.2.1:7410", "tcp://127.0.0.1:7410,tcp://192.0.2.1:7410",
        ]:  # fmt: skip
            output, _ = self.load("pricing", "--target", target, status=USAGE)
            self.assertIn("--i-own-this-target", output)

    def test_what_cannot_be_meant_is_refused(self):
        for arguments in [
            ["pricing", "--scenario", "lifecycle"], ["prices"], [], ["pricing", "--rate", "0"],
            ["pricing", "--rate", "5", "--outstanding", "5"], ["pricing", "--duration", "1s", "--warm-up", "1s"],
            ["pricing", "--slo", "p99=20"], ["pricing", "--ramp", "--outstanding", "5"],
            ["pricing", "--arrivals", "no.csv"], ["pricing", "--target", "127.0.0.1:7410"],
            ["pricing", "--ramp", "--duration", "2s"], ["pricing", "--ramp", "--ramp-step", "1s", "--warm-up", "1s"],
            ["pricing", "--start", "--target", "tcp://127.0.0.1:1,tcp://127.0.0.1:2"],
            # There are fewer partitions and batches than calls that would be under way.
            ["metering", "--scenario", "cuts", "--start", "--connections", "8", "--outstanding", "64"],
            ["order", "--scenario", "usage", "--start", "--outstanding", "64"],
        ]:  # fmt: skip
            self.load(*arguments, status=USAGE)


if __name__ == "__main__":
    unittest.main()
