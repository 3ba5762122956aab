"""Section 6: who is there, who is not, and how soon that is known."""

import os
import subprocess
import sys
import time
import unittest

from bus import *

NEVER_MS = 60000  # a heartbeat that no test lives to see


class Victim:
    """victim.py, until it is killed."""

    def __init__(self, test, role="application", name="app", prefetch=100):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "victim.py")
        self.process = subprocess.Popen([sys.executable, "-B", script, test.bus.endpoint, role, name, str(prefetch)],
                                        stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.kill)
        assert self.line() == "registered"

    def line(self):
        return self.process.stdout.readline().strip()

    def heir(self, test, prefetch):
        """A worker of the same name, served once its coming has shown the broker that this one is gone: a newcomer's
        PING tells where ZeroMQ knows by then, else the next one's does, a second later."""
        heir = test.application(prefetch=0)
        for _ in range(int(DEADLINE_S)):
            if test.bus.wait_for_loss(2):  # longer than the second of the log, and of the PINGs
                heir.send(FLOW, prefetch)
                return heir
            heir.register("application", "app", prefetch=0)
        raise AssertionError("nobody's coming showed that the worker is gone; the broker says:\n" + test.bus.log())

    def kill(self):
        """kill -9: the kernel closes its connection, and nobody says goodbye."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Ping(BusTest):
    def test_after_a_heartbeat_of_silence(self):
        worker = self.application()
        for _ in range(3):
            took = worker.ping()
            self.assertGreater(took, HEARTBEAT_MS / 1000 * 0.5)
            self.assertLess(took, HEARTBEAT_MS / 1000 + UNHARMED_S)

    def test_silence_is_not_held_against_a_worker(self):
        worker = self.application()
        for _ in range(6):
            worker.ping()
        transport = self.transport()
        transport.settled(transport.say(user("m1")))
        self.assert_ids(worker.deliveries(1), "m1")

    def test_a_pong_is_welcome_and_not_answered(self):
        worker = self.application()
        worker.ping()
        worker.send(PONG)
        worker.send(PONG)
        self.assert_nothing(worker)

    def test_whoever_is_spoken_to_is_not_pinged(self):
        worker = self.application()
        start = asked = time.monotonic()
        silences = 0  # that may have been a heartbeat long, since this process was kept waiting
        while asked < start + 5 * HEARTBEAT_MS / 1000:
            before, asked = asked, time.monotonic()
            worker.send(PING)
            worker.expect(PONG)
            silences += time.monotonic() - before > HEARTBEAT_MS / 1000
            worker.socket.poll(HEARTBEAT_MS // 4)
        worker.barrier()
        self.assertLessEqual(worker.pings, silences)

    def test_a_worker_may_ping_too(self):
        worker = self.application()
        worker.send(PING)
        self.assertEqual(worker.next(), Frame(PONG, [], None))

    def test_whoever_is_not_registered_is_not_pinged(self):
        worker = self.connect()
        worker.send(PING)
        self.assertEqual(worker.error(), "not_registered")
        self.assertIsNone(worker.ping(3 * HEARTBEAT_MS / 1000))


class Killed(BusTest):
    def test_a_dead_connection_makes_itself_known(self):
        victim, transport = Victim(self), self.transport()
        transport.settled(transport.say(user("m1")))
        self.assertEqual(victim.line(), "m1")
        heir = self.application(prefetch=0)
        heir.send(FLOW, 1)
        heir.barrier()
        span(1.1, "the PING that a newcomer causes is out of the way, and what follows is the heartbeat's")
        victim.kill()
        self.assert_all(heir.deliveries(1), True)

    def test_nothing_that_was_confirmed_is_lost(self):
        transport = self.transport()
        for n in range(3):
            victim = Victim(self, prefetch=7)
            transport.settled(transport.say(*users(10 * n + 1, 10 * n + 10)))
            victim.line()
            victim.kill()
        worker, got = self.application(), []
        while len(got) < 30:  # some travel alone by now
            batch = worker.opened(worker.expect(DELIVER))
            got += ids(batch)
            worker.ack(batch[-1].seq)
        self.assertEqual(sorted(got), sorted("m%d" % n for n in range(1, 31)))

    def test_what_is_handed_over_while_nobody_knows_is_not_lost(self):
        self.start(broker={"heartbeat_ms": NEVER_MS})
        victim, transport = Victim(self), self.transport()
        victim.kill()
        transport.settled(transport.say(*users(1, 20)))
        got = victim.heir(self, prefetch=20).deliveries(20)
        self.assertEqual(sorted(ids(got)), sorted("m%d" % n for n in range(1, 21)))

    def test_a_transport_that_is_killed(self):
        victim, application = Victim(self, "transport", "sms"), self.application()
        application.settled(application.say(*users(1, 3, transport_name="sms")))
        self.assertEqual([victim.line() for _ in range(3)], ["m1", "m2", "m3"])
        victim.kill()
        self.assertTrue(self.bus.wait_for_loss(), self.bus.log())
        got = self.transport().deliveries(3)
        self.assert_ids(got, "m1", "m2", "m3")


class Newcomer(BusTest):
    broker = {"heartbeat_ms": NEVER_MS}

    def test_a_restarted_worker_gets_its_predecessors_messages_in_order(self):
        victim, transport = Victim(self, prefetch=3), self.transport()
        transport.settled(transport.say(*users(1, 6)))
        self.assertEqual([victim.line() for _ in range(3)], ["m1", "m2", "m3"])
        victim.kill()
        got = victim.heir(self, prefetch=6).deliveries(6)
        self.assert_ids(got, "m1", "m2", "m3", "m4", "m5", "m6")
        self.assertEqual([d.redelivered for d in got], [True] * 3 + [False] * 3)

    def test_those_that_are_there_are_pinged(self):
        worker, bystander = self.application(), self.application("other")
        self.application()
        self.assertIsNotNone(worker.ping())
        self.assert_nothing(bystander)
        self.assertEqual(bystander.pings, 0)

    def test_at_most_once_a_second(self):
        start, worker = time.monotonic(), self.application()
        for _ in range(5):
            self.application()
        self.assert_nothing(worker)
        self.assertGreaterEqual(worker.pings, 1)
        self.assertLessEqual(worker.pings, 1 + int(time.monotonic() - start))
        span(1.1, "the second that one such PING is for")
        self.application()
        self.assertIsNotNone(worker.ping())


class Restart(BusTest):
    def test_a_worker_that_registers_again_with_another_broker(self):
        port = int(self.bus.endpoint.rpartition(":")[2])
        worker = self.application(session=b"s" * 16)
        transport = self.transport(session=b"t" * 16)
        transport.settled(transport.say(*users(1, 3)))
        worker.deliveries(3)
        self.bus.kill()
        self.start(port=port)
        for each, role, name in ((worker, "application", "app"), (transport, "transport", "sms")):
            each.new_connection()
            each.send(PING)  # libzmq has connected again, or does so now
            self.assertEqual(each.error(), "not_registered")
            each.hello(role, name, session=role[:1].encode() * 16)
            self.assertEqual(each.welcome().args[2], 0)
        transport.batch(4, user("m4"))
        transport.settled(4)
        self.assert_ids(worker.deliveries(1), "m4")


if __name__ == "__main__":
    unittest.main()
