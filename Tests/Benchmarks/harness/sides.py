"""The programs that are compared: how they are built, and how their servers and clients are started."""
import dataclasses
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
C = HERE / ".build-c"
SWIFT = HERE / ".build-swift/release/rpc-bench"


@dataclasses.dataclass(frozen=True)
class Side:
    """A server, and a client that calls it. ENDPOINT, K and SECONDS are filled in."""
    name: str
    server: tuple
    client: tuple
    build: str


def swift(kind, *options):
    return (str(SWIFT), "client", "ENDPOINT", "K", "SECONDS", "--client", kind, *options)


SWIFT_SERVER = (str(SWIFT), "server", "ENDPOINT")
SIDES = {side.name: side for side in [
    Side("C", (f"{C}/server", "ENDPOINT"), (f"{C}/client", "ENDPOINT", "K", "SECONDS"), "c"),
    Side("C, coalescing", (f"{C}/server", "ENDPOINT", "--coalesce"),
         (f"{C}/client", "ENDPOINT", "K", "SECONDS", "--coalesce"), "c"),
    Side("ours, pool", SWIFT_SERVER, swift("pool"), "swift"),
    Side("ours, reactor", SWIFT_SERVER, swift("reactor"), "swift"),
    Side("ours, callback", SWIFT_SERVER, swift("callback"), "swift"),
    Side("ours, waiting", SWIFT_SERVER, swift("reactor", "--method", "later"), "swift"),
]}
# How our client waits: functions that get the replies, tasks on the default pool, tasks that prefer the reactor.
CLIENTS = ["callback", "pool", "reactor"]


def shell(*command, **options):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if run.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{run.stdout[-4000:]}\nrun: the build failed")


def need(programs, packages):
    missing = [each for each in programs if subprocess.run(["which", each], capture_output=True).returncode]
    if missing:
        sys.exit(f"run: {', '.join(missing)} is missing; apt-get install {packages}")


def build_c():
    need(["cc", "make", "protoc-c"], "gcc make libzmq3-dev libprotobuf-c-dev protobuf-c-compiler")
    shell("make", "-s", "-C", HERE / "c")


def build_swift():
    need(["swift", "protoc-c"], "libzmq3-dev libprotobuf-c-dev protobuf-c-compiler python3-protobuf")
    shell(
        ROOT / "Proto/generate", "--root", HERE / "Proto", "--out", HERE, "--c", "Sources/CQuoteProto",
        "--swift", "Sources/QuoteAPI/Generated", "--samples", "")
    shell("swift", "build", "-c", "release", "--product", "rpc-bench", "--scratch-path", ".build-swift", cwd=HERE)


BUILDS = {"c": build_c, "swift": build_swift}


def builds(rows, chosen):
    """What has to be built for some comparisons and figures, in order."""
    needed = {SIDES[name].build for row in rows for name in (row.ours, row.baseline)}
    if {"alloc", "idle", "memory", "rate"} & set(chosen):
        needed |= {"c", "swift"}
    return [name for name in BUILDS if name in needed]


class Server:
    """A running server, with the clients of a side at its service."""

    def __init__(self, command, endpoint, environment=None, ready="ready"):
        self.endpoint = endpoint
        words = [endpoint if word == "ENDPOINT" else word for word in command]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        for line in self.process.stdout:
            if ready in line:
                return
        sys.exit(f"run: {' '.join(words)} did not start")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process.poll() is not None:
            sys.exit(f"run: the server {self.process.args[0]} has ended with {self.process.returncode}")
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def start_client(command, endpoint, outstanding, seconds, environment=None):
    words = [{"ENDPOINT": endpoint, "K": str(outstanding), "SECONDS": str(seconds)}.get(word, word) for word in command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
