"""Section 5: who gets what, when, how much of it at once, and in what order."""

import threading
import time
import unittest

from bus import *


class Delivering(BusTest):
    def filled(self, count=8, **options):
        """A transport that has handed over m1 to m<count>."""
        transport = self.transport(**options)
        transport.settled(transport.say(*users(1, count)))
        return transport


class Settling(Delivering):
    def test_acknowledged_is_gone(self):
        self.filled(3)
        first = self.application()
        first.deliveries(3)
        first.ack(3)
        first.send(BYE, None)
        first.expect(BYE)
        self.assert_nothing(self.application(), DELIVER)

    def test_the_prefetch_is_what_is_unsettled(self):
        self.filled(8)
        worker = self.application(prefetch=3)
        worker.deliveries(3)
        self.assert_nothing(worker)
        worker.ack(1)
        self.assert_ids(worker.deliveries(1), "m4")
        worker.ack(4)
        self.assert_ids(worker.deliveries(3), "m5", "m6", "m7")
        self.assert_nothing(worker)

    def test_single_numbers_above_upto(self):
        self.filled(6)
        worker = self.application(prefetch=5)
        worker.deliveries(5)
        worker.ack(1, 3, 5)
        self.assert_ids(worker.deliveries(1), "m6")
        worker.send(BYE, None)
        worker.expect(BYE)
        again = self.application().deliveries(3)
        self.assert_ids(again, "m2", "m4", "m6")
        self.assert_all(again, True)

    def test_nought_settles_nothing_by_itself(self):
        self.filled(4)
        worker = self.application(prefetch=2)
        worker.deliveries(2)
        worker.ack(0)
        self.assert_nothing(worker)
        worker.ack(0, 2)
        self.assert_ids(worker.deliveries(1), "m3")

    def test_what_is_settled_already_is_ignored(self):
        self.filled(6)
        worker = self.application(prefetch=3)
        worker.deliveries(3)
        for _ in range(3):
            worker.ack(2, 1, 2)
        worker.ack(0, 1)
        worker.ack(1)
        worker.nack(1, False)
        worker.nack(2, True)
        self.assert_ids(worker.deliveries(2), "m4", "m5")
        self.assert_nothing(worker)
        self.assert_nothing(self.application("dead_letters"))

    def test_a_number_never_delivered(self):
        for frame in ((ACK, 3), (ACK, MAXIMUM), (ACK, 1, [3]), (ACK, 0, [0, 3]), (NACK, 3, None, True),
                      (NACK, 0, None, True),
                      (NACK, MAXIMUM, "x", False)):
            with self.subTest(frame=frame):
                transport = self.filled(2)
                worker = self.application()
                worker.deliveries(2)
                worker.send(*frame)
                self.assertEqual(worker.error(), "malformed")
                again = self.application()
                got = again.deliveries(2)  # on an ERROR everything goes back, whatever it was
                self.assert_all(got, True)
                again.ack(2)
                transport.send(BYE, None)
                transport.expect(BYE)
                again.send(BYE, None)
                again.expect(BYE)

    def test_the_length_of_also_is_bounded_by_max_prefetch(self):
        self.start(broker={"max_prefetch": 4})
        self.filled(4)
        worker = self.application()
        worker.deliveries(4)
        worker.ack(0, 1, 1, 1, 1)
        self.assert_nothing(worker)
        worker.ack(0, 1, 1, 1, 1, 1)
        self.assertEqual(worker.error(), "malformed")


class Flow(Delivering):
    def test_it_opens_and_closes(self):
        self.filled(8)
        worker = self.application(prefetch=0)
        self.assert_nothing(worker)
        worker.send(FLOW, 2)
        self.assert_ids(worker.deliveries(2), "m1", "m2")
        worker.send(FLOW, 0)
        worker.ack(1)
        self.assert_nothing(worker)
        worker.send(FLOW, 2)  # one is under way still
        self.assert_ids(worker.deliveries(1), "m3")
        self.assert_nothing(worker)
        worker.send(FLOW, 1)
        worker.ack(2)
        self.assert_nothing(worker)
        worker.ack(3)
        self.assert_ids(worker.deliveries(1), "m4")

    def test_its_bound_is_max_prefetch(self):
        self.start(broker={"max_prefetch": 4})
        self.filled(6)
        worker = self.application(prefetch=0)
        worker.send(FLOW, 4)
        worker.deliveries(4)
        worker.send(FLOW, 5)
        self.assertEqual(worker.error(), "malformed")


