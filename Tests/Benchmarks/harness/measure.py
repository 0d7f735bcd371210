"""Runs one client against one server, and says what it cost."""
import json
import sys
import tempfile

from . import machine, sides

# A measurement during which others used more of the machine than this is made again, a few times.
DISTURBED = 0.08
ATTEMPTS = 4


def once(side, server, outstanding, seconds, options=(), environment=None):
    """The client's line of JSON, with the server's processor time and memory."""
    client = sides.start_client((*side.client, *options), server.endpoint, outstanding, seconds, environment)
    result = None
    for line in client.stdout:
        if line.startswith("start"):
            window = machine.Window([client.pid, server.pid])
            server_before = machine.processor_seconds(server.pid)
        elif line.startswith("{"):
            result = json.loads(line)
            server_used = machine.processor_seconds(server.pid) - server_before
            result["others"] = window.others()
            result["server_cpu_us_per_call"] = server_used * 1e6 / max(1, result["calls"])
            result["client_cpu_us_per_call"] = result["client_cpu_s"] * 1e6 / max(1, result["calls"])
            result["server_rss_kib"] = machine.resident_kib(server.pid)
    if client.wait() or not result or not result["calls"]:
        sys.exit(f"run: the client of {side.name} with {outstanding} calls outstanding failed")
    return result


def quietly(side, server, outstanding, seconds):
    """The least disturbed of a few attempts; the first that nobody disturbed."""
    best = None
    for _ in range(ATTEMPTS):
        machine.wait_until_quiet(DISTURBED, 5)
        result = once(side, server, outstanding, seconds)
        if best is None or result["others"] < best["others"]:
            best = result
        if best["others"] < DISTURBED:
            break
    return best


def allocations(side, endpoint, outstanding, seconds):
    """Allocations a call of server and client, which a library that is loaded first counts."""
    with tempfile.TemporaryDirectory() as folder:
        def counted(name):
            return {"LD_PRELOAD": f"{sides.C}/alloc_count.so", "ALLOC_COUNT": f"{folder}/{name}"}

        def count(name):
            with open(f"{folder}/{name}", "rb") as file:
                return int.from_bytes(file.read(8), "little")

        server = sides.Server(side.server, endpoint, counted("server"))
        client = sides.start_client(side.client, endpoint, outstanding, seconds, counted("client"))
        before = after = calls = None
        for line in client.stdout:
            if line.startswith("start"):
                before = count("server"), count("client")
            elif line.startswith("{"):
                after = count("server"), count("client")
                calls = json.loads(line)["calls"]
        client.wait()
        server.stop()
        return tuple((late - early) / calls for early, late in zip(before, after))
