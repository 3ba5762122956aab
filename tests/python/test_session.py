"""The heart by itself: registering, sending, settling, coming back, leaving."""

import unittest

from heart import *
from signalbox import WorkerError
from signalbox._session import Limits, State


class Registering(unittest.TestCase):
    def test_hello(self):
        heart = Heart("transport", "sms", prefetch=7, client="c", instance="i")
        self.assertEqual(heart.out(), [[HELLO, 1, "transport", "sms", {
            "session": SECRET, "confirmed": 0, "prefetch": 7, "client": "c", "instance": "i"}]])
        self.assertEqual(heart.out(), [])
        self.assertEqual(heart.session.state, State.CONNECTING)
        heart.welcome(send_window=5, heartbeat_ms=100, broker="b", more="ignored")
        self.assertEqual(heart.session.state, State.REGISTERED)
        self.assertEqual(heart.session.limits, Limits(send_window=5, heartbeat_ms=100, broker="b"))
        self.assertEqual(heart.out(), [])

    def test_what_is_no_name_role_or_session(self):
        for options in ({"name": ""}, {"name": "a/b"}, {"name": "a\nb"}, {"name": "é" * 128}, {"role": "router"},
                        {"prefetch": -1}):
            with self.assertRaises(ValueError, msg=options):
                Heart(**options)
        with self.assertRaises(ValueError):
            Options(role="transport", name="sms", session=b"short")

    def test_an_error_for_good(self):
        heart = Heart()
        heart.out()
        heart.hear(ERROR, "unknown_endpoint", "no application 'app'")
        self.assertEqual(heart.session.state, State.FAILED)
        self.assertFalse(heart.session.wants_connection)
        with self.assertRaises(WorkerError) as raised:
            heart.send(1)
        self.assertEqual((raised.exception.code, raised.exception.text), ("unknown_endpoint", "no application 'app'"))

    def test_an_error_that_time_heals(self):
        heart = Heart()
        connection = heart.session.connection
        for pause in (1, 2, 4, 8, 16, 30, 30):
            heart.out()
            heart.hear(ERROR, "too_many", "come later")
            self.assertEqual(heart.session.state, State.WAITING)
            self.assertFalse(heart.session.wants_connection)
            self.assertEqual(heart.session.deadline(), heart.now + pause)
            heart.wait(pause - 0.01)
            self.assertEqual(heart.out(), [])
            heart.wait(0.01)
            self.assertGreater(heart.session.connection, connection)
            connection = heart.session.connection
        heart.register()
        heart.hear(PING)  # this registration works, so the next pause is short again
        heart.hear(ERROR, "gap", "")
        self.assertEqual(heart.session.deadline(), heart.now + 1)

    def test_not_registered_before_the_answer_is_about_what_left_before(self):
        heart = Heart()
        heart.out()
        heart.hear(ERROR, "not_registered", "")
        self.assertEqual(heart.session.state, State.CONNECTING)
        heart.welcome()
        heart.hear(ERROR, "not_registered", "")
        self.assertEqual(heart.session.state, State.WAITING)

    def test_silence_for_three_heartbeats(self):
        heart = Heart()
        heart.register(heartbeat_ms=1000)
        heart.wait(2.9)
        heart.hear(PING)
        self.assertEqual(heart.out(), [[PONG]])
        connection = heart.session.connection
        heart.wait(2.9)
        self.assertEqual((heart.session.connection, heart.out()), (connection, []))
        heart.wait(0.2)
        self.assertNotEqual(heart.session.connection, connection)
        self.assertEqual(heart.kinds(), [HELLO])
        self.assertIn("three heartbeats", heart.session.fault)

    def test_a_hello_that_nobody_answers(self):
        heart = Heart(heartbeat=2)
        heart.wait(100)  # there is no connection yet: libzmq is looking for one
        self.assertEqual(heart.kinds(), [HELLO])
        heart.wait(5.9)
        self.assertEqual(heart.out(), [])
        heart.wait(0.2)
        self.assertEqual(heart.kinds(), [HELLO])

    def test_a_lost_connection(self):
        heart = Heart()
        heart.session.connection_lost(heart.now)  # before HELLO has left it means nothing
        heart.register()
        heart.now += 5
        heart.session.connection_lost(heart.now)
        self.assertEqual(heart.kinds(), [HELLO])
        heart.session.connection_lost(heart.now)  # accepted and hung up
        self.assertEqual(heart.session.state, State.WAITING)

    def test_frames_of_no_broker_are_ignored(self):
        heart = Heart()
        heart.register()
        for frame in (b"", b"\xc1", b"\x80", b"\x90", pack(17), pack([17]), pack([18, -1]), pack([18, True]),
                      pack([18, 1.0]), pack([99, 1]), pack([19, 1, 2, 3]), pack([17, 1, False]), pack([2, 1]),
                      pack([18, 0]) + b"\x00", b"\x91" * 600 + b"\x00"):
            heart.session.receive([frame], heart.now)
            self.assertEqual((heart.session.state, heart.out(), heart.events()), (State.REGISTERED, [], []), frame)

    def test_bye(self):
        heart = Heart()
        heart.out()
        heart.hear(BYE, "draining")  # the answer to HELLO
        self.assertEqual(heart.session.state, State.WAITING)
        heart = Heart("transport")
        heart.register()
        heart.hear(BYE, "draining")
        self.assertTrue(heart.session.draining)
        heart.hear(BYE, None)
        self.assertEqual(heart.session.state, State.WAITING)


