"""Workers that send too much, or what nobody should send: what they are answered, and that nobody else feels it.

docs/unruly-workers.md has a row for each class here.
"""

import time
import unittest

from bus import *
from unruly import Unruly


class Floods(Unruly):
    def test_over_the_window(self):
        worker = self.transport()
        taker = self.application()
        body = b"".join(pack(user("m%d" % n)) for n in range(16385))

        def flood():
            worker.send(SEND, 1, body=body)
            self.assertEqual(self.answer(worker, ERROR).args[0], "window")
            self.again(worker)

        self.beside_honest(flood)
        self.assertTrue(self.bus.wait_for_line("code=window"))
        self.assert_nothing(taker)  # nothing of it has entered

    def test_tiny_frames(self):
        """A frame for each message, as fast as they can be made, and answered as fast."""
        worker, taker = self.transport(), self.application(prefetch=65536)
        message = pack(user("m", transport_name="sms"))

        def flood():
            for _ in range(500):
                worker.say(message)
            worker.settled(worker.next_seq - 1)
            taker.ack(taker.deliveries(500)[-1].seq)

        self.assertGreater(self.beside_honest(flood), 1)

    def test_pings(self):
        worker = self.transport()

        def flood():
            for _ in range(1000):
                worker.send(PING)
            for _ in range(1000):
                worker.expect(PONG)

        self.beside_honest(flood)

    def test_frames_of_those_who_are_not_registered(self):
        """One ERROR a second at most; the rest is not worth an answer."""
        worker = self.connect()
        begun = time.monotonic()

        def flood():
            for _ in range(1000):
                worker.send(SEND, 1, body=b"\x80")
            while (frame := worker.next(0)) is not None:
                self.assertEqual((frame.kind, frame.args[0]), (ERROR, "not_registered"))
                answers.append(frame)

        answers = []
        self.beside_honest(flood)
        self.assertTrue(answers)
        self.assertLess(len(answers), time.monotonic() - begun + 2)

    def test_within_the_window_as_fast_as_can_be(self):
        """Full batches to an application that settles all of it."""
        worker, taker = self.transport(), self.application(prefetch=65536)
        body = b"".join(pack(user("m%d" % n, transport_name="sms", content="x" * 400)) for n in range(4000))

        def flood():
            worker.send(SEND, worker.next_seq, body=body)
            worker.next_seq += 4000
            worker.settled(worker.next_seq - 1)
            while taker.next_delivery < worker.next_seq:
                taker.ack(taker.opened(taker.expect(DELIVER))[-1].seq)

        self.beside_honest(flood)

    def test_within_the_window_to_an_application_that_is_not_there(self):
        """The queue fills up to its limit; then it waits, and is then refused."""
        self.start(endpoints={"app": {"max_messages": 10000, "block_ms": 200}})
        worker = self.transport()
        body = b"".join(pack(user("m%d" % n, content="x" * 400)) for n in range(4000))

        def flood():
            worker.send(SEND, worker.next_seq, body=body)
            worker.next_seq += 4000
            refused.update(code for _, code in worker.settled(worker.next_seq - 1))

        refused = set()
        self.beside_honest(flood)
        self.assertEqual(refused, {"queue_full"})


class RegistersAgainAndAgain(Unruly):
    def test_on_one_connection(self):
        transport = self.given(*users(1, 100))
        worker = self.connect()

        def register():
            self.again(worker, "application", "app")

        self.beside_honest(register)
        worker.send(BYE, None)
        self.answer(worker, BYE)
        self.assert_ids(self.application().deliveries(100), *["m%d" % n for n in range(1, 101)])
        self.assertEqual(transport.settled(transport.say(user("last"))), [])

    def test_on_a_connection_of_its_own_each_time(self):
        def register():
            worker = self.application()
            worker.close()
            self.bus.workers.remove(worker)

        self.given(*users(1, 10))
        self.beside_honest(register)
        letters, found, give_up = self.application("dead_letters"), [], time.monotonic() + DEADLINE_S
        while len(found) < 10 and time.monotonic() < give_up:  # what dies with each worker is given up in the end
            register()
            found += [letter for frame in letters.waiting() for letter in letters.opened(frame)]
        self.assertEqual(sorted(ids(found)), sorted("m%d" % n for n in range(1, 11)))

    def test_with_a_session_of_its_own_each_time(self):
        self.start(broker={"max_sessions": 100})
        worker = self.connect()
        number = [0]

        def register():
            number[0] += 1
            worker.hello("transport", "sms", session=number[0].to_bytes(16, "big"))
            frame = self.answer(worker, WELCOME, ERROR)
            if frame.kind == ERROR:
                codes.add(frame.args[0])
            worker.send(FLOW, "nonsense")  # an ERROR, if it is registered, which keeps the session

        codes = set()
        self.beside_honest(register)
        self.assertLessEqual(codes, {"too_many", "malformed"})


