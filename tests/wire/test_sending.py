"""Section 4: numbers, windows, confirmations, and whose word the sender's name is."""

import unittest

from bus import *


class Numbers(BusTest):
    def test_a_message_arrives_as_it_was_and_is_confirmed(self):
        transport, application = self.transport(), self.application()
        message = pack(user("m1", transport_name="sms", to_addr="+1", from_addr="+2", content="häl\n\0lo",
                            other=[1.5, b"x"]))
        transport.say(message)
        self.assertEqual(transport.next(), Frame(CONFIRM, [1], None))
        frame = application.next()
        self.assertEqual((frame.kind, frame.args, frame.body), (DELIVER, [1, False], message))

    def test_a_batch_is_numbered_through(self):
        transport, application = self.transport(), self.application()
        self.assertEqual(transport.settled(transport.say(*users(1, 500))), [])
        got = application.deliveries(500)
        self.assert_ids(got, *["m%d" % n for n in range(1, 501)])
        self.assertEqual([d.seq for d in got], list(range(1, 501)))
        self.assert_all(got, False)

    def test_many_sends_under_way_at_once(self):
        transport, application = self.transport(), self.application()
        for first in range(1, 1001, 5):
            last = transport.say(*users(first, first + 4))
        self.assertEqual(transport.settled(last), [])
        self.assert_ids(application.deliveries(1000), *["m%d" % n for n in range(1, 1001)])

    def test_two_senders_count_apart(self):
        first, second, application = self.transport(), self.transport("xmpp"), self.application()
        first.settled(first.say(user("a"), user("b")))
        second.settled(second.say(user("c")))
        self.assert_ids(application.deliveries(3), "a", "b", "c")

    def test_the_first_number_is_1(self):
        worker, application = self.transport(), self.application()
        worker.batch(2, user("m2"))
        self.assertEqual(worker.error(), "gap")
        self.assert_nothing(application)

    def test_a_number_that_leaves_a_gap(self):
        worker, application = self.transport(), self.application()
        worker.settled(worker.say(*users(1, 3)))
        worker.batch(5, *users(5, 6))
        self.assertEqual(worker.error(), "gap")
        self.assert_ids(application.deliveries(3), "m1", "m2", "m3")
        self.assert_nothing(application)

    def test_what_is_known_as_a_whole_is_confirmed_again(self):
        worker, application = self.transport(), self.application()
        worker.settled(worker.say(*users(1, 3)))
        for first, last in ((1, 3), (2, 2), (1, 1)):
            worker.batch(first, *users(first, last))
            self.assertEqual(worker.next(), Frame(CONFIRM, [3], None))
        application.deliveries(3)
        self.assert_nothing(application)

    def test_what_is_known_in_part_enters_in_part(self):
        worker, application = self.transport(), self.application()
        worker.settled(worker.say(*users(1, 3)))
        worker.batch(2, *users(2, 5))
        worker.settled(5)
        self.assert_ids(application.deliveries(5), "m1", "m2", "m3", "m4", "m5")

    def test_nought_is_no_number(self):
        worker = self.transport()
        worker.batch(0, user("m0"))
        self.assertEqual(worker.error(), "malformed")

    def test_numbers_do_not_wrap(self):
        """An unknown session may begin at any number, but not where the count would run over."""
        application = self.application()
        for first in (MAXIMUM, MAXIMUM - 1):
            worker = self.transport(session=b"s" * 16)
            worker.batch(first, *users(1, 4))
            self.assertIn(worker.error(), ("malformed", "gap", "window"))
            self.assert_nothing(application)