class Sending(unittest.TestCase):
    def setUp(self):
        self.heart = Heart("transport", "sms")

    def test_before_the_registration_there_is_no_room(self):
        self.assertEqual(self.heart.send(1), [None])

    def test_what_gathers_travels_together(self):
        self.heart.register()
        self.assertEqual(self.heart.send(1, 2, 3), [1, 2, 3])
        self.assertEqual(self.heart.out(), [[SEND, 1, [{"n": 1}, {"n": 2}, {"n": 3}]]])
        self.heart.send(4)
        self.assertEqual(self.heart.out(), [[SEND, 4, [{"n": 4}]]])
        self.heart.hear(CONFIRM, 3)
        self.assertEqual(self.heart.events(), [3])
        self.assertEqual(self.heart.session.window.unsettled, 1)

    def test_the_window_in_messages(self):
        self.heart.register(send_window=2)
        self.assertEqual(self.heart.send(1, 2, 3), [1, 2, None])
        self.heart.out()
        self.heart.hear(CONFIRM, 1)
        self.assertEqual(self.heart.send(3, 4), [3, None])

    def test_the_window_in_bytes_takes_any_one_message(self):
        self.heart.register(send_window_bytes=100)
        large = pack({"n": "x" * 500})
        self.assertEqual(self.heart.session.offer(large), 1)
        self.assertEqual(self.heart.send(2), [None])
        self.heart.out()
        self.heart.hear(CONFIRM, 1)
        self.assertEqual(self.heart.send(2), [2])
        self.assertIsNone(self.heart.session.offer(large))

    def test_a_batch_is_bounded(self):
        self.heart.register(max_batch_bytes=50)
        for number in range(1, 4):
            self.heart.session.offer(pack({"n": "x" * 20}))
        self.assertEqual([(frame[1], len(frame[2])) for frame in self.heart.out()], [(1, 2), (3, 1)])
        for encoded in (pack({"n": "x" * 50}), b""):
            with self.assertRaises(ValueError):
                self.heart.session.offer(encoded)

    def test_a_socket_that_is_busy(self):
        self.heart.register()
        self.heart.send(1)
        self.assertEqual(self.heart.session.next_frames()[1], pack({"n": 1}))  # not taken
        self.heart.send(2)
        self.assertEqual(self.heart.out(), [[SEND, 1, [{"n": 1}, {"n": 2}]]])

    def test_refusals_are_told_with_their_message_before_the_confirmation(self):
        self.heart.register()
        self.heart.send(1, 2, 3)
        self.heart.out()
        self.heart.hear(REFUSE, 2, "no_route", "nobody wants it")
        self.assertEqual(self.heart.events(), [])
        self.heart.hear(CONFIRM, 3)
        self.assertEqual(self.heart.events(), [(2, "no_route", 2), 3])

    def test_what_was_never_sent_cannot_be_settled(self):
        for frame in ((CONFIRM, 1), (REFUSE, 1, "no_route", "")):
            heart = Heart()
            heart.register()
            heart.hear(*frame)
            self.assertEqual(heart.session.state, State.FAILED)

    def test_a_transport_keeps_what_it_has_while_the_broker_drains(self):
        self.heart.register()
        self.heart.hear(BYE, "draining")
        self.heart.deliver(1, 10)
        self.heart.send(1)
        self.heart.next().ack()
        self.assertEqual(self.heart.out(), [[ACK, 1]])  # the broker waits for it
        application = Heart("application")
        application.register()
        application.hear(BYE, "draining")
        application.send(1)
        self.assertEqual(application.kinds(), [SEND])


