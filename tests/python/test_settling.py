"""The heart by itself: deliveries, in what order they are settled, and what may not overtake what."""

import random
import unittest

import msgpack

from heart import *
from signalbox import Message
from signalbox._send_window import SendWindow
from signalbox._session import State
from signalbox._settlements import Ack, Settlements


class Delivering(unittest.TestCase):
    def setUp(self):
        self.heart = Heart()
        self.heart.register()

    def test_in_order(self):
        self.heart.deliver(1, 10, 11)
        self.heart.deliver(3, 12, redelivered=True)
        deliveries = self.heart.take(3)
        self.assertEqual([(d.seq, d.message["n"], d.redelivered) for d in deliveries],
                         [(1, 10, False), (2, 11, False), (3, 12, True)])
        self.assertEqual([d.encoded for d in deliveries], [pack({"n": n}) for n in (10, 11, 12)])
        self.assertIsInstance(deliveries[0].message, Message)
        self.assertIsNone(self.heart.next())
        for delivery in deliveries:
            self.assertTrue(delivery.ack())
            self.assertFalse(delivery.ack())
        self.assertEqual(self.heart.out(), [[ACK, 3]])
        self.assertEqual(self.heart.out(), [])

    def test_finish_leaves_what_is_held(self):
        self.heart.deliver(1, 10, 11)
        first, second = self.heart.take(2)
        held = first.hold()
        first.finish()
        second.finish()
        self.assertEqual(self.heart.out(), [[ACK, 0, [2]]])
        self.assertTrue(held.ack())
        self.assertEqual(self.heart.out(), [[ACK, 2]])

    def test_out_of_order_each_number_once(self):
        self.heart.deliver(1, *range(10))
        deliveries = {delivery.seq: delivery for delivery in self.heart.take(10)}
        for seq in (7, 3):
            deliveries[seq].ack()
        self.assertEqual(self.heart.out(), [[ACK, 0, [3, 7]]])
        for seq in (1, 9):
            deliveries[seq].ack()
        self.assertEqual(self.heart.out(), [[ACK, 1, [9]]])
        deliveries[2].ack()
        self.assertEqual(self.heart.out(), [[ACK, 3]])
        for seq in (4, 5, 6, 8, 10):
            deliveries[seq].ack()
        self.assertEqual(self.heart.out(), [[ACK, 10]])

    def test_no_more_single_numbers_than_the_broker_takes(self):
        self.heart = Heart()
        self.heart.register(max_prefetch=2)
        self.heart.out()
        self.heart.deliver(1, *range(6))
        for delivery in self.heart.take(6)[1:]:
            delivery.ack()
        self.assertEqual(self.heart.out(), [[ACK, 0, [2, 3]], [ACK, 0, [4, 5]], [ACK, 0, [6]]])

    def test_a_nack_leaves_before_the_ack_that_passes_over_it(self):
        self.heart.deliver(1, 10, 11, 12)
        first, second, third = self.heart.take(3)
        second.nack("no\nthanks", requeue=False)
        third.ack()
        first.ack()
        self.assertEqual(self.heart.out(), [[NACK, 2, "no thanks", False], [ACK, 3]])

    def test_reasons_are_short_and_can_be_encoded(self):
        self.heart.deliver(1, 10, 11)
        first, second = self.heart.take(2)
        first.nack("é" * 1000)
        second.nack("\udcff\ud83d!")
        reasons = [frame[2] for frame in self.heart.out() if frame[0] == NACK]
        self.assertEqual(reasons, ["é" * 127, "  !"])

    def test_answers_leave_before_the_ack(self):
        self.heart.deliver(1, 10, 11)
        for delivery in self.heart.take(2):
            self.heart.send(delivery.message["n"])
            delivery.ack()
        self.assertEqual(self.heart.kinds(), [SEND, ACK])

    def test_an_ack_waits_for_its_answers_and_no_others(self):
        self.heart.deliver(1, 10, 11)
        first, second = self.heart.take(2)
        self.heart.send(1)
        first.ack()
        self.assertEqual([frame[0] for frame in self.heart.out(socket_takes=1)], [SEND])
        self.assertEqual(self.heart.session.next_frames()[0], pack([ACK, 1]))  # the socket is busy
        second.ack()
        self.heart.send(2)
        self.assertEqual(self.heart.out(socket_takes=2), [[SEND, 2, [{"n": 2}]], [ACK, 1]])
        self.assertEqual(self.heart.out(), [[ACK, 2]])

    def test_a_nack_waits_for_what_was_sent_before_it(self):
        self.heart.send(1, 2)
        self.heart.out()
        self.heart.now += 5
        self.heart.session.connection_lost(self.heart.now)
        self.heart.register(send_window=1)  # narrower than before
        self.heart.deliver(1, 10)
        self.heart.next().nack("later")
        self.assertEqual(self.heart.out(), [[SEND, 1, [{"n": 1}]]])
        self.heart.hear(CONFIRM, 1)
        self.assertEqual(self.heart.out(), [[SEND, 2, [{"n": 2}]], [NACK, 1, "later", True], [ACK, 1]])

    def test_what_python_cannot_hold_becomes_a_dead_letter(self):
        for bad in (b"\x81\xa1a\x81\x91\x01\x02",  # a key that is an array
                    b"\x81\xa1a\x81\x80\x02",  # or a map
                    b"\x81\xa1a\xc7\x03\xff\x01\x02\x03",  # a timestamp of three bytes
                    b"\x81\xa1a\xd7\xff" + b"\xff" * 8):  # or of too many nanoseconds
            self.setUp()
            self.heart.hear(DELIVER, 1, False, body=pack({"n": 1}) + bad + bad + pack({"n": 2}))
            good = self.heart.take(3)
            self.assertEqual([d and (d.seq, d.message["n"]) for d in good], [(1, 1), (4, 2), None])
            self.assertEqual([frame[:2] + frame[3:] for frame in self.heart.out()],
                             [[NACK, 2, False], [NACK, 3, False]])
            self.assertEqual(len(self.heart.session.undecodable), 2)

    def test_what_broken_workers_write_arrives(self):
        odd = {"text": b"caf\xe9".decode("utf-8", "surrogateescape"), "map": {1: 2, None: 3},
               "ext": msgpack.ExtType(5, b"x"), "time": msgpack.Timestamp(1, 2), "bin": b"\xff"}
        encoded = msgpack.packb(odd, use_bin_type=True, unicode_errors="surrogateescape")
        self.heart.hear(DELIVER, 1, False, body=encoded)
        message = self.heart.next().message
        self.assertEqual(message, odd)
        self.assertEqual(message.encode(), encoded)

    def test_what_no_broker_delivers_ends_the_worker(self):
        for first_seq, body in ((2, pack({"n": 1})), (1, b""), (1, pack({"n": 1})[:-1]), (1, pack([1])), (1, b"\xc1")):
            heart = Heart()
            heart.register()
            heart.hear(DELIVER, first_seq, False, body=body)
            self.assertIsNone(heart.next())
            self.assertEqual(heart.session.error and heart.session.error.code, "protocol", body)
            self.assertEqual(heart.session.state, State.FAILED)


