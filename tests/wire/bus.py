"""What every wire test stands on: the real program on a free port, and workers that speak raw frames to it.

Nothing here knows the broker's insides: a Broker is a process with a configuration file, a Worker is one DEALER socket.
Every frame that a worker receives is checked on its way in against what holds for all frames (shape of the header,
numbers that go up by one, one kind of message a batch, refusals in order), so each test proves that too.

Nothing sleeps to let things happen: whoever waits, waits for a frame or a line of log with a deadline. The exceptions
are spans that are themselves what is tested; they go through `span`, with a word of why.
"""

import collections
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import msgpack
import zmq

HELLO, SEND, ACK, NACK, FLOW, PING, PONG, BYE = range(1, 9)
WELCOME, DELIVER, CONFIRM, REFUSE, ERROR = range(16, 21)
NAMES = {number: name for name, number in list(globals().items()) if name.isupper() and isinstance(number, int)}

# Elements behind the type, of every frame that a broker sends.
ELEMENTS = {PING: 0, PONG: 0, BYE: 1, WELCOME: 4, DELIVER: 2, CONFIRM: 1, REFUSE: 3, ERROR: 2}
ERROR_CODES = {"version", "malformed", "unknown_endpoint", "not_permitted", "not_registered", "taken_over", "gap",
               "window", "too_large", "too_many", "internal"}
REFUSAL_CODES = {"malformed", "too_large", "no_route", "unknown_endpoint", "not_permitted", "queue_full", "internal"}

DEADLINE_S = float(os.environ.get("SIGNALBOX_WIRE_DEADLINE_S", "10"))
# What bystanders may notice of somebody else's flood: the sanitizers make all of it many times slower.
UNHARMED_S = 2 if os.environ.get("SIGNALBOX_SANITIZER", "none") == "none" else DEADLINE_S
HEARTBEAT_MS = 200
MAXIMUM = 2**64 - 1
TURN_FRAMES = 128  # Broker::turn_frames_max: what the broker takes in before it hands anything out

Frame = collections.namedtuple("Frame", "kind args body")
Delivery = collections.namedtuple("Delivery", "seq redelivered message raw batch")


def span(seconds, why):
    """Lets time pass where the passing of time is what is tested."""
    assert why
    time.sleep(seconds)


def pack(value):
    """MessagePack of a message or header; bytes are taken to be packed already."""
    if isinstance(value, bytes):
        return value
    return msgpack.packb(value, use_bin_type=True, unicode_errors="surrogateescape")


def unpack(data):
    return msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogateescape")


def split(body):
    """The messages of a batch, as (value, bytes) pairs."""
    unpacker = msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogateescape", max_buffer_size=2**31 - 1)
    unpacker.feed(body)
    start, messages = 0, []
    while start < len(body):
        value = unpacker.unpack()
        messages.append((value, body[start:unpacker.tell()]))
        start = unpacker.tell()
    return messages


def user(message_id, **fields):
    return {"message_type": "user_message", "message_id": message_id, **fields}


def event(user_message_id, event_type="delivery_report", **fields):
    return {"message_type": "event", "event_id": "event of " + user_message_id, "event_type": event_type,
            "user_message_id": user_message_id, **fields}


def sized(message_id, size, **fields):
    """A user message of exactly `size` bytes."""
    for padding in range(size - len(pack(user(message_id, content="", **fields))), -1, -1):
        message = pack(user(message_id, content="x" * padding, **fields))
        if len(message) == size:
            return message
    raise AssertionError("no message of %d bytes can be made" % size)


def users(first, last, **fields):
    """User messages m<first> to m<last>."""
    return [user("m%d" % number, **fields) for number in range(first, last + 1)]


