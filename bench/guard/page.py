"""Writes the tables of docs/performance.md from the figures that are committed: scripts/bench --check --accept runs it,
and a test holds that the page says what the files say.

    page.py [--page FILE] [--budgets FILE] [--figures FILE]
"""

import argparse
import json
import pathlib
import sys

from check import distance, shown

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "performance.md"
MARKS = "<!-- guard: {}, written by scripts/bench --check --accept, from here -->", "<!-- guard: {}, to here -->"


def budget_table(known):
    lines = [f"{known['machine']}; medians of alternating rounds, and half of how far those lie apart.", "",
             "| budget | bar | reached | |", "| --- | --- | --- | --- |"]
    for budget in known["budgets"]:
        more_is_better = "at_least" in budget
        bar = budget.get("at_least", budget.get("at_most"))
        reached = verdict = "not measured yet"
        if "reached" in budget:
            reached = f"{shown(budget['reached'])} ± {100 * budget['noise']:.0f} %"
            verdict = distance(budget["reached"], bar, more_is_better).replace("bar ", "")
        bound = f"at {'least' if more_is_better else 'most'} {bar:g}"
        lines.append(f"| {budget['what']} | {bound} | {reached} | {verdict} |")
    return "\n".join(lines)


def instruction_table(figures):
    lines = [f"{figures['build']}.", "", "| case | instructions a message |", "| --- | --- |"]
    lines += [f"| `{case}` | {count:,.0f} |" for case, count in figures["instructions_a_message"].items()]
    return "\n".join(lines)


def rewritten(page, tables):
    """The page with each table in the place of what stands between its marks."""
    for name, table in tables.items():
        begin, end = (mark.format(name) for mark in MARKS)
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page has not the marks of '{name}', once each")
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end)[1]}"
    return page


def main():
    parser = argparse.ArgumentParser(prog="page.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--page", type=pathlib.Path, default=PAGE)
    parser.add_argument("--budgets", type=pathlib.Path, default=HERE / "budgets.json")
    parser.add_argument("--figures", type=pathlib.Path, default=HERE / "counted.json")
    options = parser.parse_args()
    tables = {"budgets": budget_table(json.loads(options.budgets.read_text(encoding="utf-8"))),
              "instructions": instruction_table(json.loads(options.figures.read_text(encoding="utf-8")))}
    options.page.write_text(rewritten(options.page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    print(f"written: {options.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
