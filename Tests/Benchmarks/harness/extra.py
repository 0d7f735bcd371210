"""The figures that are no comparison of two sides in turns."""
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from . import machine, measure, sides

OURS = "ours, reactor"


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 10 else f"{value:.1f}"


def spread(values):
    return f"{number(statistics.median(values))} [{number(min(values))}..{number(max(values))}]"


def row(title, side, found, compared="", against="", ratio="", target="reported", verdict=""):
    return [title, side, found, compared, against, ratio, target, verdict]


def allocations(options):
    """Counted in a pass of their own, as counting takes time."""
    lines = []
    for name, side in sides.SIDES.items():
        if side.build not in options.built:
            continue
        server, client = measure.allocations(side, f"tcp://127.0.0.1:{options.port}", 64, options.seconds)
        lines.append(row("allocations a call, server + client", name, f"{server:.1f} + {client:.1f}"))
    return lines


def request_for_idle_clients():
    """A record as Proto/README.md describes it, of Quotes/Ask with an empty body."""
    method = 0x811C9DC5
    for byte in b"benchmark.quote.v1.Quotes/Ask":
        method = (method ^ byte) * 0x01000193 & 0xFFFFFFFF
    return struct.pack("<HBBBBHIIQqQQQIIHHI", 0xB111, 1, 1, 0, 0, 0, method, 0, 1, 0, 0, 0, 0, 5000, 0, 0, 0, 0)


def idle_clients(options):
    """What 1,000 connections without calls cost a server: memory, processor time, and another client's latency."""
    clients, seconds = 1000, max(1, options.seconds)
    lines = []
    for name in ("C", OURS):
        side = sides.SIDES[name]
        per_connection, busy, before, after = [], [], [], []
        for _ in range(options.rounds):
            server = sides.Server(side.server, f"tcp://127.0.0.1:{options.port}")
            before.append(measure.quietly(side, server, 1, seconds)["p50_us"])
            memory = machine.resident_kib(server.pid)
            idle = sides.start(
                [f"{sides.C}/idle", server.endpoint, str(clients), request_for_idle_clients().hex()], None,
                stdin=subprocess.PIPE)
            if not idle.stdout.readline().startswith("ready"):
                sys.exit("run: the idle clients got no answer; `ulimit -n` must be above 2,200")
            per_connection.append((machine.resident_kib(server.pid) - memory) / clients)
            used = machine.processor_seconds(server.pid)
            time.sleep(2)
            busy.append((machine.processor_seconds(server.pid) - used) / 2 * 100)
            after.append(measure.quietly(side, server, 1, seconds)["p50_us"])
            idle.communicate("")
            server.stop()
        ratio = statistics.median(late / early for early, late in zip(before, after))
        lines += [
            row("1,000 idle clients: KiB a connection", name, spread(per_connection)),
            row("1,000 idle clients: % of a processor", name, spread(busy)),
            row("1,000 idle clients: p50 us of another", name, spread(after), "the same, no idle clients",
                spread(before), f"{ratio:.2f}x"),
        ]
    return lines


def memory(options):
    """Resident memory after a tenth of the calls and after all of them."""
    calls = 1_000_000 if options.quick else 10_000_000
    side = sides.SIDES[OURS]
    server = sides.Server(side.server, f"tcp://127.0.0.1:{options.port}")
    client = sides.start_client(
        (*side.client, "--marks", str(calls // 10)), server.endpoint, 256, 3600)
    seen = []
    for line in client.stdout:
        if line.startswith("calls "):
            seen.append((machine.resident_kib(server.pid), machine.resident_kib(client.pid)))
            if int(line.split()[1]) >= calls:
                break
    client.terminate()
    client.wait()
    server.stop()
    lines = []
    for index, who in enumerate(["server", "client"]):
        values = [each[index] for each in seen]
        # A tenth on, every buffer has its size: more than a hundredth, or 256 KiB, would be a leak.
        growth = values[-1] - values[0]
        flat = growth <= max(256, values[0] // 100)
        lines.append(row(
            f"resident KiB of the {who}, {calls // 1_000_000} million calls", OURS, f"{values[-1]:,}",
            "after a tenth of them", f"{values[0]:,}", f"{growth:+,}", "flat", "met" if flat else "MISSED"))
    return lines


def rate(options):
    """The pricing service as it is delivered, rating batches of 1,000 slices."""
    binary = sides.build_billingd()
    with tempfile.TemporaryDirectory() as folder:
        side = sides.Side(
            "pricing",
            (binary, "pricing", "--data", f"{folder}/data", "--bind", "ENDPOINT", "--catalog",
             str(sides.ROOT / "deploy/catalog.yaml")),
            (str(sides.SWIFT), "rate", "ENDPOINT", "K", "SECONDS"), "swift")
        server = sides.Server(side.server, f"tcp://127.0.0.1:{options.port}", ready="serving")
        found = [measure.quietly(side, server, 4, options.seconds) for _ in range(options.rounds)]
        server.stop()
    values = [each["calls_per_s"] for each in found]
    share = statistics.median(each["server_cpu_us_per_call"] for each in found)
    verdict = "met" if statistics.median(values) >= 2_000_000 else "MISSED"
    return [
        row("pricing.Rate of 1,000 slices: slices/s", "ours, pool", spread(values), target=">= 2,000,000",
            verdict=verdict),
        row("pricing.Rate: server us of CPU a batch", "ours, pool", f"{share:.0f}"),
    ]


# By name: a function of the options that gives lines of the table.
FIGURES = {"alloc": allocations, "idle": idle_clients, "rate": rate, "memory": memory}
