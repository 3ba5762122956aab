"""Workers that do not settle what they get as they should: what they are answered, and that nobody else feels it.

docs/unruly-workers.md has a row for each class here.
"""

import os
import subprocess
import sys
import time
import unittest

from bus import *
from unruly import Unruly


class NeverAcknowledges(Unruly):
    def test_it_gets_its_prefetch_and_no_more(self):
        transport = self.given(*users(1, 30))
        worker = self.application(prefetch=10)
        self.assert_ids(worker.deliveries(10), *["m%d" % n for n in range(1, 11)])
        self.beside_honest(lambda: self.assertEqual(transport.settled(transport.say(user("more"))), []))
        self.assert_nothing(worker, DELIVER)

    def test_an_instance_beside_it_gets_the_rest_and_then_what_it_held(self):
        self.given(*users(1, 30))
        worker = self.application(prefetch=10)
        worker.deliveries(10)
        other = self.application(prefetch=100)
        self.assert_ids(other.deliveries(20), *["m%d" % n for n in range(11, 31)])
        self.assert_nothing(other)
        worker.close()
        held = other.deliveries(10)
        self.assert_ids(held, *["m%d" % n for n in range(1, 11)])
        self.assert_all(held, True)

    def test_whoever_sends_to_it_waits_and_is_then_refused(self):
        self.start(endpoints={"app": {"max_messages": 100, "block_ms": 500}})
        worker = self.application(prefetch=1000)
        transport = self.transport()
        transport.say(*users(1, 150))
        self.assertEqual(transport.settled(100), [])
        start = time.monotonic()
        self.assertEqual(transport.settled(150), [])  # no longer held back
        self.assertGreater(time.monotonic() - start, 0.1)
        self.assertEqual(transport.settled(transport.say(user("late"))), [(151, "queue_full")])

        def knock():
            last = transport.say(user("again"))
            self.assertEqual(transport.settled(last), [(last, "queue_full")])

        self.beside_honest(knock)
        self.assertEqual(len(worker.deliveries(150)), 150)


class AcknowledgesWhatItNeverGot(Unruly):
    def test_it_is_told_and_settles_nothing(self):
        self.given(*users(1, 3))
        worker = self.application(prefetch=2)

        def lie():
            first = self.answer(worker, DELIVER).args[0]
            worker.ack(first + 1000)
            self.assertEqual(self.answer(worker, ERROR).args[0], "malformed")
            self.again(worker, "application", "app", prefetch=2)

        self.beside_honest(lie)
        self.assertTrue(self.bus.wait_for_line("code=malformed"))
        worker.send(BYE, None)
        self.answer(worker, BYE)
        self.assert_ids(self.application().deliveries(3), "m1", "m2", "m3")

    def test_so_with_single_numbers_and_with_nack(self):
        self.given(*users(1, 2))
        worker = self.application()
        for lie in (lambda last: worker.ack(0, last + 1), lambda last: worker.nack(last + 1, True),
                    lambda last: worker.nack(0, False)):
            last = worker.deliveries(2)[-1].seq
            lie(last)
            self.assertEqual(self.answer(worker, ERROR).args[0], "malformed")
            self.again(worker, "application", "app")
        self.assert_ids(worker.deliveries(2), "m1", "m2")


class AcknowledgesTwice(Unruly):
    def test_the_second_time_changes_nothing(self):
        transport = self.given(*users(1, 10))
        worker = self.application(prefetch=5)
        last = worker.deliveries(5)[-1].seq

        def repeat():
            for _ in range(100):
                worker.ack(last - 1, last - 2, last - 1)
                worker.nack(1, False)
            worker.barrier()

        worker.ack(last - 1)
        self.beside_honest(repeat)
        rest = worker.deliveries(4)
        self.assert_ids(rest, "m6", "m7", "m8", "m9")
        worker.ack(rest[-1].seq)
        self.assert_ids(worker.deliveries(1), "m10")
        letters = self.application("dead_letters")
        self.assert_nothing(letters)
        self.assertEqual(transport.settled(transport.say(user("last"))), [])


