"""The blocking worker beside the real broker."""

import os
import signal
import threading
import unittest

import signalbox
from support import *


class Receiving(PythonTest):
    def test_the_loop_of_the_readme(self):
        transport = self.transport()

        def serve():
            with self.blocking("application", "app") as worker:
                for delivery in worker:
                    if delivery.message["content"] == "stop":
                        worker.stop()
                    elif delivery.message.is_user_message:
                        worker.send(delivery.message.reply("You said " + delivery.message["content"]))

        join = self.in_thread(serve)
        self.send_raw(transport, "m1", "m2")
        replies = [delivery.message for delivery in transport.deliveries(2)]
        self.assertEqual([(reply["content"], reply["in_reply_to"], reply["to_addr"]) for reply in replies],
                         [("You said hello", "m1", "user"), ("You said hello", "m2", "user")])
        self.send_raw(transport, "m3", content="stop")
        join()
        self.assertIsNone(self.blocking("application", "app").receive(0.05))  # all of it was acknowledged

    def test_run(self):
        transport, worker, got = self.transport(), self.blocking("application", "app"), []

        @worker.on_message
        def handle(delivery):
            got.append(delivery.message["message_id"])
            if len(got) == 3:
                worker.stop()

        self.send_raw(transport, "m1", "m2", "m3")
        worker.run(timeout=LONG_S)
        self.assertEqual(got, ["m1", "m2", "m3"])
        self.assertTrue(worker.close(DEADLINE_S))
        self.assertEqual(worker.state, signalbox.State.CLOSED)
        with self.assertRaises(signalbox.WorkerError) as raised:
            worker.receive()
        self.assertEqual(raised.exception.code, "closed")

    def test_one_is_acknowledged_when_the_next_is_asked_for(self):
        transport, worker = self.transport(), self.blocking("application", "app", prefetch=1)
        self.send_raw(transport, "m1", "m2")
        first = worker.receive(DEADLINE_S)
        self.assertEqual((first.message["message_id"], first.seq, first.redelivered), ("m1", 1, False))
        self.assertEqual(worker.receive(DEADLINE_S).message["message_id"], "m2")
        self.assertIsNone(worker.receive(0))

    def test_held_deliveries_are_settled_in_any_order(self):
        transport, worker = self.transport(), self.blocking("application", "app", prefetch=3)
        self.send_raw(transport, "m1", "m2", "m3", "m4", "m5")
        held = [worker.receive(DEADLINE_S).hold() for _ in range(3)]
        self.assertIsNone(worker.receive(0.05))
        self.assertTrue(held[2].ack())
        self.assertFalse(held[2].ack())
        self.assertEqual(self.take(worker, 1), ["m4"])
        self.assertTrue(held[0].ack())
        self.assertEqual(self.take(worker, 1), ["m5"])
        self.assertTrue(worker.close(DEADLINE_S))
        again = self.application()
        self.assert_ids(again.deliveries(1), "m2")  # the one that was left

    def test_nack(self):
        transport, worker = self.transport(), self.blocking("application", "app")
        self.send_raw(transport, "m1", "m2")
        worker.receive(DEADLINE_S).nack("not now")
        worker.receive(DEADLINE_S).nack("never", requeue=False)
        again = worker.receive(DEADLINE_S)
        self.assertEqual((again.message["message_id"], again.redelivered), ("m1", True))
        letter, = self.application("dead_letters").deliveries(1)
        self.assert_ids([letter], "m2")
        self.assertEqual(self.dead_letter(letter)["reason"], "never")

    def test_pause(self):
        transport, worker = self.transport(), self.blocking("application", "app")
        worker.wait_registered(DEADLINE_S)
        worker.pause()
        self.assertIsNone(worker.receive(0))
        self.send_raw(transport, "m1")
        self.assertIsNone(worker.receive(0.05))
        worker.resume()
        self.assertEqual(self.take(worker, 1), ["m1"])

    def test_stop_from_a_signal_handler_ends_a_wait_at_once(self):
        worker = self.blocking("application", "app")
        worker.wait_registered(DEADLINE_S)
        before = signal.signal(signal.SIGUSR1, lambda *_: worker.stop())
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        waiting = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        waiting.start()
        self.assertEqual(list(worker), [])
        waiting.join()
        self.assertIsNone(worker.receive(0))  # and it can be used on

    def test_what_other_threads_post_is_run_by_the_one_that_works_the_loop(self):
        transport, worker = self.transport(), self.blocking("application", "app")
        self.send_raw(transport, "m1", "m2")
        threads = []

        def handle(delivery):
            delivery.hold()
            threading.Thread(target=lambda: worker.post(lambda: settle(delivery))).start()

        def settle(delivery):
            threads.append(threading.current_thread())
            self.assertTrue(delivery.ack())
            if len(threads) == 2:
                worker.stop()

        worker.run(handle, timeout=LONG_S)
        self.assertEqual(threads, [threading.current_thread()] * 2)
        self.assertTrue(worker.close(DEADLINE_S))
        self.assert_nothing(self.application(), DELIVER)


