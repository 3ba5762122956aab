"""The peers of an attack run, a process for each group of them, so that nothing but the broker stands between them.

    peers.py KIND ENDPOINT OPTIONS

KIND is a key of KINDS, OPTIONS a JSON object. It prints `ready` once it is connected; for each `go` on stdin it does
what it does until `stop`, and then prints one line of JSON with what that was.

All but the measured pair speak by plain sockets with ZMTP written out: thousands of connections, and frames by the
hundred thousand a second, would cost a library more than the broker.
"""

import json
import os
import random
import re
import select
import selectors
import socket
import struct
import sys
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

from bus import ACK, CONFIRM, DELIVER, HELLO, NACK, PING, SEND, Worker, pack, sized, unpack  # noqa: E402
from test_crowds import GREETING, command, frame, ready  # noqa: E402

PONG_COMMAND = command(b"\x04PONG")
ERROR_MARK = re.compile(rb"\x93\x14[\xa3-\xb0][a-z]{3}")  # how [20, code, text] begins
FRAMES_A_SEND = 100
CONNECT_S = 30


def to_be_stopped(wait_s=0.0):
    """Whether there is a word on stdin; waits for it, at most so long."""
    return bool(select.select([0], [], [], wait_s)[0])


class Connection:
    """One ZMTP connection that never blocks: what the kernel does not take stays whole for the next time."""

    def __init__(self, address, introduction=ready(b"DEALER")):
        self.address, self.rest, self.errors = address, b"", 0
        self.socket = socket.create_connection(address, CONNECT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(GREETING + introduction)

    def greeted(self):
        """Reads the other side's greeting and READY; from then on nothing blocks."""
        data = b""
        while len(data) < 66 or len(data) < 66 + data[65]:
            more = self.socket.recv(65536)
            assert more, "the broker has closed the connection"
            data += more
        self.socket.setblocking(False)

    def send(self, data):
        """False: what was left from before has not left yet, and this was not begun."""
        if self.rest:
            data, before = self.rest, True
        else:
            before = False
        try:
            self.rest = data[self.socket.send(data):]
        except BlockingIOError:
            if not before:
                return False
        return not before

    def read(self):
        """Drops what has come, but counts the ERRORs in it. False: the other side has closed."""
        try:
            while data := self.socket.recv(1 << 18):
                self.errors += len(ERROR_MARK.findall(data))
                if len(data) < 1 << 18:
                    return True
            return False
        except BlockingIOError:
            return True
        except ConnectionError:
            return False


class Paced:
    """Connections that send at an even pace, all together `rate` frames a second, for as long as they are told to."""

    connections, rate, reads = 1, 1000, True

    def __init__(self, address, **options):
        self.address = address
        for name, value in options.items():
            setattr(self, name, value)
        self.peers = []
        while len(self.peers) < self.connections:  # in blocks that the kernel's queue takes
            block = [Connection(address) for _ in range(min(200, self.connections - len(self.peers)))]
            for peer in block:
                peer.greeted()
            self.peers += block
        for peer in self.peers:
            self.introduce(peer)
        self.next = self.closed = 0

    def introduce(self, peer):
        pass

    def idle(self):
        """Until there is a word on stdin."""

    def frames(self, peer, count):
        """The bytes of so many frames of this peer's."""
        raise NotImplementedError

    def run(self):
        start = time.monotonic()
        sent = full = 0
        while not to_be_stopped():
            due = int((time.monotonic() - start) * self.rate) - sent
            if due < FRAMES_A_SEND and due < self.rate / 500:
                if to_be_stopped(0.002):
                    break
                continue
            at = self.next = (self.next + 1) % len(self.peers)
            peer = self.peers[at]
            if self.reads and not peer.read():
                peer = self.peers[at] = self.again(peer)
            count = min(due, FRAMES_A_SEND)
            try:
                if peer.rest:
                    peer.send(b"")
                if not peer.rest and peer.send(self.frames(peer, count)):
                    sent += count
                    full = 0
                    continue
            except ConnectionError:
                self.peers[at] = self.again(peer)
            full += 1
            if full >= len(self.peers):  # the kernel takes no more of any of them
                full = 0
                if to_be_stopped(0.001):
                    break
        seconds = time.monotonic() - start
        return {"frames": sent, "seconds": seconds, "closed": self.closed,
                "errors": sum(peer.errors for peer in self.peers)}

    def again(self, peer):
        self.closed += 1
        peer.socket.close()
        fresh = Connection(self.address)
        fresh.errors = peer.errors
        fresh.greeted()
        self.introduce(fresh)
        return fresh


class Flood(Paced):
    """Frames of one sort, from peers of which each may have said HELLO first."""

    role, name, sort = "transport", "bad", "tiny"

    def __init__(self, address, **options):
        self.random = random.Random(1)
        self.blocks = {}
        super().__init__(address, **options)

    def hello(self):
        return frame(pack([HELLO, 1, self.role, self.name, {}]))

    def introduce(self, peer):
        if self.sort in ("ping", "ack", "nack", "deaf"):
            peer.send(self.hello())

    def one(self):
        if self.sort == "tiny":
            return frame(b"\0")
        if self.sort == "garbage":
            return frame(self.random.randbytes(self.random.randrange(60)))
        if self.sort == "hello":
            return self.hello()
        if self.sort == "send":
            return frame(pack([SEND, 1]), more=True) + frame(sized("m", 100))
        if self.sort in ("ping", "deaf"):
            return frame(pack([PING]))
        if self.sort == "ack":
            return frame(pack([ACK, 0, [0, 0]]))
        if self.sort == "nack":  # of what was never delivered: ERROR, so HELLO again
            return self.random.choice((self.hello(), frame(pack([NACK, 7, None, True])), frame(pack([ACK, 7]))))
        assert self.sort == "parts", self.sort
        return frame(b"\0", more=True) * 99 + frame(b"\0")

    def frames(self, peer, count):
        if count not in self.blocks:
            self.blocks[count] = b"".join(self.one() for _ in range(count))
        return self.blocks[count]


class Honest(Paced):
    """Transports that send one message a frame, and keep to every rule; taken by an application of their own."""

    transport, application = "noise", "noise_taker"

    def __init__(self, address, **options):
        self.body = frame(sized("m", 100, transport_name=self.transport))
        super().__init__(address, **options)
        self.taker = Taker("tcp://%s:%d" % address, self.application, 100)

    def introduce(self, peer):
        peer.seq = 0
        peer.send(frame(pack([HELLO, 1, "transport", self.transport, {}])))

    def frames(self, peer, count):
        first, peer.seq = peer.seq + 1, peer.seq + count
        header, body = bytes([1, 7, 0x92, SEND, 0xce]), self.body
        self.taker.take()
        return b"".join([header + number + body for number in
                         map(struct.Struct(">I").pack, range(first, peer.seq + 1))])


class Silent(Paced):
    """Connections that are there and say nothing, but for what libzmq would answer by itself, at any time."""

    def __init__(self, address, **options):
        super().__init__(address, **options)
        self.selector = selectors.DefaultSelector()
        self.selector.register(0, selectors.EVENT_READ)
        for peer in self.peers:
            self.selector.register(peer.socket, selectors.EVENT_READ, peer)

    def idle(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                if key.data.read():
                    key.data.send(PONG_COMMAND)
                else:
                    self.closed += 1
                    self.selector.unregister(key.data.socket)

    def run(self):
        start = time.monotonic()
        self.idle()
        return {"frames": 0, "seconds": time.monotonic() - start, "closed": self.closed, "errors": 0}


class Churn(Paced):
    """Peers that connect, say HELLO and are gone again."""

    def run(self):
        start = time.monotonic()
        done = 0
        while not to_be_stopped():
            if (time.monotonic() - start) * self.rate < done:
                if to_be_stopped(0.002):
                    break
                continue
            peer = Connection(self.address)
            peer.socket.sendall(frame(pack([HELLO, 1, "transport", "bad", {}])))
            peer.socket.close()
            done += 1
        return {"frames": done, "seconds": time.monotonic() - start, "closed": 0, "errors": 0}


def worker(endpoint):
    import zmq

    bus = types.SimpleNamespace(context=zmq.Context(), endpoint=endpoint, workers=[], log=lambda: "")
    return Worker(bus)


class Taker:
    """An application that takes what comes and acknowledges it. All messages are of one size, and stay so."""

    def __init__(self, endpoint, name, message_bytes):
        self.worker = worker(endpoint)
        self.worker.register("application", name, prefetch=65536)
        self.message_bytes, self.taken = message_bytes, 0

    def take(self):
        import zmq

        upto = 0
        while True:
            try:
                header, *body = self.worker.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            kind, *args = unpack(header)
            assert kind in (DELIVER, PING), (kind, args)
            if kind == DELIVER:
                count = len(body[0]) // self.message_bytes
                upto = args[0] + count - 1
                self.taken += count
        if upto:
            self.worker.ack(upto)


class Pair:
    """The measured ones: a transport, and the application that takes what it sends. So much is under way between them
    and no more, whichever of the three is slow, so that no queue grows and the pace is that of the whole way."""

    MESSAGE_BYTES, BATCH, WINDOW = 424, 128, 4096

    def __init__(self, address):
        import zmq

        endpoint = "tcp://%s:%d" % address
        self.transport = worker(endpoint)
        self.transport.register("transport", "honest")
        self.taker = Taker(endpoint, "taker", self.MESSAGE_BYTES)
        self.body = sized("m", self.MESSAGE_BYTES, transport_name="honest") * self.BATCH
        self.sent = self.confirmed = 0
        self.poller = zmq.Poller()
        for one in (self.transport, self.taker.worker):
            self.poller.register(one.socket, zmq.POLLIN)
        self.poller.register(0, zmq.POLLIN)

    def idle(self):
        """Nothing is under way but what it will find when it goes on."""

    def run(self):
        start, before, worst = time.monotonic(), self.taker.taken, 0.0
        last = start
        while True:
            while self.sent - min(self.confirmed, self.taker.taken) + self.BATCH <= self.WINDOW:
                self.transport.send(SEND, self.sent + 1, body=self.body)
                self.sent += self.BATCH
            if any(socket == 0 for socket, _ in self.poller.poll()):
                break
            taken = self.taker.taken
            self.taker.take()
            if self.taker.taken > taken:
                now = time.monotonic()
                worst, last = max(worst, now - last), now
            self.read_confirms()
        return {"messages": self.taker.taken - before, "seconds": time.monotonic() - start, "worst_ms": 1000 * worst}

    def read_confirms(self):
        import zmq

        while True:
            try:
                kind, *args = unpack(self.transport.socket.recv(zmq.DONTWAIT))
            except zmq.Again:
                return
            assert kind in (CONFIRM, PING), (kind, args)
            if kind == CONFIRM:
                self.confirmed = args[0]


KINDS = {"flood": Flood, "honest": Honest, "silent": Silent, "churn": Churn, "pair": Pair}


def main():
    kind, endpoint, options = sys.argv[1:]
    host, _, port = endpoint.rpartition("//")[2].rpartition(":")
    peers = KINDS[kind]((host, int(port)), **json.loads(options))
    print("ready", flush=True)
    while True:
        peers.idle()
        if not os.read(0, 64):  # go
            return
        result = peers.run()
        if not os.read(0, 64):  # stop
            return
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