class RejectsForEver(Unruly):
    def test_what_it_rejects_ends_as_a_dead_letter_and_holds_nobody_up(self):
        letters = self.application("dead_letters")
        transport = self.transport()
        worker = self.application()
        given, good, dead = [], [], []

        def handle(wait_s):
            """Rejects what it calls poison and handles the rest; reads the dead letters."""
            while (frame := worker.next(wait_s)) is not None:
                for delivery in worker.opened(frame) if frame.kind == DELIVER else []:
                    name = delivery.message["message_id"]
                    if name.startswith("poison"):
                        worker.nack(delivery.seq, True, "not me")
                    else:
                        worker.ack(0, delivery.seq)
                        good.append(name)
                wait_s = 0
            while (frame := letters.next(0)) is not None:
                for delivery in letters.opened(frame):
                    letter = self.dead_letter(delivery)
                    self.assertEqual((letter["reason"], letter["deliveries"]), ("not me", 3))
                    dead.append(delivery.message["message_id"])
                    letters.ack(delivery.seq)

        def reject():
            number = len(given) + 1
            if len(given) < len(dead) + 100:
                given.append("poison %d" % number)
                self.assertEqual(transport.settled(transport.say(user(given[-1]))), [])
            self.assertEqual(transport.settled(transport.say(user("good"))), [])
            deadline = time.monotonic() + DEADLINE_S
            before = len(good)
            while len(good) == before:  # those that are rejected do not hold it up
                self.assertLess(time.monotonic(), deadline)
                handle(0.01)

        self.beside_honest(reject)
        deadline = time.monotonic() + 3 * DEADLINE_S
        while len(dead) < len(given) and time.monotonic() < deadline:
            handle(0.02)
        self.assertEqual(sorted(dead), sorted(given))


class NeverReads(Unruly):
    def deaf(self):
        return self.connect(rcvhwm=1, sndhwm=1, rcvbuf=4096, sndtimeo=2000)

    def test_its_deliveries_wait(self):
        self.start(endpoints={"app": {"max_messages": 5000, "overflow": "refuse"}})
        transport = self.transport()
        worker = self.deaf()
        worker.register("application", "app", prefetch=65536)

        def give():
            first = transport.next_seq
            last = transport.say(*[user("m%d" % n, content="x" * 1000) for n in range(first, first + 100)])
            refused.extend(transport.settled(last))

        refused = []
        self.beside_honest(give)
        self.assertEqual({code for _, code in refused}, {"queue_full"})
        # It begins to read, and finds in order all that its queue took.
        got = worker.deliveries(transport.next_seq - 1 - len(refused))
        taken = sorted(set(range(1, transport.next_seq)) - {number for number, _ in refused})
        self.assert_ids(got, *["m%d" % n for n in taken])
        self.assert_all(got, False)

    def test_its_answers_wait(self):
        worker = self.deaf()
        worker.register("transport", "sms")
        self.beside_honest(lambda: worker.send(PING))


class SleepsInItsHandler(Unruly):
    def test_it_keeps_what_it_has_for_as_long_as_it_is_connected(self):
        self.given(*users(1, 20))
        worker = self.application(prefetch=10)
        worker.deliveries(10)
        other = self.application()
        got = other.deliveries(10)
        self.assert_ids(got, *["m%d" % n for n in range(11, 21)])
        other.ack(got[-1].seq)
        self.beside_honest(lambda: span(4 * HEARTBEAT_MS / 1000, "it answers nothing for so long"))
        self.assert_nothing(other, DELIVER)
        worker.ack(10)
        worker.barrier()
        worker.close()
        self.assert_nothing(other, DELIVER)
        self.assert_nothing(self.application(), DELIVER)


class DiesOfAMessage(Unruly):
    def test_that_message_is_found_and_its_neighbours_are_delivered(self):
        letters = self.application("dead_letters")
        self.given(user("m1"), user("poison"), user("m2"))
        victim = os.path.join(os.path.dirname(os.path.abspath(__file__)), "victim.py")
        handled = []

        def die():
            """It handles what comes until it meets the poison, and dies with all that it has."""
            worker = self.application()
            while (frame := worker.next(0.2)) is not None:
                for delivery in worker.opened(frame) if frame.kind == DELIVER else []:
                    if delivery.message["message_id"] == "poison":
                        worker.close()
                        self.bus.workers.remove(worker)
                        return
                    handled.append(delivery.message["message_id"])
                    worker.ack(delivery.seq)
            worker.close()
            self.bus.workers.remove(worker)

        def kill():
            """The same with a process that is killed with all it has."""
            process = subprocess.Popen([sys.executable, "-B", victim, self.bus.endpoint, "application", "app", "10"],
                                       stdout=subprocess.PIPE, text=True)
            self.assertEqual(process.stdout.readline(), "registered\n")
            process.kill()
            process.wait()
            process.stdout.close()

        turns = [0]

        def step():
            turns[0] += 1
            (kill if turns[0] == 1 else die)()

        self.beside_honest(step)
        while letters.socket.poll(0) == 0 and turns[0] < 20:
            step()
        found = letters.deliveries(1)
        self.assert_ids(found, "poison")
        self.assertEqual(self.dead_letter(found[0])["endpoint"], "app")
        self.assertEqual(sorted(set(handled)), ["m1", "m2"])

if __name__ == "__main__":
    unittest.main()
