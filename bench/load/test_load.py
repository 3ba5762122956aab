"""The load generators, each for a moment: that every scenario measures and accounts for all of its messages, and that
a message which is lost is noticed."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import unittest

BUILD = os.environ["SIGNALBOX_BUILD"]
LOAD = os.path.join(BUILD, "bench", "load", "bench_load")
BROKER = os.path.join(BUILD, "broker", "signalbox")
DEADLINE_S = 120


def load(*arguments):
    return subprocess.run([LOAD, *arguments], timeout=DEADLINE_S, capture_output=True, text=True, check=False)


def free_endpoint():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


class Broker:
    """One that somebody else has started, with the configuration that bench_load asks for."""

    def __init__(self, folder, endpoint, *arguments, change=lambda text: text):
        printed = load(*arguments, "--print-configuration", "--endpoint", endpoint)
        assert printed.returncode == 0, printed.stderr
        file = pathlib.Path(folder, "broker.toml")
        file.write_text(change(printed.stdout), encoding="utf-8")
        self._process = subprocess.Popen([BROKER, "serve", file], stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class Scenario(unittest.TestCase):
    def measure(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "load.json")
            done = load("--runs", "1", "--seconds", "0.1", "--warm-up", "0.1", "--json", file, *arguments)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stdout, "nothing lost: [0-9,]+ sent and confirmed")
            result = json.loads(file.read_text(encoding="utf-8"))
        self.assertRegex(result["machine"], r"^\d+ x .*, libzmq .*, (gcc|clang) ")
        [scenario] = result["scenarios"]
        self.assertEqual(scenario["name"], arguments[0])
        self.assertTrue(scenario["broker"].startswith("signalbox/"), scenario["broker"])
        for row in scenario["rows"]:
            self.assertIn(row["name"], done.stdout)
            [run] = row["runs"]
            self.assertGreater(run["sent"], 0)
            self.assertEqual(run["sent"], run["confirmed"])
            self.assertEqual(run["sent"], run["received"] + run["refused"])
            self.assertGreater(run["messages_per_second"], 0)
        return {row["name"]: row["runs"][0] for row in scenario["rows"]}

    def assert_latencies(self, run):
        self.assertLess(0, run["p50_us"])
        for lower, higher in (("p50_us", "p99_us"), ("p99_us", "p999_us"), ("p999_us", "max_us")):
            self.assertLessEqual(run[lower], run[higher])

    def test_throughput(self):
        runs = self.measure("throughput")
        self.assertEqual(list(runs), ["raw", "worker"])
        for run in runs.values():
            self.assertGreater(run["broker_memory_bytes"], 1 << 20)
            self.assertEqual(run["refused"], 0)

    def test_messages_of_other_sizes(self):
        self.measure("throughput", "--size", "73", "--library", "raw", "--window", "1")
        self.measure("mesh", "--size", "5000", "--transports", "2", "--applications", "3")

    def test_latency(self):
        runs = self.measure("latency", "--rate", "500,5000")
        self.assertEqual(list(runs), ["raw, 500/s", "worker, 500/s", "raw, 5,000/s", "worker, 5,000/s"])
        for name, run in runs.items():
            rate = 500 if " 500/s" in name else 5000
            self.assertEqual(run["sent"], rate * 0.2)
            self.assert_latencies(run)

    def test_round_trip(self):
        runs = self.measure("round-trip")
        self.assertEqual(list(runs), [f"{library}, {pace}" for pace in ("1 outstanding", "64 outstanding", "1,000/s")
                                      for library in ("raw", "worker")])
        for run in runs.values():
            self.assertEqual(run["replies"], run["sent"])
            self.assert_latencies(run)

    def test_round_trips_of_several(self):
        runs = self.measure("round-trip", "--transports", "3", "--applications", "2", "--outstanding", "5", "--rate",
                            "300")
        self.assertEqual(list(runs), ["raw, 5 outstanding", "worker, 5 outstanding", "raw, 300/s", "worker, 300/s"])
        for run in runs.values():
            self.assertEqual(run["replies"], run["sent"])

    def test_mesh(self):
        runs = self.measure("mesh", "--transports", "3", "--applications", "4")
        self.assertEqual(list(runs), ["raw", "worker"])

    def test_slow_consumer(self):
        runs = self.measure("slow-consumer", "--slow-seconds", "0.6", "--rate", "4000", "--window", "512",
                            "--library", "raw,worker")
        self.assertEqual(list(runs), [f"{library}, overflow {overflow}" for overflow in ("refuse", "block")
                                      for library in ("raw", "worker")])
        for name, run in runs.items():
            meanwhile = run["phases"]["meanwhile"]
            # 200 messages are the limit of its queue, 600 what it is sent meanwhile; of a window a quarter is for it,
            # which with the limit is less than the twice of it that would be refused under "block" too.
            self.assertGreaterEqual(meanwhile["waiting_max"], 200)
            self.assertGreater(meanwhile["others_received"], 0)
            self.assertGreater(run["phases"]["before"]["others_p50_us"], 0)
            if "refuse" in name:
                self.assertGreater(meanwhile["refused"], 0)
            else:
                self.assertEqual(run["refused"], 0)

    def test_one_that_reads_a_little(self):
        runs = self.measure("slow-consumer", "--slow-seconds", "0.5", "--rate", "4000", "--slow-rate", "100",
                            "--overflow", "refuse")
        for run in runs.values():
            meanwhile = run["phases"]["meanwhile"]
            self.assertGreater(meanwhile["slow_received"], 0)
            self.assertLessEqual(meanwhile["slow_received"], 100 * meanwhile["seconds"] + 2)


class ABrokerThatRunsAlready(unittest.TestCase):
    def test_takes_one_run_after_another(self):
        endpoint = free_endpoint()
        arguments = ("mesh", "--transports", "2", "--applications", "2")
        with tempfile.TemporaryDirectory() as folder, Broker(folder, endpoint, *arguments):
            done = load(*arguments, "--endpoint", endpoint, "--runs", "2", "--seconds", "0.1", "--warm-up", "0.1")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^raw +[0-9,]+ .* - ")  # whose processor time and memory are not known

    def test_that_drops_messages_is_found_out(self):
        endpoint = free_endpoint()
        arguments = ("slow-consumer", "--library", "raw", "--rate", "4000", "--slow-seconds", "0.6", "--window", "64")
        with tempfile.TemporaryDirectory() as folder:
            with Broker(folder, endpoint, *arguments, change=lambda text: text.replace('"refuse"', '"drop_oldest"')):
                done = load(*arguments, "--endpoint", endpoint, "--runs", "1", "--seconds", "0.2", "--warm-up", "0.1")
        self.assertEqual(done.returncode, 1, done.stdout)
        missing, sent = map(int, re.search(r"(\d+) of (\d+) messages were confirmed and never delivered",
                                           done.stderr).groups())
        self.assertLess(0, missing)
        self.assertLess(missing, sent)


class TheCommandLine(unittest.TestCase):
    def test_teaches(self):
        done = load("--help")
        self.assertEqual(done.returncode, 0)
        for text in ("slow-consumer", "Examples:", "--print-configuration"):
            self.assertIn(text, done.stdout)

    def test_refuses_what_cannot_be(self):
        for arguments, said in ((("harbour",), "scenarios"), (("mesh", "--size", "73"), "at least 424 bytes"),
                                (("--print-configuration",), "of one scenario"),
                                (("slow-consumer", "--applications", "1"), "at least two applications"),
                                (("throughput", "--size", "73"), "raw"), (("latency", "--size", "100"), "size"),
                                (("throughput", "--broker", "/nowhere"), "/nowhere")):
            done = load(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
