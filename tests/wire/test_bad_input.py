"""Section 7: whatever a peer sends gets the answer of the page, and costs the others nothing.

Beside each culprit an honest pair works on another route; after each row a message of theirs goes through.
"""

import random
import unittest

from bus import *

DEEP = 2000
SEED = 20240229
# What the broker may grow by while it is lied to. A length believed once would be 4 GiB.
GROWTH_BYTES = 300 << 20


class BadInput(BusTest):
    broker = {"max_message_bytes": 100000, "max_batch_bytes": 400000}
    dispatcher = {**BusTest.dispatcher, "routing_mappings": {"sms": "app", "xmpp": "other"}}

    def setUp(self):
        self.honest_transport = self.transport("xmpp")
        self.honest_application = self.application("other")

    def assert_unharmed(self):
        transport, application = self.honest_transport, self.honest_application
        number = transport.next_seq
        self.assertEqual(transport.settled(transport.say(user("m%d" % number))), [])
        got = application.deliveries(1)
        self.assert_ids(got, "m%d" % number)
        self.assert_all(got, False)
        application.ack(got[0].seq)
        self.assertEqual(application.settled(application.say(user("r%d" % number, in_reply_to="m%d" % number))), [])
        got = transport.deliveries(1)
        self.assert_ids(got, "r%d" % number)
        transport.ack(got[0].seq)

    def answered(self, code, *frames, role="transport", name="sms"):
        """A registered worker sends these frames and gets that ERROR, and its registration is over."""
        worker = self.worker(role, name)
        worker.send_frames(*frames)
        self.assertEqual(worker.error(), code)
        worker.send(PING)
        self.assertEqual(worker.error(), "not_registered")
        worker.socket.close(linger=0)
        self.assert_unharmed()

    def rows(self, code, rows, **how):
        for title, frames in rows.items():
            with self.subTest(title):
                self.answered(code, *([frames] if isinstance(frames, bytes) else frames), **how)


class Headers(BadInput):
    def test_no_array(self):
        self.rows("malformed", {
            "nothing": b"", "nil": b"\xc0", "a number": b"\x02", "text": b"\xa5HELLO", "a map": b"\x81\x01\x02",
            "bytes": b"\xc4\x01\x06", "no MessagePack": b"\xc1", "an extension": b"\xd4\x05\x06",
            "what HTTP says": b"GET / HTTP/1.1\r\n\r\n", "nulls": b"\0" * 100, "ones": b"\xff" * 100,
        })

    def test_no_type_that_a_worker_sends(self):
        self.rows("malformed", {
            "an empty array": b"\x90", "an empty array of 32 bits": b"\xdd\0\0\0\0",
            **{"type %r" % (kind,): pack([kind]) for kind in
               (0, 9, 15, 21, 22, 127, 255, 65536, 2**32, 2**63, MAXIMUM, -1, -2**63, 6.0, True, None, "6", b"\x06",
                [6], {6: 6})},
            **{"the broker's %s" % NAMES[kind]: pack([kind, 1, 1, 1, 1])
               for kind in (WELCOME, DELIVER, CONFIRM, REFUSE, ERROR)},
        })

    def test_broken_off_or_going_on(self):
        whole = pack([HELLO, 1, "transport", "sms", {"client": "x" * 40, "session": bytes(16), "features": ["a", "b"]}])
        rows = {"the first %d bytes" % size: whole[:size] for size in range(1, len(whole))}
        rows.update({"then nil": whole + b"\xc0", "then itself": whole + whole,
                     "then a byte that is none": whole + b"\xc1",
                     "a PING and a PING": pack([PING]) * 2, "an ACK and a byte": pack([ACK, 0]) + b"\0",
                     "a byte that is no MessagePack in an element past the known": b"\x92\x06\xc1"})
        self.rows("malformed", rows)

    def test_lengths_that_lie(self):
        before = self.bus.resident_bytes()
        rows = {}
        for place, head in {"as the header": b"", "in a PING": b"\x92\x06",
                            "in HELLO's options": b"\x95\x01\x01\xa9transport\xa3sms\x81\xa1k",
                            "as HELLO's name": b"\x95\x01\x01\xa9transport",
                            "as an ACK's list": b"\x93\x03\x00"}.items():
            for title, claim in {"array": b"\xdd\xff\xff\xff\xff", "map": b"\xdf\xff\xff\xff\xff",
                                 "text": b"\xdb\xff\xff\xff\xff",
                                 "bytes": b"\xc6\xff\xff\xff\xff", "extension": b"\xc9\xff\xff\xff\xff\x05",
                                 "small array": b"\xdc\xff\xff", "small map": b"\xde\xff\xff",
                                 "many arrays": b"\xdd\x7f\xff\xff\xff" * 20}.items():
                rows[title + " " + place] = head + claim + b"\0\0\0"
        self.rows("malformed", rows)
        self.assertLess(self.bus.resident_bytes() - before, GROWTH_BYTES)

    def test_depth(self):
        def ping(levels):  # the array of the header is the first
            return b"\x92\x06" + b"\x91" * (levels - 2) + b"\x90"

        worker = self.transport()
        worker.send_frames(ping(32))
        worker.expect(PONG)
        self.rows("malformed", {
            "33 levels": ping(33), "many levels": ping(DEEP), "levels without an end": b"\x91" * 300000,
            "maps within maps": b"\x92\x06" + b"\x81\x01" * DEEP + b"\0", "a list within also": pack([ACK, 0, [[1]]]),
        })

    def test_elements_of_the_wrong_type_or_missing(self):
        wrong = (None, "1", b"\x01", 1.0, float("nan"), True, -1, [1], {1: 1})
        body = pack(user("m"))
        rows = {"SEND without a number": (pack([SEND]), body), "ACK without a number": pack([ACK]),
                "NACK without anything": pack([NACK]), "NACK without requeue": pack([NACK, 1, "x"]),
                "FLOW without a number": pack([FLOW])}
        for value in wrong:
            rows["SEND %r" % (value,)] = (pack([SEND, value]), body)
            rows["ACK %r" % (value,)] = pack([ACK, value])
            rows["FLOW %r" % (value,)] = pack([FLOW, value])
            rows["NACK %r" % (value,)] = pack([NACK, value, None, False])
            rows["also with %r" % (value,)] = pack([ACK, 0, [value]])
        for value in ("1", b"\x01", 1, 1.0, True, {1: 1}):
            rows["also %r" % (value,)] = pack([ACK, 0, value])
        self.rows("malformed", rows)

    def test_elements_past_the_known_ones_are_ignored(self):
        worker, application = self.transport(), self.application()
        worker.send_frames(pack([SEND, 1, "later", {"x": [None]}]), pack(user("m1")))
        worker.settled(1)
        application.deliveries(1)
        for frame in ([PING, 1, 2], [PONG, "x"], [FLOW, 5, None], [ACK, 1, [], {}, {}], [NACK, 1, None, True, 0.5]):
            application.send(*frame)
        application.expect(PONG)
        self.assert_nothing(application)
        application.send(BYE, None, "see", "you")
        application.expect(BYE)

    def test_integers_in_every_width(self):
        worker, application = self.transport(), self.application()
        widths = [b"\xcc", b"\xcd\0", b"\xce\0\0\0", b"\xcf\0\0\0\0\0\0\0", b"\xd0", b"\xd1\0", b"\xd2\0\0\0",
                  b"\xd3\0\0\0\0\0\0\0"]
        for number, width in enumerate(widths, 1):
            one = bytes([number])
            worker.send_frames(b"\x92" + width + b"\x02" + width + one, pack(user("m%d" % number)))
            worker.settled(number)
            application.deliveries(1)
            application.send_frames(b"\xdc\0\x03" + width + b"\x03" + width + b"\x00\x91" + width + one)
        application.send(BYE, None)
        application.expect(BYE)
        self.assert_nothing(self.application())


