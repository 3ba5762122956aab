"""Section 5: what becomes of messages that nobody could handle."""

import unittest

from bus import *


class DeadLetters(BusTest):
    def dead(self, *messages, reason="no"):
        """Hands messages over and has each made a dead letter by a NACK."""
        giver, worker = self.transport(), self.application()
        giver.settled(giver.say(*messages))
        for delivery in worker.deliveries(len(messages)):
            worker.nack(delivery.seq, False, reason)
        worker.barrier()
        for leaver in (giver, worker):
            leaver.send(BYE, None)
            leaver.expect(BYE)

    def test_the_message_itself_and_what_became_of_it(self):
        message = user("m1", content="hello", helper_metadata={"tag": {"tag": ["pool", "t"]}}, transport_name="sms",
                       extra=1.5)
        self.dead(message, reason="cannot parse")
        got, = self.application("dead_letters").deliveries(1)
        self.assertFalse(got.redelivered)
        letter = self.dead_letter(got)
        self.assertEqual((letter["endpoint"], letter["reason"], letter["deliveries"]), ("app", "cannot parse", 1))
        del got.message["helper_metadata"]["dead_letter"]
        self.assertEqual(got.message, message)
        self.assertEqual(list(got.message), list(message), "in their old order")

    def test_without_helper_metadata(self):
        self.dead(user("m1"), user("m2", helper_metadata=None), user("m3", helper_metadata={}))
        for got in self.application("dead_letters").deliveries(3):
            self.assertEqual(list(got.message["helper_metadata"]), ["dead_letter"])
            self.dead_letter(got)

    def test_nil_is_an_empty_reason(self):
        self.dead(user("m1"), reason=None)
        self.assertEqual(self.dead_letter(self.application("dead_letters").deliveries(1)[0])["reason"], "")

    def test_a_reason_is_cut_and_cannot_move_a_cursor(self):
        self.dead(user("m1"), reason="\x1b[2J\n" + "é" * 10000)
        reason = self.dead_letter(self.application("dead_letters").deliveries(1)[0])["reason"]
        self.assertTrue(reason.isprintable())
        self.assertLess(len(reason.encode()), 300)  # 255 bytes, and a little for what had to be escaped

    def test_events_too(self):
        self.dead(event("m1"))
        got, = self.application("dead_letters").deliveries(1)
        self.assertEqual(got.message["message_type"], "event")
        self.assertEqual(self.dead_letter(got)["endpoint"], "app")

    def test_after_max_deliveries_failures(self):
        self.start(endpoint_defaults={"max_deliveries": 3, "redeliver_ms": 20})
        letters, worker, giver = self.application("dead_letters"), self.application(), self.transport()
        giver.settled(giver.say(*users(1, 2)))
        worker.deliveries(2)
        worker.ack(0, 2)
        worker.nack(1, True, "first")
        self.assertEqual([d.seq for d in worker.deliveries(1)], [3])
        worker.nack(3, True, "second")
        self.assertEqual([d.seq for d in worker.deliveries(1)], [4])
        self.assert_nothing(letters)
        worker.nack(4, True, "third")
        letter = self.dead_letter(letters.deliveries(1)[0])
        self.assertEqual((letter["endpoint"], letter["deliveries"]), ("app", 3))
        self.assert_nothing(worker)

    def test_of_a_transport(self):
        application, transport = self.application(), self.transport()
        application.settled(application.say(user("m1", transport_name="sms")))
        transport.deliveries(1)
        transport.nack(1, False, "unreachable")
        letter = self.dead_letter(self.application("dead_letters").deliveries(1)[0])
        self.assertEqual((letter["endpoint"], letter["reason"]), ("sms", "unreachable"))

    def test_many_and_in_order(self):
        self.dead(*users(1, 100))
        self.assert_ids(self.application("dead_letters").deliveries(100), *["m%d" % n for n in range(1, 101)])

    def test_its_queue_drops_its_oldest(self):
        self.start(endpoints={"dead_letters": {"max_messages": 3}})
        self.dead(*users(1, 5))
        self.assert_ids(self.application("dead_letters").deliveries(3), "m3", "m4", "m5")

    def test_a_nack_there_drops(self):
        self.dead(*users(1, 3))
        letters = self.application("dead_letters")
        letters.deliveries(3)
        letters.nack(1, False, "whatever")
        letters.nack(2, True, "whatever")
        letters.send(BYE, None)
        letters.expect(BYE)
        letters = self.application("dead_letters")
        self.assert_ids(letters.deliveries(1), "m3")
        span(0.2, "longer than redeliver_ms: what was dropped does not come again")
        self.assert_nothing(letters)

    def test_one_that_is_lost_there_comes_again(self):
        self.dead(*users(1, 3))
        letters = self.application("dead_letters")
        letters.deliveries(3)
        letters.ack(1)
        letters.lose()
        got = self.application("dead_letters").deliveries(2)
        self.assert_ids(got, "m2", "m3")
        self.assert_all(got, True)

    def test_one_that_kills_its_readers_is_dropped(self):
        self.start(endpoints={"dead_letters": {"max_deliveries": 1}})
        self.dead(user("m1"))
        for _ in range(3):
            letters = self.application("dead_letters")
            self.assert_ids(letters.deliveries(1), "m1")
            letters.lose()
        letters = self.application("dead_letters")
        self.assert_nothing(letters)
        self.dead(user("m2"))
        self.assert_ids(letters.deliveries(1), "m2")

    def test_a_dispatchers_own(self):
        self.start(dispatcher={"dead_letters": "graveyard"})
        self.dead(user("m1"))
        self.assert_ids(self.application("graveyard").deliveries(1), "m1")
        self.assert_nothing(self.application("dead_letters"))


if __name__ == "__main__":
    unittest.main()
