"""The fenced blocks of the documentation, and what a test does with each of them.

Every block of every page (README.md, protocol/SPEC.md, docs/ and the folders in it) is tested, or says why not. What is
done with it follows from its language; a comment on the line before the block, which the page does not show, says
otherwise:

    <!-- docs: run ask="hello" answer="You said: hello" stop="SIGTERM" -->

Without a comment:

    cpp             built, linked with signalbox::worker and signalbox::broker, and run; it has to end with exit code 0
    python          run with worker/python in PYTHONPATH; it has to end with exit code 0
    sh, bash        run as one script, which ends at the first command that fails
    console         lines that begin with `$ ` are run in one shell (`> ` continues a line); what stands below each has
                    to be what it prints; each has to succeed unless the next one is `echo $?`
    toml            a whole configuration: `signalbox check` has to accept it
    json            a value, or a value in each line
    anything else   a fault: it needs a comment

With a comment:

    run             run, with the keys below
    build           cpp: built and linked, not run
    check           toml: checked, with the keys `after` and `exit`
    output          what the last block that ran has printed, all of it
    file            kept under the name that the key `file` gives, for the blocks that come after it
    same as PATH    it is that file of the project, whole
    part of PATH    its lines stand together in that file of the project, whatever their indentation
    tested by PATH  a test of its own reads it: that file exists, and it or its CMakeLists.txt names the page
    not run: WHY    only shown

Keys are written KEY="VALUE"; those marked with * may be given several times:

    broker="FILE"   the configuration of the broker that the test starts for the block: "none", or a file of the project
                    or of an earlier block. Without this key: examples/seed.toml for cpp and python, none for the others
    arguments="…"   the program's arguments
    asker="NAME"    the transport in whose name the test tells and asks; without this key: smpp_transport
    tell="TEXT"*    the test sends this message, and waits until the broker has it
    ask="TEXT"*     the test sends this message, and waits for a reply to it
    answer="TEXT"*  what the reply to the ask in the same place says
    report="delivered"   after each reply the test sends a delivery report about it
    application="NAME"   the test is this application, and answers "You said: …" to all that comes
    prints="TEXT"*  waits until the program has printed this, after what was asked has been answered
    stop="SIGTERM"  sends this signal after all that; without this key the program has to end by itself
    exit="0"        the exit code that is expected
    file="NAME"     keeps the block under this name too
    after="PATH"    toml: the block is checked behind the text of that file, as if appended to it

In what is printed `…` stands for anything, and alone in a line for any number of lines. A C++ block without a main is
put into one, save for its includes. Blocks of a page run in order, in one folder that holds links to all of the
project, and in which `build/release` is the build under test. `signalbox` and `python3` are found by name. Where the
kernel allows it they run in a network of their own, so that port 5570 is the page's alone.

A page on which each block of a language is read by a test of its own says so once:

    <!-- docs: every hex block tested by tests/protocol/spec_test.cpp -->
"""

import os
import pathlib
import re
import shlex
import sys

VERBS = {"run", "build", "check", "output", "file"}
PATH_VERBS = ("same as", "part of", "tested by")
MANY = {"tell", "ask", "answer", "prints"}
KEYS = {"broker", "arguments", "asker", "tell", "ask", "answer", "report", "application", "prints", "stop", "exit",
        "file", "after"}
DEFAULTS = {"cpp": "run", "python": "run", "sh": "run", "bash": "run", "console": "run", "toml": "check",
            "json": "parse"}

FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*([^`\s]*)[^`]*$")
COMMENT = re.compile(r"^ *<!-- docs: (.*?) -->\s*$")
EVERY = re.compile(r"every (\S+) block (.+)")


class PageFault(Exception):
    """What is wrong with a page, in words that name the line."""


class Block:
    """One fenced block: where it stands, what it says, what is done with it."""

    def __init__(self, page, index, line, language, text, comment):
        self.page, self.index, self.line, self.language, self.text = page, index, line, language, text
        self.verb, self.path, self.reason, self.keys = None, None, None, {}
        if comment is None:
            self.verb = DEFAULTS.get(language)
        else:
            self._read(comment)
        if self.verb is None:
            self.fail("nobody says how a block of '%s' is tested: see tests/docs/blocks.py" % language)

    def fail(self, what):
        raise PageFault("%s:%d: %s" % (self.page, self.line, what))

    def _read(self, comment):
        if comment.startswith("not run: ") and comment[9:].strip():
            self.verb, self.reason = "not run", comment[9:].strip()
            return
        for verb in PATH_VERBS:
            if comment.startswith(verb + " "):
                self.verb, self.path = verb, comment[len(verb) + 1:].strip()
                return
        words = shlex.split(comment)
        if words[0] not in VERBS:
            self.fail("'%s' is none of the things that are done with a block" % comment)
        self.verb = words[0]
        for word in words[1:]:
            key, equals, value = word.partition("=")
            if not equals or key not in KEYS:
                self.fail("'%s' is no key" % word)
            if key in MANY:
                self.keys.setdefault(key, []).append(value)
            elif key in self.keys:
                self.fail("'%s' stands there twice" % key)
            else:
                self.keys[key] = value
        if self.verb == "build" and self.language != "cpp":
            self.fail("only C++ is built without being run")
        if self.verb == "file" and "file" not in self.keys:
            self.fail("under which name?")

    @property
    def is_program(self):
        return self.language == "cpp" and self.verb in ("run", "build")

    @property
    def program_name(self):
        return "%s_%d" % (case_name(self.page), self.index)

    def program_text(self):
        """The block as a translation unit, with its lines numbered as on the page."""
        head = '#line %d "%s"\n' % (self.line + 1, self.page)
        if re.search(r"\bint main\(", self.text):
            return head + self.text
        lines = self.text.splitlines()
        last = max((number for number, line in enumerate(lines) if line.startswith("#include")), default=-1) + 1
        return "%s%s\nint main() {\n#line %d \"%s\"\n%s\n}\n" % (
            head, "\n".join(lines[:last]), self.line + 1 + last, self.page, "\n".join(lines[last:]))


def case_name(page):
    """docs/routers/X.md is routers_X, README.md is README, docs/README.md is docs_README."""
    name = page[:-len(".md")].replace("/", "_")
    return name[len("docs_"):] if name.startswith("docs_") and name != "docs_README" else name


def read_blocks(page, text):
    """The blocks of a page, in order. Throws PageFault."""
    blocks, every, comment, comment_line = [], {}, None, 0
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        said = COMMENT.match(line)
        if said:
            rule = EVERY.fullmatch(said.group(1).strip())
            if rule:
                every[rule.group(1)] = rule.group(2)
            else:
                comment, comment_line = said.group(1).strip(), number
            continue
        fence = FENCE.match(line)
        if fence:
            indent, marks, language = len(fence.group(1)), fence.group(2), fence.group(3)
            begin, inside = number, []
            while number < len(lines) and lines[number].strip() != marks:
                inside.append(lines[number][indent:] if lines[number][:indent].isspace() else lines[number])
                number += 1
            if number == len(lines):
                raise PageFault("%s:%d: this block has no end" % (page, begin))
            number += 1
            blocks.append(Block(page, len(blocks) + 1, begin, language, "".join(text + "\n" for text in inside),
                                comment if comment is not None else every.get(language)))
            comment = None
        elif line.strip() and comment is not None:
            raise PageFault("%s:%d: this comment stands before no block" % (page, comment_line))
    return blocks


def extract(root, page, folder):
    """Writes the C++ programs of a page; their names. What is the same already is not touched."""
    text = (pathlib.Path(root) / page).read_text(encoding="utf-8")
    names = []
    for block in read_blocks(page, text):
        if not block.is_program:
            continue
        target = pathlib.Path(folder) / (block.program_name + ".cpp")
        if not target.exists() or target.read_text(encoding="utf-8") != block.program_text():
            target.write_text(block.program_text(), encoding="utf-8")
        names.append(block.program_name)
    return names


def main():
    """blocks.py ROOT PAGE FOLDER: for CMake. Prints the case's name, `blocks` if there are any, and the programs."""
    root, page, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    has_blocks = any(FENCE.match(line) for line in (pathlib.Path(root) / page).read_text(encoding="utf-8").splitlines())
    try:
        programs = extract(root, page, folder)
    except PageFault as fault:  # The test of the page says so. The build goes on.
        print(fault, file=sys.stderr)
        programs = []
    print(";".join([case_name(page), "blocks" if has_blocks else "none", *programs]), end="")


if __name__ == "__main__":
    main()
