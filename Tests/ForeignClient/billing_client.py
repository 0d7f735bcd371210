"""A client of the billing services in another language, written from Proto/README.md alone: an example to port.

It needs Debian's python3-zmq, python3-protobuf and protobuf-compiler, and none of our code:

    with Client("tcp://127.0.0.1:7414") as gateway:
        prices = gateway.call("billing.gateway.v1.Prices/ListPrices", MESSAGES["pricing"].ListPricesRequest())
"""

import collections
import contextlib
import importlib
import pathlib
import random
import secrets
import struct
import subprocess
import sys
import tempfile
import time

import zmq

HEADER = struct.Struct("<HBBBBHIIQqQQQIIHHI")  # 72 bytes; the fields are listed in Proto/README.md
MAGIC, VERSION, REQUEST, REPLY = 0xB111, 1, 1, 2
REPLAYED = 1  # The bit of a reply's flags.
DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 4, 8, 14
LIMIT = 64 * 1024  # ZeroMQ would end the connection of whoever sends more.
PROTO = pathlib.Path(__file__).resolve().parents[2] / "Proto"

Reply = collections.namedtuple("Reply", "call flags status body retry_after")


class Refused(Exception):
    """The answer is no: programs decide by `status` and `reason`, which names the rule; `message` is for people."""

    def __init__(self, status, error):
        super().__init__(f"{error.reason}: {error.message}")
        self.status, self.reason, self.message = status, error.reason, error.message
        self.field, self.value = error.field, error.value


class OutcomeUnknown(Exception):
    """The time was over before a reply came, and the call may have taken effect: ask again with the same key."""


def load_messages():
    """Compiles Proto/ with protoc and returns the generated modules by package: common, pricing, order, ..."""
    files = [str(path.relative_to(PROTO)) for path in sorted(PROTO.glob("billing/*/v1/*.proto"))]
    with tempfile.TemporaryDirectory(prefix="billing-proto-") as output:
        subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={output}", *files], check=True)
        sys.path.insert(0, output)
        modules = [importlib.import_module(file.removesuffix(".proto").replace("/", ".") + "_pb2") for file in files]
        sys.path.remove(output)
    return {module.DESCRIPTOR.package.split(".")[1]: module for module in modules}


MESSAGES = load_messages()


def method_id(name):
    """FNV-1a 32 of "package.Service/Method"."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def descriptor(name):
    """What the schema says about "package.Service/Method"."""
    service, method = name.split("/")
    _, package, _, service = service.split(".")
    return MESSAGES[package].DESCRIPTOR.services_by_name[service].methods_by_name[method]


def reply_class(name):
    output = descriptor(name).output_type
    return getattr(MESSAGES[output.full_name.split(".")[1]], output.name)


def new_key():
    """A key for one write. Keep it before you send: the same key never acts twice, whoever sends it, and however often."""
    return secrets.token_hex(16)


class Client:
    """One DEALER socket to one endpoint; one call at a time, from one thread. A lost connection is made anew, by and by only
    every `reconnect` milliseconds."""

    def __init__(self, endpoint, reconnect=1000):
        self.endpoint, self.socket = endpoint, zmq.Context.instance().socket(zmq.DEALER)
        # IMMEDIATE: nothing is queued for a peer that is not there, so what could not be sent was certainly not executed.
        for option, value in [
            (zmq.IMMEDIATE, 1), (zmq.LINGER, 0), (zmq.HEARTBEAT_IVL, 1000), (zmq.HEARTBEAT_TIMEOUT, 3000),
            (zmq.RECONNECT_IVL, 20), (zmq.RECONNECT_IVL_MAX, reconnect), (zmq.MAXMSGSIZE, 4 << 20),
            (zmq.SNDTIMEO, 3000)]:  # fmt: skip
            self.socket.setsockopt(option, value)
        self.socket.connect(endpoint)
        self.last_call = secrets.randbits(32) << 16
        self.replayed = False  # Whether the last reply was recorded when its key was first used.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def call(self, method, request, account="", key="", seconds=10.0, effective_at=0, epoch=0):
        """Sends a request and returns its reply. A write needs a key. Raises `Refused`, or `OutcomeUnknown`.

        Until `seconds` are over it sends the same bytes again where Proto/README.md allows it, so the caller does not notice
        that a message was lost or a service restarted. Only a call to a service behind the gateway has an instant, and an
        epoch if it is a step of a saga.
        """
        self.last_call += 1
        body, until = request.SerializeToString(), time.monotonic() + seconds
        repeatable = bool(key) or descriptor(method).GetOptions().idempotency_level > 0  # A read, or idempotent by nature.
        attempt, pause, unanswered = 0, 0.0, False
        failure = Refused(UNAVAILABLE, MESSAGES["common"].Error(
            reason="call.unreachable", message=f"Nobody answers at {self.endpoint}, so nothing was sent."))  # fmt: skip
        while (left := until - time.monotonic()) > pause:
            time.sleep(pause)
            if not self.socket.poll((left - pause) * 1000, zmq.POLLOUT):
                break
            left = until - time.monotonic()
            self.send(method_id(method), body, account, key, max(1, int(left * 1000)), effective_at, epoch)
            reply = self.receive(min(left, 2.0**attempt, 16.0) if repeatable else left)
            if reply is None:
                unanswered, pause = True, 0.0
            else:
                self.replayed = bool(reply.flags & REPLAYED)
                if reply.status == 0:
                    return reply_class(method).FromString(reply.body)
                failure = Refused(reply.status, MESSAGES["common"].Error.FromString(reply.body))
                pause = reply.retry_after / 1000
                if reply.status == DEADLINE_EXCEEDED:
                    raise OutcomeUnknown(str(failure))
                again = reply.status == UNAVAILABLE or (reply.status == RESOURCE_EXHAUSTED and pause > 0)
                if not (again and repeatable):
                    raise failure
            pause += random.uniform(0, min(0.05 * 2**attempt, 2.0))  # At random, so that many callers spread out.
            attempt += 1
        if unanswered:
            raise OutcomeUnknown(f"no reply to {method} within {seconds} s; ask again with the same key {key!r}")
        raise failure

    def send(self, method, body, account, key, budget, effective_at=0, epoch=0):
        header = HEADER.pack(
            MAGIC, VERSION, REQUEST, 0, 0, len(key), method, len(body), self.last_call, effective_at, epoch, 0, 0,
            budget, 0, len(account), 0, 0)  # fmt: skip
        record = header + key.encode() + account.encode() + body
        if len(record) > LIMIT:
            raise ValueError(f"a request of {len(record)} bytes; at most {LIMIT} are allowed")
        with contextlib.suppress(zmq.Again):  # The peer has just gone: as lost as what is lost on the way.
            self.socket.send(record)

    def receive(self, seconds):
        """The reply to the last call, or None if it does not come in time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self.socket.poll(left * 1000):
            for reply in records(self.socket.recv()):
                if reply.call == self.last_call:  # Otherwise it is the late, or second, reply to an earlier call.
                    return reply
        return None


def records(message):
    """The replies in one message: it may hold several, one after the other."""
    position = 0
    while position < len(message):
        (magic, version, kind, flags, status, key, _, body, call, _, _, _, _, _, retry_after, account, _, _) = (
            HEADER.unpack_from(message, position))  # fmt: skip
        if (magic, version, kind) != (MAGIC, VERSION, REPLY):
            raise ValueError(f"not a reply record at byte {position}")
        start = position + HEADER.size + key + account
        yield Reply(call, flags, status, message[start : start + body], retry_after)
        position = start + body
