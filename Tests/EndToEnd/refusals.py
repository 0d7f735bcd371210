"""What the tests of refusals share: commands that are refused, programs that do not start, services that are doubles."""

import contextlib
import json
import pathlib
import re
import shlex
import sqlite3
import subprocess
import tempfile
import threading

import zmq
from cluster import BINARIES, REPOSITORY, ClusterCase

from billing_client import HEADER, MAGIC, REPLY, VERSION

SMALL = "--specification acp.basic.small --region cn-hangzhou --instances 1"

# How a command ends that a rule refuses, that makes no sense, or whose outcome is not known.
RULE, USAGE, UNKNOWN = 1, 2, 3


class RefusalCase(ClusterCase):
    """Commands are lines as a person types them, given for `self.account`."""

    start = "2026-04-10T09:00:00+08:00"
    account = ""

    def done(self, command, **options):
        """What a command that is not refused prints, as the first of its JSON objects."""
        code, output, problem = self.cluster.billing(*shlex.split(command), "--json", account=self.account, **options)
        self.assertEqual(code, 0, f"billing {command}\n{output}{problem}")
        return json.loads(output.splitlines()[0])

    def refuses(self, reason, says, command, next="", status=RULE, at_deadline=False, **options):
        """The command is refused with the reason and with words that say what was wrong, or what to do next.

        What the gateway says `at_deadline` may come just too late, when the command has given up by itself: such a
        command is given again.
        """
        with self.subTest(reason=reason, command=command[:200]):
            for _ in range(10 if at_deadline else 1):
                code, _, problem = self.cluster.billing(*shlex.split(command), account=self.account, **options)
                if "call.deadline_exceeded" not in problem:
                    break
            self.assertEqual(code, status, problem)
            self.assertRegex(problem, rf"[( ]{re.escape(reason)}[:;)]")
            self.assertIn(says, problem)
            self.assertIn(f"\nnext: {next}" if next else "", problem)

    def catches(self, reason, says, command, **options):
        """The command line itself says what is wrong, before a service could refuse it with the reason."""
        with self.subTest(reason=reason, command=command[:200]):
            code, output, problem = self.cluster.billing(*shlex.split(command), account=self.account, **options)
            self.assertEqual((code, output), (USAGE, ""), problem)
            self.assertIn(says, problem)

    def does_not_start(self, reason, says, *arguments):
        """`billingd` ends with the reason instead of serving."""
        with self.subTest(reason=reason):
            done = subprocess.run(
                [BINARIES / "billingd", *map(str, arguments)], capture_output=True, text=True, timeout=30,
                env=self.cluster.environment())  # fmt: skip
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"({reason})", done.stderr)
            self.assertIn(says, done.stderr)

    def refuses_call(self, reason, service, method, request, at=None, account="", key="", epoch=0, seconds=10):
        """A service refuses a call as another service makes it: stamped with an instant, now unless `at` is given."""
        with self.subTest(reason=reason), self.cluster.client(service) as client:
            return self.refused(
                reason, client.call, f"billing.{service}.v1.{method}", request, account, key, seconds,
                self.api.now() if at is None else at, epoch)  # fmt: skip

    def fresh(self):
        """An empty folder that is deleted after the test."""
        return self.enterContext(tempfile.TemporaryDirectory())

    def data_of(self, name):
        """A copy of what a service keeps, for another process to start with."""
        copy = pathlib.Path(self.fresh()) / name
        with self.database(name) as database:
            copy.mkdir()
            database.execute("VACUUM INTO ?", [str(copy / "data.sqlite")])
        return copy

    def serve(self, name, port, *options):
        """Starts one more service, for this test alone, at a port of its own. Returns its endpoint."""
        endpoint = f"tcp://127.0.0.1:{port}"
        process = subprocess.Popen(
            [BINARIES / "billingd", name, "--bind", endpoint, *map(str, options)], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=self.cluster.environment())  # fmt: skip
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return endpoint

    def database(self, folder):
        """The database of a service, by its name or its folder, as somebody opens it who has no business there."""
        path = self.cluster.data / folder / "data.sqlite"
        return contextlib.closing(sqlite3.connect(path, isolation_level=None))


def price_document(**replaced):
    """The newest version of the shipped price list as a document of its own, as version 2 from August on."""
    text = (REPOSITORY / "deploy" / "catalog.yaml").read_text().split("\n  - ")[-1]
    lines = [line.removeprefix("    ") for line in text.splitlines()]
    changes = {"version: 1": "version: 2", "2020-01-01 00:00": "2026-08-01 00:00", **replaced}
    document = "\n".join(lines)
    for old, new in changes.items():
        assert old in document, old
        document = document.replace(old, new)
    return document


class Double(threading.Thread):
    """Listens where a service would, and answers every call alike until the `with` block ends."""

    def __init__(self, port, body, status=0):
        super().__init__(daemon=True)
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.body, self.status, self.ended = body, status, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def run(self):
        with zmq.Context.instance().socket(zmq.ROUTER) as socket:
            socket.linger = 0
            socket.bind(self.endpoint)
            while not self.ended.is_set():
                if socket.poll(50):
                    peer, message = socket.recv_multipart()
                    for method, call in self.calls(message):
                        socket.send_multipart([peer, self.reply(method, call)])

    def calls(self, message):
        position = 0
        while position < len(message):
            fields = HEADER.unpack_from(message, position)
            key, method, body, call, account = fields[5], fields[6], fields[7], fields[8], fields[15]
            position += HEADER.size + key + account + body
            yield method, call

    def reply(self, method, call):
        header = HEADER.pack(
            MAGIC, VERSION, REPLY, 0, self.status, 0, method, len(self.body), call, 0, 0, 0, 1, 0, 0, 0, 0, 0)  # fmt: skip
        return header + self.body
