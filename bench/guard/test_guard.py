"""The guard by itself: that a figure which has got worse is seen, and what is said about one that has not."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import check
import counted
import page

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ["SIGNALBOX_BUILD"]
CASE = "view/73"


def run(program, *arguments):
    return subprocess.run([sys.executable, "-B", HERE / program, "--build", BUILD, *arguments], timeout=240,
                          capture_output=True, text=True, check=False)


class Instructions(unittest.TestCase):
    """A count of one case, and figures made of it."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("valgrind"):
            raise unittest.SkipTest("valgrind is not installed")
        counter = counted.Counter(BUILD)
        cls.figures = {"build": counter.build(), "tolerance": 0.03, "instructions_a_message": {}}
        cls.now = counter.instructions(CASE)

    def check(self, *, factor=1.0, arguments=(CASE,), **changes):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "counted.json")
            figures = {**self.figures, "instructions_a_message": {CASE: self.now * factor}, **changes}
            file.write_text(json.dumps(figures), encoding="utf-8")
            done = run("counted.py", "--figures", file, *arguments)
            return done, json.loads(file.read_text(encoding="utf-8"))

    def test_a_message_of_so_many_bytes_takes_so_many(self):
        self.assertLess(73 / 8, self.now)
        self.assertLess(self.now, 73 * 100)

    def test_the_same_count_passes(self):
        done, _ = self.check()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, rf"{CASE} .* ok")

    def test_a_tenth_more_fails(self):
        done, _ = self.check(factor=1 / 1.1)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, rf"{CASE} .* \+10\.0 %  COSTS MORE")

    def test_a_tenth_less_passes_and_is_told(self):
        done, _ = self.check(factor=1 / 0.9)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("costs less", done.stdout)

    def test_a_case_without_a_figure_fails(self):
        done, _ = self.check(instructions_a_message={})
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("NO FIGURE", done.stdout)

    def test_the_figures_of_another_compiler_are_not_compared(self):
        done, _ = self.check(build="cc 1, abacus")
        self.assertEqual(done.returncode, counted.SKIPPED, done.stdout + done.stderr)
        self.assertIn("skipped: the figures are those of cc 1, abacus", done.stdout)

    def test_no_such_case(self):
        done, _ = self.check(arguments=["nothing"])
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such case: nothing", done.stderr)

    def test_what_is_accepted_is_what_was_counted(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "counted.json")
            counted.write(file, self.figures, "cc 1", {CASE: self.now})
            written = json.loads(file.read_text(encoding="utf-8"))
        self.assertEqual(written["build"], "cc 1")
        lines, failed = counted.judge(written, {CASE: self.now})
        self.assertEqual((len(lines), failed), (1, []))


