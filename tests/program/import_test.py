"""`signalbox import`: each vumi/NAME.yaml beside what it becomes (NAME.toml) and what is said of it (NAME.said).

The last line of NAME.said is the exit code. With the argument `write` the expected files are written anew, to be read
before they are kept.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SIGNALBOX = os.environ["SIGNALBOX"]
CASES = pathlib.Path(__file__).resolve().parent / "vumi"
DEADLINE_S = 60


def imported(*arguments, text=None):
    return subprocess.run([SIGNALBOX, "import", *arguments], input=text, capture_output=True, cwd=CASES,
                          timeout=DEADLINE_S, check=False)


def outcome(path):
    run = imported(path.name)
    return run.stdout.decode(), run.stderr.decode() + f"exit {run.returncode}\n"


def said_of(text):
    run = imported("-", text=text if isinstance(text, bytes) else text.encode())
    return run.returncode, run.stdout.decode(), run.stderr.decode()


class Cases(unittest.TestCase):
    def test_each_becomes_what_stands_beside_it(self):
        cases = sorted(CASES.glob("*.yaml"))
        self.assertGreater(len(cases), 10)
        for path in cases:
            with self.subTest(path.name):
                toml, said = outcome(path)
                self.assertEqual(toml, path.with_suffix(".toml").read_text())
                self.assertEqual(said, path.with_suffix(".said").read_text())

    def test_what_they_become_passes_check(self):
        for path in sorted(CASES.glob("*.toml")):
            with self.subTest(path.name):
                run = subprocess.run([SIGNALBOX, "check", path], capture_output=True, timeout=DEADLINE_S, check=False)
                self.assertEqual((run.returncode, run.stderr.decode()), (0, ""))


class Faults(unittest.TestCase):
    DISPATCHER = "router_class: SimpleDispatchRouter\ntransport_names: [a]\nexposed_names: [b]\n"

    def test_what_the_reader_says_stands_at_the_place_in_the_yaml(self):
        code, toml, said = said_of(self.DISPATCHER + "route_mappings:\n  a: [b,\n      nobody]\n")
        self.assertEqual(code, 1)
        self.assertIn('a = ["b", "nobody"]', toml)
        self.assertRegex(said, r'(?m)^stdin:6:7: error: .*"nobody"')

    def test_an_unknown_key_is_named(self):
        code, toml, said = said_of(self.DISPATCHER + "colour: red\nroute_mappings: {a: b}\n")
        self.assertEqual((code, said), (1, 'stdin:4:1: no counterpart: the key "colour"\n'))
        self.assertIn('# stdin:4: no counterpart: the key "colour"\n', toml)

    def test_what_a_key_holds_moves_no_cursor(self):
        code, toml, said = said_of(self.DISPATCHER + '"a\\x06s": &anchor {c: d}\nroute_mappings: *anchor\n')
        self.assertIn("note: a\\x06s: only there for its aliases", said)
        self.assertNotIn("\x06", said + toml)
        code, toml, said = said_of(
            self.DISPATCHER + "route_mappings: {a: b}\nmiddleware: [{tags: vumi.middleware.TaggingMiddleware}]\n"
            'tags:\n  incoming:\n    "b\\x0b":\n      c: {d: 27, e: "%s"}\n' % ("x" * 130))
        self.assertNotIn("\x0b", said + toml)

    def test_a_router_of_ones_own_is_named(self):
        code, _, said = said_of("router_class: my.own.Router\ntransport_names: [a]\n")
        self.assertEqual(code, 1)
        self.assertIn("stdin:1:15: error: there is no router", said)

    def test_what_is_no_yaml_or_no_dispatcher(self):
        for text, place, words in (("a: [", "", "this is no YAML"), ("", "1:1", "no dispatcher"),
                                   (",a", "1:1", "this is no YAML: nothing begins like this"),
                                   ("- a\n- b\n", "1:1", "no dispatcher"),
                                   ("transport_name: x\n", "1:1", "no dispatcher"),
                                   ("router_class: !include other.yaml\n", "1:15", "the tag"),
                                   ("a: &a [*a]\n", "1:8", "an alias of what it stands in"),
                                   ("[1, 2]: x\n", "1:1", "a key has to be a word"),
                                   ("<<: 3\n", "1:5", "<< merges a map"), ("a: *nothing\n", "", "this is no YAML")):
            with self.subTest(text):
                code, toml, said = said_of(text)
                self.assertEqual((code, toml), (2, ""))
                self.assertIn(f"stdin:{place}", said)
                self.assertIn(words, said)
        self.assertEqual(imported("there_is_no.yaml").returncode, 2)
        self.assertEqual(imported(".").returncode, 2)
        self.assertEqual(imported().returncode, 2)

    def test_hostile_files_end_soon(self):
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
        long_text = "a: &a '" + "x" * 1_000_000 + "'\nb: [" + "*a, " * 1000 + "]\n"
        ladder = "a0: &a0 {x: y}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}}}\n" for n in range(1, 100))
        for name, text, words in (("bomb", bomb, "values, aliases included"), ("text", long_text, "bytes of text"),
                                  ("lists", "[" * 100_000, "deep"), ("maps", "{a: " * 100_000, "deep"),
                                  ("block", "".join(" " * n + "a:\n" for n in range(500)), "deep"),
                                  ("ladder", ladder, "deeper"), ("size", "#" * 5_000_000, "bytes")):
            with self.subTest(name):
                code, toml, said = said_of(text)
                self.assertEqual((code, toml), (2, ""))
                self.assertIn(words, said)
        for noise in (b"\xff\xfe\x00", b"\x00\x01", b"router_class: \x80\x81", bytes(range(256))):
            self.assertIn(said_of(noise)[0], (1, 2))


class Output(unittest.TestCase):
    def test_a_file_that_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "made.toml"
            run = imported("redirect.yaml", "-o", path)
            self.assertEqual((run.returncode, run.stdout), (1, b""))
            self.assertEqual(path.read_text(), (CASES / "redirect.toml").read_text())
            self.assertEqual(imported("simple.yaml", "-o", pathlib.Path(folder) / "no" / "where").returncode, 2)

    def test_the_source_is_not_overwritten(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.yaml"
            path.write_text("router_class: X\n")
            self.assertEqual(imported(path, "-o", path).returncode, 2)
            self.assertEqual(path.read_text(), "router_class: X\n")

    def test_several_files_are_several_dispatchers(self):
        run = imported("simple.yaml", "balancing.yaml")
        self.assertEqual(run.returncode, 0)
        self.assertEqual(len(re.findall(r"(?m)^\[\[dispatcher\]\]$", run.stdout.decode())), 2)


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        for case in CASES.glob("*.yaml"):
            for suffix, written in zip((".toml", ".said"), outcome(case)):
                case.with_suffix(suffix).write_text(written)
    else:
        unittest.main()
