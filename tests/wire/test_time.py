"""Sections 5.7 and 5.8: messages that wait for longer than message_ttl_ms, and deliveries that are not settled within
ack_timeout_ms. How long things take is not measured: a message that is to expire has nobody to take it, or comes back
after its time."""

import unittest

from bus import *


class Expiry(BusTest):
    endpoints = {"app": {"message_ttl_ms": 300, "expired": "dead_letter"}}

    def test_what_nobody_takes_becomes_a_dead_letter_where_that_is_asked_for(self):
        reader = self.application("dead_letters")
        worker = self.transport()
        worker.settled(worker.say(*users(1, 3)))
        letters = reader.deliveries(3)
        self.assert_ids(letters, "m1", "m2", "m3")
        for letter in letters:
            told = self.dead_letter(letter)
            self.assertEqual((told["endpoint"], told["deliveries"]), ("app", 0))
            self.assertIn("message_ttl_ms", told["reason"])
        self.assert_nothing(self.application())

    def test_what_is_under_way_stays_and_expires_when_it_comes_back(self):
        reader = self.application("dead_letters")
        worker, application = self.transport(), self.application()
        worker.say(*users(1, 2))
        application.deliveries(2)
        late = self.transport("xmpp")
        application.send(FLOW, 0)
        application.barrier()
        late.say(user("m3"))
        self.assert_ids(reader.deliveries(1), "m3")  # younger than the two, and its time is over
        self.assert_nothing(reader)
        application.ack(1)
        application.send(BYE, None)
        application.expect(BYE)
        letter, = reader.deliveries(1)
        self.assert_ids([letter], "m2")
        self.assertEqual(self.dead_letter(letter)["deliveries"], 1)


class ExpiryAndBlock(BusTest):
    endpoints = {"app": {"message_ttl_ms": 300, "max_messages": 2, "block_ms": 60000}}

    def test_it_releases_what_waits_for_the_queue(self):
        worker = self.transport()
        worker.say(*users(1, 4))
        worker.settled(2)
        worker.settled(4)
        application = self.application()
        self.assert_nothing(application)
        worker.settled(worker.say(user("m5")))
        self.assert_ids(application.deliveries(1), "m5")


class AckTimeout(BusTest):
    # Long enough for an answer within the time, also where the machine is slow.
    endpoints = {"app": {"ack_timeout_ms": 700, "max_deliveries": 3}}

    def test_welcome_names_it_where_it_is_set(self):
        self.assertEqual(self.application().limits["ack_timeout_ms"], 700)
        self.assertNotIn("ack_timeout_ms", self.transport().limits)

    def test_the_message_goes_to_another_instance(self):
        worker, slow = self.transport(), self.application(prefetch=1)
        worker.say(user("m1"))
        slow.deliveries(1)
        quick = self.application()
        again = quick.deliveries(1)
        self.assert_ids(again, "m1")
        self.assert_all(again, redelivered=True)
        quick.ack(again[0].seq)
        worker.say(user("m2"))
        self.assert_ids(quick.deliveries(1), "m2")  # the slow one has no room until it says that it is done
        self.assert_nothing(slow)
        slow.ack(1)
        quick.ack(2)
        self.assert_nothing(slow)
        self.assert_nothing(quick)

    def test_a_late_ack_settles_it_wherever_it_is(self):
        worker, slow = self.transport(), self.application(prefetch=1)
        worker.say(user("m1"))
        slow.deliveries(1)
        other = self.application(prefetch=1)
        other.deliveries(1)
        slow.ack(1)
        slow.barrier()
        other.nack(1, False, "this comes too late")
        other.barrier()
        self.assert_nothing(self.application("dead_letters"))
        worker.say(user("m2"), user("m3"))
        self.assertEqual(sorted(ids(slow.deliveries(1) + other.deliveries(1))), ["m2", "m3"])

    def test_as_often_as_max_deliveries_makes_a_dead_letter(self):
        reader = self.application("dead_letters")
        worker, slow = self.transport(), self.application()
        worker.say(user("m1"))
        self.assert_ids(slow.deliveries(3), "m1", "m1", "m1")
        letter, = reader.deliveries(1)
        told = self.dead_letter(letter)
        self.assertEqual((told["endpoint"], told["reason"], told["deliveries"]), ("app", "ack timeout", 3))
        self.assert_nothing(slow)

    def test_a_worker_that_settles_nothing_gets_its_prefetch_and_no_more(self):
        worker, slow = self.transport(), self.application(prefetch=2)
        worker.settled(worker.say(*users(1, 6)))
        slow.deliveries(2)
        quick = self.application()
        self.assert_ids(quick.deliveries(4), "m3", "m4", "m5", "m6")
        quick.ack(4)
        self.assert_ids(quick.deliveries(2), "m1", "m2")  # after their time
        quick.ack(6)
        self.assert_nothing(slow)


if __name__ == "__main__":
    unittest.main()
