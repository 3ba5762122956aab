"""What the tests of an installation share: where things are, and programs that are run from outside the project."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess

SOURCE = pathlib.Path(os.environ["SIGNALBOX_SOURCE"])
TREE = pathlib.Path(os.environ["SIGNALBOX_TREE"])
PACKAGES = pathlib.Path(os.environ["SIGNALBOX_PACKAGES"])
SCRATCH = pathlib.Path(os.environ["SIGNALBOX_SCRATCH"])
VERSION = os.environ["SIGNALBOX_VERSION"]
CMAKE = os.environ["SIGNALBOX_CMAKE"]
CXX = os.environ["SIGNALBOX_CXX"]
LAUNCHER = shlex.split(os.environ["SIGNALBOX_LAUNCHER"])  # a compiler cache, or nothing
HERE = pathlib.Path(__file__).parent

DEADLINE_S = 200


def output(*command, expect=0, environment=None):
    """Runs a program to its end and returns what it said, both streams; the exit code is checked."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S,
                          env={**os.environ, **(environment or {})})
    if done.returncode != expect:
        raise AssertionError(f"{shlex.join(str(word) for word in command)}: exit code {done.returncode}, "
                             f"not {expect}\n{done.stdout}")
    return done.stdout


def fresh_folder(name):
    """An empty folder of this test's own, within the build folder."""
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def configure(source, build, *settings, expect=0):
    return output(CMAKE, "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_CXX_COMPILER={CXX}",
                  f"-DCMAKE_CXX_COMPILER_LAUNCHER={';'.join(LAUNCHER)}", *settings, expect=expect)


def documented(beginning):
    """The block of docs/installing.md that begins so, without its comments."""
    page = (SOURCE / "docs" / "installing.md").read_text()
    blocks = [block for block in re.findall(r"(?ms)^```\w+\n(.*?)^```", page) if block.startswith(beginning)]
    if len(blocks) != 1:
        raise AssertionError(f"{len(blocks)} blocks of docs/installing.md begin with {beginning!r}")
    return re.sub(r"(?m) *#.*$", "", blocks[0])


def files_below(folder):
    """Every file and link below a folder, as sorted paths relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
