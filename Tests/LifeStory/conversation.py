"""Many calls at a time over one connection, on top of the foreign client's records, and a system of its own to call."""

import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import time

import zmq

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))

import cluster  # noqa: E402
from billing_client import (  # noqa: E402
    HEADER, LIMIT, MAGIC, MESSAGES, REQUEST, VERSION, Refused, descriptor, method_id, records, reply_class)  # fmt: skip

# Calls under way: their replies, of 64 KiB at most, stay below the 8 MiB that a server keeps for a peer that does not read.
WINDOW = 127
MEMORY = "/dev/shm"
METHODS = {}


class System(cluster.Cluster):
    """All five services in one process, their data in memory where there is room: stories are not about losing power."""

    def __init__(self, start):
        super().__init__(0, start, MEMORY if roomy(MEMORY) else None)

    def endpoint(self, name):
        """A socket in the data directory: no other system can be mistaken for this one."""
        return f"ipc://{self.data}/{name}"

    def start_system(self):
        log = open(self.data / "gateway.log", "ab")
        self.processes["gateway"] = subprocess.Popen(
            [cluster.BINARIES / "billingd", "all", "--data", self.data / "all", "--bind", self.endpoint("gateway"),
             "--catalog", cluster.REPOSITORY / "deploy" / "catalog.yaml", "--clock", "manual", "--start", self.start_instant,
             "--provisioner", "external", "--log-level", "error"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment())  # fmt: skip
        log.close()
        self.wait_until_healthy(["gateway"])
        return self


def roomy(folder):
    return os.path.isdir(folder) and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 4 << 30


class Call:
    """One call of a conversation: `account`'s, with a key that stays the same however often it is sent."""

    def __init__(self, method, request, account="", again=False):
        if method not in METHODS:
            name = f"billing.gateway.v1.{method}"
            is_read = descriptor(name).GetOptions().idempotency_level > 0  # Or idempotent by nature: neither needs a key.
            METHODS[method] = method_id(name), reply_class(name), is_read
        self.method, self.request, self.account = method, request, account
        self.key = "" if METHODS[method][2] else f"story-{secrets.token_hex(12)}"
        # Of a write: whether to send it a second time, with the same key, and to insist on the same answer.
        self.again, self.first, self.tries = again, None, 0


class Line:
    """A connection on which generators talk: each yields a Call and is sent the reply, or the Refused."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.number, self.message = secrets.randbits(31) << 20, b""
        self.calls = self.replays = 0

    def send(self, call):
        """Puts a call into the message that `flush` sends: many small records together cost far less than each alone."""
        self.number += 1
        self.calls += 1
        body = call.request.SerializeToString()
        header = HEADER.pack(
            MAGIC, VERSION, REQUEST, 0, 0, len(call.key), METHODS[call.method][0], len(body), self.number, 0, 0, 0, 0, 60_000,
            0, len(call.account), 0, 0)  # fmt: skip
        record = header + call.key.encode() + call.account.encode() + body
        if len(self.message) + len(record) > LIMIT:
            self.flush()
        self.message += record
        return self.number

    def flush(self):
        if self.message:
            self.socket.send(self.message)
            self.message = b""

    def run(self, talks, meanwhile=iter(())):
        """Carries all conversations to their ends, those of one list in parallel. While none has an answer to read, steps of
        `meanwhile` are taken; not necessarily all of them."""
        waiting, outstanding = list(talks)[::-1], {}

        def go_on(talk, answer):
            try:
                call = talk.send(answer)
            except StopIteration:
                return
            outstanding[self.send(call)] = talk, call

        while waiting or outstanding:
            while waiting and len(outstanding) < WINDOW:
                go_on(waiting.pop(), None)
            self.flush()
            if not outstanding:
                continue
            while not self.socket.poll(0) and next(meanwhile, None):
                pass
            if not self.socket.poll(60_000):
                stuck = sorted({call.method for _, call in outstanding.values()})
                raise AssertionError(f"no reply within 60 s to {', '.join(stuck)}")
            for number, flags, status, body, _ in records(self.socket.recv()):
                if number not in outstanding:
                    continue
                talk, call = outstanding.pop(number)
                if status in (4, 8, 14) and call.tries < 100:  # The same call with the same key: it learns its answer.
                    call.tries += 1
                    time.sleep(0.02)
                    outstanding[self.send(call)] = talk, call
                elif call.again and status not in (4, 8, 10, 14):
                    call.again, call.first = False, (status, body)
                    outstanding[self.send(call)] = talk, call
                else:
                    if call.first is not None:
                        self.replays += 1
                        # A request that is refused before it comes to a write is refused anew.
                        if (status, body) != call.first or (status == 0 and not flags & 1):
                            told = f"{call.first[0]} {call.first[1]}, then {status} {body}, flags {flags}"
                            raise AssertionError(f"a repeat of {call.method} of {call.account} was answered {told}")
                    go_on(talk, self.answer(call, status, body))

    @staticmethod
    def answer(call, status, body):
        if status == 0:
            return METHODS[call.method][1].FromString(body)
        return Refused(status, MESSAGES["common"].Error.FromString(body))

    def ask(self, method, request, account=""):
        """One call alone; a refusal is raised."""
        answers = []

        def talk():
            answers.append((yield Call(method, request, account)))

        self.run([talk()])
        if isinstance(answers[0], Refused):
            raise answers[0]
        return answers[0]


def commit():
    """What seeds derive from unless given."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=cluster.REPOSITORY, capture_output=True, text=True)
    return done.stdout.strip() or os.environ.get("BILLING_COMMIT", "none")
