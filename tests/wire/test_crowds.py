"""Peers in great numbers, or below ZeroMQ: connections that never register, and bytes that are no ZMTP.

They speak by plain sockets with a ZMTP 3 handshake written out, which costs less than a ZeroMQ socket each and lets
them break what a library would not.
"""

import os
import resource
import socket
import time
import unittest

from bus import *

# A connection costs libzmq its buffers and two pipes, and the broker next to nothing.
CONNECTION_BYTES = 150 << 10
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


def command(body):
    assert len(body) < 256
    return bytes([4, len(body)]) + body


def ready(socket_type, identity=None):
    properties = [(b"Socket-Type", socket_type)] + ([] if identity is None else [(b"Identity", identity)])
    body = b"\x05READY" + b"".join(bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value
                                   for name, value in properties)
    return b"\x06" + len(body).to_bytes(8, "big") + body if len(body) > 255 else command(body)


def frame(body, more=False):
    assert len(body) < 256
    return bytes([1 if more else 0, len(body)]) + body


class Crowd(BusTest):
    dispatcher = {**BusTest.dispatcher, "routing_mappings": {"sms": "app", "xmpp": "other"}}

    def setUp(self):
        self.address = ("127.0.0.1", int(self.bus.endpoint.rpartition(":")[2]))
        self.peers = []
        self.addCleanup(self.disperse)
        self.giver, self.taker = self.transport("xmpp"), self.application("other")

    def disperse(self):
        for peer in self.peers:
            peer.close()
        self.peers.clear()

    def peer(self, introduction=ready(b"DEALER")):
        peer = socket.create_connection(self.address, DEADLINE_S)
        self.peers.append(peer)
        peer.sendall(GREETING + introduction)
        return peer

    def greeted(self, peer):
        """Reads the other side's greeting and READY."""
        data = b""
        while len(data) < 66 or len(data) < 66 + data[65]:
            data += self.read(peer)
        return data[66 + data[65]:]

    def read(self, peer):
        data = peer.recv(65536)  # or socket.timeout: it was made with a deadline
        if not data:
            raise AssertionError("closed")
        return data

    def assert_unharmed(self):
        number = self.giver.next_seq
        start = time.monotonic()
        self.assertEqual(self.giver.settled(self.giver.say(user("m%d" % number))), [])
        self.assert_ids(self.taker.deliveries(1), "m%d" % number)
        self.taker.ack(number)
        self.assertLess(time.monotonic() - start, UNHARMED_S)


class NeverRegistered(Crowd):
    def test_five_thousand_of_them(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = min(5000, hard - 500)
        before = self.bus.resident_bytes()
        while len(self.peers) < count:
            block = [self.peer() for _ in range(100)]
            for peer in block:
                self.greeted(peer)
            self.assert_unharmed()
        grown = self.bus.resident_bytes() - before
        # The thread sanitizer's shadow of each connection is larger than the bound.
        if os.environ.get("SIGNALBOX_SANITIZER") != "thread":
            self.assertLess(grown, count * CONNECTION_BYTES, "%d bytes a connection" % (grown // count))
        for peer in self.peers[::10]:  # some ask, and each is told
            peer.sendall(frame(pack([PING])))
        for peer in self.peers[::10]:
            answer = b""  # behind the heartbeats of ZMTP, where all this has taken long enough for some
            while b"not_registered" not in answer:
                answer += self.read(peer)
        self.assert_unharmed()
        self.disperse()
        self.assert_unharmed()
        self.transport()  # there is room for more

    def test_they_come_and_go(self):
        for _ in range(20):
            for _ in range(50):
                self.peer().sendall(frame(pack([SEND, 1]), more=True) + frame(pack(user("m"))))
            self.disperse()
            self.assert_unharmed()

    def test_those_that_register_and_go(self):
        hello = frame(pack([HELLO, 1, "application", "app", {}]))
        before = self.bus.resident_bytes()
        for _ in range(20):
            for _ in range(50):
                self.peer().sendall(hello)
            self.disperse()
            self.assert_unharmed()
        giver, worker = self.transport(), self.application()
        giver.settled(giver.say(*users(1, 100)))
        self.assertEqual(sorted(ids(worker.deliveries(100))), sorted("m%d" % n for n in range(1, 101)))
        self.assertLess(self.bus.resident_bytes() - before, 300 << 20)


class BelowTheWire(Crowd):
    def test_what_is_no_zmtp(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
                     b"\xff" * 500, b"\0" * 500, b"AMQP\x00\x00\x09\x01", b"", GREETING[:30], GREETING[:64]):
            peer = socket.create_connection(self.address, DEADLINE_S)
            self.peers.append(peer)
            peer.sendall(data)
            self.assert_unharmed()

    def test_commands_that_nobody_knows(self):
        for data in (b"\x04\x05\x04PING", b"\x04\x07\x04PONG\0\0", b"\x04\x08\x07UNKNOWN", b"\x04\x01\x00", b"\x04\x00",
                     b"\x04\x0a\x05ERROR\x03bad", b"\x04\x07\x04PING\0\1" + b"\x04\x30\x04PING\0\1" + b"c" * 41,
                     b"\x06\xff\xff\xff\xff\xff\xff\xff\xff", b"\x02\xff\xff\xff\xff\xff\xff\xff\xff",
                     b"\x02\0\0\0\0\x7f\xff\xff\xff",
                     b"\x08\x01x", b"\xff\x01x"):
            peer = self.peer()
            self.greeted(peer)
            peer.sendall(data)
            self.assert_unharmed()

    def test_another_kind_of_socket(self):
        for kind in (b"REQ", b"ROUTER", b"PUB", b"XSUB", b"PUSH", b"CLIENT", b"nonsense"):
            self.peer(ready(kind))
            self.assert_unharmed()

    def test_a_routing_id_that_begins_as_the_brokers_own_do(self):
        """libzmq takes one from a peer that breaks its rules; what it claims may be another's, and must not harm it."""
        for identity in (bytes(5), b"\0" + bytes.fromhex("6b8b4567"), b"\0", b"x" * 255):
            peer = self.peer(ready(b"DEALER", identity))
            peer.sendall(frame(pack([HELLO, 1, "application", "app", {}])))
            self.assert_unharmed()

    def test_a_frame_begun_and_never_ended(self):
        peers = [self.peer() for _ in range(20)]
        before = self.bus.resident_bytes()
        for peer in peers:
            self.greeted(peer)
            peer.sendall(frame(pack([SEND, 1]), more=True) + b"\x02" + (4 << 20).to_bytes(8, "big") + b"x" * 1000)
        self.assert_unharmed()
        self.assertLess(self.bus.resident_bytes() - before, 200 << 20)

    def test_a_worker_by_plain_sockets(self):
        peer = self.peer()
        rest = self.greeted(peer)
        peer.sendall(frame(pack([HELLO, 1, "application", "app", {}])))
        while not rest:
            rest += self.read(peer)
        size = rest[1]
        self.assertEqual(rest[0] & 3, 0)
        while len(rest) < 2 + size:
            rest += self.read(peer)
        self.assertEqual(unpack(rest[2:2 + size])[:4], [WELCOME, 1, None, 0])


if __name__ == "__main__":
    unittest.main()
