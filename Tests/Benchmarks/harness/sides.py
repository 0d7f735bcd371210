"""The programs that are compared: how they are built, and how their servers and clients are started."""
import atexit
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
C = HERE / ".build-c"
CPP = HERE / ".build-cpp"
GRPC_SWIFT = HERE / ".build-grpc-swift/release/grpc-bench"
SWIFT = HERE / ".build-swift/release/rpc-bench"


@dataclasses.dataclass(frozen=True)
class Side:
    """A server, and a client that calls it. ENDPOINT, or HOST:PORT, HOST and PORT, K and SECONDS are filled in."""
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
    Side("ours, encrypted", (*SWIFT_SERVER, "--curve"), swift("callback", "--curve"), "swift"),
    Side("ours, waiting", SWIFT_SERVER, swift("reactor", "--method", "later"), "swift"),
    Side("gRPC C++", (f"{CPP}/server", "HOST:PORT"), (f"{CPP}/client", "HOST:PORT", "K", "SECONDS"), "cpp"),
    Side("grpc-swift-2", (str(GRPC_SWIFT), "server", "HOST", "PORT"),
         (str(GRPC_SWIFT), "client", "HOST", "PORT", "K", "SECONDS"), "grpc-swift"),
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


def build_cpp():
    need(["g++", "make", "protoc", "grpc_cpp_plugin"], "g++ make libgrpc++-dev protobuf-compiler-grpc")
    shell("make", "-s", "-C", HERE / "cpp")


def build_grpc_swift():
    if not GRPC_SWIFT.exists():
        print("building grpc-swift-2, which takes about ten minutes the first time", file=sys.stderr)
    shell("swift", "build", "-c", "release", "--scratch-path", "../.build-grpc-swift", cwd=HERE / "grpc-swift")


def build_billingd():
    """The delivered program, in the main package's own build folder; its path."""
    shell("swift", "build", "-c", "release", "--product", "billingd", cwd=ROOT)
    return str(ROOT / ".build/release/billingd")


BUILDS = {"c": build_c, "swift": build_swift, "cpp": build_cpp, "grpc-swift": build_grpc_swift}


def filled_in(command, endpoint, outstanding=0, seconds=0):
    host_and_port = endpoint.removeprefix("tcp://")
    host, port = host_and_port.rsplit(":", 1)
    words = {
        "ENDPOINT": endpoint, "HOST:PORT": host_and_port, "HOST": host, "PORT": port, "K": str(outstanding),
        "SECONDS": str(seconds)}
    return [words.get(word, word) for word in command]


def builds(rows, chosen):
    """What has to be built for some comparisons and figures, in order."""
    needed = {SIDES[name].build for row in rows for name in (row.ours, row.baseline)}
    if {"alloc", "idle", "memory", "rate"} & set(chosen):
        needed |= {"c", "swift"}
    if "alloc" in chosen:
        # Of gRPC only what is compared anyway, or was built before.
        needed |= {name for name, made in {"cpp": CPP / "server", "grpc-swift": GRPC_SWIFT}.items() if made.exists()}
    return [name for name in BUILDS if name in needed]


STARTED = []


def start(words, environment, **options):
    """A process that does not outlive this one."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}, **options)
    STARTED.append(process)
    return process


@atexit.register
def stop_all():
    for process in STARTED:
        if process.poll() is None:
            process.kill()


signal.signal(signal.SIGTERM, lambda *_: sys.exit("run: stopped by a signal"))


class Server:
    """A running server, with the clients of a side at its service."""

    def __init__(self, command, endpoint, environment=None, ready="ready"):
        """Waits for a line with `ready` in it; where that is another word it is sought in the log."""
        self.endpoint = endpoint
        words = filled_in(command, endpoint)
        self.process = start(words, environment, stderr=None if ready == "ready" else subprocess.STDOUT)
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
    return start(filled_in(command, endpoint, outstanding, seconds), environment)