class Batches(Delivering):
    broker = {"max_message_bytes": 3000, "max_batch_bytes": 3000, "max_unsettled_bytes": 100000}

    def test_never_larger_than_max_batch_bytes(self):
        worker = self.transport()
        for n in range(1, 31):
            worker.say(sized("m%d" % n, 700, transport_name="sms"))
        worker.settled(30)
        application = self.application()
        self.assertEqual(len(application.deliveries(30)), 30)  # each frame is measured as it comes in

    def test_one_message_always_goes(self):
        worker, application = self.transport(), self.application()
        worker.settled(worker.say(sized("m1", 3000)))  # longer still with the name of its transport
        self.assertGreater(len(application.deliveries(1)[0].raw), 3000)

    def test_the_bytes_unsettled_at_one_worker(self):
        self.start(broker={"max_unsettled_bytes": 2000})
        worker, application = self.transport(), self.application()
        worker.settled(worker.say(*[sized("m%d" % n, 900, transport_name="sms") for n in range(1, 4)]))
        worker.settled(worker.say(sized("m4", 2800, transport_name="sms"), user("m5")))
        self.assert_ids(application.deliveries(2), "m1", "m2")
        self.assert_nothing(application)
        application.ack(1)
        self.assert_ids(application.deliveries(1), "m3")
        self.assert_nothing(application)
        application.ack(3)
        self.assert_ids(application.deliveries(1), "m4")  # over the bound by itself, and with nothing else
        self.assert_nothing(application)
        application.ack(4)
        self.assert_ids(application.deliveries(1), "m5")

    def test_first_and_repeated_deliveries_are_not_mixed(self):
        self.filled(8)
        first = self.application(prefetch=3)
        first.deliveries(3)
        first.send(BYE, None)
        first.expect(BYE)
        got = self.application().deliveries(8)
        self.assert_ids(got, *["m%d" % n for n in range(1, 9)])
        self.assertEqual([d.redelivered for d in got], [True] * 3 + [False] * 5)
        self.assertEqual({d.batch for d in got[:3]} & {d.batch for d in got[3:]}, set())

    def test_kinds_are_not_mixed(self):
        self.start(broker={"max_batch_bytes": 100000})
        worker, application = self.transport(), self.application()
        messages = []
        for n in range(20):
            messages += [user("m%d" % n), event("e%d" % n)]
        worker.settled(worker.say(*messages))
        got = ids(application.deliveries(40))  # that no batch mixes them is looked at as each comes in
        self.assertEqual([x for x in got if x[0] == "m"], ["m%d" % n for n in range(20)])
        self.assertEqual([x for x in got if x[0] == "e"], ["e%d" % n for n in range(20)])

    def test_kinds_are_served_in_turn(self):
        self.start(broker={"max_batch_bytes": 100000})
        worker, application = self.transport(), self.application(prefetch=0)
        worker.settled(worker.say(*[event("e%d" % n) for n in range(50)], *users(1, 5)))
        application.send(FLOW, 1)
        kinds = ""
        for seq in range(1, 11):
            kinds += ids(application.deliveries(1))[0][0]
            application.ack(seq)
        self.assertIn(kinds, ("emememem" "em", "memememe" "me"))

    def test_one_prefetch_for_both_kinds(self):
        worker, application = self.transport(), self.application(prefetch=3)
        worker.settled(worker.say(event("e1"), event("e2"), user("m1"), user("m2")))
        application.deliveries(3)
        self.assert_nothing(application)


