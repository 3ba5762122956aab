"""Section 4: what a full queue does, under each of the three settings, and what several targets make of it."""

import re
import time
import unittest

from bus import *

FAN_OUT = {**BusTest.dispatcher, "routing_mappings": {"sms": ["app", "other"], "xmpp": "app"}}


class Block(BusTest):
    endpoints = {"app": {"max_messages": 5, "block_ms": 60000}}

    def test_the_confirmation_waits_until_the_queue_is_back_within_its_limit(self):
        worker = self.transport()
        worker.say(*users(1, 8))
        worker.settled(5)
        self.assert_nothing(worker)
        application = self.application(prefetch=2)  # delivered and unsettled counts still
        application.deliveries(2)
        self.assert_nothing(worker)
        for settled in (1, 2):  # eight are there, so three must go
            application.ack(settled)
            application.deliveries(1)
            self.assert_nothing(worker)
        application.ack(3)
        worker.settled(8)

    def test_one_by_one_it_is_the_same(self):
        worker, application = self.transport(), self.application(prefetch=1)
        for message in users(1, 7):
            worker.say(message)
        worker.settled(5)
        self.assert_nothing(worker)
        application.deliveries(1)
        application.ack(1)
        application.deliveries(1)
        self.assert_nothing(worker)
        application.ack(2)
        worker.settled(7)

    def test_past_twice_the_limit_it_refuses_at_once(self):
        worker = self.transport()
        worker.say(*users(1, 13))
        refusals = worker.settled(5)
        early = worker.waiting()
        self.assertNotIn(CONFIRM, [frame.kind for frame in early])
        application = self.application()
        self.assert_ids(application.deliveries(10), *["m%d" % n for n in range(1, 11)])
        application.ack(10)
        refusals += [tuple(frame.args[:2]) for frame in early] + worker.settled(13)
        self.assertEqual(refusals, [(n, "queue_full") for n in (11, 12, 13)])
        self.assert_nothing(application)

    def test_several_senders_wait_each_for_itself(self):
        first, second = self.transport(), self.transport("xmpp")
        first.settled(first.say(*users(1, 4)))
        second.say(*users(5, 6))
        second.settled(1)
        first.say(user("m7"))
        self.assert_nothing(first)
        self.assert_nothing(second)
        application = self.application()
        application.deliveries(7)
        application.ack(1)
        self.assert_nothing(first)
        self.assert_nothing(second)
        application.ack(2)
        first.settled(5)
        second.settled(2)

    def test_events_count_like_messages(self):
        worker = self.transport()
        worker.say(*[event("e%d" % n) for n in range(3)], *users(1, 3))
        worker.settled(5)
        self.assert_nothing(worker)

    def test_what_is_refused_for_another_reason_waits_for_its_turn(self):
        worker = self.transport()
        worker.say(*users(1, 6), {}, {})
        worker.settled(5)
        self.assertNotIn(CONFIRM, [frame.kind for frame in worker.waiting()])
        application = self.application()
        application.deliveries(6)
        application.ack(1)
        worker.settled(8)
        self.assertEqual(worker.refused, 8)

    def test_a_sender_that_leaves_while_it_waits(self):
        """What it is not told any more is kept all the same, and what is freed later is freed for others."""
        for leave in (lambda worker: worker.close(), lambda worker: worker.send(BYE, None),
                      lambda worker: worker.send(SEND, 99, body=b"")):
            worker, application = self.transport(), self.application(prefetch=0)
            worker.say(*users(1, 8))
            worker.settled(5)
            leave(worker)
            second = self.transport("xmpp")
            second.say(user("m9"))
            self.assert_nothing(second)
            application.send(FLOW, 9)
            self.assert_ids(application.deliveries(9), *["m%d" % n for n in range(1, 10)])
            application.ack(9)
            self.assertEqual(second.settled(1), [])
            application.send(BYE, None)
            application.expect(BYE)

    def test_a_sender_that_leaves_is_told_what_its_bye_settles(self):
        worker, application = self.transport(), self.application()
        worker.say(*users(1, 8))
        application.deliveries(8)
        worker.send(BYE, None)
        application.ack(8)
        worker.expect(BYE)
        self.assertLessEqual(5, worker.confirmed)

    def test_a_name_that_nobody_slows_is_not_slowed(self):
        self.start(dispatcher={"routing_mappings": {"sms": "app", "xmpp": "other"}})
        slow, quick = self.transport(), self.transport("xmpp")
        slow.say(*users(1, 9))
        slow.settled(5)
        self.assertEqual(quick.settled(quick.say(*users(1, 100))), [])