class Budgets(unittest.TestCase):
    """Verdicts, on figures that are made up."""

    more = {"name": "more", "what": "as much as can be", "at_least": 8, "reached": 5.0, "noise": 0.05}
    less = {"name": "less", "what": "as little as can be", "at_most": 0.3, "reached": 0.6, "noise": 0.05}

    @staticmethod
    def judged(budget, *values, calm=True):
        return check.judge(budget, check.Measured([(value, calm) for value in values]))

    def test_what_was_reached_passes_and_the_bar_stays_in_sight(self):
        self.assertEqual(self.judged(self.more, 5.0).text, "ok; bar missed by 38 %")
        self.assertEqual(self.judged(self.less, 0.6).text, "ok; bar missed by 100 %")
        self.assertEqual(self.judged(self.more, 8.1).text, "ok; bar met")
        self.assertEqual(self.judged(self.less, 0.29).text, "ok; bar met")

    def test_within_the_noise_passes(self):
        self.assertFalse(self.judged(self.more, 4.8).is_worse)
        self.assertFalse(self.judged(self.less, 0.62).is_worse)

    def test_a_tenth_worse_fails(self):
        self.assertTrue(self.judged(self.more, 4.5).is_worse)
        self.assertTrue(self.judged(self.less, 0.66).is_worse)

    def test_worse_fails_even_where_the_bar_is_met(self):
        verdict = self.judged({**self.more, "reached": 10.0}, 9.0)
        self.assertTrue(verdict.is_worse)
        self.assertEqual(verdict.text, "WORSE; bar met")

    def test_the_median_of_the_rounds_counts(self):
        self.assertFalse(self.judged(self.more, 1.0, 5.0, 5.1).is_worse)
        self.assertTrue(self.judged(self.more, 1.0, 1.1, 5.1).is_worse)

    def test_none_at_all_is_a_budget_too(self):
        none = {"name": "none", "what": "allocations", "at_most": 0, "reached": 0.0, "noise": 0.0}
        self.assertEqual(self.judged(none, 0.0).text, "ok; bar met")
        self.assertTrue(self.judged(none, 0.01).is_worse)

    def test_what_is_absolute_is_held_to_its_bar(self):
        absolute = {**self.less, "absolute": True, "reached": 0.1}
        self.assertFalse(self.judged(absolute, 0.3).is_worse)
        self.assertTrue(self.judged(absolute, 0.33).is_worse)

    def test_disturbed_rounds_do_not_count(self):
        measured = check.Measured([(1.0, False), (5.0, True), (5.0, True)])
        self.assertEqual(measured.values, [5.0, 5.0])
        self.assertFalse(check.judge(self.more, measured).is_worse)
        self.assertFalse(self.judged(self.more, 1.0, calm=False).is_judged)

    def test_a_budget_that_was_never_reached_fails(self):
        self.assertTrue(self.judged({"name": "new", "what": "new", "at_least": 8}, 9.0).is_worse)

    def test_a_budget_and_a_figure_belong_together(self):
        figures = {"more": check.Measured([(5.0, True)])}
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(check.report([self.more], figures), (False, True))
            with self.assertRaisesRegex(check.CheckFault, "nothing measures the budget less"):
                check.report([self.more, self.less], figures)
            with self.assertRaisesRegex(check.CheckFault, "no budget: more"):
                check.report([], figures)

    def test_what_is_accepted_is_what_was_measured(self):
        figures = {"more": check.Measured([(6.0, True), (8.0, True), (6.5, True)])}
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "budgets.json")
            check.write(file, "an abacus", [self.more], figures)
            written = json.loads(file.read_text(encoding="utf-8"))
            with self.assertRaisesRegex(check.CheckFault, "nothing is written"):
                check.write(file, "an abacus", [self.more], {"more": check.Measured([(6.0, False)])})
        self.assertEqual(written, {"machine": "an abacus", "budgets": [{**self.more, "reached": 6.5, "noise": 0.154}]})


class Page(unittest.TestCase):
    def test_says_what_the_files_say(self):
        """After scripts/bench --check --accept it does; where only a file has changed, page.py makes it so."""
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder, "performance.md")
            shutil.copy(page.PAGE, copy)
            subprocess.run([sys.executable, "-B", HERE / "page.py", "--page", copy], check=True, capture_output=True)
            self.assertEqual(copy.read_text(encoding="utf-8"), page.PAGE.read_text(encoding="utf-8"),
                             "python3 bench/guard/page.py writes it")

    def test_a_table_stands_between_its_marks(self):
        begin, end = (mark.format("numbers") for mark in page.MARKS)
        self.assertEqual(page.rewritten(f"a\n{begin}\nold\n{end}\nb\n", {"numbers": "new"}),
                         f"a\n{begin}\n\nnew\n\n{end}\nb\n")
        with self.assertRaises(ValueError):
            page.rewritten("nothing", {"numbers": "new"})

    def test_a_missed_bar_stands_in_the_table(self):
        table = page.budget_table({"machine": "an abacus", "budgets": [Budgets.more, Budgets.less]})
        self.assertIn("| as much as can be | at least 8 | 5 ± 5 % | missed by 38 % |", table)


class ARun(unittest.TestCase):
    def test_measures_every_budget_and_sees_one_that_is_worse(self):
        """One short round, on whatever machine this is: each budget is held to next to nothing, and one to too much."""
        budgets = json.loads((HERE / "budgets.json").read_text(encoding="utf-8"))
        for budget in budgets["budgets"]:
            budget.pop("absolute", None)
            budget |= {"reached": 1e-3 if "at_least" in budget else 1e6, "noise": 0.05}
            if budget["name"] == "view":
                budget["reached"] = 1000
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "budgets.json")
            file.write_text(json.dumps(budgets), encoding="utf-8")
            done = run("check.py", "--budgets", file, "--rounds", "1", "--seconds", "0.1", "--disturbed-share", "1000")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        worse = [line for line in done.stdout.splitlines() if "WORSE" in line]
        self.assertEqual(len(worse), 1, done.stdout)
        self.assertIn("message view", worse[0])
        self.assertNotIn("NOT JUDGED", done.stdout)


if __name__ == "__main__":
    unittest.main()