class Requeueing(Delivering):
    def test_after_a_while_and_as_a_repeated_delivery(self):
        self.start(endpoint_defaults={"redeliver_ms": 300})
        self.filled(1)
        worker = self.application()
        worker.deliveries(1)
        start = time.monotonic()
        worker.nack(1, True, "busy")
        again, = worker.deliveries(1)
        self.assertGreater(time.monotonic() - start, 0.29)
        self.assertEqual((again.seq, again.redelivered, again.message["message_id"]), (2, True, "m1"))

    def test_the_span_doubles_with_each_failure(self):
        self.start(endpoint_defaults={"redeliver_ms": 100, "max_deliveries": 9})
        self.filled(1)
        worker = self.application()
        worker.deliveries(1)
        for failures, least in ((1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8)):
            start = time.monotonic()
            worker.nack(failures, True)
            worker.deliveries(1)
            took = time.monotonic() - start
            self.assertGreater(took, least - 0.01)
            self.assertLess(took, least * 2 + 0.5)

    def test_those_behind_it_do_not_wait_and_it_comes_back_ahead_of_them(self):
        self.start(endpoint_defaults={"redeliver_ms": 200})
        self.filled(4)
        worker = self.application(prefetch=1)
        worker.deliveries(1)
        worker.nack(1, True)
        self.assert_ids(worker.deliveries(1), "m2")
        span(0.4, "until m1 may be delivered again")
        worker.ack(2)
        self.assert_ids(worker.deliveries(1), "m1")
        worker.ack(3)
        self.assert_ids(worker.deliveries(1), "m3")

    def test_one_in_the_middle(self):
        self.filled(4)
        worker = self.application(prefetch=4)
        worker.deliveries(4)
        worker.nack(2, True)
        again = worker.deliveries(1)
        self.assert_ids(again, "m2")
        worker.ack(5)
        worker.send(BYE, None)
        worker.expect(BYE)
        self.assert_nothing(self.application())

    def test_to_another_instance_if_there_is_one(self):
        first = self.application()
        self.filled(1)
        first.deliveries(1)
        second = self.application()
        first.nack(1, True)
        self.assert_ids(second.deliveries(1), "m1")
        second.nack(1, True)
        self.assert_ids(first.deliveries(1), "m1")

    def test_it_comes_back_if_the_other_instance_takes_nothing(self):
        worker = self.application()
        self.filled(1)
        worker.deliveries(1)
        self.application(prefetch=0)
        worker.nack(1, True)
        self.assert_ids(worker.deliveries(1), "m1")

    def test_it_comes_back_if_the_other_instance_leaves(self):
        worker = self.application()
        self.filled(1)
        worker.deliveries(1)
        other = self.application(prefetch=0)
        worker.nack(1, True)
        other.send(BYE, None)
        other.expect(BYE)
        self.assert_ids(worker.deliveries(1), "m1")

    def test_what_waits_to_come_back_may_be_dropped(self):
        self.start(endpoints={"app": {"max_messages": 3, "overflow": "drop_oldest", "redeliver_ms": 200}})
        transport, worker = self.transport(), self.application(prefetch=3)
        transport.settled(transport.say(*users(1, 3)))
        worker.deliveries(3)
        worker.nack(1, True)
        worker.nack(2, True)
        worker.barrier()
        transport.settled(transport.say(*users(4, 5)))
        self.assert_ids(worker.deliveries(2), "m4", "m5")
        worker.ack(5)
        worker.send(BYE, None)
        worker.expect(BYE)
        span(0.4, "until what was requeued would have come back")
        self.assert_nothing(self.application())

    def test_those_that_wait_to_come_back_keep_their_order(self):
        self.start(endpoint_defaults={"redeliver_ms": 100})
        self.filled(6)
        worker = self.application(prefetch=6)
        worker.deliveries(6)
        for seq in (5, 3, 1):
            worker.nack(seq, True)
        worker.send(BYE, None)
        worker.expect(BYE)
        span(0.3, "until all may be delivered again")
        self.assert_ids(self.application().deliveries(6), "m1", "m2", "m3", "m4", "m5", "m6")

    def test_a_reason_is_text_or_nil_and_requeue_a_bool(self):
        for frame in ((NACK, 1), (NACK, 1, None), (NACK, 1, 7, True), (NACK, 1, b"x", True), (NACK, 1, ["x"], True),
                      (NACK, 1, "x", 1), (NACK, 1, "x", None), (NACK, 1, "x", "true"), (NACK, None, "x", True),
                      (NACK, 1.0, "x", True), (NACK, -1, "x", True), (NACK, True, "x", True)):
            with self.subTest(frame=frame):
                worker = self.application()
                worker.send(*frame)
                self.assertEqual(worker.error(), "malformed")


