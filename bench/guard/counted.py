"""Instructions a message, counted by valgrind, beside the figures that are committed: a change that costs shows on any
machine, however busy. scripts/bench --counted runs it, and so does a test (ctest -R bench.counted).

    counted.py [--build FOLDER] [--figures FILE] [--accept] [CASE…]

A case fails that takes more instructions than its figure by more than the tolerance, and so does one without a figure.
--accept writes what is counted now into the file instead. What each function took lies in
FOLDER/bench/guard/CASE.callgrind, for callgrind_annotate. Exit codes: 0 none costs more, 1 one does, or could not be
counted, 2 bad arguments, 77 nothing to compare: without valgrind, or where another compiler made the program than the
one whose figures these are.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77


class CountFault(Exception):
    """What went wrong, in words for whoever reads the terminal."""


class Counter:
    """Counts the cases of one build of bench_counted."""

    def __init__(self, build):
        self._folder = pathlib.Path(build, "bench", "guard")
        self._program = self._folder / "bench_counted"
        if not os.access(self._program, os.X_OK):
            raise CountFault(f"there is no program {self._program}: build it")

    def build(self):
        """What the program was made by and for."""
        return self._ask("--build").strip()

    def cases(self):
        return self._ask("--list").split()

    def instructions(self, case):
        """Of one message."""
        profile = self._folder / (case.replace("/", "-") + ".callgrind")
        messages = self._run(["valgrind", "--tool=callgrind", "--toggle-collect=signalbox_counted_part*",
                              f"--callgrind-out-file={profile}", str(self._program), case])
        found = re.search(r"^totals: (\d+)", profile.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if not found or int(found.group(1)) == 0:
            raise CountFault(f"{case}: valgrind counted nothing")
        return int(found.group(1)) / int(messages)

    def _ask(self, option):
        return self._run([str(self._program), option])

    @staticmethod
    def _run(arguments):
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise CountFault(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout


def count(counter, cases):
    """Instructions a message, by case; as many at a time as the machine has processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(cases, pool.map(counter.instructions, cases)))


def judge(figures, counted):
    """A line for each case, and the cases that cost more than their figure allows."""
    lines, failed = [], []
    for case, now in counted.items():
        figure = figures["instructions_a_message"].get(case)
        if figure is None:
            lines.append(f"{case:16} {'none':>9} {now:9.0f}            NO FIGURE: scripts/bench --counted --accept")
            failed.append(case)
            continue
        change = now / figure - 1
        verdict = "ok"
        if change > figures["tolerance"]:
            verdict = "COSTS MORE"
            failed.append(case)
        elif change < -figures["tolerance"]:
            verdict = "costs less: scripts/bench --counted --accept keeps it"
        lines.append(f"{case:16} {figure:9.0f} {now:9.0f} {100 * change:+8.1f} %  {verdict}")
    return lines, failed


def write(path, figures, build, counted):
    result = {"build": build, "tolerance": figures["tolerance"],
              "instructions_a_message": {case: round(now, 1) for case, now in counted.items()}}
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def run(options):
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed (scripts/install-dependencies test)")
        return SKIPPED
    counter = Counter(options.build)
    figures = json.loads(options.figures.read_text(encoding="utf-8"))
    build, known = counter.build(), counter.cases()
    if strange := set(options.cases) - set(known):
        print(f"counted.py: no such case: {', '.join(sorted(strange))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    if options.accept and options.cases:
        print("counted.py: all figures are accepted together", file=sys.stderr)
        return 2
    if build != figures["build"] and not options.accept:
        print(f"skipped: the figures are those of {figures['build']}, and this is {build}")
        return SKIPPED
    counted = count(counter, options.cases or known)
    lines, failed = judge(figures, counted)
    print(f"{'instructions':16} {'figure':>9} {'now':>9} {'change':>10}", *lines, sep="\n")
    if options.accept:
        write(options.figures, figures, build, counted)
        print(f"written: {options.figures}")
        return 0
    if not options.cases and (gone := set(figures["instructions_a_message"]) - set(known)):
        print(f"figures without a case: {', '.join(sorted(gone))}")
        return 1
    if failed:
        print(f"{', '.join(failed)}: more than {100 * figures['tolerance']:.0f} % above the figure. Where that is "
              "worth it, scripts/bench --counted --accept makes it the figure.")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(prog="counted.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build/release", help="where the build is")
    parser.add_argument("--figures", type=pathlib.Path, default=HERE / "counted.json",
                        help="the figures to compare with")
    parser.add_argument("--accept", action="store_true", help="what is counted now becomes the figures")
    parser.add_argument("cases", metavar="CASE", nargs="*", help="only these")
    try:
        return run(parser.parse_args())
    except CountFault as fault:
        print(f"counted.py: {fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