def ids(deliveries):
    return [d.message.get("message_id", d.message.get("user_message_id")) for d in deliveries]


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join("%s = %s" % (json.dumps(k), toml(v)) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Each test runs against a broker whose link's thread is its core, and some once more against one with lanes.
LANES = os.environ.get("SIGNALBOX_WIRE_LANES", "0")


class Broker:
    """One `signalbox serve FILE`, up and listening once constructed."""

    def __init__(self, configuration, context, port=None):
        """`configuration(endpoint)` is the text of the file; an endpoint is chosen here unless `port` is given."""
        self.program = os.environ["SIGNALBOX"]
        self.context = context  # for the workers that connect to it
        self.folder = tempfile.mkdtemp(prefix="signalbox-wire-")
        self.process = None
        self.stopped = False  # by stop(), so by the test
        self.workers = []
        self.losses = 0  # of registered workers' connections, that the test waited for
        for _ in range(5):  # somebody may take a free port before the broker binds it
            self.endpoint = "tcp://127.0.0.1:%d" % (port or free_port())
            if self._start(configuration(self.endpoint)):
                return
            if not any("in use" in line.lower() for line in self.lines):
                break
        raise AssertionError("the broker does not listen; it says:\n" + self.log())

    def _start(self, text):
        path = os.path.join(self.folder, "broker.toml")
        if LANES != "0":
            assert "[broker]\n" in text, "a test's configuration has its own [broker]"
            text = text.replace("[broker]\n", "[broker]\nlanes = %s\n" % LANES, 1)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.lines, self.silent, self.changed = [], False, threading.Condition()
        self.process = subprocess.Popen(
            [self.program, "serve", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)))
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        return self.wait_for_line(self.endpoint)

    def _read(self, pipe):
        for line in pipe:
            with self.changed:
                self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.silent = True  # it has ended, or is about to
            self.changed.notify_all()

    def wait_for_line(self, text, deadline_s=DEADLINE_S):
        """Whether a line with that text came while the program ran."""
        with self.changed:
            self.changed.wait_for(lambda: any(text in line for line in self.lines) or self.silent, deadline_s)
            return any(text in line for line in self.lines) and not self.silent

    def wait_for_loss(self, deadline_s=DEADLINE_S):
        """Whether the broker has noticed that one registered worker's connection more is gone than at the last call.

        Its log has their number, a second late at most. ZeroMQ tells it of a connection's end in a thread of its own,
        which a busy machine may keep waiting for longer than the next worker needs to come: where a test is about what
        happens then, that one comes after this."""
        def noticed():
            totals = [re.search(r" connections_lost count=\d+ total=(\d+)", line) for line in self.lines]
            return any(total and int(total.group(1)) > self.losses for total in totals)

        with self.changed:
            if not self.changed.wait_for(noticed, deadline_s):
                return False
            self.losses += 1
            return True

    def log(self):
        with self.changed:
            return "\n".join(self.lines)

    def resident_bytes(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.stopped = True

    def exit_code(self, deadline_s=DEADLINE_S):
        code = self.process.wait(deadline_s)
        self.reader.join(deadline_s)
        return code

    def stop(self):
        """Ends it if it still runs: two SIGTERMs that are not merged into one. Everything it said is in log() after."""
        deadline = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    self.kill()
                    raise AssertionError("the broker does not stop at repeated SIGTERMs; it says:\n" + self.log())
        self.stopped = True
        for worker in self.workers:
            worker.socket.close(linger=0)
        self.reader.join(DEADLINE_S)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Worker:
    """One connection. `say`, `settled`, `deliveries` for the honest; `send_frames` and `next` for all else."""

    def __init__(self, bus, endpoint=None, **socket_options):
        self.bus = bus
        self.socket = bus.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.set_hwm(0)
        for name, value in socket_options.items():
            setattr(self.socket, name, value)
        self.limits = None
        self.next_seq = 1
        self.new_connection()
        self.socket.connect(endpoint or bus.endpoint)
        bus.workers.append(self)

    def new_connection(self):
        """Numbers of deliveries begin anew: the broker on the other side has not seen this connection before."""
        self.pending = collections.deque()
        self.pings = 0
        self.next_delivery = 1
        self._new_registration()

    def _new_registration(self):
        self.confirmed = 0
        self.refused = 0

    # --- out ---------------------------------------------------------------------------------------------------------
    def send_frames(self, *frames):
        self.socket.send_multipart(list(frames))

    def send(self, *elements, body=None):
        frames = [pack(list(elements))]
        if body is not None:
            frames.append(body)
        self.send_frames(*frames)

    def batch(self, first_seq, *messages):
        self.send(SEND, first_seq, body=b"".join(map(pack, messages)))

    def say(self, *messages):
        """One SEND under the numbers that come next; returns the last."""
        self.batch(self.next_seq, *messages)
        self.next_seq += len(messages)
        return self.next_seq - 1

    def ack(self, upto, *also):
        self.send(ACK, upto, list(also)) if also else self.send(ACK, upto)

    def nack(self, seq, requeue, reason=None):
        self.send(NACK, seq, reason, requeue)

    def hello(self, role, name, **options):
        self.send(HELLO, 1, role, name, options)

    def close(self):
        """The connection is lost, without a BYE. The broker learns of it when the kernel says so."""
        self.socket.close(linger=0)

    def lose(self):
        """The same, until the broker has noticed: with its next PING at the latest."""
        self.close()
        assert self.bus.wait_for_loss(), "the broker has not noticed; it says:\n" + self.bus.log()

    # --- in ----------------------------------------------------------------------------------------------------------
    def _receive(self, deadline):
        if not self.socket.poll(max(0, (deadline - time.monotonic()) * 1000)):
            return None
        header, *body = self.socket.recv_multipart()
        elements = unpack(header)
        assert isinstance(elements, list) and elements and type(elements[0]) is int, "no header: %r" % header
        kind, args = elements[0], elements[1:]
        assert kind in ELEMENTS and len(args) == ELEMENTS[kind], "no frame of a broker: %r" % elements
        assert len(body) == (kind == DELIVER), "%s with %d bodies" % (NAMES[kind], len(body))
        frame = Frame(kind, args, body[0] if body else None)
        getattr(self, "_check_" + NAMES[kind], lambda frame: None)(frame)
        return frame

    def _check_WELCOME(self, frame):
        self._new_registration()

    def _check_CONFIRM(self, frame):
        upto, = frame.args
        assert type(upto) is int and upto >= self.confirmed, "CONFIRM %r after CONFIRM %d" % (upto, self.confirmed)
        self.confirmed = upto

    def _check_REFUSE(self, frame):
        seq, code, text = frame.args
        assert type(seq) is int and code in REFUSAL_CODES, "REFUSE %r" % (frame.args,)
        assert seq > self.refused, "REFUSE %d after REFUSE %d" % (seq, self.refused)
        assert seq > self.confirmed, "REFUSE %d after the CONFIRM %d that covers it" % (seq, self.confirmed)
        legible = text and isinstance(text, str) and text.isprintable()
        assert legible, "REFUSE's text is no line for people: %r" % (text,)
        self.refused = seq

    def _check_ERROR(self, frame):
        code, text = frame.args
        assert code in ERROR_CODES, "ERROR %r" % (code,)
        assert text and isinstance(text, str) and text.isprintable(), "ERROR's text is no line for people: %r" % (text,)

    def _check_DELIVER(self, frame):
        first_seq, redelivered = frame.args
        assert type(first_seq) is int and type(redelivered) is bool
        assert first_seq == self.next_delivery, "DELIVER %d where %d comes next" % (first_seq, self.next_delivery)
        messages = split(frame.body)
        assert messages, "an empty DELIVER"
        assert len({message["message_type"] for message, _ in messages}) == 1, "a DELIVER that mixes kinds"
        if self.limits and len(messages) > 1:
            assert len(frame.body) <= self.limits["max_batch_bytes"], "a DELIVER over max_batch_bytes"
        self.next_delivery += len(messages)

    def next(self, deadline_s=DEADLINE_S):
        """The next frame, whatever it is but a PING; None at the deadline."""
        if self.pending:
            return self.pending.popleft()
        deadline = time.monotonic() + deadline_s
        while True:
            frame = self._receive(deadline)
            if frame is None or frame.kind != PING:
                return frame
            self.pings += 1

    def ping(self, deadline_s=DEADLINE_S):
        """Waits for a PING; how long it took, in seconds. None at the deadline."""
        start = time.monotonic()
        while True:
            frame = self._receive(start + deadline_s)
            if frame is None or frame.kind == PING:
                self.pings += frame is not None
                return frame and time.monotonic() - start
            self.pending.append(frame)

    def expect(self, *kinds, deadline_s=DEADLINE_S):
        """The next frame of these kinds. Others wait for their turn, save ERROR and BYE, which nobody may overlook."""
        for index, frame in enumerate(self.pending):
            if frame.kind in kinds or frame.kind in (ERROR, BYE):
                del self.pending[index]
                break
        else:
            deadline = time.monotonic() + deadline_s
            while True:
                frame = self._receive(deadline)
                if frame is None:
                    raise AssertionError("no %s in time; waiting: %r; the broker says:\n%s" % (
                        "/".join(NAMES[kind] for kind in kinds), list(self.pending), self.bus.log()))
                if frame.kind in kinds or frame.kind in (ERROR, BYE):
                    break
                if frame.kind == PING:
                    self.pings += 1
                else:
                    self.pending.append(frame)
        if frame.kind not in kinds:
            raise AssertionError("%s %r where %s was due" % (
                NAMES[frame.kind], frame.args, "/".join(NAMES[kind] for kind in kinds)))
        return frame

    def welcome(self):
        frame = self.expect(WELCOME)
        self.limits = frame.args[3]
        return frame

    def register(self, role, name, **options):
        self.hello(role, name, **options)
        return self.welcome()

    def settled(self, upto):
        """Waits for CONFIRM `upto`; the refusals met on the way, as (number, code) pairs."""
        refusals = []
        while True:
            frame = self.expect(CONFIRM, REFUSE)
            if frame.kind == REFUSE:
                refusals.append((frame.args[0], frame.args[1]))
            elif frame.args[0] >= upto:
                assert frame.args[0] == upto, "CONFIRM %d where at most %d was sent" % (frame.args[0], upto)
                return refusals

    def deliveries(self, count, deadline_s=DEADLINE_S):
        """Waits for exactly `count` messages, in as many batches as it pleases the broker."""
        result = []
        while len(result) < count:
            frame = self.expect(DELIVER, deadline_s=deadline_s)
            result += self.opened(frame)
        assert len(result) == count, "%d messages where %d were due: %r" % (len(result), count, ids(result))
        return result

    @staticmethod
    def opened(frame):
        first_seq, redelivered = frame.args
        return [Delivery(first_seq + index, redelivered, message, raw, first_seq)
                for index, (message, raw) in enumerate(split(frame.body))]

    def error(self):
        """The code of the ERROR that comes next, and that nothing else comes before it but what was under way."""
        return self.expect(ERROR).args[0]

    def barrier(self):
        """Returns when the broker has answered everything sent so far. A PING is answered at once, but a turn ends,
        with what it has to say, after TURN_FRAMES at the latest: the answer to one more comes from a later turn."""
        for _ in range(TURN_FRAMES + 1):
            self.send(PING)
        for _ in range(TURN_FRAMES + 1):
            self.expect(PONG)

    def waiting(self):
        """What came unasked, after a barrier: a list of frames, which it takes."""
        self.barrier()
        frames, self.pending = list(self.pending), collections.deque()
        return frames


class BusTest(unittest.TestCase):
    """A test with a broker of its own: started at the first use, looked over and ended after the test."""

    broker = {}
    endpoint_defaults = {}
    endpoints = {}
    dispatcher = {"router_class": "SimpleDispatchRouter", "transport_names": ["sms", "xmpp"],
                  "exposed_names": ["app", "other"], "routing_mappings": {"sms": "app", "xmpp": "app"}}
    text = ""  # what stands behind all this in the file

    def start(self, broker=None, endpoints=None, dispatcher=None, endpoint_defaults=None, port=None, endpoints_too=()):
        """Starts the broker; what is not given is as the class has it. A value of None in it leaves the key out.
        It listens on `endpoints_too` beside the one that workers connect to."""
        brokers = {"heartbeat_ms": HEARTBEAT_MS, "drain_ms": 500, "routing_memory_bytes": 1 << 20,
                   **self.broker, **(broker or {})}
        defaults = {"redeliver_ms": 50, **self.endpoint_defaults, **(endpoint_defaults or {})}
        tables = [(None, {**self.dispatcher, **(dispatcher or {})}), ("endpoint_defaults", defaults)]
        tables += [("endpoints." + name, keys) for name, keys in {**self.endpoints, **(endpoints or {})}.items()]

        def configuration(endpoint):
            listen = {"endpoints": [endpoint, *endpoints_too]} if endpoints_too else {"endpoint": endpoint}
            lines = []
            for name, keys in [tables[0], ("broker", {**listen, **brokers})] + tables[1:]:
                if name:
                    lines.append("\n[%s]" % name)
                lines += ["%s = %s" % (key, toml(value)) for key, value in keys.items() if value is not None]
            return "\n".join(lines) + "\n" + self.text

        if not hasattr(self, "context"):
            self.context = zmq.Context()
            self.context.set(zmq.MAX_SOCKETS, 8192)
            self.addCleanup(self.context.destroy, linger=0)
        self._bus = Broker(configuration, self.context, port)
        self.addCleanup(self._look_over_and_stop, self._bus)
        return self._bus

    @property
    def bus(self):
        if not hasattr(self, "_bus"):
            self.start()
        return self._bus

    may_have_ended = False  # for tests that end the broker on purpose

    def _look_over_and_stop(self, bus):
        code = None if bus.stopped else bus.process.poll()
        bus.stop()
        self.assertTrue(self.may_have_ended or code is None, "the broker ended by itself (%r):\n%s" % (code, bus.log()))
        for sign in ("Sanitizer", "runtime error:", "Assertion", "terminate called"):
            self.assertNotIn(sign, bus.log())

    # --- workers -----------------------------------------------------------------------------------------------------
    def connect(self, **how):
        return Worker(self.bus, **how)

    def worker(self, role, name, **options):
        worker = self.connect()
        worker.register(role, name, **options)
        return worker

    def transport(self, name="sms", **options):
        return self.worker("transport", name, **options)

    def application(self, name="app", **options):
        return self.worker("application", name, **options)

    # --- assertions --------------------------------------------------------------------------------------------------
    def assert_nothing(self, worker, *kinds):
        """Nothing (of these kinds) has come to this worker, nor is on its way."""
        worker.barrier()
        frames = [frame for frame in worker.pending if not kinds or frame.kind in kinds]
        self.assertEqual(frames, [])

    def assert_ids(self, deliveries, *expected):
        self.assertEqual(ids(deliveries), list(expected))

    def assert_all(self, deliveries, redelivered):
        self.assertEqual([d.redelivered for d in deliveries], [redelivered] * len(deliveries))

    def assert_alone(self, delivery, worker):
        """It came in a batch of one, and nothing else is unsettled there (nor comes before it is settled)."""
        self.assert_nothing(worker, DELIVER)
        self.assertEqual(worker.next_delivery, delivery.seq + 1)

    def dead_letter(self, delivery):
        """What became of it, once the shape is checked."""
        letter = delivery.message["helper_metadata"]["dead_letter"]
        self.assertEqual(sorted(letter), ["deliveries", "endpoint", "reason", "time"])
        parsed = time.strptime(letter["time"], "%Y-%m-%d %H:%M:%S.%f")
        self.assertLess(abs(time.mktime(parsed) - time.mktime(time.gmtime())), 60, letter["time"])
        return letter