class SendsGarbage(Unruly):
    def test_on_a_connection_that_is_registered(self):
        worker = self.transport()
        garbage = [b"", b"\xc1", b"\x80", b"\x91\x63", b"\x90", b"\xdd\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n",
                   b"\x91" * 100, pack([SEND, 0]), pack([SEND, 1.5]), pack([FLOW, -1]), pack([WELCOME]),
                   b"\x92\x05\x01x"]
        at = [0]

        def throw():
            at[0] = (at[0] + 1) % len(garbage)
            worker.send_frames(garbage[at[0]])
            self.assertEqual(self.answer(worker, ERROR).args[0], "malformed")
            self.again(worker)

        self.assertGreater(self.beside_honest(throw), len(garbage))

    def test_in_bodies(self):
        worker = self.transport()
        taker = self.application()
        garbage = [b"\xc1", b"\x81", b"\xdf\xff\xff\xff\xff", b"text", b"\x80\xc1", b"\x81\xa1x"]
        at = [0]

        def throw():
            at[0] = (at[0] + 1) % len(garbage)
            worker.send(SEND, 1, body=garbage[at[0]])
            self.assertEqual(self.answer(worker, ERROR).args[0], "malformed")
            self.again(worker)

        self.beside_honest(throw)
        self.assert_nothing(taker)


class HugeBodies(Unruly):
    def test_over_the_limit_of_a_batch(self):
        body = bytes(4 << 20) + b"\x80"
        worker = self.transport()

        def heave():
            worker.send(SEND, 1, body=body)
            self.assertEqual(self.answer(worker, ERROR).args[0], "too_large")
            self.again(worker)

        self.beside_honest(heave)

    def test_over_what_libzmq_takes(self):
        """The connection ends; libzmq makes another, and the broker does not know it."""
        body = bytes(8 << 20)

        def heave():
            worker = self.transport()
            worker.send(SEND, 1, body=body)
            worker.send(PING)
            deadline = time.monotonic() + DEADLINE_S
            while worker.next(0.05) is None:  # the PING was lost, or is answered with not_registered
                self.assertLess(time.monotonic(), deadline)
                worker.send(PING)
            worker.close()
            self.bus.workers.remove(worker)

        self.beside_honest(heave)
        self.assertTrue(self.bus.wait_for_line("connections_lost"))

    def test_messages_over_their_limit(self):
        worker, taker = self.transport(), self.application()
        large = sized("large", (1 << 20) + 1, transport_name="sms")

        def heave():
            last = worker.say(large, user("small"))
            self.assertEqual(worker.settled(last), [(last - 1, "too_large")])
            got = taker.deliveries(1)
            self.assert_ids(got, "small")
            taker.ack(got[0].seq)

        self.beside_honest(heave)


class TakesAnothersName(Unruly):
    def test_it_shares_and_gives_back(self):
        """Whoever may connect may register. It gets what any instance gets, and what it keeps comes back."""
        transport, honest = self.transport(), self.application(prefetch=49)
        impostor = self.application(prefetch=1)
        last = transport.say(*users(1, 50))
        self.assertEqual(transport.settled(last), [])
        taken = self.answer(impostor, DELIVER)
        got = honest.deliveries(49)
        honest.ack(got[-1].seq)
        impostor.close()
        back, = honest.deliveries(1)
        self.assertTrue(back.redelivered)
        self.assertEqual(back.raw, impostor.opened(taken)[0].raw)

    def test_a_session_is_a_secret(self):
        """A session under another name is answered with not_permitted, and its owner feels nothing."""
        owner = self.transport(session=b"s" * 16)
        thief = self.connect()

        def try_it():
            thief.hello("transport", "xmpp", session=b"s" * 16)
            self.assertEqual(self.answer(thief, ERROR).args[0], "not_permitted")

        self.beside_honest(try_it)
        self.assertEqual(owner.settled(owner.say(user("m"))), [])

    def test_a_name_of_a_transport_gives_no_power_over_its_numbers(self):
        owner, taker = self.transport(), self.application()
        other = self.transport()
        self.assertEqual(other.settled(other.say(*users(1, 5))), [])
        self.assertEqual(owner.settled(owner.say(user("own"))), [])
        self.assert_ids(taker.deliveries(6), "m1", "m2", "m3", "m4", "m5", "own")

    def test_a_routing_id_is_no_name(self):
        impostor = self.connect(routing_id=b"xmpp")

        def try_it():
            for _ in range(100):
                impostor.hello("transport", "xmpp")
            while (frame := impostor.next(0)) is not None:
                self.assertEqual((frame.kind, frame.args[0]), (ERROR, "not_permitted"))
                answers.append(frame)

        answers = []
        self.beside_honest(try_it)
        self.assertTrue(answers or impostor.error() == "not_permitted")
        self.assertTrue(self.bus.wait_for_line("foreign_frames"))

if __name__ == "__main__":
    unittest.main()