class ComingBack(unittest.TestCase):
    def setUp(self):
        self.heart = Heart("transport", "sms")
        self.heart.register()

    def lose(self):
        self.heart.now += 5
        self.heart.session.connection_lost(self.heart.now)

    def test_it_goes_on_where_it_stood(self):
        self.heart.send(1, 2, 3, 4)
        self.heart.out()
        self.heart.hear(CONFIRM, 1)
        self.lose()
        self.assertEqual(self.heart.send(5), [5])  # the window stays open
        self.assertEqual(self.heart.register(last_seq=3)["confirmed"], 1)
        self.assertEqual(self.heart.out(), [[PING], [SEND, 4, [{"n": 4}, {"n": 5}]]])
        self.heart.hear(PONG)
        self.assertEqual(self.heart.events(), [1, 3])

    def test_a_broker_that_knows_nothing_any_more_gets_all_that_is_unconfirmed(self):
        self.heart.send(1, 2, 3)
        self.heart.out()
        self.heart.hear(CONFIRM, 1)
        self.lose()
        self.heart.register(last_seq=0)
        self.assertEqual(self.heart.out(), [[SEND, 2, [{"n": 2}, {"n": 3}]]])

    def test_repeated_refusals_are_told_once_with_their_message(self):
        self.heart.send(1, 2, 3, 4)
        self.heart.out()
        self.heart.hear(REFUSE, 2, "no_route", "")
        self.lose()
        self.heart.register(last_seq=3)
        for seq in (2, 3, 4):
            self.heart.hear(REFUSE, seq, "no_route", "")
        self.heart.hear(PONG)
        self.assertEqual(self.heart.events(), [(2, "no_route", 2), (3, "no_route", 3), 3])
        self.heart.hear(REFUSE, 4, "no_route", "")
        self.heart.hear(CONFIRM, 4)
        self.assertEqual(self.heart.events(), [(4, "no_route", 4), 4])

    def test_a_refusal_of_a_broker_that_forgot_it_is_not_told(self):
        self.heart.send(1)
        self.heart.out()
        self.heart.hear(REFUSE, 1, "queue_full", "")
        self.lose()
        self.heart.register(last_seq=0)
        self.assertEqual(self.heart.kinds(), [SEND])
        self.heart.hear(CONFIRM, 1)  # this time it found room
        self.assertEqual(self.heart.events(), [1])

    def test_narrower_windows_than_before(self):
        self.heart.send(*range(1, 7))
        self.heart.out()
        self.lose()
        self.heart.register(last_seq=0, send_window=2)
        self.assertEqual(self.heart.out(), [[SEND, 1, [{"n": 1}, {"n": 2}]]])
        self.heart.hear(CONFIRM, 1)
        self.assertEqual(self.heart.out(), [[SEND, 3, [{"n": 3}]]])

    def test_a_session_that_has_settled_more_than_was_sent_is_not_ours(self):
        self.lose()
        self.heart.out()
        self.heart.welcome(last_seq=1)
        self.assertEqual(self.heart.session.error.code, "protocol")

    def test_deliveries_of_the_old_connection_are_void(self):
        self.heart.deliver(1, 10, 11, 12)
        first, second = self.heart.take(2)
        self.lose()
        self.assertFalse(first.ack())
        self.assertFalse(second.nack())
        self.assertIsNone(self.heart.next())
        self.heart.register()
        self.assertEqual(self.heart.out(), [])
        self.heart.deliver(1, 10, redelivered=True)
        again = self.heart.next()
        self.assertTrue(again.redelivered)
        self.assertTrue(again.ack())
        self.assertEqual(self.heart.out(), [[ACK, 1]])

    def test_taken_over_is_for_good(self):
        self.heart.hear(ERROR, "taken_over", "")
        self.heart.wait(100)
        self.assertEqual((self.heart.session.state, self.heart.out()), (State.FAILED, []))


class TakenOverByItself(unittest.TestCase):
    """A HELLO whose connection was given up before the answer may still reach the broker, behind the one on the next
    connection, and take its registration over."""

    def taken_over(self, heart):
        heart.hear(ERROR, "taken_over", "")
        if heart.session.state is State.WAITING:
            heart.wait(60)

    def test_it_comes_back_as_often_as_its_own_hellos_may_have_done_it(self):
        heart = Heart()
        heart.out()
        heart.wait(15)  # three heartbeats
        heart.out()
        heart.session.connection_lost(heart.now)
        heart.wait(60)
        heart.register()
        for _ in range(2):
            self.taken_over(heart)
            heart.register()
        self.taken_over(heart)
        self.assertEqual(heart.session.state, State.FAILED)

    def test_a_hello_that_was_answered_takes_nothing_over(self):
        heart = Heart()
        for answer in ((ERROR, "too_many", ""), (BYE, "draining")):
            heart.out()
            heart.hear(*answer)
            heart.wait(60)
        heart.register()
        heart.session.connection_lost(heart.now)
        heart.wait(60)
        heart.register()
        self.taken_over(heart)
        self.assertEqual(heart.session.state, State.FAILED)


class Leaving(unittest.TestCase):
    def test_bye_is_the_last_frame(self):
        heart = Heart()
        heart.register()
        heart.deliver(1, 10)
        heart.next().ack()
        heart.send(1)
        heart.session.leave()
        self.assertEqual(heart.kinds(), [SEND, ACK, BYE])
        heart.hear(PING)
        self.assertEqual(heart.out(), [])
        heart.hear(BYE, None)
        self.assertEqual(heart.session.state, State.CLOSED)
        with self.assertRaises(WorkerError):
            heart.send(2)

    def test_bye_after_a_connection_lost_on_the_way_out(self):
        heart = Heart()
        heart.register()
        heart.session.leave()
        self.assertEqual(heart.kinds(), [BYE])
        heart.now += 5
        heart.session.connection_lost(heart.now)
        heart.register()
        self.assertEqual(heart.kinds(), [BYE])


if __name__ == "__main__":
    unittest.main()
