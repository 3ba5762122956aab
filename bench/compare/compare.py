#!/usr/bin/env python3
"""Signalbox beside other brokers, on the same work: scripts/bench --compare.

One producer, the broker and one consumer, each a process of its own, on TCP loopback; 424-byte messages, none of which
may be missing, doubled or out of order. Runs alternate, A B C A B C, so that what disturbs the machine for a while
disturbs all. What is not installed is left out, and the page says so.

Exit codes: 0 measured, 1 a run failed (its row is left out), 2 bad arguments.
"""

import argparse
import datetime
import os
import signal
import subprocess
import sys

from machine import RunFault, package_version, stamp
from measuring import Machinery, Workload
from report import RATES, middle, section, write
from rows import PROMISES, Programs, all_rows, missing

WARM_UP_MAX = 50_000   # enough to touch every page that the run will use
LATENCY_WARM_UP = 1000
PROBE_S = 0.3          # the first run of each, which says how much the others have to move
SHORT = {"rounds": 3, "seconds": 1.2, "latency_rounds": 1, "latency_seconds": 2.0}
FULL = {"rounds": 5, "seconds": 4.0, "latency_rounds": 3, "latency_seconds": 5.0}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="where Signalbox and the clients were built")
    parser.add_argument("--docs", help="write benchmarks.md's part, benchmarks.json and images/benchmarks.svg there")
    parser.add_argument("--full", action="store_true", help="more and longer runs")
    parser.add_argument("--only", help="these rows, with commas between")
    for name, value in SHORT.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), help=f"instead of {value} or {FULL[name]}")
    options = parser.parse_args()
    settings = dict(FULL if options.full else SHORT)
    for name in settings:
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    if min(settings.values()) <= 0:
        parser.error("rounds and seconds are above 0")
    names = [row.name for row in all_rows()]
    wanted = options.only.split(",") if options.only else names
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(names)}")
    programs = Programs(os.path.join(options.build, "broker", "signalbox"),
                        os.path.join(options.build, "bench", "compare", "bench_compare_client"))
    for program in (programs.signalbox, programs.client):
        if not os.access(program, os.X_OK):
            parser.error(f"there is no program {program}: build it, or name the folder with --build")
    return options, settings, wanted, programs


class Series:
    """All runs of all rows. A row of which a run fails is out, with the reason."""

    def __init__(self, machinery, rows):
        self._machinery = machinery
        self.rows = rows
        self.failed = {}
        self.throughput = {row.name: [] for row in rows}
        self.latency = {row.name: {} for row in rows}

    def run(self, row, workload):
        """Its figures, or None."""
        try:
            return self._machinery.run(row, workload)
        except RunFault as fault:
            print(f"{row.name}: {fault}", file=sys.stderr, flush=True)
            self.failed[row.name] = str(fault).splitlines()[0]
            self.rows = [other for other in self.rows if other is not row]
            return None

    def measure_throughput(self, rounds, seconds):
        speeds = {}
        for row in list(self.rows):
            if figures := self.run(row, flat_out(row.speed, min(PROBE_S, seconds))):
                speeds[row.name] = figures["messages_per_second"]
        for number in range(rounds):
            for row in list(self.rows):
                if figures := self.run(row, flat_out(speeds[row.name], seconds)):
                    self.throughput[row.name].append(figures)
                    print(f"  {number + 1}/{rounds}  {row.name:22} {figures['messages_per_second']:12,.0f} messages/s",
                          flush=True)

    def measure_latency(self, rate, rounds, seconds):
        """Of those that carry so many."""
        for number in range(rounds):
            for row in list(self.rows):
                if middle(self.throughput[row.name], "messages_per_second") < rate:
                    continue
                if figures := self.run(row, Workload(int(rate * seconds), LATENCY_WARM_UP, rate)):
                    self.latency[row.name].setdefault(str(rate), []).append(figures)
                    print(f"  {number + 1}/{rounds}  {row.name:22} {rate:6,} a second: {figures['p50_us']:.0f} us",
                          flush=True)


def flat_out(speed, seconds):
    return Workload(max(1000, int(speed * seconds)), int(min(WARM_UP_MAX, speed / 10)))


def main():
    options, settings, wanted, programs = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no broker is left running
    listed = subprocess.run([programs.client, "peers"], capture_output=True, text=True, check=True)
    clients = listed.stdout.split()
    rows, left_out = [], []
    for row in all_rows():
        if row.name not in wanted:
            continue
        why = missing(row, clients)
        if why:
            print(f"left out: {row.name}: {why}", flush=True)
            left_out.append({"name": row.name, "title": row.title, "why": why})
        else:
            rows.append(row)
    with Machinery(programs) as machinery:
        series = Series(machinery, list(rows))
        series.measure_throughput(settings["rounds"], settings["seconds"])
        for rate in RATES:
            series.measure_latency(rate, settings["latency_rounds"], settings["latency_seconds"])
    left_out += [{"name": row.name, "title": row.title, "why": "a run failed: " + series.failed[row.name]}
                 for row in rows if row.name in series.failed]
    if not series.rows:
        print("nothing could be measured", file=sys.stderr)
        return 1
    result = {"machine": stamp(), "date": datetime.date.today().isoformat(), "settings": settings,
              "rows": [described(row, series) for row in series.rows], "left_out": left_out}
    print("\n" + section(result))
    if options.docs:
        write(result, options.docs)
        print(f"\nwritten to {options.docs}: benchmarks.md, benchmarks.json, images/benchmarks.svg")
    return 1 if series.failed else 0


def described(row, series):
    return {"name": row.name, "title": row.title, "promise": PROMISES[row.promise], "guarantee": row.guarantee,
            "options": list(row.options), "package": row.package,
            "version": package_version(row.package) if row.package else "",
            "throughput": series.throughput[row.name], "latency": series.latency[row.name]}


if __name__ == "__main__":
    sys.exit(main())
