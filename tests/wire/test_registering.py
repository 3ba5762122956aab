"""Section 3: what HELLO may say, and what answers it."""

import os
import subprocess
import tempfile
import time
import unittest

from bus import *

SESSION = bytes(range(16))


class Welcome(BusTest):
    def test_the_defaults_are_those_of_the_page(self):
        self.start(broker={"heartbeat_ms": None, "drain_ms": None})
        frame = self.connect().register("application", "app")
        version, session, last_seq, limits = frame.args
        self.assertEqual((version, session, last_seq), (1, None, 0))
        self.assertTrue(limits.pop("broker"))
        self.assertEqual(limits, {
            "heartbeat_ms": 5000, "max_message_bytes": 1 << 20, "max_batch_bytes": 4 << 20, "send_window": 16384,
            "send_window_bytes": 16 << 20, "max_prefetch": 65536, "durable": False, "features": []})

    def test_it_names_the_limits_in_force(self):
        configured = {"heartbeat_ms": 700, "max_message_bytes": 2000, "max_batch_bytes": 8000, "send_window": 20,
                      "send_window_bytes": 16000, "max_prefetch": 30}
        self.start(broker=configured)
        limits = self.connect().register("transport", "sms").args[3]
        self.assertEqual({key: limits[key] for key in configured}, configured)

    def test_a_session_comes_back_as_it_was_given(self):
        self.assertEqual(self.connect().register("transport", "sms", session=SESSION).args[1], SESSION)
        self.assertEqual(self.connect().register("transport", "sms", session=bytes(16)).args[1], bytes(16))

    def test_options_may_be_left_out_or_be_unknown_or_go_on(self):
        for frame in ([1, 1, "application", "app"],
                      [1, 1, "application", "app", {}],
                      [1, 1, "application", "app", {"colour": [1, {"deep": None}], "": 1.5}],
                      [1, 1, "application", "app", {}, "elements", {"past": "those"}, "known"],
                      [1, 1, "application", "app", {"features": ["order_by", "expiry"]}],
                      [1, 1, "application", "app", {"client": "", "instance": "x" * 10000, "confirmed": 0}]):
            with self.subTest(frame=frame):
                worker = self.connect()
                worker.send(*frame)
                self.assertEqual(worker.welcome().args[3]["features"], [])

    def test_integers_and_text_in_every_width(self):
        def array(*elements):
            return bytes([0x90 | len(elements)]) + b"".join(elements)

        one = [b"\x01", b"\xcc\x01", b"\xcd\0\1", b"\xce\0\0\0\1", b"\xcf" + bytes(7) + b"\1",
               b"\xd0\x01", b"\xd1\0\1", b"\xd2\0\0\0\1", b"\xd3" + bytes(7) + b"\1"]
        role = [b"\xabapplication", b"\xd9\x0bapplication", b"\xda\0\x0bapplication", b"\xdb\0\0\0\x0bapplication"]
        for header in ([array(width, width, role[0], b"\xa3app") for width in one] +
                       [array(one[0], one[0], width, b"\xdb\0\0\0\x03app") for width in role] +
                       [b"\xdc\0\x04" + array(one[0], one[0], role[0], b"\xa3app")[1:],
                        b"\xdd\0\0\0\x04" + array(one[0], one[0], role[0], b"\xa3app")[1:]]):
            with self.subTest(header=header):
                worker = self.connect()
                worker.send_frames(header)
                worker.welcome()

    def test_a_client_cannot_write_to_the_log(self):
        worker = self.application(client="\x1b[31mred\nFAKE LINE", instance="two\r\nlines\x07\x9b")
        worker.send(BYE, "\x1b[0m\nFAKE LINE")
        worker.expect(BYE)
        self.bus.stop()
        for character in "\x1b\x07\r\x9b":
            self.assertNotIn(character, self.bus.log())
        self.assertFalse([line for line in self.bus.log().splitlines() if line.startswith("FAKE LINE")])


