"""What the pages about promises and threats name as evidence is there: each file, and each test in it."""

import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(os.environ["SIGNALBOX_SOURCE"])
FOLDERS = "protocol|routers|broker|worker|tests|scripts|examples|bench|cmake"


def table_rows(page):
    text = re.sub(r"^ *```.*?^ *```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S | re.M)
    return [line for line in text.splitlines() if line.startswith("|")]


def tests_of(path):
    """The names of the tests in a file: Suite.Name, or Class.test_name."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        names, holder = set(), ""
        for line in text.splitlines():
            if found := re.match(r"class (\w+)\(", line):
                holder = found.group(1)
            elif found := re.match(r"    def (test_\w+)\(", line):
                names.add(holder + "." + found.group(1))
        return names
    return {".".join(pair) for pair in re.findall(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", text)}


def evidence(row):
    """The files that a row names, each with the tests that stand behind it up to the next file or cell."""
    named, path = [], None
    for span in re.findall(r"`([^`]+)`|(\|)", row):
        if span[1]:
            path = None
        elif re.fullmatch(r"(?:%s)/[\w./-]+" % FOLDERS, span[0]):
            path = span[0]
            named.append((path, None))
        elif path and path.startswith("tests/") and re.fullmatch(r"[A-Z]\w*\.\w+", span[0]):
            named.append((path, span[0]))
    return named


def faults(page):
    found = []
    for row in table_rows(page):
        for path, test in evidence(row):
            if not (ROOT / path).exists():
                found.append("%s: there is no %s" % (page, path))
            elif test and test not in tests_of(ROOT / path):
                found.append("%s: there is no test %s in %s" % (page, test, path))
    return found


class Evidence(unittest.TestCase):
    def test_of_the_guarantees(self):
        self.assertEqual(faults("docs/guarantees.md"), [])

    def test_of_the_threats(self):
        self.assertEqual(faults("docs/security.md"), [])

    def test_each_promise_has_some(self):
        """A row of three cells is a promise, how it is kept, and what shows it."""
        text = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8").partition("## What is not promised")[0]
        rows = [row for row in text.splitlines() if row.startswith("| ") and not row.startswith(("| promise", "| ---"))]
        self.assertGreater(len(rows), 30)
        for row in rows:
            self.assertTrue(any(path.startswith("tests/") for path, _ in evidence(row)), row)

    def test_a_name_that_is_wrong_is_noticed(self):
        """What the functions above find in a row that lies."""
        self.assertEqual(evidence("| a | `broker/broker.cpp` | `tests/wire/test_keys.py` `Names.test_x`, `A.b` |"),
                         [("broker/broker.cpp", None), ("tests/wire/test_keys.py", None),
                          ("tests/wire/test_keys.py", "Names.test_x"), ("tests/wire/test_keys.py", "A.b")])
        self.assertNotIn("Names.test_x", tests_of(ROOT / "tests/wire/test_keys.py"))
        self.assertIn("Ring.LetsGoOfWhatIsPopped", tests_of(ROOT / "tests/core/ring_test.cpp"))


if __name__ == "__main__":
    unittest.main()