class HandlersThatRaise(PythonTest):
    endpoint_defaults = {"max_deliveries": 3, "redeliver_ms": 1}

    def test_again_and_again_and_then_it_is_a_dead_letter(self):
        transport, worker, tries = self.transport(), self.blocking("application", "app"), []
        self.send_raw(transport, "bad", "good")

        def handle(delivery):
            if delivery.message["message_id"] == "good":
                return
            tries.append(delivery.redelivered)
            if len(tries) == 3:
                worker.stop()
            raise KeyError("no such user\n")

        with self.assertLogs("signalbox", "ERROR") as logged:
            worker.run(handle, timeout=LONG_S)
        self.assertEqual(tries, [False, True, True])
        self.assertIn("KeyError", logged.output[0])
        worker.close(DEADLINE_S)
        letter, = self.application("dead_letters").deliveries(1)
        self.assert_ids([letter], "bad")
        self.assertEqual(self.dead_letter(letter)["reason"], "KeyError: 'no such user\\n'")

    def test_reject(self):
        transport, worker = self.transport(), self.blocking("application", "app")
        self.send_raw(transport, "m1", "m2")

        def handle(delivery):
            if delivery.message["message_id"] == "m2":
                return worker.stop()
            raise signalbox.Reject("no such service")

        worker.run(handle, timeout=LONG_S)
        worker.close(DEADLINE_S)
        letter, = self.application("dead_letters").deliveries(1)
        self.assertEqual(self.dead_letter(letter)["reason"], "no such service")
        self.assertEqual(self.dead_letter(letter)["deliveries"], 1)

    def test_inside_with(self):
        """The loop is left by the exception; the message counts as failed all the same, so one that can never be
        handled does not bring the program down for ever."""
        transport = self.transport()
        self.send_raw(transport, "bad")
        for _ in range(3):
            with self.assertRaises(ZeroDivisionError), self.assertLogs("signalbox", "ERROR"):
                with self.blocking("application", "app") as worker:
                    for _ in worker:
                        raise ZeroDivisionError
        self.assert_ids(self.application("dead_letters").deliveries(1), "bad")

    def test_what_ends_the_program_is_not_held_against_the_message(self):
        transport = self.transport()
        self.send_raw(transport, "m1")
        for _ in range(5):
            with self.assertRaises(KeyboardInterrupt):
                with self.blocking("application", "app") as worker:
                    for _ in worker:
                        raise KeyboardInterrupt
        self.assertEqual(self.take(self.blocking("application", "app"), 1), ["m1"])

    def test_a_message_that_python_cannot_hold(self):
        transport, worker = self.transport(), self.blocking("application", "app")
        odd = pack(user("odd", junk=None))[:-1] + b"\x81\x90\x01"  # a key that is an array
        transport.settled(transport.say(odd, user("m2")))
        with self.assertLogs("signalbox", "ERROR"):
            self.assertEqual(self.take(worker, 1), ["m2"])
            self.assertIsNone(worker.receive(0))
        worker.close(DEADLINE_S)
        letters, frames = self.application("dead_letters"), []
        while len(frames) < 2:  # bus.py cannot hold it either
            self.assertTrue(letters.socket.poll(DEADLINE_S * 1000))
            frames = letters.socket.recv_multipart()
        self.assertIn(b"a Python worker cannot hold it: unhashable", frames[1])


