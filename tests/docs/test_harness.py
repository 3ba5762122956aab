"""The harness itself: what it takes, and that it fails where a page is wrong."""

import json
import unittest

import blocks
import runner

PAGE = "docs/some_page.md"


def fenced(language, text, comment=None):
    return ("<!-- docs: %s -->\n" % comment if comment else "") + "```%s\n%s\n```\n" % (language, text)


class Reading(unittest.TestCase):
    def read(self, text):
        return blocks.read_blocks(PAGE, text)

    def assert_fault(self, text, what):
        with self.assertRaisesRegex(blocks.PageFault, what):
            self.read(text)

    def test_languages_have_their_ways(self):
        page = "".join(fenced(language, "x") for language in blocks.DEFAULTS)
        self.assertEqual([block.verb for block in self.read(page)], list(blocks.DEFAULTS.values()))

    def test_a_block_that_nobody_tests_is_a_fault(self):
        for language in ("", "ini", "text", "hex"):
            self.assert_fault("words\n\n" + fenced(language, "x"), "some_page.md:3: nobody says")

    def test_comments(self):
        page = fenced("cpp", "x", 'run ask="hello" ask="bye" stop="SIGTERM" exit="3"')
        block, = self.read(page)
        self.assertEqual(block.keys, {"ask": ["hello", "bye"], "stop": "SIGTERM", "exit": "3"})
        block, = self.read(fenced("ini", "x", "tested by tests/a.cpp"))
        self.assertEqual((block.verb, block.path), ("tested by", "tests/a.cpp"))
        block, = self.read(fenced("", "x", "not run: a drawing"))
        self.assertEqual((block.verb, block.reason), ("not run", "a drawing"))

    def test_a_comment_that_says_nothing_known_is_a_fault(self):
        self.assert_fault(fenced("cpp", "x", "jump"), "none of the things")
        self.assert_fault(fenced("cpp", "x", 'run colour="red"'), "is no key")
        self.assert_fault(fenced("cpp", "x", 'run exit="1" exit="2"'), "twice")
        self.assert_fault(fenced("python", "x", "build"), "only C")
        self.assert_fault(fenced("toml", "x", "file"), "which name")
        self.assert_fault(fenced("ini", "x", "not run: "), "none of the things|nobody says")

    def test_a_comment_far_from_its_block_is_a_fault(self):
        self.assert_fault("<!-- docs: build -->\nwords\n" + fenced("cpp", "x"), "stands before no block")

    def test_a_block_without_an_end_is_a_fault(self):
        self.assert_fault("```sh\nls\n", "has no end")

    def test_a_rule_for_a_language(self):
        page = "<!-- docs: every hex block tested by tests/a.cpp -->\nwords\n"
        page += fenced("hex", "00") + fenced("hex", "01")
        self.assertEqual([block.path for block in self.read(page)], ["tests/a.cpp"] * 2)

    def test_an_indented_block_loses_its_indentation(self):
        block, = self.read("- an item:\n\n  ```sh\n  ls\n    ls\n  ```\n")
        self.assertEqual(block.text, "ls\n  ls\n")

    def test_statements_are_put_into_a_main(self):
        block, = self.read(fenced("cpp", '#include "a.hpp"\n\nf();'))
        self.assertIn('#include "a.hpp"\nint main() {\n#line 3 "docs/some_page.md"\n\nf();\n}\n', block.program_text())
        block, = self.read(fenced("cpp", "int main() { return 0; }"))
        self.assertEqual(block.program_text(), '#line 2 "docs/some_page.md"\nint main() { return 0; }\n')

    def test_names(self):
        names = [blocks.case_name(page) for page in
                 ("README.md", "docs/README.md", "docs/workers.md", "docs/routers/A.md", "protocol/SPEC.md")]
        self.assertEqual(names, ["README", "docs_README", "workers", "routers_A", "protocol_SPEC"])


class Comparing(unittest.TestCase):
    def test_what_is_shown(self):
        for shown, printed in (("a\nb\n", "a\nb\n"), ("a\n", "a"), ("\n", ""), ("time=…Z info\n", "time=12Z info\n"),
                               ("a\n…\nb\n", "a\n1\n2\nb\n"), ("a\n…\nb\n", "a\nb\n"), ("…\n", "x\ny\n"),
                               ("1 + 1 (*)\n", "1 + 1 (*)\n")):
            runner.compare(shown, printed)

    def test_what_differs(self):
        for shown, printed in (("a\n", "b\n"), ("a\n", "a\nb\n"), ("a\nb\n", "a\n"), ("a\n", ""), ("\n", "a\n"),
                               ("a … c\n", "a b\n"), (".\n", "x\n")):
            with self.assertRaises(runner.Mismatch, msg=(shown, printed)):
                runner.compare(shown, printed)