class Instances(Delivering):
    def test_equals_take_turns(self):
        transport = self.transport()
        first, second = self.application(prefetch=5), self.application(prefetch=5)
        holders = []
        for n in range(8):
            transport.settled(transport.say(user("m%d" % n)))
            first.barrier(), second.barrier()
            holder = first if first.pending else second
            holders.append(holder)
            holder.ack(holder.deliveries(1)[0].seq)
            holder.barrier()
        self.assertEqual(holders[0::2], [holders[0]] * 4)
        self.assertEqual(holders[1::2], [second if holders[0] is first else first] * 4)

    def test_the_most_free_prefetch_first(self):
        transport = self.transport()
        small, large = self.application(prefetch=2), self.application(prefetch=9)
        for n in range(6):
            transport.settled(transport.say(user("m%d" % n)))
        self.assert_ids(large.deliveries(6), "m0", "m1", "m2", "m3", "m4", "m5")
        self.assert_nothing(small)

    def test_together_they_take_what_their_prefetch_allows(self):
        first, second = self.application(prefetch=2), self.application(prefetch=3)
        self.filled(8)
        self.assertEqual(sorted(ids(first.deliveries(2) + second.deliveries(3))), ["m1", "m2", "m3", "m4", "m5"])
        self.assert_nothing(first)
        self.assert_nothing(second)

    def test_each_settles_its_own(self):
        first, second = self.application(prefetch=1), self.application(prefetch=1)
        self.filled(2)
        self.assertEqual(sorted(ids(first.deliveries(1) + second.deliveries(1))), ["m1", "m2"])
        first.ack(1)
        first.send(FLOW, 0)
        first.barrier()
        second.send(BYE, None)
        second.expect(BYE)
        self.assert_nothing(first)
        self.assert_all(self.application().deliveries(1), True)

    def test_what_one_leaves_goes_to_the_other_at_once(self):
        first = self.application(prefetch=3)
        self.filled(3)
        first.deliveries(3)
        second = self.application()
        first.ack(1)
        first.send(BYE, "enough")
        got = second.deliveries(2)
        self.assert_ids(got, "m2", "m3")
        self.assert_all(got, True)

    def test_one_name_in_each_role_apart(self):
        """A transport is delivered to in just the same way."""
        application, transport = self.application(), self.transport(prefetch=2)
        application.settled(application.say(*users(1, 3, transport_name="sms")))
        self.assert_ids(transport.deliveries(2), "m1", "m2")
        transport.ack(0, 2)
        self.assert_ids(transport.deliveries(1), "m3")


class OldPlaces(Delivering):
    def test_after_a_bye(self):
        self.filled(8)
        first = self.application(prefetch=4)
        first.deliveries(4)
        first.ack(1, 3)
        first.deliveries(2)
        first.send(BYE, None)
        first.expect(BYE)
        got = self.application().deliveries(6)
        self.assert_ids(got, "m2", "m4", "m5", "m6", "m7", "m8")
        self.assertEqual([d.redelivered for d in got], [True] * 4 + [False] * 2)

    def test_after_a_lost_connection(self):
        self.filled(8)
        first = self.application(prefetch=4)
        first.deliveries(4)
        first.ack(1, 3)
        first.deliveries(2)
        first.lose()
        got = self.application().deliveries(6)
        self.assert_ids(got, "m2", "m4", "m5", "m6", "m7", "m8")
        self.assertEqual([d.redelivered for d in got], [True] * 4 + [False] * 2)

    def test_both_kinds(self):
        worker = self.transport()
        worker.settled(worker.say(user("m1"), event("e1"), user("m2"), event("e2")))
        first = self.application()
        first.deliveries(4)
        first.send(BYE, None)
        first.expect(BYE)
        got = self.application().deliveries(4)
        self.assert_all(got, True)
        self.assertEqual([x for x in ids(got) if x[0] == "m"], ["m1", "m2"])
        self.assertEqual([x for x in ids(got) if x[0] == "e"], ["e1", "e2"])

    def test_over_and_over(self):
        self.filled(40)
        for round_number in range(20):  # each settles one in the middle of what it has
            worker = self.application(prefetch=9)
            got = worker.deliveries(9)
            worker.ack(0, got[4].seq)
            worker.send(BYE, None)
            worker.expect(BYE)
        rest = self.application().deliveries(20)
        numbers = [int(name[1:]) for name in ids(rest)]
        self.assertEqual(numbers, sorted(numbers))
        self.assertEqual(numbers[:4], [1, 2, 3, 4])


class LastWords(BusTest):
    def test_whoever_acknowledges_and_hangs_up_is_heard(self):
        """While there is always more for it, so that the broker finds it gone by a send."""
        ended = threading.Event()
        feeding = threading.Thread(target=self.feed, args=(self.transport(), ended))
        feeding.start()
        try:
            acknowledged = set()
            for _ in range(300):
                acknowledged = self.take_and_hang_up(acknowledged)
        finally:
            ended.set()
            feeding.join()

    @staticmethod
    def feed(worker, ended):
        while not ended.is_set():
            last = worker.say(*users(worker.next_seq, worker.next_seq + 99))
            while worker.confirmed < last - 500:
                worker.expect(CONFIRM)

    def take_and_hang_up(self, acknowledged_before):
        worker = self.application(prefetch=100)
        mine = set()
        while len(mine) < 300:
            frame = worker.expect(DELIVER)
            got = worker.opened(frame)
            mine.update(ids(got))
            worker.ack(got[-1].seq)
        self.assertEqual(mine & acknowledged_before, set())
        worker.socket.close(linger=int(DEADLINE_S * 1000))
        return mine


if __name__ == "__main__":
    unittest.main()
