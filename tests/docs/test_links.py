"""Links between the pages: each file is there, and each heading that a link names."""

import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(os.environ["SIGNALBOX_SOURCE"])


def pages():
    return sorted([ROOT / "README.md", ROOT / "protocol" / "SPEC.md", *(ROOT / "docs").rglob("*.md")])


def prose(path):
    """The page without its blocks and its inline code, in which brackets mean something else."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    return text


def anchors(path):
    """What GitHub calls the headings of a page."""
    names = set()
    for heading in re.findall(r"^#+ +(.*)$", prose(path), re.M):
        name = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", name).strip().replace(" ", "-")
        while name in names:
            name += "-1"
        names.add(name)
    return names


def faults(path):
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(path))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists():
            found.append("%s: there is no %s" % (path.relative_to(ROOT), target))
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            found.append("%s: no heading for %s" % (path.relative_to(ROOT), target))
    return found


class Links(unittest.TestCase):
    def test_each_leads_somewhere(self):
        self.assertEqual([fault for page in pages() for fault in faults(page)], [])

    def test_each_page_of_docs_is_in_an_index(self):
        """In docs/README.md, or in a README.md of its own folder."""
        missing = []
        for page in (ROOT / "docs").rglob("*.md"):
            above = {folder / "README.md" for folder in (ROOT / "docs", page.parent)} - {page}
            links = [(index.parent / link).resolve() for index in above if index.is_file()
                     for link in re.findall(r"\]\(([^)#\s]+)", index.read_text(encoding="utf-8"))]
            if page != ROOT / "docs" / "README.md" and page.resolve() not in links:
                missing.append(str(page.relative_to(ROOT)))
        self.assertEqual(missing, [])

    def test_each_test_that_a_page_names_is_there(self):
        """The last column of a table with a column `test`: a class of the wire suite."""
        classes = set()
        for path in (ROOT / "tests" / "wire").glob("test_*.py"):
            classes.update(re.findall(r"^class (\w+)\(", path.read_text(encoding="utf-8"), re.M))
        page = (ROOT / "docs" / "unruly-workers.md").read_text(encoding="utf-8")
        rows = [line for line in page.splitlines() if line.startswith("| **")]
        self.assertGreater(len(rows), 10)
        for row in rows:
            name = row.rstrip("| ").rpartition("|")[2].strip(" `")
            self.assertIn(name, classes, row)


if __name__ == "__main__":
    unittest.main()
