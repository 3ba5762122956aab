"""The limits of docs/bounds.md that a peer meets: registrations a second, registrations of one key, lines of log.

How each of them counts is tested without a socket (tests/core/limits_test.cpp, tests/broker/log_test.cpp); here is what
it looks like from outside.
"""

import unittest

from bus import *


class RegistrationsASecond(BusTest):
    broker = {"max_registrations": 5, "max_registrations_a_second": 5}

    def test_a_flood_of_hellos_is_told_and_over_when_it_ends(self):
        bystander = self.transport()
        taker = self.application()
        flood = self.connect()
        for _ in range(1000):
            flood.hello("transport", "xmpp")
        answers = collections.Counter()
        while sum(answers.values()) < 1000:
            frame = flood.next()
            self.assertIsNotNone(frame)
            answers["welcome" if frame.kind == WELCOME else frame.args[0]] += 1
        self.assertGreaterEqual(answers["welcome"], 3)
        self.assertLessEqual(answers["welcome"], 3 + 5 * DEADLINE_S)
        self.assertEqual(answers["welcome"] + answers["too_many"], 1000)
        self.assertTrue(self.bus.wait_for_line("errors code=too_many"))
        self.assertEqual(bystander.settled(bystander.say(user("m1"))), [])  # who is in, is in
        self.assert_ids(taker.deliveries(1), "m1")
        deadline = time.monotonic() + DEADLINE_S
        while True:  # a worker that tries again gets in
            flood.hello("transport", "xmpp")
            if flood.expect(WELCOME, ERROR).kind == WELCOME:
                break
            self.assertLess(time.monotonic(), deadline)


class RegistrationsOfOneKey(BusTest):
    def setUp(self):
        server, self.few, self.many = (tuple(map(bytes.decode, zmq.curve_keypair())) for _ in range(3))
        self.server_key = server[0]
        self.broker = {"secret_key": server[1]}
        peer = '[[peer]]\nname = "%s"\npublic_key = %s\nmay_be = ["application:app"]\n'
        self.text = (peer % ("few", toml(self.few[0])) + "max_registrations = 2\n" +
                     peer % ("many", toml(self.many[0])))

    def showing(self, keys):
        return self.connect(curve_serverkey=self.server_key.encode(), curve_publickey=keys[0].encode(),
                            curve_secretkey=keys[1].encode())

    def test_the_third_is_refused_and_others_are_not(self):
        first, second, third = (self.showing(self.few) for _ in range(3))
        first.register("application", "app")
        second.register("application", "app")
        third.hello("application", "app")
        self.assertEqual(third.error(), "too_many")
        for _ in range(3):
            self.showing(self.many).register("application", "app")
        first.send(BYE, None)
        first.expect(BYE)
        third.register("application", "app")


class LinesOfLog(BusTest):
    broker = {"max_log_lines_a_second": 10}
    dispatcher = {**BusTest.dispatcher, "middleware": [{"mw1": "LoggingMiddleware"}]}
    text = '[mw1]\nlog_level = "warning"\n'

    def test_messages_are_logged_so_many_a_second_and_the_rest_is_counted(self):
        transport, worker = self.transport(), self.application(prefetch=65536)
        start = time.monotonic()
        self.assertEqual(transport.settled(transport.say(*users(1, 2000))), [])
        self.assertEqual(len(worker.deliveries(2000)), 2000)  # each of them passes twice, and may be logged twice
        self.assertTrue(self.bus.wait_for_line("warning messages_not_logged"))
        self.bus.terminate()
        self.may_have_ended = True
        worker.ack(2000)
        self.bus.exit_code()
        logged = [line for line in self.bus.log().splitlines() if " message middleware=mw1 " in line]
        self.assertGreaterEqual(len(logged), 10)
        self.assertLessEqual(len(logged), 10 + 10 * (time.monotonic() - start + 1))


if __name__ == "__main__":
    unittest.main()