class Refused(BusTest):
    def answers(self, code, *elements):
        with self.subTest(elements=elements):
            worker = self.connect()
            worker.send(*elements)
            frame = worker.next()
            self.assertIsNotNone(frame, "no answer")
            self.assertEqual((frame.kind, frame.args[0]), (ERROR, code))
            # There is no registration, and a good HELLO on the same connection makes one.
            worker.batch(1, user("m"))
            self.assertEqual(worker.error(), "not_registered")
            worker.register("application", "app")

    def test_versions(self):
        for version in (0, 2, 255, MAXIMUM):
            self.answers("version", HELLO, version, "application", "app", {})

    def test_names(self):
        for name in ("nobody", "App", "app ", "", "a/b", "app\0", "app\n", "\x7f", "\x85", "a" * 255, "a" * 256,
                     "a" * 70000):
            self.answers("unknown_endpoint", HELLO, 1, "application", name, {})
            self.answers("unknown_endpoint", HELLO, 1, "transport", name, {})

    def test_a_name_that_is_no_utf_8(self):
        self.answers("unknown_endpoint", HELLO, 1, "application", "app\udcff", {})

    def test_the_other_role(self):
        self.answers("unknown_endpoint", HELLO, 1, "transport", "app", {})
        self.answers("unknown_endpoint", HELLO, 1, "application", "sms", {})
        self.answers("unknown_endpoint", HELLO, 1, "transport", "dead_letters", {})

    def test_elements_of_the_wrong_type_or_missing(self):
        for elements in ((HELLO,), (HELLO, 1), (HELLO, 1, "application"),
                         (HELLO, 1.0, "application", "app"), (HELLO, True, "application", "app"),
                         (HELLO, "1", "application", "app"), (HELLO, None, "application", "app"),
                         (HELLO, -1, "application", "app"),
                         (HELLO, 1, "spectator", "app"), (HELLO, 1, "", "app"), (HELLO, 1, "Application", "app"),
                         (HELLO, 1, 1, "app"), (HELLO, 1, None, "app"), (HELLO, 1, b"application", "app"),
                         (HELLO, 1, "application", 5), (HELLO, 1, "application", None),
                         (HELLO, 1, "application", b"app"), (HELLO, 1, "application", ["app"]),
                         (HELLO, 1, "application", "app", []), (HELLO, 1, "application", "app", "options"),
                         (HELLO, 1, "application", "app", 0), (HELLO, 1, "application", "app", None)):
            self.answers("malformed", *elements)

    def test_options_of_the_wrong_type(self):
        for options in ({"session": b""}, {"session": SESSION[:15]}, {"session": SESSION + b"\0"},
                        {"session": "sixteen letters!"}, {"session": 5}, {"session": list(SESSION)},
                        {"confirmed": -1}, {"confirmed": 1.0}, {"confirmed": "1"}, {"confirmed": True},
                        {"prefetch": -1}, {"prefetch": 10.0}, {"prefetch": False}, {"prefetch": "10"},
                        {"client": 1}, {"client": b"bytes"}, {"instance": ["x"]}, {"instance": b"x"},
                        {"features": "order_by"}, {"features": [1]}, {"features": {"order_by": True}}):
            self.answers("malformed", HELLO, 1, "application", "app", options)

    def test_nesting(self):
        def nested(levels):
            value = 0
            for _ in range(levels):
                value = [value]
            return value

        # The header is level 1, the map of options level 2.
        worker = self.connect()
        worker.register("application", "app", unknown=nested(30))
        self.answers("malformed", HELLO, 1, "application", "app", {"unknown": nested(31)})
        self.answers("malformed", HELLO, 1, "application", "app", {"unknown": nested(400)})

    def test_a_routing_id_of_ones_own(self):
        bystander = self.application()
        worker = self.connect(routing_id=b"alice")
        worker.hello("application", "app")
        self.assertEqual(worker.error(), "not_permitted")
        transport = self.transport()
        transport.settled(transport.say(user("m1")))
        self.assert_ids(bystander.deliveries(1), "m1")
        self.assertIsNone(worker.next(0))

    def test_too_many(self):
        self.start(broker={"max_registrations": 2})
        first, _ = self.application(), self.application()
        third = self.connect()
        third.hello("application", "app")
        self.assertEqual(third.error(), "too_many")
        first.send(BYE, None)
        first.expect(BYE)
        third.register("application", "app")


class Listening(BusTest):
    def test_on_several_endpoints_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = "ipc://%s/socket" % folder
            bus = self.start(endpoints_too=[path])
            self.assertIn(path, bus.log())
            transport, application = self.connect(endpoint=path), self.application()
            transport.register("transport", "sms")
            transport.settled(transport.say(user("m1")))
            self.assert_ids(application.deliveries(1), "m1")

    def test_an_endpoint_that_is_taken(self):
        bus = self.start()
        second = subprocess.run([bus.program, "serve", os.path.join(bus.folder, "broker.toml")], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=DEADLINE_S)
        self.assertEqual(second.returncode, 1, second.stdout)
        self.assertIn(bus.endpoint.encode(), second.stdout)
        self.application()


class Prefetch(BusTest):
    def hands_out(self, expected, **options):
        transport = self.transport()
        transport.settled(transport.say(*users(1, 8)))
        application = self.application(**options)
        self.assert_ids(application.deliveries(expected), *["m%d" % n for n in range(1, expected + 1)])
        self.assert_nothing(application, DELIVER)

    def test_it_is_capped_not_refused(self):
        self.start(broker={"max_prefetch": 5})
        self.hands_out(5, prefetch=MAXIMUM)

    def test_the_default_is_capped_too(self):
        self.start(broker={"max_prefetch": 5})
        self.hands_out(5)

    def test_it_is_kept(self):
        self.hands_out(3, prefetch=3)

    def test_nought_is_a_pause(self):
        self.hands_out(0, prefetch=0)


