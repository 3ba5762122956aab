"""Peers that do not read, or say more than they need: what they make the broker keep is bounded, and others go on.

A worker here can stop reading for real: its socket takes a single message at a time, so that what the broker has to say
backs up through the kernel into the broker itself.
"""

import time
import unittest

import zmq

from bus import *

# What a peer that reads nothing may make the broker keep, all told.
KEPT_BYTES = 256 << 20


class Pressure(BusTest):
    dispatcher = {**BusTest.dispatcher, "routing_mappings": {"sms": "app", "xmpp": "other"}}

    def setUp(self):
        self.giver, self.taker = self.transport("xmpp"), self.application("other")

    def assert_unharmed(self):
        number = self.giver.next_seq
        start = time.monotonic()
        self.assertEqual(self.giver.settled(self.giver.say(user("m%d" % number))), [])
        self.assert_ids(self.taker.deliveries(1), "m%d" % number)
        self.taker.ack(number)
        self.assertLess(time.monotonic() - start, UNHARMED_S)

    def deaf(self):
        """A connection whose owner reads nothing unless asked to, and whose buffers are small."""
        # A send that the broker does not read in two seconds fails: it never stops reading for longer.
        return self.connect(rcvhwm=1, sndhwm=1, rcvbuf=4096, sndtimeo=2000)

    def flood(self, worker, *frames, count):
        """Sends those frames over and over while others work; what the broker grew by."""
        before = grown = self.bus.resident_bytes()
        for number in range(count):
            worker.send_frames(*frames)
            if number % (count // 10) == 0:
                self.assert_unharmed()
                grown = max(grown, self.bus.resident_bytes())
        self.assert_unharmed()
        grown = max(grown, self.bus.resident_bytes()) - before
        self.assertLess(grown, KEPT_BYTES)
        return grown


class Unread(Pressure):
    def test_refusals(self):
        """Six million of them, for bodies of the smallest maps there are."""
        self.start(broker={"send_window": 65536})
        self.setUp()
        worker = self.deaf()
        worker.register("transport", "sms")
        before = self.bus.resident_bytes()
        for number in range(100):
            try:
                worker.batch(60000 * number + 1, b"\x80" * 60000)
            except zmq.Again:
                self.fail("the broker stopped reading")
            if number % 10 == 0:
                self.assert_unharmed()
            self.assertLess(self.bus.resident_bytes() - before, KEPT_BYTES)
        self.assert_unharmed()
        self.assertLess(self.bus.resident_bytes() - before, KEPT_BYTES)

    def test_pongs(self):
        worker = self.deaf()
        worker.register("transport", "sms")
        self.flood(worker, pack([PING]), count=200000)

    def test_welcomes(self):
        self.flood(self.deaf(), pack([HELLO, 1, "transport", "sms", {}]), count=100000)

    def test_errors(self):
        self.flood(self.deaf(), pack([HELLO, 1, "transport", "nobody", {}]), count=100000)

    def test_deliveries(self):
        """Everything that is unsettled is handed out again at each HELLO."""
        transport = self.transport()
        for _ in range(8):
            transport.say(sized("m", 1000000))
        transport.settled(8)
        self.flood(self.deaf(), pack([HELLO, 1, "application", "app", {}]), count=20000)

    def test_a_worker_that_reads_late_misses_nothing(self):
        worker = self.deaf()
        worker.register("application", "app", prefetch=65536)
        transport = self.transport()
        for first in range(1, 20001, 100):
            transport.say(*users(first, first + 99, content="x" * 400))
        transport.settled(20000)
        self.assert_unharmed()
        got = worker.deliveries(20000)
        self.assert_ids(got, *["m%d" % n for n in range(1, 20001)])
        self.assert_all(got, False)

    def test_a_sender_that_reads_late_misses_nothing(self):
        worker = self.deaf()
        worker.register("transport", "sms")
        for number in range(2000):
            worker.say(user("m"), {}, {"message_type": "event"})
        refusals = worker.settled(6000)
        self.assertEqual(refusals, [(n, "malformed") for n in range(1, 6001) if n % 3 != 1])


class Large(Pressure):
    def test_messages_of_a_mebibyte(self):
        transport, application = self.transport(), self.application()
        messages = [sized("m%d" % n, 1 << 20, transport_name="sms") for n in range(1, 41)]
        for message in messages:
            transport.say(message)
        self.assertEqual(transport.settled(40), [])
        got = []
        while len(got) < 40:
            batch = application.opened(application.expect(DELIVER))
            got += [delivery.raw for delivery in batch]
            application.ack(batch[-1].seq)
        self.assertEqual(got, messages)

    def test_a_batch_of_four_mebibytes(self):
        transport, application = self.transport(), self.application()
        messages = [sized("m%d" % n, 1 << 20, transport_name="sms") for n in range(1, 5)]
        self.assertEqual(transport.settled(transport.say(*messages)), [])
        self.assertEqual([delivery.raw for delivery in application.deliveries(4)], messages)

    def test_a_window_of_the_smallest(self):
        transport, application = self.transport(), self.application(prefetch=65536)
        last = transport.say(*[user("%d" % n) for n in range(16384)])
        self.assertEqual(transport.settled(last), [])
        self.assert_ids(application.deliveries(16384), *["%d" % n for n in range(16384)])

    def test_a_message_of_many_fields(self):
        transport, application = self.transport(), self.application()
        fields = {"field %d" % n: n for n in range(40000)}
        message = pack(user("m1", transport_name="sms", **fields))
        self.assertEqual(transport.settled(transport.say(message)), [])
        self.assertEqual(application.deliveries(1)[0].raw, message)

    def test_many_numbers_in_also(self):
        transport, application = self.transport(), self.application(prefetch=65536)
        transport.settled(transport.say(*[user("%d" % n) for n in range(16384)]))
        application.deliveries(16384)
        application.ack(0, *range(16384, 0, -1))
        application.send(BYE, None)
        application.expect(BYE)
        self.assert_nothing(self.application())
        self.assert_unharmed()


class Sessions(Pressure):
    def test_those_that_are_left_behind_are_bounded(self):
        self.start(broker={"max_sessions": 50})
        self.setUp()
        worker = self.connect()
        for number in range(200):
            worker.hello("transport", "sms", session=number.to_bytes(16, "big"))
            frame = worker.expect(WELCOME, ERROR)
            if frame.kind == ERROR:
                self.assertEqual(frame.args[0], "too_many")
            else:
                worker.send(FLOW, "nonsense")  # an ERROR, which keeps the session
                self.assertEqual(worker.error(), "malformed")
        self.assert_unharmed()


if __name__ == "__main__":
    unittest.main()
