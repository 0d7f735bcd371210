"""What the system knows of processes, and of whoever else uses the processors."""
import fcntl
import os
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    """What all threads of a process have used, to the nanosecond: its CPU clock (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def busy_seconds():
    """What everybody has used, and the hypervisor has taken away. Interrupts are left out: most of them are ours."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, _, _, steal, *_ = map(int, stat.readline().split()[1:])
    return (user + nice + system + steal) / TICKS


class Window:
    """The share of the machine that was used by none of `pids` since the window was opened."""

    def __init__(self, pids):
        self.pids = [os.getpid(), *pids]
        self.began = time.monotonic()
        self.busy = busy_seconds()
        self.ours = self.used()

    def used(self):
        return sum(processor_seconds(pid) for pid in self.pids)

    def others(self):
        elapsed = time.monotonic() - self.began
        others = busy_seconds() - self.busy - (self.used() - self.ours)
        return max(0.0, others / elapsed / os.cpu_count())


def wait_until_quiet(limit, patience):
    """Waits until others use less than `limit` of the machine, or `patience` seconds are over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        window = Window([])
        time.sleep(0.2)
        if window.others() < limit:
            return


def described():
    model = "unknown processor"
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} x {model}, Linux {os.uname().release}"


def to_ourselves():
    """Waits until no other run of the benchmarks is measuring on this machine; the lock ends with the process."""
    lock = open(os.path.join(tempfile.gettempdir(), "billing-benchmarks.lock"), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another run of the benchmarks", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock
