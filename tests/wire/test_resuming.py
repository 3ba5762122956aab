"""Section 6: sessions that outlive their connections."""

import unittest

from bus import *

SESSION = b"a session's id.."


class Resuming(BusTest):
    def again(self, name="sms", **options):
        """A new connection that gives the session; the worker and what WELCOME calls its last number."""
        worker = self.connect()
        frame = worker.register("transport", name, session=SESSION, **options)
        worker.next_seq = frame.args[2] + 1
        return worker, frame.args[2]

    def settled_session(self):
        worker, last_seq = self.again()
        self.assertEqual(last_seq, 0)
        worker.settled(worker.say(*users(1, 3)))
        return worker


class Numbers(Resuming):
    def test_the_highest_settled_number_comes_back(self):
        worker = self.settled_session()
        worker.close()
        worker, last_seq = self.again()
        self.assertEqual(last_seq, 3)
        worker.settled(worker.say(user("m4")))
        self.assert_ids(self.application().deliveries(4), "m1", "m2", "m3", "m4")

    def test_what_was_received_is_skipped(self):
        worker, application = self.settled_session(), self.application()
        worker.close()
        worker, _ = self.again()
        worker.batch(1, *users(1, 3))
        self.assertEqual(worker.next(), Frame(CONFIRM, [3], None))
        worker.batch(2, *users(2, 5))
        worker.settled(5)
        self.assert_ids(application.deliveries(5), "m1", "m2", "m3", "m4", "m5")
        self.assert_nothing(application, DELIVER)

    def test_a_gap_leaves_the_session_as_it_is(self):
        worker, application = self.settled_session(), self.application()
        worker.batch(5, user("m5"))
        self.assertEqual(worker.error(), "gap")
        worker, last_seq = self.again()
        self.assertEqual(last_seq, 3)
        worker.batch(4, *users(4, 5))
        worker.settled(5)
        self.assert_ids(application.deliveries(5), "m1", "m2", "m3", "m4", "m5")

    def test_an_unknown_session_may_begin_anywhere(self):
        for first in (1, 7, 2**32, 2**63):
            with self.subTest(first=first):
                worker, last_seq = self.again()
                self.assertEqual(last_seq, 0)
                worker.batch(first, user("a"), user("b"))
                worker.settled(first + 1)
                worker.batch(first + 2, user("c"))
                worker.settled(first + 2)
                worker.batch(first + 4, user("d"))
                self.assertEqual(worker.error(), "gap")
                worker, last_seq = self.again()
                self.assertEqual(last_seq, first + 2)
                worker.send(BYE, None)
                worker.expect(BYE)

    def test_it_may_not_begin_anywhere_twice(self):
        worker = self.settled_session()
        worker.close()
        worker, _ = self.again()
        worker.batch(100, user("m100"))
        self.assertEqual(worker.error(), "gap")

    def test_on_the_same_connection(self):
        worker = self.settled_session()
        worker.hello("transport", "sms", session=SESSION)
        self.assertEqual(worker.welcome().args[:3], [1, SESSION, 3])
        worker.batch(3, *users(3, 4))
        worker.settled(4)
        self.assert_ids(self.application().deliveries(4), "m1", "m2", "m3", "m4")

    def test_without_a_session_nothing_is_remembered(self):
        worker = self.transport()
        worker.settled(worker.say(*users(1, 3)))
        worker.close()
        worker = self.transport()
        worker.settled(worker.say(*users(4, 5)))
        self.assert_ids(self.application().deliveries(5), "m1", "m2", "m3", "m4", "m5")

    def test_after_an_error_it_resumes(self):
        worker = self.settled_session()
        worker.send(FLOW, "nonsense")
        self.assertEqual(worker.error(), "malformed")
        worker.hello("transport", "sms", session=SESSION)
        self.assertEqual(worker.welcome().args[2], 3)

    def test_after_a_restart_of_the_broker_it_is_unknown(self):
        self.settled_session()
        self.bus.stop()
        self.start()
        worker, last_seq = self.again()
        self.assertEqual(last_seq, 0)
        worker.batch(4, user("m4"))
        worker.settled(4)

    def test_what_is_received_and_not_settled_is_not_in_last_seq(self):
        self.start(endpoints={"app": {"max_messages": 5, "block_ms": 60000}})
        worker, _ = self.again()
        worker.say(*users(1, 8))
        worker.settled(5)
        worker.close()
        worker, last_seq = self.again()
        self.assertEqual(last_seq, 5)
        worker.batch(6, *users(6, 8))  # as the page tells it to: under their old numbers
        worker.barrier()
        self.assertLessEqual(worker.confirmed, 5, "it may be told again what is, but nothing else")
        worker.pending.clear()
        application = self.application()
        self.assert_ids(application.deliveries(8), *["m%d" % n for n in range(1, 9)])
        application.ack(2)
        self.assert_nothing(worker)
        application.ack(3)
        worker.settled(8)
        self.assert_nothing(application, DELIVER)

    def test_the_window_holds_over_a_resume(self):
        self.start(broker={"send_window": 4}, endpoints={"app": {"max_messages": 2, "block_ms": 60000}})
        worker, _ = self.again()
        worker.say(*users(1, 4))
        worker.settled(2)
        worker.close()
        worker, _ = self.again()
        worker.batch(3, *users(3, 6))  # 3 and 4 are known, 5 and 6 fill the window
        self.assert_nothing(worker, ERROR, CONFIRM)
        worker.batch(7, user("m7"))
        self.assertEqual(worker.error(), "window")

    def test_applications_resume_too(self):
        worker = self.application(session=SESSION)
        worker.settled(worker.say(*users(1, 2, transport_name="sms")))
        worker.close()
        worker = self.connect()
        self.assertEqual(worker.register("application", "app", session=SESSION).args[2], 2)


class Refusals(Resuming):
    def refused(self, worker):
        worker.barrier()
        frames = [frame for frame in worker.pending if frame.kind == REFUSE]
        return [tuple(frame.args[:2]) for frame in frames]

    def test_those_above_confirmed_follow_once_more(self):
        worker, _ = self.again()
        last = worker.say(user("m1"), {}, user("m3"), user("m4", transport_name="xmpp"), user("m5"))
        refusals = worker.settled(last)
        self.assertEqual(refusals, [(2, "malformed"), (4, "not_permitted")])
        for confirmed, expected in ((None, refusals), (0, refusals), (1, refusals), (2, refusals[1:]),
                                    (3, refusals[1:]),
                                    (4, []), (5, []), (MAXIMUM, [])):
            with self.subTest(confirmed=confirmed):
                worker, last_seq = self.again(**({} if confirmed is None else {"confirmed": confirmed}))
                self.assertEqual(last_seq, 5)
                self.assertEqual(self.refused(worker), expected)

    def test_they_follow_the_welcome(self):
        worker, _ = self.again()
        worker.settled(worker.say({}, {}))
        worker = self.connect()
        worker.hello("transport", "sms", session=SESSION)
        self.assertEqual([worker.next().kind for _ in range(3)], [WELCOME, REFUSE, REFUSE])

    def test_on_the_same_connection_too(self):
        worker, _ = self.again()
        worker.settled(worker.say({}))
        worker.register("transport", "sms", session=SESSION)
        self.assertEqual(self.refused(worker), [(1, "malformed")])

    def test_those_of_the_last_send_window_numbers_are_kept(self):
        self.start(broker={"send_window": 10})
        worker, _ = self.again()
        for _ in range(5):
            worker.settled(worker.say(*[{}] * 10))
        worker, _ = self.again()
        self.assertEqual([seq for seq, _ in self.refused(worker)], list(range(41, 51)))

    def test_the_texts_are_as_they_were(self):
        worker, _ = self.again()
        worker.say({})
        text = worker.expect(REFUSE).args[2]
        worker, _ = self.again()
        self.assertEqual(worker.expect(REFUSE).args, [1, "malformed", text])


class Takeover(Resuming):
    def test_the_old_one_is_told_and_out(self):
        old = self.settled_session()
        new, last_seq = self.again()
        self.assertEqual(last_seq, 3)
        self.assertEqual(old.error(), "taken_over")
        old.batch(4, user("late"))
        self.assertEqual(old.error(), "not_registered")
        new.settled(new.say(user("m4")))
        self.assert_ids(self.application().deliveries(4), "m1", "m2", "m3", "m4")

    def test_what_it_had_not_settled_comes_to_the_new_one(self):
        giver = self.transport()
        giver.settled(giver.say(*users(1, 3)))
        old = self.application(session=SESSION)
        old.deliveries(3)
        old.ack(1)
        new = self.application(session=SESSION)
        self.assertEqual(old.error(), "taken_over")
        got = new.deliveries(2)
        self.assertEqual([d.seq for d in got], [1, 2], "numbers are the connection's")
        self.assert_ids(got, "m2", "m3")
        self.assert_all(got, True)

    def test_back_and_forth(self):
        first, second = self.connect(), self.connect()
        first.register("transport", "sms", session=SESSION)
        for n in range(1, 6):
            mine, others = (second, first) if n % 2 else (first, second)
            self.assertEqual(mine.register("transport", "sms", session=SESSION).args[2], n - 1)
            self.assertEqual(others.error(), "taken_over")
            mine.batch(n, user("m%d" % n))
            mine.settled(n)

    def test_under_another_role_or_name_it_is_not_permitted(self):
        owner = self.settled_session()
        for role, name in (("transport", "xmpp"), ("application", "app")):
            thief = self.connect()
            thief.hello(role, name, session=SESSION)
            self.assertEqual(thief.error(), "not_permitted")
        owner.settled(owner.say(user("m4")))  # undisturbed
        owner.close()
        thief = self.connect()
        thief.hello("transport", "xmpp", session=SESSION)
        self.assertEqual(thief.error(), "not_permitted")
        self.assertEqual(self.again()[1], 4)


class Forgetting(Resuming):
    def test_bye_forgets_the_session(self):
        worker = self.settled_session()
        worker.send(BYE, None)
        worker.expect(BYE)
        worker = self.connect()
        self.assertEqual(worker.register("transport", "xmpp", session=SESSION).args[2], 0, "it may be another's now")

    def test_a_lost_session_is_kept_for_its_time(self):
        self.start(broker={"session_ttl": 1})
        worker = self.settled_session()
        span(1.5, "longer than session_ttl, while it is not lost")
        worker.close()
        worker, last_seq = self.again()
        self.assertEqual(last_seq, 3)
        worker.lose()
        span(1.5, "session_ttl, and a turn of the clock")
        self.assertEqual(self.again()[1], 0)

    def test_one_that_an_error_ended_too(self):
        self.start(broker={"session_ttl": 1})
        worker = self.settled_session()
        worker.batch(9, user("gap"))
        self.assertEqual(worker.error(), "gap")
        span(1.5, "session_ttl, and a turn of the clock")
        self.assertEqual(self.again()[1], 0)


class Bye(Resuming):
    def test_it_settles_what_came_before_it(self):
        worker, application = self.transport(), self.application()
        worker.say(*users(1, 50), {})
        worker.send(BYE, "done")
        kinds = []
        while BYE not in kinds:
            frame = worker.next()
            self.assertIsNotNone(frame)
            kinds.append(frame.kind)
        self.assertEqual((worker.confirmed, worker.refused), (51, 51))
        application.deliveries(50)
        worker.batch(51, user("late"))
        self.assertEqual(worker.error(), "not_registered")

    def test_its_answer_has_its_shape(self):
        for reason in ("done", None, "", "x" * 1000):
            worker = self.transport()
            worker.send(BYE, reason)
            frame = worker.next()
            self.assertEqual(frame.kind, BYE)
            self.assertTrue(frame.args[0] is None or isinstance(frame.args[0], str))

    def test_hello_right_behind_it_opens_a_new_registration(self):
        for options in ({}, {"session": SESSION}):
            worker = self.connect()
            worker.register("transport", "sms", **options)
            worker.batch(1, user("m1"), {})
            worker.send(BYE, None)
            worker.hello("transport", "sms", **options)
            worker.batch(1, user("m2"))
            self.assertEqual([worker.next().kind for _ in range(4)], [REFUSE, CONFIRM, BYE, WELCOME])
            worker.settled(1)
            worker.send(BYE, None)
            worker.expect(BYE)
        self.assert_ids(self.application().deliveries(4), "m1", "m2", "m1", "m2")

    def test_a_reason_is_text_or_nil(self):
        for reason in (7, b"bytes", ["x"], True):
            worker = self.transport()
            worker.send(BYE, reason)
            self.assertEqual(worker.error(), "malformed")


if __name__ == "__main__":
    unittest.main()
