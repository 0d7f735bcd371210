#!/usr/bin/env python3
"""Checks exported books with the programs that read them: each must take the file, and refuse two copies with an error
of 0.000001 USD: in a transaction, and in what an account has after one.

    check_ledger.py [--only hledger|ledger|beancount] HLEDGER_FILE [BEANCOUNT_FILE]
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HLEDGER_CHECKS = ["accounts", "commodities", "ordereddates", "balancednoautoconversion", "assertions"]
# A posting of an amount, and an assertion. The last of each is spoilt: it needs the whole file to be read.
HLEDGER_POSTING = re.compile(r"^    [a-z]\S*  (-?\d+\.\d{6}) USD")
HLEDGER_ASSERTION = re.compile(r" = (-?\d+\.\d{6}) USD$")
BEANCOUNT_POSTING = re.compile(r"^  [A-Z]\S*  (-?\d+\.\d{6}) USD")
BEANCOUNT_ASSERTION = re.compile(r"^\S+ balance \S+  (-?\d+\.\d{6}) ~ 0 USD")


def more(amount):
    """The amount and 0.000001, as text."""
    micros = int(amount.replace(".", "")) + 1
    return f"{'-' if micros < 0 else ''}{abs(micros) // 1_000_000}.{abs(micros) % 1_000_000:06}"


def spoil(source, target, pattern):
    """Copies a journal with the last match of a pattern 0.000001 larger."""
    last = None
    with open(source, encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if pattern.search(line):
                last = number
    if last is None:
        return False
    with open(source, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as copy:
        for number, line in enumerate(lines):
            if number == last:
                match = pattern.search(line)
                line = line[: match.start(1)] + more(match[1]) + line[match.end(1) :]
            copy.write(line)
    return True


def accepts(command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode == 0, done.stderr.strip()


def check(name, command, journal, patterns, folder):
    """Whether a program does what it must, and the line that says so."""
    if shutil.which(command("")[0]) is None:
        return False, f"{name}: NOT OK: {command('')[0]} is not installed; deploy/setup installs it"
    good, problem = accepts(command(str(journal)))
    if not good:
        return False, f"{name}: NOT OK: refuses {journal}: {problem[:2000]}"
    for place, pattern in patterns.items():
        copy = folder / f"{place}{journal.suffix}"
        if not spoil(journal, copy, pattern):
            return False, f"{name}: NOT OK: there is no {place} in {journal}"
        if accepts(command(str(copy)))[0]:
            return False, f"{name}: NOT OK: takes {journal} with an error of 0.000001 in its last {place}"
    return True, f"{name}: OK: takes {journal.name}, and refuses an error of 0.000001 in a " + " or an ".join(patterns)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["hledger", "ledger", "beancount"])
    parser.add_argument("hledger_file", type=pathlib.Path)
    parser.add_argument("beancount_file", type=pathlib.Path, nargs="?")
    options = parser.parse_args()
    if options.only == "beancount" and options.beancount_file is None:
        parser.error("--only beancount needs the BEANCOUNT_FILE")

    plain = {"posting": HLEDGER_POSTING, "assertion": HLEDGER_ASSERTION}
    counted = {"posting": BEANCOUNT_POSTING, "assertion": BEANCOUNT_ASSERTION}
    checks = {
        "hledger": (lambda file: ["hledger", "-f", file, "check", *HLEDGER_CHECKS], options.hledger_file, plain),
        "ledger": (
            lambda file: ["ledger", "--init-file", "/dev/null", "--strict", "--pedantic", "-f", file, "bal"],
            options.hledger_file,
            plain,
        ),
        "beancount": (lambda file: ["bean-check", "-C", file], options.beancount_file, counted),
    }
    fine = True
    for name, (command, journal, patterns) in checks.items():
        if journal is None or options.only not in (None, name):
            continue
        if not journal.is_file():
            fine = False
            print(f"{name}: NOT OK: there is no file {journal}")
            continue
        with tempfile.TemporaryDirectory(prefix="billing-ledger-") as folder:
            good, line = check(name, command, journal, patterns, pathlib.Path(folder))
        fine = fine and good
        print(line, flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
