"""The worker that the page itself gives: taken out of protocol/SPEC.md and run, against a broker as it stands."""

import ast
import os
import re
import socket
import subprocess
import threading
import unittest

from bus import *

DEFAULT_PORT = 5570


def program():
    """The Python of the page that connects to a broker."""
    with open(os.environ["SIGNALBOX_SPEC"], encoding="utf-8") as page:
        blocks = re.findall(r"^```python\n(.*?)^```", page.read(), re.S | re.M)
    blocks = [block for block in blocks if "zmq.DEALER" in block]
    assert len(blocks) == 1, "%d whole workers on the page" % len(blocks)
    return blocks[0]


class PythonWorker(BusTest):
    may_have_ended = True

    def run_program(self, text):
        process = subprocess.Popen(["/usr/bin/python3", "-u", "-c", text], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT,
                                   text=True)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()

        self.addCleanup(end)
        # Whoever waits for a line has a deadline, even if the program says nothing.
        watchdog = threading.Timer(3 * DEADLINE_S, process.kill)
        watchdog.daemon = True
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        return process

    def printed(self, process, count):
        """The ids of the next messages that it prints: a list of maps a line."""
        result = []
        while len(result) < count:
            line = process.stdout.readline()
            self.assertTrue(line, "it ended")
            self.assertTrue(line.startswith("["), line)
            result += [message["message_id"] for message in ast.literal_eval(line)]
        return result

    def settings(self, port=None, **broker):
        return self.start(port=port, broker=broker, dispatcher={
            "exposed_names": ["my_application"],
            "routing_mappings": {"sms": "my_application", "xmpp": "my_application"}})

    def given(self, text):
        self.assertIn('"my_application"', text)
        self.assertIn("tcp://127.0.0.1:%d" % DEFAULT_PORT, text)
        return text.replace("tcp://127.0.0.1:%d" % DEFAULT_PORT, self.bus.endpoint)

    def test_as_it_stands(self):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            busy = probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) == 0
        try:
            self.settings(port=None if busy else DEFAULT_PORT)
        except AssertionError:  # somebody was quicker
            self.settings()
        process = self.run_program(self.given(program()))
        transport = self.transport()
        # More than one prefetch, so that it must have acknowledged; and text that is no text.
        transport.say(*users(1, 1500), user("odd", junk="\udcff"))
        self.assertEqual(transport.settled(1501), [])
        self.assertEqual(self.printed(process, 1501), ["m%d" % n for n in range(1, 1501)] + ["odd"])
        transport.settled(transport.say(user("last")))
        self.assertEqual(self.printed(process, 1), ["last"])
        self.bus.terminate()  # and so it has acknowledged all: nothing is left behind
        self.assertEqual(self.bus.exit_code(), 0, self.bus.log())

    def test_it_is_found_again_by_its_silence(self):
        """A broker that starts anew knows nobody. The worker notices that nobody speaks to it and says HELLO again.

        The fifteen seconds of the page are made one, so that they need not be waited for."""
        text = program()
        self.assertIn("s.poll(15000)", text)
        self.settings(heartbeat_ms=300)
        port = int(self.bus.endpoint.rpartition(":")[2])
        process = self.run_program(self.given(text).replace("s.poll(15000)", "s.poll(1000)"))
        transport = self.transport()
        transport.settled(transport.say(user("m1")))
        self.assertEqual(self.printed(process, 1), ["m1"])
        self.bus.kill()
        self.settings(port=port, heartbeat_ms=300)
        transport = self.transport()
        transport.settled(transport.say(user("m2")))
        self.assertEqual(self.printed(process, 1), ["m2"])

    def test_it_survives_being_told_that_it_is_not_registered(self):
        """Its PONG goes to a broker that does not know it, or its ACK does: neither is held against it."""
        self.settings(heartbeat_ms=200)
        process = self.run_program(self.given(program()).replace("s.poll(15000)", "s.poll(1000)"))
        transport = self.transport()
        for n in range(3):
            transport.settled(transport.say(user("m%d" % n)))
            self.assertEqual(self.printed(process, 1), ["m%d" % n])
            span(0.5, "more than two heartbeats: it has been pinged, and has answered")
        self.assertIsNone(process.poll())


if __name__ == "__main__":
    unittest.main()