class BlockForAWhile(BusTest):
    endpoints = {"app": {"max_messages": 5, "block_ms": 400}}

    def test_then_it_confirms_what_waits_and_refuses_what_comes(self):
        worker = self.transport()
        start = time.monotonic()
        worker.say(*users(1, 7))
        worker.settled(5)
        worker.settled(7)
        self.assertGreater(time.monotonic() - start, 0.39)
        self.assertEqual(worker.settled(worker.say(*users(8, 9))), [(8, "queue_full"), (9, "queue_full")])
        application = self.application(prefetch=1)
        application.deliveries(1)
        application.ack(1)  # six are left: still over it
        application.deliveries(1)
        self.assertEqual(worker.settled(worker.say(user("m10"))), [(10, "queue_full")])
        application.ack(2)  # five: back within it
        application.deliveries(1)
        worker.say(user("m11"))
        self.assert_nothing(worker)  # it went in, over the limit, and waits again
        application.ack(3)
        self.assertEqual(worker.settled(11), [])
        application.send(FLOW, 10)
        self.assert_ids(application.deliveries(5), "m4", "m5", "m6", "m7", "m11")

    def test_the_span_counts_from_when_it_went_over_the_limit(self):
        worker, application = self.transport(), self.application(prefetch=10)
        worker.say(*users(1, 6))
        worker.settled(5)
        application.deliveries(6)
        application.ack(1)
        worker.settled(6)
        start = time.monotonic()
        worker.say(user("m7"))  # over it anew
        self.assertEqual(worker.settled(7), [])
        self.assertGreater(time.monotonic() - start, 0.39)


class BlockByBytes(BusTest):
    broker = {"max_message_bytes": 1000, "max_batch_bytes": 10000}
    endpoints = {"app": {"max_bytes": 1000, "block_ms": 60000}}

    def sized(self, first, last, size):
        return [sized("m%d" % n, size, transport_name="sms") for n in range(first, last + 1)]

    def test_bytes_count_like_messages(self):
        worker = self.transport()
        worker.say(*self.sized(1, 6, 400))  # 1000 hold two, 2000 hold five
        worker.settled(2)
        application = self.application()
        self.assert_ids(application.deliveries(5), "m1", "m2", "m3", "m4", "m5")
        application.ack(2)
        self.assertNotIn(CONFIRM, [frame.kind for frame in worker.waiting()])
        application.ack(3)  # 800 are left
        worker.settled(6)
        self.assertEqual(worker.refused, 6)

    def test_exactly_the_limit_is_within_it(self):
        worker = self.transport()
        self.assertEqual(worker.settled(worker.say(*self.sized(1, 2, 500))), [])

    def test_an_empty_queue_takes_any_one_message(self):
        self.start(endpoints={"app": {"max_bytes": 1000, "overflow": "refuse"}})
        worker = self.transport()
        worker.say(sized("m1", 1000))  # longer than the limit once the transport's name is in it
        self.assertEqual(worker.settled(1), [])
        worker.say(user("m2"))
        self.assertEqual(worker.settled(2), [(2, "queue_full")])


class Refuse(BusTest):
    endpoints = {"app": {"max_messages": 5, "overflow": "refuse"}}

    def test_it_refuses_and_confirms_at_once(self):
        worker = self.transport()
        self.assertEqual(worker.settled(worker.say(*users(1, 7))), [(6, "queue_full"), (7, "queue_full")])
        application = self.application(prefetch=1)
        application.deliveries(1)
        self.assertEqual(worker.settled(worker.say(user("m8"))), [(8, "queue_full")])
        application.ack(1)
        application.deliveries(1)
        self.assertEqual(worker.settled(worker.say(user("m9"))), [])
        application.send(FLOW, 9)
        self.assert_ids(application.deliveries(4), "m3", "m4", "m5", "m9")


