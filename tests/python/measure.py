"""Runs one program and prints how long it took and how much memory it held at its peak.

    python measure.py PROGRAM [ARGS...]

A program that ends in `.py` runs with this interpreter. Prints `seconds` (from start to exit) and `peak_bytes`
(largest resident set), and `inside` where the program prints a line `seconds N` of its own.
"""

import os
import subprocess
import sys
import time


def run(command):
    """Seconds, resource usage, exit code and printed text of one whole process."""
    os.sync()  # what earlier programs left to write must not burden this one
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    printed = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - start, usage, os.waitstatus_to_exitcode(status), printed


def inside(printed):
    """The number of the last line `seconds N`, or None."""
    lines = [line.split() for line in printed.splitlines()]
    numbers = [words[1] for words in lines if len(words) == 2 and words[0] == "seconds"]
    return float(numbers[-1]) if numbers else None


def main(command):
    if command[0].endswith(".py"):
        command = [sys.executable, *command]
    seconds, usage, code, printed = run(command)
    if code != 0:
        sys.stderr.write(printed)
        sys.exit(f"{os.path.basename(command[0])} ended with {code}")
    unit = 1 if sys.platform == "darwin" else 1024
    print(f"seconds {seconds:.6f}")
    print(f"peak_bytes {usage.ru_maxrss * unit}")
    if (own := inside(printed)) is not None:
        print(f"inside {own:.6f}")


if __name__ == "__main__":
    main(sys.argv[1:])
