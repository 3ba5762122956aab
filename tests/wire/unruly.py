"""What the tests of unruly workers stand on: a pair of workers beside them that keeps to the rules.

The pair (honest.py) sends at an even pace in a process of its own: once alone, and once while the unruly one does what
it does, again and again. All of the pair's messages arrive, once and in order, none is refused, and it takes no longer
than twice what it took alone.
"""

import json
import os
import subprocess
import sys
import threading

from bus import *

# What a step of a sanitizer's broker, or a busy machine, may add to the pair's time, in seconds.
GRACE_S = 2
GROWTH_BYTES = 256 << 20


class Honest:
    """The pair's process: `begin`, and then `result` once `ended`."""

    def __init__(self, endpoint):
        folder = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(folder, "honest.py"), endpoint, "xmpp", "other"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.waiting = None

    def begin(self):
        self.line = None

        def read():
            self.line = self.process.stdout.readline()

        self.waiting = threading.Thread(target=read, daemon=True)
        self.waiting.start()
        self.process.stdin.write("measure\n")
        self.process.stdin.flush()

    def ended(self):
        return not self.waiting.is_alive()

    def result(self):
        self.waiting.join(120)
        assert self.line, "the honest pair has ended:\n" + (self.process.stderr.read() if self.ended() else "not")
        return json.loads(self.line)

    def end(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


class Unruly(BusTest):
    dispatcher = {**BusTest.dispatcher, "routing_mappings": {"sms": "app", "xmpp": "other"}}
    endpoints = {"app": {"max_deliveries": 3, "redeliver_ms": 50}}

    def beside_honest(self, step):
        """Does `step` over and over until the pair has done its work beside it; how often that was."""
        honest = Honest(self.bus.endpoint)
        self.addCleanup(honest.end)
        honest.begin()
        alone = honest.result()
        resident = self.bus.resident_bytes()
        honest.begin()
        steps = 0
        while not honest.ended():
            step()
            steps += 1
        beside = honest.result()
        words = "alone: %r; beside it: %r; %d steps" % (alone, beside, steps)
        for measured in (alone, beside):
            self.assertEqual((measured["delivered"], measured["confirmed"]), (2000, 2000), words)
            self.assertEqual((measured["refused"], measured["repeated"]), (0, 0), words)
        self.assertLess(beside["seconds"], 2 * alone["seconds"] + GRACE_S, words)
        self.assertLess(beside["worst_ms"], 1000 * GRACE_S, words)
        if os.environ.get("SIGNALBOX_SANITIZER", "none") == "none":
            self.assertLess(self.bus.resident_bytes() - resident, GROWTH_BYTES, words)
        self.assertGreater(steps, 0)
        return steps

    def again(self, worker, role="transport", name="sms", **options):
        """Registers once more, past whatever still comes from before."""
        worker.hello(role, name, **options)
        while True:
            frame = worker.next()
            self.assertIsNotNone(frame)
            if frame.kind == WELCOME:
                return

    def answer(self, worker, *kinds):
        """The next frame of these kinds; what else comes on the way is of no interest here."""
        while True:
            frame = worker.next()
            self.assertIsNotNone(frame, self.bus.log())
            if frame.kind in kinds:
                return frame

    def given(self, *messages):
        """Messages that wait for the application."""
        transport = self.transport()
        self.assertEqual(transport.settled(transport.say(*messages)), [])
        return transport