class Sending(PythonTest):
    broker = {"send_window": 2}
    endpoints = {"app": {"max_messages": 2, "block_ms": 60000}}

    def test_back_pressure(self):
        worker = self.blocking("transport", "sms")
        self.assertIsNone(worker.try_send(message("early")))  # not registered yet
        self.assertEqual([worker.send(each, DEADLINE_S) for each in messages(1, 4)], [1, 2, 3, 4])
        wait_for(lambda: worker.do_work() >= 0 and worker.confirmed == 2, "two confirmations")
        self.assertIsNone(worker.try_send(message("m5")))
        with self.assertRaises(TimeoutError):
            worker.send(message("m5"), 0.2)
        self.assertEqual((worker.confirmed, worker.unconfirmed), (2, 2))
        self.assertFalse(worker.wait_confirmed(0.05))

        def take_all():
            with self.blocking("application", "app") as application:
                self.assertEqual(self.take(application, 10), ["m%d" % n for n in range(1, 11)])

        join = self.in_thread(take_all)
        for each in messages(5, 10):
            worker.send(each)  # waits as long as it takes
        self.assertTrue(worker.wait_confirmed(DEADLINE_S))
        join()
        self.assertEqual(worker.confirmed, 10)

    def test_close_has_a_deadline(self):
        worker = self.blocking("transport", "sms")
        for each in messages(1, 3):
            worker.send(each, DEADLINE_S)
        self.assertFalse(worker.close(0.2))
        self.assertEqual(worker.unconfirmed, 1)
        self.assertEqual(worker.state, signalbox.State.CLOSED)
        with self.assertRaises(signalbox.WorkerError):
            worker.send(message("late"))

    def test_with_says_what_was_not_confirmed(self):
        with self.assertRaisesRegex(TimeoutError, "1 messages were not confirmed"):
            with self.blocking("transport", "sms", close_timeout=0.2) as worker:
                for each in messages(1, 3):
                    worker.send(each, DEADLINE_S)

    def test_with_waits_for_confirmations(self):
        application = self.application(prefetch=10)
        with self.blocking("transport", "sms") as worker:
            for each in messages(1, 2):
                worker.send(each)
        self.assertEqual(worker.unconfirmed, 0)
        application.deliveries(2)

    def test_a_message_that_is_alone_leaves_at_once(self):
        application, worker = self.application(), self.blocking("transport", "sms")
        worker.wait_registered(DEADLINE_S)
        worker.send(message("m1"))
        self.assert_ids(application.deliveries(1), "m1")

    def test_try_send_waits_for_flush(self):
        application, worker = self.application(), self.blocking("transport", "sms")
        worker.wait_registered(DEADLINE_S)
        self.assertEqual([worker.try_send(each) for each in messages(1, 2)], [1, 2])
        self.assert_nothing(application, DELIVER)
        worker.flush()
        batch, = application.expect(DELIVER).body,
        self.assertEqual([m["message_id"] for m, _ in split(batch)], ["m1", "m2"])

    def test_replies_wait_for_no_slow_handler(self):
        """A reply leaves while its handler goes on, where no other delivery is here to be handled."""
        transport, worker = self.transport(), self.blocking("application", "app")
        self.send_raw(transport, "m1")

        def handle(delivery):
            worker.send(delivery.message.reply("soon"))
            self.assertEqual(transport.deliveries(1)[0].message["content"], "soon")
            worker.stop()

        worker.run(handle, timeout=LONG_S)
        self.assertTrue(worker.close(DEADLINE_S))
        self.assertEqual(self.bus.process.poll(), None)

    def test_what_is_no_message(self):
        worker = self.blocking("transport", "sms")
        worker.wait_registered(DEADLINE_S)
        for odd in (1, None, "text", [1]):
            with self.assertRaises(TypeError, msg=odd):
                worker.send(odd)
        with self.assertRaises(ValueError):
            worker.send(message("m", content="x" * (5 << 20)))
        self.assertEqual(worker.unconfirmed, 0)


