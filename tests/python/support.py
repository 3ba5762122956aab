"""What the tests of the Python workers stand on: the real broker (tests/wire/bus.py), workers of the package that are
closed after the test, and a TCP proxy whose connections can be cut."""

import logging
import os
import socket
import struct
import threading
import time
import unittest

import signalbox
from bus import *  # the broker, and workers that speak raw frames
from bus import BusTest, DEADLINE_S, user

logging.getLogger("signalbox").addHandler(logging.NullHandler())
SANITIZED = os.environ.get("SIGNALBOX_SANITIZER", "none") != "none"
# Whatever waits for ever in a test ends with it, and says so.
LONG_S = 6 * DEADLINE_S


class PythonTest(BusTest):
    may_have_ended = False

    def options(self, **given):
        return {"endpoint": self.bus.endpoint, "backoff": (0.05, 0.2), "heartbeat": 0.2, **given}

    def blocking(self, role, name, **given):
        worker = signalbox.Worker(role, name, **self.options(**given))
        self.addCleanup(worker.close, 0)
        return worker

    def asynchronous(self, role, name, **given):
        return signalbox.AsyncWorker(role, name, **self.options(**given))

    def in_thread(self, function, *arguments):
        """Runs it beside the test; what it raises fails the test, and so does one that does not end."""
        outcome = []

        def run():
            try:
                function(*arguments)
                outcome.append(None)
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def join():
            thread.join(LONG_S)
            self.assertTrue(outcome, "the thread does not end")
            if outcome[0] is not None:
                raise outcome[0]

        return join

    def send_raw(self, transport, *ids, **fields):
        """Raw user messages, confirmed."""
        fields = {"content": "hello", "from_addr": "user", "to_addr": "service", **fields}
        self.assertEqual(transport.settled(transport.say(*[user(each, **fields) for each in ids])), [])

    def take(self, worker, count):
        """That many message ids. The last ones are acknowledged when the worker is used again, or closed."""
        taken = []
        while len(taken) < count:
            delivery = worker.receive(DEADLINE_S)
            self.assertIsNotNone(delivery, taken)
            taken.append(delivery.message["message_id"])
        return taken


def message(message_id, **fields):
    return signalbox.Message.user_message(message_id=message_id, **fields)


def messages(first, last):
    return [message("m%d" % number) for number in range(first, last + 1)]


def wait_for(condition, what, deadline_s=DEADLINE_S):
    """For what other threads bring about, where nothing announces it."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "in vain: " + what
        threading.Event().wait(0.002)


class Proxy:
    """Between workers and the broker; each connection is two threads that copy."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = []
        self.accepted = 0
        self.times_cut = 0
        self.frozen = set()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target)
            except OSError:  # no broker
                near.close()
                continue
            with self.lock:
                self.pairs.append((near, far))
                self.accepted += 1
            threading.Thread(target=self._serve, args=(near, far), daemon=True).start()

    def _serve(self, near, far):
        back = threading.Thread(target=self._copy, args=(far, near), daemon=True)
        back.start()
        self._copy(near, far)
        back.join()
        near.close()
        far.close()

    def _copy(self, source, target):
        try:
            while True:
                data = source.recv(16384)
                if not data:
                    break
                if source not in self.frozen:
                    target.sendall(data)
        except OSError:
            pass
        self._end((source, target))

    @staticmethod
    def _end(pair):
        for each in pair:
            try:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """All connections end, whatever is under way on them."""
        self.times_cut += 1
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self._end(pair)

    def freeze(self):
        """The connections that are there stay, and carry nothing any more, either way."""
        with self.lock:
            self.frozen.update(each for pair in self.pairs for each in pair)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # ends accept()
        self.thread.join()
        self.listener.close()
        self.cut()