class Running(unittest.TestCase):
    def setUp(self):
        self.runner = runner.Runner()
        self.addCleanup(self.runner.close)

    def run_page(self, page):
        for block in blocks.read_blocks(PAGE, page):
            self.runner.test(block)

    def assert_mismatch(self, page, what):
        with self.assertRaisesRegex(runner.Mismatch, what):
            self.run_page(page)

    def test_shell(self):
        self.run_page(fenced("sh", "echo one\necho two") + fenced("", "one\ntwo", "output"))
        self.run_page(fenced("sh", "exit 3", 'run exit="3"'))
        self.assert_mismatch(fenced("sh", "false\necho on"), "exit code is 1, not 0")
        self.assert_mismatch(fenced("sh", "echo one") + fenced("", "two", "output"), "the page shows")

    def test_what_is_left_in_the_background_is_ended(self):
        self.run_page(fenced("sh", "sleep 1000 &\necho started"))

    def test_console(self):
        self.run_page(fenced("console", "$ echo one\none\n$ cd build; printf two\ntwo\n$ false\n$ echo $?\n1"))
        self.run_page(fenced("console", "$ cd build\n$ pwd\n…/build"))
        self.run_page(fenced("console", "$ cat <<END\n> one\n> END\none"))
        self.assert_mismatch(fenced("console", "$ echo one\ntwo"), r"\$ echo one")
        self.assert_mismatch(fenced("console", "$ false"), "'false' ended with 1")
        self.assert_mismatch(fenced("console", "$ exit 0\n$ echo one"), "the shell ended")
        self.assert_mismatch(fenced("console", "echo one"), "begins with a line")

    def test_python(self):
        self.run_page(fenced("python", "import sys; print(sys.argv[1:])", 'run broker="none" arguments="a b"')
                      + fenced("", "['a', 'b']", "output"))
        self.assert_mismatch(fenced("python", "raise SystemExit(2)", 'run broker="none"'), "exit code is 2")

    def test_a_program_that_prints_and_is_stopped(self):
        endless = "import time\nprint('ready')\nwhile True: time.sleep(1)"
        self.run_page(fenced("python", endless, 'run broker="none" prints="ready" stop="SIGKILL" exit="-9"'))
        self.assert_mismatch(fenced("python", "print('x')", 'run broker="none" prints="ready"'),
                             "'ready' was not printed")

    def test_configurations(self):
        seed = (self.runner.root / "examples" / "seed.toml").read_text(encoding="utf-8")
        self.run_page(fenced("toml", seed.rstrip("\n")))
        self.run_page(fenced("toml", "[broker]\nheartbeat_ms = 1000", 'check after="examples/seed.toml"'))
        self.assert_mismatch(fenced("toml", "router_class = 1"), "exit code is 2, not 0")
        self.run_page(fenced("toml", "router_class = 1", 'check exit="2"'))

    def test_files(self):
        self.run_page(fenced("toml", "a = 1", 'file file="a.toml"') + fenced("console", "$ cat a.toml\na = 1"))
        seed = (self.runner.root / "examples" / "seed.toml").read_text(encoding="utf-8").rstrip("\n")
        self.run_page(fenced("toml", seed, "same as examples/seed.toml"))
        self.run_page(fenced("toml", "  " + seed.splitlines()[0], "part of examples/seed.toml"))
        self.assert_mismatch(fenced("toml", seed + "\n", "same as examples/seed.toml"), "something else")
        self.assert_mismatch(fenced("toml", "[nothing]", "part of examples/seed.toml"), "do not stand together")
        self.assert_mismatch(fenced("toml", "x", "part of examples/none.toml"), "there is no")
        self.assert_mismatch(fenced("ini", "x", "tested by tests/CMakeLists.txt"), "does not name the page")

    def test_json(self):
        self.run_page(fenced("json", '{"a":\n 1}') + fenced("json", '{"a": 1}\n{"b": 2}'))
        with self.assertRaises(json.JSONDecodeError):
            self.run_page(fenced("json", "{"))


class Isolation(unittest.TestCase):
    def test_the_port_of_the_pages_is_free_or_there_is_no_network_of_its_own(self):
        if not runner.isolate():
            self.skipTest("the kernel gives this test no network of its own")
        self.assertTrue(runner.port_is_free())


if __name__ == "__main__":
    unittest.main()