class Flow(unittest.TestCase):
    def setUp(self):
        self.heart = Heart(prefetch=10)
        self.heart.register(max_prefetch=100)

    def test_pause_and_resume(self):
        self.heart.deliver(1, 10)
        self.heart.session.paused = True
        self.assertEqual(self.heart.out(), [[FLOW, 0]])
        self.assertIsNone(self.heart.next())
        self.heart.session.paused = False
        self.assertEqual(self.heart.out(), [[FLOW, 10]])
        self.assertEqual(self.heart.next().message["n"], 10)

    def test_a_pause_that_nobody_noticed(self):
        self.heart.session.paused = True
        self.heart.session.paused = False
        self.assertEqual(self.heart.out(), [])

    def test_prefetch(self):
        self.heart.session.set_prefetch(20)
        self.assertEqual(self.heart.out(), [[FLOW, 20]])
        self.heart.session.set_prefetch(1000)
        self.assertEqual(self.heart.out(), [[FLOW, 100]])
        with self.assertRaises(ValueError):
            self.heart.session.set_prefetch(-1)

    def test_hello_of_one_that_is_paused(self):
        self.heart.session.paused = True
        self.heart.out()
        self.heart.now += 5
        self.heart.session.connection_lost(self.heart.now)
        self.assertEqual(self.heart.register()["prefetch"], 0)
        self.assertEqual(self.heart.out(), [])
        self.heart.session.paused = False
        self.assertEqual(self.heart.out(), [[FLOW, 10]])

    def test_what_hello_asks_too_much_is_not_asked_again(self):
        heart = Heart(prefetch=1000)
        heart.register(max_prefetch=100)
        self.assertEqual(heart.out(), [])