class NotRegistered(BusTest):
    def test_send_and_ping_are_told_so_and_the_rest_is_ignored(self):
        for kind in (SEND, PING):
            worker = self.connect()
            for frame in ((ACK, 1), (ACK, 1, [2]), (NACK, 1, None, True), (FLOW, 5), (PONG,), (BYE, None)):
                worker.send(*frame)
            worker.batch(1, user("m1")) if kind == SEND else worker.send(PING)
            frame = worker.next()
            self.assertEqual((frame.kind, frame.args[0]), (ERROR, "not_registered"))
            worker.hello("application", "app")
            self.assertEqual(worker.next().kind, WELCOME)

    def test_nothing_of_it_enters(self):
        worker, application = self.connect(), self.application()
        worker.batch(1, user("early"))
        self.assertEqual(worker.error(), "not_registered")
        worker.register("transport", "sms")
        worker.settled(worker.say(user("late")))
        self.assert_ids(application.deliveries(1), "late")

    def test_at_most_once_a_second_for_each_connection(self):
        first, second = self.connect(), self.connect()
        start = time.monotonic()
        for _ in range(200):
            first.batch(1, user("m1"))
            first.send(PING)
        self.assertEqual(first.error(), "not_registered")
        second.send(PING)
        self.assertEqual(second.error(), "not_registered", "each connection has its own second")
        first.hello("application", "app")
        self.assertEqual(first.next().kind, WELCOME, "one answer for 400 frames")
        first.send(BYE, None)
        first.expect(BYE)
        answers = 0
        while answers < 1:  # the second passes, and the next frame is answered again
            first.send(PING)
            answers += first.next(0.05) is not None
            self.assertLess(time.monotonic() - start, DEADLINE_S)
        self.assertGreater(time.monotonic() - start, 0.9)

    def test_after_an_error_there_is_no_registration(self):
        worker, application = self.transport(), self.application()
        worker.batch(5, user("gap"))
        self.assertEqual(worker.error(), "gap")
        worker.batch(1, user("m1"))
        self.assertEqual(worker.error(), "not_registered")
        self.assert_nothing(application)


class SecondHello(BusTest):
    def setUp(self):
        self.giver = self.transport()
        self.giver.settled(self.giver.say(*users(1, 3)))

    def test_it_ends_the_first_as_bye_does_and_the_numbers_go_on(self):
        worker = self.application(prefetch=2)
        first = worker.deliveries(2)
        worker.hello("application", "app", prefetch=10)
        self.assertEqual(worker.next().kind, WELCOME, "without the answer to a BYE")
        again = worker.deliveries(3)
        self.assertEqual([d.seq for d in first + again], [1, 2, 3, 4, 5])
        self.assert_ids(again, "m1", "m2", "m3")
        self.assertEqual([d.redelivered for d in again], [True, True, False])
        worker.ack(2)                # of the registration that has ended: ignored
        worker.nack(1, False, "old")  # likewise
        self.assert_nothing(worker)
        worker.ack(5)
        self.giver.settled(self.giver.say(user("m4")))
        self.assert_ids(worker.deliveries(1), "m4")

    def test_settled_and_unsettled_of_the_first_are_kept_apart(self):
        worker = self.application(prefetch=2)
        worker.deliveries(2)
        worker.ack(1)
        self.assert_ids(worker.deliveries(1), "m3")
        worker.register("application", "app")
        self.assert_ids(worker.deliveries(2), "m2", "m3")

    def test_to_another_name(self):
        worker = self.application()
        worker.deliveries(3)
        worker.register("application", "other")
        self.assert_nothing(worker, DELIVER)
        successor = self.application()
        self.assert_all(successor.deliveries(3), True)

    def test_to_a_role_that_sends(self):
        worker = self.application(prefetch=0)
        worker.register("transport", "xmpp")
        worker.settled(worker.say(user("m4")))
        self.assert_ids(self.application().deliveries(4), "m1", "m2", "m3", "m4")

    def test_numbers_of_what_it_sends_begin_anew_without_a_session(self):
        self.giver.register("transport", "sms")
        self.giver.batch(1, user("again"))
        self.giver.settled(1)
        self.assert_ids(self.application().deliveries(4), "m1", "m2", "m3", "again")

    def test_with_another_session_the_first_is_forgotten(self):
        self.giver.register("transport", "sms", session=SESSION)
        self.giver.batch(1, user("s1"))
        self.giver.settled(1)
        self.giver.register("transport", "sms", session=SESSION[::-1])
        frame = self.giver.register("transport", "sms", session=SESSION)
        self.assertEqual(frame.args[2], 0)

    def test_one_that_fails_has_ended_the_first_all_the_same(self):
        worker = self.application(prefetch=2)
        worker.deliveries(2)
        worker.hello("application", "nobody")
        self.assertEqual(worker.error(), "unknown_endpoint")
        worker.send(PING)
        self.assertEqual(worker.error(), "not_registered")
        self.assert_ids(self.application().deliveries(3), "m1", "m2", "m3")


if __name__ == "__main__":
    unittest.main()