class Bodies(BusTest):
    SESSION = b"0123456789abcdef"

    def breaks_off(self, tail):
        """What came whole before the break stands, is known to be settled, and the registration is over."""
        worker, application = self.transport(session=self.SESSION), self.application()
        worker.send(SEND, 1, body=pack(user("m1")) + pack(user("m2")) + tail)
        frames = [worker.next()]
        while frames[-1] and frames[-1].kind == CONFIRM:
            frames.append(worker.next())
        self.assertEqual(frames[-1] and frames[-1].args[0], "malformed")
        self.assert_ids(application.deliveries(2), "m1", "m2")
        self.assert_nothing(application)
        worker.send(PING)
        self.assertEqual(worker.error(), "not_registered")
        self.assertEqual(self.connect().register("transport", "sms", session=self.SESSION).args[2], 2)

    def test_the_bytes_end_within_a_map(self):
        self.breaks_off(pack(user("m3", content="x" * 100))[:-1])

    def test_the_bytes_end_after_a_maps_first_byte(self):
        self.breaks_off(b"\x81")

    def test_something_else_than_maps(self):
        for tail in (b"\xc0", b"\x00", b"\xa1x", pack([user("m3")]), b"\xc1", b"\xff" * 3):
            with self.subTest(tail=tail):
                self.breaks_off(tail)
                self.bus.stop()
                self.start()

    def test_a_map_that_holds_a_byte_that_is_no_messagepack(self):
        self.breaks_off(b"\x81\xa1k\xc1")

    def test_nothing_whole_before_the_break(self):
        for body in (b"", b"\xc0", b"\x90", b"\xdf", b"\x81\xa1k", b"text"):
            with self.subTest(body=body):
                worker = self.transport()
                worker.send(SEND, 1, body=body)
                frame = worker.next()
                self.assertEqual((frame.kind, frame.args[0]), (ERROR, "malformed"))

    def test_a_malformed_message_leaves_the_rest_of_its_batch(self):
        worker, application = self.transport(), self.application()
        last = worker.say(user("m1"), {}, user("m3"), {"message_type": "user_message"}, user("m5"))
        self.assertEqual(worker.settled(last), [(2, "malformed"), (4, "malformed")])
        self.assert_ids(application.deliveries(3), "m1", "m3", "m5")

    def test_every_message_of_a_batch_refused(self):
        worker = self.transport()
        self.assertEqual(worker.settled(worker.say(*[{}] * 300)), [(n, "malformed") for n in range(1, 301)])


class Sizes(BusTest):
    broker = {"max_message_bytes": 1000, "max_batch_bytes": 4000, "send_window_bytes": 3500}

    def test_one_message_over_max_message_bytes(self):
        worker, application = self.transport(), self.application()
        last = worker.say(sized("m1", 1000, transport_name="sms"), sized("m2", 1001, transport_name="sms"), user("m3"))
        self.assertEqual(worker.settled(last), [(2, "too_large")])
        self.assert_ids(application.deliveries(2), "m1", "m3")

    def test_what_the_broker_adds_is_not_counted(self):
        worker, application = self.transport(), self.application()
        worker.say(sized("m1", 1000))
        self.assertEqual(worker.settled(1), [])
        self.assertGreater(len(application.deliveries(1)[0].raw), 1000)

    def test_a_body_over_max_batch_bytes(self):
        self.start(broker={"send_window_bytes": 100000})
        worker, application = self.transport(), self.application()
        worker.say(*[sized("m%d" % n, 1000) for n in range(1, 5)])
        worker.settled(4)
        application.deliveries(4)
        worker.batch(5, *[sized("m%d" % n, 1000) for n in range(5, 8)], sized("m8", 1001))
        self.assertEqual(worker.error(), "too_large")
        self.assert_nothing(application)

    def test_a_little_less_than_64_kib_over_it(self):
        worker = self.transport()
        worker.send(SEND, 1, body=b"\x80" * (4000 + 65000))
        self.assertEqual(worker.error(), "too_large")

    def test_far_over_it_the_connection_ends_without_a_word(self):
        worker, application = self.transport(), self.application()
        worker.send(SEND, 1, body=b"\x80" * (4000 + 66000))
        frames = []
        while not frames:  # libzmq connects again, as somebody whom the broker does not know
            worker.send(PING)
            frames = [frame for frame in [worker.next(0.1)] if frame and frame.kind == ERROR]
        self.assertEqual(frames[0].args[0], "not_registered")
        self.assert_nothing(application)

    def test_the_window_in_bytes(self):
        worker, application = self.transport(), self.application()
        worker.say(*[sized("m%d" % n, 875) for n in range(1, 5)])  # 3500: exactly the window
        worker.settled(4)
        worker.batch(5, *[sized("m%d" % n, 875) for n in range(5, 8)], sized("m8", 876))
        self.assertEqual(worker.error(), "window")
        self.assert_ids(application.deliveries(4), "m1", "m2", "m3", "m4")
        self.assert_nothing(application)


class Windows(BusTest):
    broker = {"send_window": 10}
    endpoints = {"app": {"max_messages": 5}}

    def test_a_batch_as_wide_as_the_window(self):
        worker = self.transport()
        self.assertEqual(self.application("app").next(0), None)
        worker.say(*[{}] * 10)
        self.assertEqual(len(worker.settled(10)), 10)
        worker.say(*[{}] * 10)
        self.assertEqual(len(worker.settled(20)), 10)

    def test_a_batch_wider_than_the_window(self):
        worker, application = self.transport(), self.application()
        worker.say(*users(1, 11))
        self.assertEqual(worker.error(), "window")
        self.assert_nothing(application)

    def test_what_is_unconfirmed_counts(self):
        worker = self.transport()
        worker.say(*users(1, 8))  # five are within the queue's limit, three wait for their confirmation
        worker.settled(5)
        worker.batch(9, *[{}] * 7)
        self.assert_nothing(worker, ERROR)
        worker.batch(16, {})
        self.assertEqual(worker.error(), "window")
        application = self.application()
        self.assert_ids(application.deliveries(8), *["m%d" % n for n in range(1, 9)])
        self.assert_nothing(application)

    def test_one_window_a_sender(self):
        first, second = self.transport(), self.transport("xmpp")
        first.say(*users(1, 8))
        first.settled(5)
        second.say(*[{}] * 10)
        self.assertEqual(len(second.settled(10)), 10)