class AtRandom(unittest.TestCase):
    """Beside a model that is too simple to be wrong."""

    def test_settlements(self):
        for seed in range(200):
            chance = random.Random(seed)
            settlements, held, said, delivered = Settlements(), [], set(), 0
            handled, failed = set(), set()
            for _ in range(60):
                if chance.random() < 0.5:
                    delivered += 1
                    held.append(delivered)
                if held and chance.random() < 0.7:
                    seq = held.pop(chance.randrange(len(held)))
                    if chance.random() < 0.1:
                        settlements.nack(seq, "", True, 0)
                        failed.add(seq)
                    else:
                        settlements.ack(seq)
                        handled.add(seq)
                while chance.random() < 0.5:
                    what = settlements.next(0, 0, 3)
                    if what is None:
                        self.assertEqual(said, handled | failed, seed)
                        self.assertTrue(settlements.all_said())
                        break
                    settlements.left(what)
                    if isinstance(what, Ack):
                        news = (set(range(1, what.upto + 1)) | set(what.also)) - said
                        self.assertLessEqual(news, handled, seed)  # and so passes over no NACK that has not left
                        self.assertLessEqual(len(what.also), 3)
                        said |= news
                    else:
                        self.assertNotIn(what.seq, said)
                        said.add(what.seq)

    def test_send_window(self):
        for seed in range(200):
            chance = random.Random(seed)
            window, given, on_the_wire = SendWindow(), [], 0
            window.set_limits(10, 200, 60)
            for _ in range(100):
                step = chance.randrange(5)
                size = chance.randrange(1, 80)
                if step <= 1 and window.fits(size):
                    given.append(bytes([65 + len(given) % 26]) * size)
                    self.assertEqual(window.append(given[-1]), len(given))
                elif step == 2:
                    batch = window.next_batch()
                    if batch is not None:
                        window.batch_left(batch)
                        self.assertEqual(batch.first_seq, on_the_wire + 1)
                        on_the_wire += batch.messages
                        self.assertEqual(batch.body, b"".join(given[batch.first_seq - 1:on_the_wire]))
                        self.assertTrue(batch.messages == 1 or len(batch.body) <= 60)
                elif step == 3:
                    window.settle(chance.randint(window.settled, on_the_wire))
                elif step == 4 and chance.random() < 0.3:
                    received = chance.randint(0, on_the_wire)
                    window.rewind(received)
                    on_the_wire = max(received, window.settled)
                self.assertEqual(window.transmitted, on_the_wire)
                self.assertEqual(window.unsettled, len(given) - window.settled)
                kept = window.messages(list(range(window.settled, len(given) + 2)))
                self.assertEqual(kept, [None] + given[window.settled:] + [None])


if __name__ == "__main__":
    unittest.main()
