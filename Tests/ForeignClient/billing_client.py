"""A client of the billing services in another language, written from Proto/README.md alone.

It needs Debian's python3-zmq, python3-protobuf and protobuf-compiler, and none of our code:

    with Client("tcp://127.0.0.1:7414") as gateway:
        prices = gateway.call("billing.gateway.v1.Prices/ListPrices", pricing.ListPricesRequest())
"""

import importlib
import os
import pathlib
import secrets
import struct
import subprocess
import sys
import tempfile
import time

import zmq

HEADER = struct.Struct("<HBBBBHIIQqQQQIIHHI")  # 72 bytes; the fields are listed in Proto/README.md
MAGIC, VERSION, REQUEST, REPLY = 0xB111, 1, 1, 2
PROTO = pathlib.Path(__file__).resolve().parents[2] / "Proto"


class Refused(Exception):
    """A reply whose status is not 0, with the fields of billing.common.v1.Error."""

    def __init__(self, status, error):
        super().__init__(f"{error.reason}: {error.message}")
        self.status, self.reason, self.message = status, error.reason, error.message
        self.field, self.value = error.field, error.value


class OutcomeUnknown(Exception):
    """No reply in time: ask again with the same key."""


def load_messages():
    """Compiles Proto/ with protoc and returns the generated modules by package: common, pricing, order, ..."""
    output = tempfile.mkdtemp(prefix="billing-proto-")
    files = [str(path.relative_to(PROTO)) for path in sorted(PROTO.glob("billing/*/v1/*.proto"))]
    subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={output}", *files], check=True)
    sys.path.insert(0, output)
    names = {os.path.basename(name)[: -len(".proto")]: name[: -len(".proto")].replace("/", ".") for name in files}
    return {package: importlib.import_module(module + "_pb2") for package, module in names.items()}


MESSAGES = load_messages()


def method_id(name):
    """FNV-1a 32 of "package.Service/Method"."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def reply_class(method):
    """The reply's class, found through the service's descriptor."""
    service, name = method.split("/")
    descriptor = MESSAGES[service.split(".")[1]].DESCRIPTOR.services_by_name[service.split(".")[-1]]
    output = descriptor.methods_by_name[name].output_type
    return getattr(MESSAGES[output.full_name.split(".")[1]], output.name)


class Client:
    """One DEALER socket to one endpoint; one call at a time."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.last_call = secrets.randbits(32) << 16
        self.replayed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def call(self, method, request, account="", key="", seconds=10.0, effective_at=0, epoch=0):
        """Sends one record and waits for its reply. A write needs a key; the same key never acts twice.

        Only a call to a service behind the gateway has an instant, and an epoch if it is a step of a saga.
        """
        self.last_call += 1
        self.send(method_id(method), request.SerializeToString(), account, key, int(seconds * 1000), effective_at, epoch)
        reply_type, until = reply_class(method), time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self.socket.poll(left * 1000):
            for call, flags, status, body in records(self.socket.recv()):
                if call != self.last_call:
                    continue  # The late reply of an earlier call.
                self.replayed = bool(flags & 1)
                if status != 0:
                    raise Refused(status, MESSAGES["common"].Error.FromString(body))
                return reply_type.FromString(body)
        raise OutcomeUnknown(f"no reply to {method} within {seconds} s; ask again with the same key {key!r}")

    def send(self, method, body, account, key, budget, effective_at=0, epoch=0):
        header = HEADER.pack(
            MAGIC, VERSION, REQUEST, 0, 0, len(key), method, len(body), self.last_call, effective_at, epoch, 0, 0,
            budget, 0, len(account), 0, 0)  # fmt: skip
        self.socket.send(header + key.encode() + account.encode() + body)


def records(message):
    """The replies in one message: it may hold several, one after the other."""
    position = 0
    while position < len(message):
        (magic, version, kind, flags, status, key, _, body, call, _, _, _, _, _, _, account, _, _) = HEADER.unpack_from(
            message, position)  # fmt: skip
        if (magic, version, kind) != (MAGIC, VERSION, REPLY):
            raise ValueError(f"not a reply record at byte {position}")
        start = position + HEADER.size + key + account
        yield call, flags, status, message[start : start + body]
        position = start + body
