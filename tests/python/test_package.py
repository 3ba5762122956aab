"""The package as users get it, and the example as they run it."""

import ast
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import signalbox
from support import *

ROOT = pathlib.Path(os.environ["SIGNALBOX_SOURCE"])
PYTHON = "/usr/bin/python3"


class Package(unittest.TestCase):
    def test_each_public_name_is_explained(self):
        for name in signalbox.__all__:
            public = getattr(signalbox, name)
            if isinstance(public, type):
                self.assertTrue(public.__doc__, name)
                for attribute, value in vars(public).items():
                    if callable(value) and not attribute.startswith("_") and name in ("Worker", "AsyncWorker"):
                        self.assertTrue(value.__doc__, "%s.%s" % (name, attribute))

    def test_both_workers_have_the_same_conveniences(self):
        """What AsyncWorker lacks is what the event loop has instead."""
        blocking, asynchronous = (
            {name for name in dir(kind) if not name.startswith("_")} for kind in
            (signalbox.Worker, signalbox.AsyncWorker))
        self.assertEqual(blocking - asynchronous, {"do_work", "flush", "on_message", "post"})
        self.assertEqual(asynchronous - blocking, set())

    def test_it_parses_as_the_oldest_python_that_it_is_for(self):
        for path in sorted((ROOT / "worker" / "python" / "signalbox").glob("*.py")):
            ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))

    def test_pip_installs_it_without_a_network(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "python"), pathlib.Path(folder, "target")
            # The build leaves files beside its sources, so it gets some of its own.
            shutil.copytree(ROOT / "worker" / "python", source, ignore=shutil.ignore_patterns("__pycache__", "build"))
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            for module in ("pip", "setuptools", "wheel"):
                if subprocess.run([PYTHON, "-c", "import " + module], stderr=subprocess.DEVNULL).returncode:
                    self.skipTest("there is no " + module)
            subprocess.run(
                [PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps",
                 "--target", str(target), str(source)], check=True, env=environment, timeout=LONG_S)
            self.assertTrue((target / "signalbox" / "py.typed").exists())
            told = subprocess.run(
                [PYTHON, "-c", "import signalbox; print(signalbox.__file__, signalbox.__version__)"], check=True,
                cwd=folder, env={**environment, "PYTHONPATH": str(target)}, capture_output=True, text=True)
            self.assertEqual(told.stdout.split(),
                             [str(target / "signalbox" / "__init__.py"), signalbox.__version__])
            self.assertIn('version = "%s"' % signalbox.__version__, (source / "pyproject.toml").read_text("utf-8"))


class Example(PythonTest):
    def run_example(self, *arguments):
        process = subprocess.Popen(
            [PYTHON, "-B", "-u", str(ROOT / "examples" / "echo_application.py"), *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "worker" / "python")})

        def end():
            process.kill()
            process.wait()
            process.stdout.close()

        self.addCleanup(end)
        return process

    def test_echo_application(self):
        process = self.run_example("--name", "app", "--endpoint", self.bus.endpoint)
        transport = self.transport()
        self.send_raw(transport, "m1", content="hello", transport_name=None)
        reply = transport.deliveries(1)[0].message
        self.assertEqual((reply["content"], reply["in_reply_to"], reply["to_addr"]),
                         ("You said: hello", "m1", "user"))
        report = signalbox.Message(reply).delivery_report("delivered")
        transport.ack(1)
        transport.settled(transport.say(dict(report)))
        self.assertEqual(process.stdout.readline(), "replied %s to user via sms\n" % reply["message_id"])
        self.assertEqual(process.stdout.readline(), "event delivery_report for %s\n" % reply["message_id"])
        process.send_signal(signal.SIGTERM)
        self.assertEqual((process.stdout.read(), process.wait(DEADLINE_S)), ("", 0))

    def test_a_name_that_the_broker_does_not_have(self):
        process = self.run_example("--name", "nobody", "--endpoint", self.bus.endpoint)
        self.assertIn("signalbox.", process.stdout.read())
        self.assertEqual(process.wait(DEADLINE_S), 1)


if __name__ == "__main__":
    unittest.main()