class DropOldest(BusTest):
    endpoints = {"app": {"max_messages": 5, "overflow": "drop_oldest"}}

    def test_the_oldest_make_room(self):
        worker = self.transport()
        self.assertEqual(worker.settled(worker.say(*users(1, 8))), [])
        self.assert_ids(self.application().deliveries(5), "m4", "m5", "m6", "m7", "m8")

    def test_what_is_under_way_stays(self):
        worker, application = self.transport(), self.application(prefetch=2)
        worker.settled(worker.say(*users(1, 5)))
        application.deliveries(2)
        self.assertEqual(worker.settled(worker.say(*users(6, 7))), [])
        application.send(FLOW, 10)
        self.assert_ids(application.deliveries(3), "m5", "m6", "m7")
        application.send(BYE, None)
        application.expect(BYE)
        self.assert_ids(self.application().deliveries(5), "m1", "m2", "m5", "m6", "m7")

    def test_of_either_kind(self):
        worker = self.transport()
        worker.settled(worker.say(event("e1"), user("m2"), event("e3"), user("m4"), event("e5")))
        worker.settled(worker.say(user("m6"), user("m7"), user("m8")))
        got = ids(self.application().deliveries(5))
        self.assertEqual([x for x in got if x[0] == "m"], ["m4", "m6", "m7", "m8"])
        self.assertEqual([x for x in got if x[0] == "e"], ["e5"])

    def test_what_is_dropped_is_in_the_log(self):
        worker = self.transport()
        worker.settled(worker.say(*users(1, 8)))
        self.bus.stop()
        told = re.findall(r" dropped endpoint=app count=(\d+) total=\d+", self.bus.log())
        self.assertEqual(sum(map(int, told)), 3)

    def test_long_after_it_is_the_same(self):
        worker = self.transport()
        for first in range(1, 2001, 50):
            self.assertEqual(worker.settled(worker.say(*users(first, first + 49))), [])
        self.assert_ids(self.application().deliveries(5), *["m%d" % n for n in range(1996, 2001)])

    def test_by_bytes(self):
        self.start(broker={"max_message_bytes": 1000, "max_batch_bytes": 9000},
                   endpoints={"app": {"max_bytes": 1000, "overflow": "drop_oldest"}})
        worker = self.transport()
        small = [sized("m%d" % n, 200, transport_name="sms") for n in range(1, 6)]
        self.assertEqual(worker.settled(worker.say(*small, sized("m6", 500, transport_name="sms"))), [])
        self.assert_ids(self.application().deliveries(3), "m4", "m5", "m6")


class SeveralTargets(BusTest):
    dispatcher = FAN_OUT

    def test_a_copy_that_one_cannot_take_becomes_its_dead_letter(self):
        self.start(endpoints={"app": {"max_messages": 1, "overflow": "refuse"}})
        worker = self.transport()
        self.assertEqual(worker.settled(worker.say(*users(1, 3))), [])
        self.assert_ids(self.application("app").deliveries(1), "m1")
        self.assert_ids(self.application("other").deliveries(3), "m1", "m2", "m3")
        letters = self.application("dead_letters").deliveries(2)
        self.assert_ids(letters, "m2", "m3")
        for letter in map(self.dead_letter, letters):
            self.assertEqual((letter["endpoint"], letter["deliveries"]), ("app", 0))

    def test_it_is_refused_only_if_none_took_it(self):
        full = {"max_messages": 1, "overflow": "refuse"}
        self.start(endpoints={"app": full, "other": full})
        worker, letters = self.transport(), self.application("dead_letters")
        self.assertEqual(worker.settled(worker.say(*users(1, 2))), [(2, "queue_full")])
        self.assert_nothing(letters)

    def test_the_slowest_confirms(self):
        self.start(endpoints={"app": {"max_messages": 1}, "other": {"max_messages": 2}})
        worker, app, other = self.transport(), self.application("app"), self.application("other")
        worker.say(*users(1, 3))
        worker.settled(1)
        app.deliveries(2)   # the third would be past twice its limit
        other.deliveries(3)
        other.ack(3)
        self.assert_nothing(worker)
        app.ack(1)
        self.assertEqual(worker.settled(3), [])
        self.assert_ids(self.application("dead_letters").deliveries(1), "m3")


if __name__ == "__main__":
    unittest.main()