class Frames(BadInput):
    def test_a_body_where_none_belongs(self):
        body = pack(user("m"))
        self.rows("malformed", {
            NAMES[header[0]]: (pack(header), each) for each in (body, b"") for header in
            ([ACK, 0], [NACK, 1, None, True], [FLOW, 5], [PING], [PONG], [BYE, None],
             [HELLO, 1, "transport", "sms", {}])})

    def test_none_where_one_does(self):
        self.rows("malformed", {"SEND": pack([SEND, 1])})

    def test_more_frames_than_belong(self):
        body = pack(user("m"))
        self.rows("malformed", {
            "two bodies": (pack([SEND, 1]), body, body), "an empty second body": (pack([SEND, 1]), body, b""),
            "an empty frame first": (b"", pack([SEND, 1]), body), "fifty": (pack([SEND, 1]),) + (body,) * 50,
            "two pings": (pack([PING]), pack([PING])), "two thousand empty ones": (b"",) * 2000,
        })

    def test_a_header_of_a_million_bytes(self):
        big = 300000
        worker = self.transport()
        worker.send_frames(pack([PING, "x" * big]))
        frame = worker.next()  # an element past the known ones, or more than a header may be
        self.assertIn(frame.kind, (PONG, ERROR))
        self.assert_unharmed()