class Refusals(PythonTest):
    def test_they_come_with_their_message(self):
        worker, told = self.blocking("transport", "sms"), []
        worker.on_refused(lambda refusal: told.append(refusal))
        worker.on_confirmed(lambda upto: told.append(upto))
        self.application()
        worker.send(message("m1"))
        worker.send({"message_type": "nonsense", "n": 2})
        worker.send(message("m3", transport_name="xmpp"))
        self.assertTrue(worker.wait_confirmed(DEADLINE_S))
        refusals = [each for each in told if not isinstance(each, int)]
        self.assertEqual([(each.seq, each.code) for each in refusals], [(2, "malformed"), (3, "not_permitted")])
        self.assertEqual(refusals[0].message, {"message_type": "nonsense", "n": 2})
        self.assertEqual(refusals[1].message["message_id"], "m3")
        self.assertEqual(told[-1], 3)
        self.assertLess(told.index(refusals[1]), told.index(3))

    def test_without_a_callback_they_are_logged(self):
        worker = self.blocking("transport", "sms")
        with self.assertLogs("signalbox", "WARNING") as logged:
            worker.send(b"\x80")
            self.assertTrue(worker.wait_confirmed(DEADLINE_S))
        self.assertIn("message 1 was refused: malformed", logged.output[0])

    def test_a_callback_cannot_wait(self):
        worker = self.blocking("transport", "sms")
        worker.on_confirmed(lambda upto: worker.wait_confirmed())
        worker.send(message("m1"))
        with self.assertRaises(RuntimeError):
            worker.wait_confirmed(DEADLINE_S)
        self.assertEqual(worker.confirmed, 1)  # the callback's fault is not the worker's

    def test_a_handler_cannot_close(self):
        transport, worker, raised = self.transport(), self.blocking("application", "app"), []
        self.send_raw(transport, "m1")

        def handle(delivery):
            for call in (worker.close, worker.receive):
                with self.assertRaises(RuntimeError):
                    call()
                raised.append(call)
            worker.stop()

        worker.run(handle, timeout=LONG_S)
        self.assertEqual(len(raised), 2)


class Ended(PythonTest):
    def test_a_name_that_the_broker_does_not_have(self):
        worker = self.blocking("application", "nobody")
        with self.assertRaises(signalbox.WorkerError) as raised:
            worker.wait_registered(DEADLINE_S)
        self.assertEqual(raised.exception.code, "unknown_endpoint")
        self.assertIs(worker.error, raised.exception)
        self.assertEqual(worker.state, signalbox.State.FAILED)
        self.assertFalse(worker.close(1))

    def test_with_raises_it(self):
        with self.assertRaises(signalbox.WorkerError):
            with self.blocking("application", "nobody") as worker:
                wait_for(lambda: worker.do_work() == 0 and worker.error, "an answer to HELLO")

    def test_what_no_worker_can_be(self):
        for arguments in (("router", "sms"), ("transport", "a/b"), ("transport", "")):
            with self.assertRaises(ValueError):
                signalbox.Worker(*arguments, endpoint=self.bus.endpoint)
        with self.assertRaises(ValueError):
            signalbox.Worker("transport", "sms", "nonsense://here")
        with self.assertRaises(ValueError):
            signalbox.Worker("transport", "sms", self.bus.endpoint, session=b"short")

    def test_nobody_is_there_yet(self):
        worker = self.blocking("application", "app", endpoint="tcp://127.0.0.1:%d" % free_port())
        self.assertFalse(worker.wait_registered(0.1))
        self.assertEqual(worker.state, signalbox.State.CONNECTING)
        self.assertFalse(worker.close(0.1))

    def test_close_twice(self):
        worker = self.blocking("application", "app")
        worker.wait_registered(DEADLINE_S)
        self.assertTrue(worker.close(DEADLINE_S))
        self.assertFalse(worker.close(DEADLINE_S))
        worker.stop()
        worker.post(print)


if __name__ == "__main__":
    unittest.main()
