"""Section 6: how the broker leaves. Exit code 0 if nothing is left behind, else 1, and then the log says what."""

import os
import re
import subprocess
import tempfile
import time
import unittest

from bus import *


class Draining(BusTest):
    may_have_ended = True
    broker = {"drain_ms": 60000}

    def drain(self, *workers):
        self.bus.terminate()
        for worker in workers:
            self.assertEqual(worker.expect(BYE).args, ["draining"])

    def ends(self, code, within_s=5):
        try:
            self.assertEqual(self.bus.exit_code(within_s), code, self.bus.log())
        except subprocess.TimeoutExpired:
            self.fail("it does not end; it says:\n" + self.bus.log())

    def test_with_nothing_to_do_it_ends_at_once(self):
        workers = self.transport(), self.application(), self.application("dead_letters")
        self.drain(*workers)
        self.ends(0)

    def test_with_nobody_there(self):
        self.start().terminate()
        self.ends(0)

    def test_it_delivers_and_settles_what_it_has(self):
        transport, application = self.transport(), self.application(prefetch=2)
        transport.settled(transport.say(*users(1, 5)))
        application.deliveries(2)
        self.drain(transport, application)
        application.ack(1, 2)
        self.assert_ids(application.deliveries(2), "m3", "m4")
        application.ack(3)
        self.assert_ids(application.deliveries(1), "m5")
        self.assertIsNone(self.bus.process.poll(), "two are unsettled still")
        application.ack(5)
        self.ends(0)

    def test_transports_are_not_served_and_applications_are(self):
        transport, application = self.transport(), self.application()
        transport.settled(transport.say(user("m1")))
        application.deliveries(1)
        self.drain(transport, application)
        transport.say(user("m2"), {})
        self.assertEqual(transport.waiting(), [], "neither confirmed nor refused")
        self.assert_nothing(application)
        application.settled(application.say(user("r1", in_reply_to="m1"), event("x")))
        self.assertEqual(application.refused, 2)
        self.assert_ids(transport.deliveries(1), "r1")
        application.ack(1)
        self.assertIsNone(self.bus.process.poll(), "the reply is unsettled still")
        transport.ack(1)
        self.ends(0)

    def test_hello_is_answered_with_bye(self):
        transport, application = self.transport(session=b"s" * 16), self.application()
        transport.settled(transport.say(user("m1")))
        application.deliveries(1)
        self.drain(transport, application)
        for options in ({}, {"session": b"s" * 16}):
            newcomer = self.connect()
            newcomer.hello("transport", "sms", **options)
            self.assertEqual(newcomer.next(), Frame(BYE, ["draining"], None))
            newcomer.send(PING)
            self.assertEqual(newcomer.error(), "not_registered")
        application.ack(1)
        self.ends(0)

    def test_what_nobody_takes_is_left_behind(self):
        self.start(broker={"drain_ms": 400})
        transport = self.transport()
        transport.settled(transport.say(*users(1, 3)))
        application = self.application("other")
        application.settled(application.say(*users(4, 8, transport_name="xmpp")))
        start = time.monotonic()
        self.drain(transport, application)
        self.ends(1)
        self.assertGreater(time.monotonic() - start, 0.39)
        log = self.bus.log()
        self.assertTrue(re.search(r"(?m)\bapp\b.*\b3\b|\b3\b.*\bapp\b", log), log)
        self.assertTrue(re.search(r"(?m)\bxmpp\b.*\b5\b|\b5\b.*\bxmpp\b", log), log)

    def test_what_is_under_way_is_left_behind_too(self):
        self.start(broker={"drain_ms": 400})
        transport, application = self.transport(), self.application()
        transport.settled(transport.say(*users(1, 3)))
        application.deliveries(3)
        self.drain(application)
        application.ack(1)
        self.ends(1)
        self.assertTrue(re.search(r"(?m)\bapp\b.*\b2\b|\b2\b.*\bapp\b", self.bus.log()), self.bus.log())

    def test_dead_letters_are_not_waited_for(self):
        transport, application = self.transport(), self.application()
        transport.settled(transport.say(user("m1")))
        application.deliveries(1)
        self.drain(transport, application)
        application.nack(1, False, "no")
        self.ends(0)

    def test_what_is_nacked_is_delivered_again(self):
        transport, application = self.transport(), self.application()
        transport.settled(transport.say(user("m1")))
        application.deliveries(1)
        self.drain(transport, application)
        application.nack(1, True)
        application.deliveries(1)
        application.ack(2)
        self.ends(0)

    def test_workers_may_leave(self):
        transport, application = self.transport(), self.application()
        transport.settled(transport.say(user("m1")))
        application.deliveries(1)
        self.drain(transport, application)
        transport.send(BYE, None)
        transport.expect(BYE)
        application.ack(1)
        application.send(BYE, None)
        self.ends(0)

    def test_a_second_signal_stops_it_at_once(self):
        transport = self.transport()
        transport.settled(transport.say(user("m1")))
        self.drain(transport)
        self.bus.terminate()
        self.ends(1, within_s=2)


class Starting(unittest.TestCase):
    def test_a_broken_configuration_never_starts(self):
        for text in ("", "router_class = 5", 'router_class = "SimpleDispatchRouter"\ntransport_names = ["a"]\n'
                     'exposed_names = ["b"]\n[routing_mappings]\na = "c"\n', "[[[", "\xff"):
            with self.subTest(text=text), tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="latin-1") as file:
                file.write(text)
                file.flush()
                result = subprocess.run([os.environ["SIGNALBOX"], "serve", file.name], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, timeout=DEADLINE_S)
                self.assertEqual(result.returncode, 2, result.stdout)
                self.assertIn(os.path.basename(file.name).encode(), result.stdout)

    def test_arguments(self):
        for arguments in ([], ["serve"], ["serve", "/nonexistent/file.toml"], ["bite"]):
            result = subprocess.run([os.environ["SIGNALBOX"], *arguments], stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=DEADLINE_S)
            self.assertEqual(result.returncode, 2, (arguments, result.stdout))


if __name__ == "__main__":
    unittest.main()