class Bodies(BadInput):
    def test_lengths_that_lie(self):
        before = self.bus.resident_bytes()
        rows = {}
        for place, head in {"as the message": b"", "as a key": b"\x81", "as a value": b"\x81\xa1k",
                            "as the content": pack(user("m"))[:1].replace(b"\x82", b"\x83") + pack(user("m"))[1:]
                                              + b"\xa7content"}.items():
            claims = {"map": b"\xdf\xff\xff\xff\xff", "small map": b"\xde\xff\xff"}
            if head:
                claims.update({"array": b"\xdd\xff\xff\xff\xff", "text": b"\xdb\xff\xff\xff\xff",
                               "bytes": b"\xc6\xff\xff\xff\xff",
                               "extension": b"\xc9\xff\xff\xff\xff\x05", "16 byte extension": b"\xd8\x05",
                               "number": b"\xcf\0",
                               "arrays in arrays": b"\xdd\xff\xff\xff\xff" * 1000})
            for title, claim in claims.items():
                rows[title + " " + place] = (pack([SEND, 1]), head + claim + b"\0\0\0")
        self.rows("malformed", rows)
        self.assertLess(self.bus.resident_bytes() - before, GROWTH_BYTES)

    def test_depth_refuses_that_message_alone(self):
        worker = self.transport()
        head = b"\x83" + pack(user("m"))[1:] + b"\xa1d"
        for deep in (b"\x91" * 90000 + b"\x90", b"\x81\x01" * 40000 + b"\x80", b"\xdc\0\x01" * 30000 + b"\x90"):
            last = worker.say(user("a"), head + deep, user("b"))
            self.assertEqual(worker.settled(last), [(last - 1, "malformed")])
        self.assert_unharmed()

    def test_depth_without_an_end(self):
        self.rows("malformed", {"arrays": (pack([SEND, 1]), b"\x81\xa1d" + b"\x91" * 300000),
                                "maps": (pack([SEND, 1]), b"\x81\xa1d" + b"\x81\x01" * 150000)})

    def test_numbers(self):
        body = pack(user("m"))
        self.rows("gap", {"first_seq %d" % seq: (pack([SEND, seq]), body) for seq in (2, 2**32, 2**63)})
        self.rows("malformed", {"first_seq 0": (pack([SEND, 0]), body),
                                "the last number there is": (pack([SEND, MAXIMUM]), body)})

    def test_the_smallest_maps(self):
        """As many messages as a body can hold: each is refused, none of them costs much."""
        self.start(broker={"send_window": 65536})
        self.setUp()
        worker, before = self.transport(), self.bus.resident_bytes()
        for _ in range(3):
            refusals = worker.settled(worker.say(b"\x80" * 60000) + 59999)
            worker.next_seq += 59999
            self.assertEqual(len(refusals), 60000)
        self.assertLess(self.bus.resident_bytes() - before, GROWTH_BYTES)
        self.assert_unharmed()


class Noise(BadInput):
    """Frames that are nearly right, and bytes that are nothing. The seed is fixed: a failure stays a failure."""

    FRAMES = 2000

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        batch = b"".join(map(pack, [user("noise 1", transport_name="sms", content="x" * 20,
                                         helper_metadata={"a": [1, {"b": 2}]}),
                                    event("noise 1"),
                                    user("noise 2", in_reply_to="noise 1", routing_metadata={"endpoint_name": "d"})]))
        self.good = [(pack(header),) for header in (
            [HELLO, 1, "transport", "sms", {"session": bytes(16), "confirmed": 3, "prefetch": 10}],
            [HELLO, 1, "application", "app", {"client": "noise", "features": ["x"]}],
            [ACK, 1], [ACK, 0, [1, 2, 3]], [NACK, 1, "why", True], [NACK, 2, None, False], [FLOW, 100], [PING], [PONG],
            [BYE, "bye"])] + [(pack([SEND, seq]), batch) for seq in (1, 1, 1, 4, 2**40)]

    def bytes(self, size):
        return bytes(self.random.choice((self.random.randrange(256), 0x80, 0x90, 0xC0, 0xD9, 0xDD, 0xDF, 0xFF))
                     for _ in range(size))

    def mutated(self, data):
        data = bytearray(data)
        for _ in range(self.random.choice((1, 1, 1, 2, 5))):
            place = self.random.randrange(len(data) + 1)
            what = self.random.randrange(5)
            if what == 0 and data:
                data[place % len(data)] = self.random.randrange(256)
            elif what == 1 and data:
                data[place % len(data)] ^= 1 << self.random.randrange(8)
            elif what == 2:
                data[place:place] = self.bytes(self.random.randrange(1, 9))
            elif what == 3:
                del data[place:place + self.random.randrange(1, 9)]
            else:
                del data[place:]
        return bytes(data)

    def frames(self):
        if self.random.random() < 0.1:
            return [self.bytes(self.random.randrange(60)) for _ in range(self.random.randrange(1, 5))]
        frames = [self.mutated(frame) if self.random.random() < 0.6 else frame
                  for frame in self.random.choice(self.good)]
        if self.random.random() < 0.05:
            frames.append(self.bytes(5))
        return frames

    def test_it_costs_the_others_nothing(self):
        culprits = [self.connect() for _ in range(8)]
        before = self.bus.resident_bytes()
        for number in range(self.FRAMES):
            culprit = self.random.choice(culprits)
            if number % 5 == 0:
                culprit.send_frames(*self.random.choice(self.good[:2]))
            culprit.send_frames(*self.frames())
            if number % 100 == 0:
                self.assert_unharmed()
        for culprit in culprits:  # each is still answered: what it is told is in order, and it may come back
            while culprit.next(0.2):
                pass
            culprit.register("application", "app", prefetch=0)
        self.assert_unharmed()
        self.assertLess(self.bus.resident_bytes() - before, GROWTH_BYTES)


if __name__ == "__main__":
    unittest.main()
