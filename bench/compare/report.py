"""What the runs come to: tables for people, a chart, and every run as JSON."""

import json
import math
import os
from statistics import median

from chart import chart
from rows import PROMISES

DISTURBED = 0.08     # a share of the machine that others took, above which a row is marked
CLEARLY = 1.02       # a figure that is better by less is called the same
RATES = (1000, 20_000)
BEGIN = "<!-- compare: written by scripts/bench --compare, from here -->"
END = "<!-- compare: to here -->"

# What is compared between Signalbox and the others: words, key, is more better, the rate (0: flat out).
FIGURES = (
    ("messages a second", "messages_per_second", True, 0),
    ("processor time of the broker for a million", "broker_cpu_s_per_million", False, 0),
    ("median latency at 1,000 a second", "p50_us", False, 1000),
    ("p99 at 1,000 a second", "p99_us", False, 1000),
    ("median latency at 20,000 a second", "p50_us", False, 20_000),
    ("p99 at 20,000 a second", "p99_us", False, 20_000),
)


def middle(runs, figure):
    return median(run[figure] for run in runs)


def significant(value):
    """Three digits of it: more would be noise."""
    if value <= 0:
        return "0"
    places = 2 - math.floor(math.log10(value))
    return f"{round(value, places):,.{max(0, places)}f}"


def spread(runs, figure):
    values = [run[figure] for run in runs]
    return f"{significant(min(values))} – {significant(max(values))}"


def is_disturbed(runs):
    return median(run["steal"] + run["foreign"] for run in runs) > DISTURBED


def runs_at(row, rate):
    return row["latency"].get(str(rate), []) if rate else row["throughput"]


def throughput_table(rows, own):
    lines = ["| through | what it promises | messages a second (spread) | Signalbox, times this | "
             "CPU s a million: broker / producer / consumer |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        runs = row["throughput"]
        rate = middle(runs, "messages_per_second")
        times = f"{own / rate:.2f}" if own and row["name"] != "signalbox" else ""
        cpu = " / ".join(significant(middle(runs, f"{who}_cpu_s_per_million"))
                         for who in ("broker", "producer", "consumer"))
        mark = " †" if is_disturbed(runs) else ""
        lines.append(f"| {row['title']} | {row['guarantee']} | {significant(rate)}{mark} "
                     f"({spread(runs, 'messages_per_second')}) | {times} | {cpu} |")
    return lines


def latency_cells(row, rate, of):
    runs = runs_at(row, rate)
    if not runs:
        return "does not carry it", "", "", ""
    mark = " †" if is_disturbed(runs) else ""
    ratio = f"{middle(runs, 'p50_us') / of:.2f}" if of and row["name"] != "zmq_proxy" else ""
    return (f"{middle(runs, 'p50_us'):.0f}{mark}", ratio, f"{middle(runs, 'p99_us'):.0f}",
            f"{middle(runs, 'p999_us'):.0f}")


def latency_table(rows, rate):
    of = next((middle(runs_at(row, rate), "p50_us") for row in rows
               if row["name"] == "zmq_proxy" and runs_at(row, rate)), 0)
    lines = [f"| {rate:,} a second, µs | p50 | of `zmq_proxy`'s | p99 | p99.9 |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        lines.append(f"| {row['title']} | " + " | ".join(latency_cells(row, rate, of)) + " |")
    return lines


def better_than_signalbox(rows):
    """For each figure the rows that are ahead, by how much."""
    own = next((row for row in rows if row["name"] == "signalbox"), None)
    if own is None:
        return []
    lines = []
    for words, key, more_is_better, rate in FIGURES:
        if not runs_at(own, rate):
            continue
        ours = middle(runs_at(own, rate), key)
        ahead = []
        for row in rows:
            if row is own or not runs_at(row, rate):
                continue
            theirs = middle(runs_at(row, rate), key)
            low, high = (ours, theirs) if more_is_better else (theirs, ours)
            if high > low * CLEARLY:
                ahead.append((high / max(low, 1e-9), row["title"]))
        names = ", ".join(f"{title} ({times:.2f} times as good)" for times, title in sorted(ahead, reverse=True))
        lines.append(f"- {words}: {names or 'nobody'}")
    return lines


def section(result):
    """The generated part of the page."""
    rows = sorted(result["rows"], key=lambda row: -middle(row["throughput"], "messages_per_second"))
    own = next((middle(row["throughput"], "messages_per_second") for row in rows if row["name"] == "signalbox"), 0)
    settings = result["settings"]
    late = [run["late_p50_us"] for row in rows for runs in row["latency"].values() for run in runs]
    lines = [f"{result['machine']}; {result['date']}. Medians of {settings['rounds']} alternating runs of some "
             f"{settings['seconds']:g} s each, latency of {settings['latency_rounds']} of "
             f"{settings['latency_seconds']:g} s."]
    if any(is_disturbed(runs) for row in rows for runs in (row["throughput"], *row["latency"].values()) if runs):
        lines.append(f"† others used more than {DISTURBED:.0%} of the machine meanwhile: such a row says little.")
    lines += ["", *throughput_table(rows, own)]
    for rate in RATES:
        if any(runs_at(row, rate) for row in rows):
            lines += ["", *latency_table(rows, rate)]
    if late:
        lines += ["", "The pace itself is part of every latency: half of the messages left more than "
                  f"{median(late):.0f} µs after they were due."]
    ahead = better_than_signalbox(rows)
    if ahead:
        lines += ["", "Ahead of Signalbox in this run:", "", *ahead]
    lines += ["", "Left out: " + ("; ".join(f"{row['title']}: {row['why']}" for row in result["left_out"])
                                  if result["left_out"] else "nothing") + "."]
    versions = sorted({f"{row['package']} {row['version']}" for row in rows if row["version"]})
    if versions:
        lines += ["", "Debian's packages: " + ", ".join(versions) + "."]
    return "\n".join(lines)


def put_into(page, words):
    """The page with the words between its two marks."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError("the page has no place for the figures")
    head, tail = page[:page.index(BEGIN) + len(BEGIN)], page[page.index(END):]
    return f"{head}\n\n{words}\n\n{tail}"


def write(result, docs):
    """benchmarks.md's part, benchmarks.json and images/benchmarks.svg in the folder of the docs."""
    page = os.path.join(docs, "benchmarks.md")
    with open(page, encoding="utf-8") as file:
        words = put_into(file.read(), section(result))
    bars = [(row["title"], PROMISES.index(row["promise"]), middle(row["throughput"], "messages_per_second"))
            for row in result["rows"]]
    os.makedirs(os.path.join(docs, "images"), exist_ok=True)
    for path, text in ((page, words), (os.path.join(docs, "images", "benchmarks.svg"), chart(bars, significant)),
                       (os.path.join(docs, "benchmarks.json"), json.dumps(result, indent=1) + "\n")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
