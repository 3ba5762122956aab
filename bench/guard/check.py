"""The budgets, measured now, beside what this code is known to reach: scripts/bench --check.

    check.py [--build FOLDER] [--budgets FILE] [--accept] [--rounds N] [--seconds S] [--disturbed-share SHARE]

budgets.json holds for each budget its bar, the figure that was reached when it was last accepted, and the noise of
that. A figure fails that is worse than the one reached by more than its noise, whether its bar is met or not; how far
the bar is stands beside it. So a budget that is missed stays in sight, and none gets worse unseen. Nearly all are
ratios to something measured in the same run; what is marked absolute is held to its bar alone, since another machine
has another figure.

Each figure is taken once a round, its two sides one after the other, and the median of the rounds counts. Rounds
during which other programs, or other machines on the same hardware, took more than a share of this one are left out;
a budget of which fewer than half the rounds are left is not judged.

--accept writes the figures and their spread into the file instead of judging them. Exit codes: 0 none is worse, 1 one
is, or a run failed, 2 bad arguments, 3 none is worse, but not all could be judged.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compare"))
import machine as described  # noqa: E402  what the side-by-side run says about the machine too
# Of a few rounds that happened to agree; more where three processes share out the processors anew each time.
NOISE_MIN, NOISE_MIN_END_TO_END = 0.05, 0.1
AS_GOOD_AS_NONE = 1e-4  # an allocation in ten thousand messages is a container that still grows
NOT_JUDGED = 3


class CheckFault(Exception):
    """What went wrong, in words for whoever reads the terminal."""


class Measured:
    """One figure: its values of the calm rounds. Where those are too few, of all, and then it is not judged."""

    def __init__(self, rounds):
        """Of each round the value, and whether it was calm."""
        calm = [value for value, is_calm in rounds if is_calm]
        self.is_judged = 2 * len(calm) >= len(rounds)
        self.values = calm if self.is_judged else [value for value, _ in rounds]

    def median(self):
        return statistics.median(self.values)

    def noise(self, noise_min):
        """Half of how far the rounds lie apart, of their median; at least that, and none of nothing."""
        median = self.median()
        return max(noise_min, (max(self.values) - min(self.values)) / 2 / median) if median else 0


# --- the parts

class Rows:
    """The medians of one run of bench_micro, from its JSON."""

    def __init__(self, text):
        self._rows = {}
        for run in json.loads(text)["benchmarks"]:
            if run.get("error_occurred"):
                raise CheckFault(f"{run['name']}: {run.get('error_message')}")
            if run.get("aggregate_name") == "median":
                self._rows[run["run_name"].removesuffix("/iterations:1")] = run

    def counter(self, row, counter):
        try:
            return self._rows[row][counter]
        except KeyError as missing:
            raise CheckFault(f"bench_micro has not measured {missing} of {row}") from None

    def seconds(self, row):
        """For one message."""
        return 1 / self.counter(row, "items_per_second")


def ratio(above, below):
    return lambda rows: rows.seconds(above) / rows.seconds(below)


def used(row):
    return lambda rows: rows.counter(row, "used")


def fan_out(rows):
    one, ten, copy = (rows.seconds(row) for row in ("fan_out/424/1", "fan_out/424/10", "queue/424"))
    return ten / (one + 10 * copy)


PARTS = {
    "view": ratio("unpack/424", "view/424"),
    "view_traffic": ratio("unpack/1", "view/1"),
    "view_alternating": ratio("view/2", "plain_view/2"),
    "view_unlike": ratio("view/3", "plain_view/3"),
    "core": ratio("core/424/150", "unpack/424"),
    "endpoints": ratio("growth/10000/0/10", "growth/20/0/10"),
    "workers": ratio("growth/10000/1000/10", "growth/20/0/10"),
    "fan_out": fan_out,
}
EXACT = {  # whatever else the machine does meanwhile
    "core_allocations": lambda rows: rows.counter("core/424/150", "allocations"),
    "remembered": used("memory_remembered"),
    "queued": used("memory_queued"),
    "idle_endpoints": used("memory_idle_endpoints"),
    "quiet_connection": used("memory_quiet_connection"),
}
ROWS = ("unpack/(424|1)", "view/(424|1|2|3)", "plain_view/(2|3)", "core/424/150", "growth/20/0/10",
        "growth/10000/(0|1000)/10", "queue/424", "fan_out/424/(1|10)", "memory_.*")


def measure_parts(build, rounds, seconds, disturbed_share):
    found = []
    for number in range(rounds):
        say(f"the parts, round {number + 1} of {rounds}")
        busy_before, began = busy_of_others(), time.monotonic()
        rows = "|".join(ROWS)
        text = run_for_json([f"{build}/bench/bench_micro", f"--benchmark_filter=^({rows})(/iterations:1)?$",
                             "--benchmark_repetitions=3", f"--benchmark_min_time={seconds / 10}",
                             "--benchmark_out_format=json"], "--benchmark_out=")
        span = (time.monotonic() - began) * os.cpu_count()
        found.append((Rows(text), busy_of_others() - busy_before <= disturbed_share * span))
    figures = {name: Measured([(part(rows), is_calm) for rows, is_calm in found]) for name, part in PARTS.items()}
    return figures | {name: Measured([(part(rows), True) for rows, _ in found]) for name, part in EXACT.items()}


def busy_of_others():
    """Seconds of all cores that went to other programs than this and those that it started, or to other machines."""
    times = os.times()
    return sum(described.machine_seconds()) - times.user - times.system - times.children_user - times.children_system


# --- the whole

def end_to_end_of(text, disturbed_share):
    """The budgets of a run of bench_end_to_end, from its JSON: each round's own, in the order of the rounds."""
    def calm(*runs):
        return all(max(run["steal"], run["foreign"]) <= disturbed_share for run in runs)

    def in_pairs(ours, theirs, key):
        """One of ours and the one of theirs beside it in time make a value."""
        return Measured([(one[key] / other[key], calm(one, other)) for one, other in zip(ours, theirs)])

    figures = {}
    for comparison in json.loads(text)["comparisons"]:
        ours, proxy = comparison["signalbox"], comparison["zmq_proxy"]
        if comparison["rate"]:
            figures["latency"] = in_pairs(ours, proxy, "p50_us")
            continue
        size = comparison["message_bytes"]
        figures[f"end_to_end_{size}"] = in_pairs(ours, proxy, "messages_per_second")
        if comparison["worker_library"]:
            figures[f"message_type_{size}"] = in_pairs(comparison["worker_library"], proxy, "messages_per_second")
        if size == 424:
            figures["broker_cpu"] = Measured([(run["broker_cpu_s_per_million"], calm(run)) for run in ours])
    return figures