class WindowOfOneMessage(BusTest):
    broker = {"max_message_bytes": 1000, "max_batch_bytes": 2000, "send_window_bytes": 500}

    def test_one_message_always_fits(self):
        worker, application = self.transport(), self.application()
        worker.settled(worker.say(sized("m1", 900)))
        worker.settled(worker.say(sized("m2", 900)))
        self.assert_ids(application.deliveries(2), "m1", "m2")
        worker.say(sized("m3", 300), sized("m4", 300))
        self.assertEqual(worker.error(), "window")


class WhoMaySendWhat(BusTest):
    dispatcher = {**BusTest.dispatcher, "transport_names": ["sms", "xmpp", "hub"], "relays": ["hub"],
                  "routing_mappings": {"sms": "app", "xmpp": "other", "hub": "app"}}

    def test_a_transport_name_of_ones_own_passes_untouched(self):
        worker, application = self.transport(), self.application()
        message = pack({"transport_name": "sms", "later": [None, {"transport_name": 7}], **user("m1")})
        worker.settled(worker.say(message))
        self.assertEqual(application.deliveries(1)[0].raw, message)

    def test_nil_is_filled_in_at_its_place(self):
        worker, application = self.transport(), self.application()
        worker.settled(worker.say({"before": 1.5, "transport_name": None, **user("m1"), "after": b"\0"}))
        self.assertEqual(application.deliveries(1)[0].raw,
                         pack({"before": 1.5, "transport_name": "sms", **user("m1"), "after": b"\0"}))

    def test_absent_is_added_at_the_end(self):
        worker, application = self.transport(), self.application()
        for extra in (0, 12, 13, 14, 300):  # over 15 fields a map's head grows; over 15 it has grown already
            fields = {"field %d" % n: n for n in range(extra)}
            worker.settled(worker.say(user("m1", **fields)))
            self.assertEqual(application.deliveries(1)[0].raw, pack({**user("m1", **fields), "transport_name": "sms"}))

    def test_events_too(self):
        worker, application = self.transport(), self.application()
        worker.settled(worker.say(event("m1")))
        self.assertEqual(application.deliveries(1)[0].raw, pack({**event("m1"), "transport_name": "sms"}))
        worker.say(event("m1", transport_name="xmpp"))
        self.assertEqual(worker.settled(2), [(2, "not_permitted")])

    def test_a_name_that_is_not_ones_own(self):
        worker, other = self.transport(), self.application("other")
        last = worker.say(*[user("m", transport_name=name)
                            for name in ("xmpp", "hub", "app", "nobody", "", "SMS", "sms ")])
        self.assertEqual(worker.settled(last), [(n, "not_permitted") for n in range(1, 8)])
        self.assert_nothing(other)

    def test_a_relay_may_carry_another(self):
        hub, app, other = self.transport("hub"), self.application("app"), self.application("other")
        hub.settled(hub.say(user("m1", transport_name="xmpp"), user("m2", transport_name="sms"), user("m3"),
                            user("m4", transport_name=None), event("m5", transport_name="xmpp")))
        self.assertEqual([(d.message["message_id"], d.message["transport_name"]) for d in app.deliveries(3)],
                         [("m2", "sms"), ("m3", "hub"), ("m4", "hub")])
        self.assert_ids(other.deliveries(2), "m1", "m5")
        hub.say(user("m6", transport_name="nobody"))
        self.assertEqual(hub.settled(6), [(6, "no_route")])

    def test_an_application_sends_no_events(self):
        worker, sms = self.application(), self.transport()
        last = worker.say(event("m1", transport_name="sms"), user("m2", transport_name="sms"))
        self.assertEqual(worker.settled(last), [(1, "malformed")])
        self.assert_ids(sms.deliveries(1), "m2")

    def test_what_an_application_sends_is_not_rewritten(self):
        worker, sms = self.application(), self.transport()
        message = pack({"transport_name": "sms", "transport_type": "sms", **user("m1", in_reply_to="", to_addr=None)})
        worker.settled(worker.say(message))
        self.assertEqual(sms.deliveries(1)[0].raw, message)

    def test_dead_letters_sends_nothing(self):
        worker = self.application("dead_letters")
        last = worker.say(user("m1", transport_name="sms"), user("m2"))
        self.assertEqual(worker.settled(last), [(1, "not_permitted"), (2, "not_permitted")])


if __name__ == "__main__":
    unittest.main()
