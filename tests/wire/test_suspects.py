"""Section 5: a message that kills its worker is found, and takes no innocent ones along."""

import unittest

from bus import *


class Suspects(BusTest):
    endpoints = {"app": {"max_deliveries": 2, "redeliver_ms": 50}}

    def setUp(self):
        self.giver = self.transport()

    def give(self, *messages):
        self.giver.settled(self.giver.say(*messages))

    def die_of(self, count, **options):
        """A worker that gets `count` messages and dies of them."""
        worker = self.application(**options)
        got = worker.deliveries(count)
        worker.lose()
        return got

    def test_once_suspected_they_travel_together(self):
        self.give(*users(1, 4))
        self.die_of(4)
        got = self.application().deliveries(4)
        self.assert_ids(got, "m1", "m2", "m3", "m4")
        self.assert_all(got, True)

    def test_twice_suspected_each_travels_alone(self):
        self.give(*users(1, 3))
        self.die_of(3)
        self.die_of(3)
        self.give(user("m4"))
        worker = self.application()
        for seq in (1, 2, 3):
            got, = worker.deliveries(1)
            self.assertEqual((got.message["message_id"], got.redelivered), ("m%d" % seq, True))
            self.assert_alone(got, worker)
            worker.ack(seq)
        self.assert_ids(worker.deliveries(1), "m4")

    def test_others_go_by_at_another_instance(self):
        self.give(user("m1"))
        self.die_of(1)
        self.die_of(1)
        worker = self.application(prefetch=5)
        self.assert_ids(worker.deliveries(1), "m1")
        other = self.application(prefetch=2)
        self.give(*users(2, 3))
        self.assert_ids(other.deliveries(2), "m2", "m3")
        self.assert_nothing(worker)

    def test_it_waits_until_nothing_else_is_unsettled_there(self):
        self.give(event("e1"))
        self.die_of(1)
        holder = self.application(prefetch=1)
        self.assert_ids(holder.deliveries(1), "e1")
        newcomer = self.application(prefetch=5)
        self.give(user("m1"))
        self.assert_ids(newcomer.deliveries(1), "m1")
        holder.lose()  # the second suspicion of e1, which has nowhere to go while m1 is unsettled
        self.assert_nothing(newcomer)
        newcomer.ack(1)
        self.assert_alone(newcomer.deliveries(1)[0], newcomer)

    def test_a_message_that_kills_is_found(self):
        letters = self.application("dead_letters")
        self.give(*users(1, 3))
        self.die_of(3)
        self.die_of(3)
        for _ in range(2):
            self.assert_ids(self.die_of(1), "m1")
        worker = self.application()
        for name in ("m2", "m3"):
            got, = worker.deliveries(1)
            self.assertEqual(got.message["message_id"], name)
            self.assert_alone(got, worker)
            worker.ack(got.seq)
        found = letters.deliveries(1)
        self.assert_ids(found, "m1")
        letter = self.dead_letter(found[0])
        self.assertEqual((letter["endpoint"], letter["deliveries"]), ("app", 4))

    def test_leaving_is_never_held_against_a_message(self):
        self.start(endpoints={"app": {"max_deliveries": 1}})
        self.setUp()
        self.give(*users(1, 3))

        def bye(worker):
            worker.send(BYE, None)
            worker.expect(BYE)

        def error(worker):
            worker.send(ACK, "nonsense")
            self.assertEqual(worker.error(), "malformed")

        def replaced(worker):
            worker.register("application", "app", prefetch=0)
            bye(worker)

        for _ in range(3):
            for leave in (bye, error, replaced):
                worker = self.application()
                self.assert_ids(worker.deliveries(3), "m1", "m2", "m3")
                leave(worker)
        self.assert_ids(self.application().deliveries(3), "m1", "m2", "m3")

    def test_a_takeover_is_never_held_against_a_message(self):
        self.start(endpoints={"app": {"max_deliveries": 1}})
        self.setUp()
        self.give(*users(1, 3))
        for _ in range(5):
            worker = self.application(session=b"x" * 16)
            self.assert_ids(worker.deliveries(3), "m1", "m2", "m3")
        self.assert_nothing(self.application("dead_letters"))

    def test_a_session_that_resumes_was_not_killed(self):
        self.give(*users(1, 3))
        for _ in range(4):
            worker = self.application(session=b"x" * 16)
            self.assert_ids(worker.deliveries(3), "m1", "m2", "m3")
            worker.lose()  # and the next HELLO is no takeover
        self.assert_ids(self.application(session=b"x" * 16).deliveries(3), "m1", "m2", "m3")

    def test_it_takes_its_failures_back(self):
        letters = self.application("dead_letters")
        self.give(user("m1"))
        self.die_of(1)
        self.die_of(1)
        for _ in range(3):  # each loss is a failure, of two that are allowed, until it is taken back
            self.assert_ids(self.die_of(1, session=b"x" * 16), "m1")
        self.assert_nothing(letters)
        self.assert_ids(self.application(session=b"x" * 16).deliveries(1), "m1")

    def test_what_has_become_a_dead_letter_stays_one(self):
        self.start(endpoints={"app": {"max_deliveries": 1}})
        self.setUp()
        letters = self.application("dead_letters")
        self.give(user("m1"))
        self.die_of(1)
        self.die_of(1)
        self.die_of(1, session=b"x" * 16)
        self.assert_ids(letters.deliveries(1), "m1")
        self.assert_nothing(self.application(session=b"x" * 16))

    def test_a_loss_before_it_travels_alone_is_no_failure(self):
        self.start(endpoints={"app": {"max_deliveries": 1}})
        self.setUp()
        letters = self.application("dead_letters")
        self.give(user("m1"))
        self.die_of(1)
        self.die_of(1)
        self.assert_ids(self.application().deliveries(1), "m1")
        self.assert_nothing(letters)


if __name__ == "__main__":
    unittest.main()