def measure_end_to_end(build, rounds, seconds, disturbed_share):
    say(f"end to end, {rounds} rounds")
    return end_to_end_of(run_for_json(
        [f"{build}/bench/bench_end_to_end", "--runs", str(rounds), "--seconds", str(seconds), "--json"], None),
        disturbed_share)


# --- the verdict

@dataclasses.dataclass
class Verdict:
    text: str
    is_worse: bool = False
    is_judged: bool = True


def judge(budget, measured):
    """What is measured now, beside what was reached and the bar."""
    bar = budget.get("at_least", budget.get("at_most"))
    more_is_better = "at_least" in budget
    if not measured.is_judged:
        return Verdict("NOT JUDGED: others used the machine meanwhile", is_judged=False)
    now = measured.median()
    reached, noise = (bar, NOISE_MIN) if budget.get("absolute") else (budget.get("reached"), budget.get("noise"))
    if reached is None:
        return Verdict(f"NO FIGURE: --accept; {distance(now, bar, more_is_better)}", is_worse=True)
    worst = reached / (1 + noise) if more_is_better else reached * (1 + noise) + AS_GOOD_AS_NONE
    is_worse = now < worst if more_is_better else now > worst
    return Verdict(("WORSE; " if is_worse else "ok; ") + distance(now, bar, more_is_better), is_worse)


def distance(now, bar, more_is_better):
    met = now >= bar if more_is_better else now <= bar + AS_GOOD_AS_NONE
    if met:
        return "bar met"
    return f"bar missed by {100 * abs(now - bar) / bar:.0f} %" if bar else f"bar missed by {now:.2g}"


