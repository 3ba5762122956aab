"""Every block of one page, in order: `test_page.py docs/workers.md`. What is done with a block: blocks.py."""

import os
import pathlib
import sys
import unittest

import blocks
import runner


def cases(page):
    """A test class with one method a block."""
    text = (pathlib.Path(os.environ["SIGNALBOX_SOURCE"]) / page).read_text(encoding="utf-8")

    class Page(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.runner = runner.Runner()
            cls.addClassCleanup(cls.runner.close)

    def method(block):
        def test(self):
            try:
                self.runner.test(block)
            except AssertionError as fault:
                self.fail("%s:%d (%s): %s" % (block.page, block.line, block.verb, fault))

        return test

    for block in blocks.read_blocks(page, text):
        setattr(Page, "test_%03d_line_%d_%s" % (block.index, block.line, block.language or "plain"), method(block))
    return Page


def main():
    page = sys.argv[1]
    if not runner.isolate() and not runner.wait_for_port():
        sys.exit("something listens on port %d, and the kernel gives this test no network of its own" % runner.PORT)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(cases(page))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)


if __name__ == "__main__":
    main()
