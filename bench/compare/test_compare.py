"""The side-by-side run by itself, short, with what every build has: Signalbox, zmq_proxy and the relay. Then its
report, with runs that are made up."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

import report
import rows
from machine import Child, RunFault

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ["SIGNALBOX_BUILD"]
CLIENT = os.path.join(BUILD, "bench", "compare", "bench_compare_client")
PAGE = f"before\n\n{report.BEGIN}\nold figures\n{report.END}\n\nafter\n"


def compare(*arguments):
    return subprocess.run([sys.executable, "-B", HERE / "compare.py", "--build", BUILD, *arguments], timeout=240,
                          capture_output=True, text=True, check=False)


class ARun(unittest.TestCase):
    def test_measures_and_writes(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder, "benchmarks.md")
            page.write_text(PAGE, encoding="utf-8")
            done = compare("--only", "signalbox,zmq_proxy,relay", "--rounds", "1", "--seconds", "0.1",
                           "--latency-seconds", "0.1", "--docs", folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

            text = page.read_text(encoding="utf-8")
            self.assertTrue(text.startswith("before\n") and text.endswith("after\n"), text)
            self.assertNotIn("old figures", text)
            for title in ("**Signalbox**", "`zmq_proxy`", "TCP relay"):
                self.assertIn(f"{title}", text)

            result = json.loads(pathlib.Path(folder, "benchmarks.json").read_text(encoding="utf-8"))
            self.assertEqual([row["name"] for row in result["rows"]], ["signalbox", "zmq_proxy", "relay"])
            for row in result["rows"]:
                self.assertGreater(row["throughput"][0]["messages_per_second"], 0)
                latency = row["latency"]["1000"][0]
                self.assertLess(0, latency["p50_us"])
                self.assertLessEqual(latency["p50_us"], latency["p99_us"])
                self.assertLessEqual(latency["p999_us"], latency["max_us"])

            chart = xml.parse(pathlib.Path(folder, "images", "benchmarks.svg"))
            self.assertIn("Signalbox", "".join(chart.getroot().itertext()))

    def test_knows_its_rows(self):
        done = compare("--only", "signalbox,nobody")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such row: nobody", done.stderr)


class AMessageThatIsMissing(unittest.TestCase):
    """The relay's consumer, fed by this test, takes no message twice and misses none."""

    def test_ends_the_run(self):
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            arguments = [CLIENT, "consumer", "relay", "--port", port, "--consumer-port", port, "--count", "2"]
            with Child(arguments, os.path.join(folder, "log")) as consumer:
                connection, _ = server.accept()
                with connection:
                    consumer.wait_for("ready", 30)
                    connection.sendall(bytes(424))
                    with self.assertRaisesRegex(RunFault, "message 0 is missing, or out of order"):
                        consumer.wait_for("done", 30)


def made_up(name, rate, latency_us=100.0, foreign=0.0):
    run = {"messages_per_second": rate, "broker_cpu_s_per_million": 1e6 / rate, "producer_cpu_s_per_million": 0.5,
           "consumer_cpu_s_per_million": 0.5, "steal": 0.0, "foreign": foreign}
    paced = {**run, "p50_us": latency_us, "p99_us": 2 * latency_us, "p999_us": 3 * latency_us, "late_p50_us": 5.0}
    row = next(row for row in rows.all_rows() if row.name == name)
    return {"name": name, "title": row.title, "promise": rows.PROMISES[row.promise], "guarantee": row.guarantee,
            "package": row.package, "version": "1.2", "throughput": [run], "latency": {"1000": [paced]}}


def report_on(*described, left_out=()):
    settings = {"rounds": 1, "seconds": 1, "latency_rounds": 1, "latency_seconds": 1}
    return report.section({"machine": "a machine", "date": "a day", "settings": settings, "rows": list(described),
                           "left_out": list(left_out)})


class TheReport(unittest.TestCase):
    def test_says_who_is_ahead_and_in_what(self):
        text = report_on(made_up("signalbox", 1_000_000), made_up("nats", 2_000_000, latency_us=200.0))
        self.assertIn("- messages a second: NATS core (2.00 times as good)", text)
        self.assertIn("- median latency at 1,000 a second: nobody", text)

    def test_says_what_is_left_out_and_why(self):
        text = report_on(made_up("signalbox", 1_000_000), left_out=[{"title": "NATS core", "why": "there is none"}])
        self.assertIn("Left out: NATS core: there is none.", text)
        self.assertIn("Left out: nothing.", report_on(made_up("signalbox", 1_000_000)))

    def test_marks_what_was_disturbed(self):
        self.assertIn("1,000,000 †", report_on(made_up("signalbox", 1_000_000, foreign=0.09)))
        self.assertNotIn("†", report_on(made_up("signalbox", 1_000_000, foreign=0.07)))

    def test_leaves_a_page_without_a_place_alone(self):
        for page in ("nothing", report.END + report.BEGIN, PAGE + PAGE):
            with self.assertRaises(ValueError):
                report.put_into(page, "words")
        self.assertEqual(report.put_into(report.put_into(PAGE, "a"), "b"), report.put_into(PAGE, "b"))

    def test_keeps_three_digits(self):
        for value, text in ((1_347_008, "1,350,000"), (15_287, "15,300"), (0.4123, "0.412"), (45.71, "45.7"), (0, "0")):
            self.assertEqual(report.significant(value), text)


class ARowThatCannotBe(unittest.TestCase):
    def test_is_named_with_the_reason(self):
        nats = next(row for row in rows.all_rows() if row.name == "nats")
        self.assertIn("client library", rows.missing(nats, ["signalbox"]))
        nats.program = "no-such-broker"
        self.assertIn("there is no no-such-broker", rows.missing(nats, ["nats"]))

    def test_every_row_of_the_build_has_its_client(self):
        clients = subprocess.run([CLIENT, "peers"], capture_output=True, text=True, check=True).stdout.split()
        for row in rows.all_rows():
            if not row.program:
                self.assertEqual(rows.missing(row, clients), "")


if __name__ == "__main__":
    unittest.main()