def shown(figure):
    return f"{figure:.0f}" if figure >= 1000 else f"{figure:.3g}"


def line_of(budget, measured, verdict):
    bar = f"at least {budget['at_least']:g}" if "at_least" in budget else f"at most {budget['at_most']:g}"
    reached = "-"
    if budget.get("reached") is not None:
        reached = f"{shown(budget['reached'])} ±{100 * budget['noise']:.0f} %"
    now = f"{shown(measured.median())} ({shown(min(measured.values))} - {shown(max(measured.values))})"
    return f"{budget['what']:74} {bar:>13} {reached:>13} {now:>22}  {verdict.text}"


def report(budgets, figures):
    """A line a budget; whether one is worse, and whether all are judged."""
    verdicts = []
    print(f"{'budget':74} {'bar':>13} {'reached':>13} {'now (spread)':>22}")
    for budget in budgets:
        measured = figures.get(budget["name"])
        if measured is None:
            raise CheckFault(f"nothing measures the budget {budget['name']}")
        verdicts.append(judge(budget, measured))
        print(line_of(budget, measured, verdicts[-1]))
    if nameless := set(figures) - {budget["name"] for budget in budgets}:
        raise CheckFault(f"measured, and no budget: {', '.join(sorted(nameless))}")
    return any(verdict.is_worse for verdict in verdicts), all(verdict.is_judged for verdict in verdicts)


def write(path, machine, budgets, figures):
    lines = []
    for budget in budgets:
        measured = figures[budget["name"]]
        if not measured.is_judged:
            raise CheckFault(f"{budget['name']}: others used the machine meanwhile; nothing is written")
        noise_min = NOISE_MIN if budget["name"] in PARTS | EXACT else NOISE_MIN_END_TO_END
        reached = {"reached": float(shown(measured.median())), "noise": round(measured.noise(noise_min), 3)}
        lines.append("    " + json.dumps({**budget, **reached}))
    path.write_text(f'{{\n  "machine": {json.dumps(machine)},\n  "budgets": [\n' + ",\n".join(lines) + "\n  ]\n}\n",
                    encoding="utf-8")


# --- the run

def say(text):
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)


def run_for_json(arguments, option):
    """The JSON that a program writes into the file whose name stands behind `option`, or comes last."""
    with tempfile.TemporaryDirectory(prefix="signalbox-check-") as folder:
        out = f"{folder}/figures.json"
        done = subprocess.run([*arguments, option + out if option else out], capture_output=True, text=True,
                              timeout=1800, check=False)
        if done.returncode:
            raise CheckFault(f"{arguments[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
        return pathlib.Path(out).read_text(encoding="utf-8")


def run(options):
    known = json.loads(options.budgets.read_text(encoding="utf-8"))
    how = options.build, options.rounds, options.seconds, options.disturbed_share
    figures = measure_parts(*how) | measure_end_to_end(*how)
    say("")
    here = described.stamp()
    print(f"{here}; medians of {options.rounds}")
    if known["machine"] not in (here, ""):
        print(f"reached on another machine: {known['machine']}")
    is_worse, all_judged = report(known["budgets"], figures)
    if options.accept:
        write(options.budgets, here, known["budgets"], figures)
        print(f"written: {options.budgets}")
        return 0
    if is_worse:
        return 1
    return 0 if all_judged else NOT_JUDGED


def main():
    parser = argparse.ArgumentParser(prog="check.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build/release", help="where the build is")
    parser.add_argument("--budgets", type=pathlib.Path, default=HERE / "budgets.json",
                        help="bars, and what was reached")
    parser.add_argument("--accept", action="store_true", help="what is measured now becomes what was reached")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--seconds", type=float, default=2, help="of one run end to end (2)")
    parser.add_argument("--disturbed-share", type=float, default=0.08, metavar="SHARE",
                        help="the most of the machine that others may take in a round that counts (0.08)")
    try:
        return run(parser.parse_args())
    except CheckFault as fault:
        print(f"check.py: {fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
