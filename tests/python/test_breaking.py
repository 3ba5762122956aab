"""What breaks, and what the workers make of it: brokers that are killed, connections that are cut or fall silent."""

import asyncio
import collections
import unittest

import signalbox
from support import *


def number_of(delivery):
    return int(delivery.message["message_id"][1:])


class Breaking(PythonTest):
    may_have_ended = True
    messages = 400 if SANITIZED else 4000
    cuts = 10

    def port(self):
        return int(self.bus.endpoint.rpartition(":")[2])

    def proxy(self):
        proxy = Proxy(self.port())
        self.addCleanup(proxy.close)
        return proxy

    def cut_is_due(self, number):
        return number % (self.messages // self.cuts) == 0

    @staticmethod
    def back(worker, proxy):
        """Each cut is to meet a registration."""
        return worker.registrations == proxy.times_cut + 1

    def collect(self, worker, count, numbers):
        """Receives until each of `count` numbers has come; an empty message id ends it."""
        seen = set()
        while len(seen) < count:
            delivery = worker.receive(LONG_S)
            self.assertIsNotNone(delivery, "%d of %d came" % (len(seen), count))
            numbers.append((number_of(delivery), delivery.redelivered))
            seen.add(numbers[-1][0])
        self.assertTrue(worker.close(DEADLINE_S))


class Cut(Breaking):
    def test_nothing_that_is_sent_is_lost_enters_twice_or_overtakes(self):
        proxy, numbers = self.proxy(), []
        receiver = self.blocking("application", "app")
        join = self.in_thread(self.collect, receiver, self.messages, numbers)
        sender = self.blocking("transport", "sms", endpoint=proxy.endpoint)
        for number in range(1, self.messages + 1):
            sender.send(message("m%d" % number, content="x" * 300), LONG_S)
            if self.cut_is_due(number):
                wait_for(lambda: sender.do_work() >= 0 and self.back(sender, proxy), "registered again")
                proxy.cut()
        self.assertTrue(sender.wait_confirmed(LONG_S))
        join()
        self.assertEqual([number for number, _ in numbers], list(range(1, self.messages + 1)))
        self.assertGreaterEqual(sender.registrations, self.cuts)  # the last cut may come when all is confirmed

    def test_the_same_for_asyncio(self):
        proxy, numbers = self.proxy(), []
        receiver = self.blocking("application", "app")
        join = self.in_thread(self.collect, receiver, self.messages, numbers)

        async def send():
            async with self.asynchronous("transport", "sms", endpoint=proxy.endpoint, close_timeout=LONG_S) as sender:
                for number in range(1, self.messages + 1):
                    await sender.send(message("m%d" % number, content="x" * 300), LONG_S)
                    if self.cut_is_due(number):
                        while not self.back(sender, proxy):
                            await asyncio.sleep(0.002)
                        proxy.cut()
            return sender.registrations

        self.assertGreaterEqual(asyncio.run(asyncio.wait_for(send(), 2 * LONG_S)), self.cuts)
        join()
        self.assertEqual([number for number, _ in numbers], list(range(1, self.messages + 1)))

    def test_nothing_that_is_delivered_is_lost_and_what_comes_twice_says_so(self):
        proxy, numbers = self.proxy(), []
        sender = self.blocking("transport", "sms")
        receiver = self.blocking("application", "app", endpoint=proxy.endpoint, prefetch=100)
        join = self.in_thread(self.collect, receiver, self.messages, numbers)
        for number in range(1, self.messages + 1):
            sender.send(message("m%d" % number), LONG_S)
            if self.cut_is_due(number):
                wait_for(lambda: self.back(receiver, proxy), "registered again")
                proxy.cut()
        self.assertTrue(sender.wait_confirmed(LONG_S))
        join()
        came = collections.Counter(number for number, _ in numbers)
        self.assertEqual(set(came), set(range(1, self.messages + 1)))
        first = set()
        for number, redelivered in numbers:
            self.assertTrue(number not in first or redelivered, "%d came twice and did not say so" % number)
            first.add(number)

    def test_replies_survive_the_cut_of_the_one_that_writes_them(self):
        """An acknowledged message is one whose reply the broker has: the transport gets a reply to each."""
        proxy = self.proxy()
        transport = self.blocking("transport", "sms")
        application = self.blocking("application", "app", endpoint=proxy.endpoint, prefetch=50)

        def echo(delivery):
            application.send(delivery.message.reply("again"))

        join = self.in_thread(lambda: application.run(echo))
        answered = set()
        for number in range(1, self.messages + 1):
            transport.send(message("m%d" % number, from_addr="a", to_addr="b"), LONG_S)
            if self.cut_is_due(number):
                wait_for(lambda: self.back(application, proxy), "registered again")
                proxy.cut()
        while len(answered) < self.messages:
            delivery = transport.receive(LONG_S)
            self.assertIsNotNone(delivery, "%d of %d were answered" % (len(answered), self.messages))
            answered.add(delivery.message["in_reply_to"])
        application.stop()
        join()


    def test_closing_while_the_connection_breaks_harms_no_other_worker(self):
        """libzmq has one thread for all of them, and it must not be left waiting for who listens to it no more."""
        proxy = self.proxy()
        for _ in range(50):
            worker = self.blocking("transport", "sms", endpoint=proxy.endpoint)
            self.assertTrue(worker.wait_registered(DEADLINE_S))
            join = self.in_thread(proxy.cut)
            worker.close(0)
            join()
        self.assertTrue(self.blocking("transport", "sms").wait_registered(DEADLINE_S))


class Silent(Breaking):
    def test_a_connection_that_carries_nothing_any_more(self):
        """To the broker it is alive, and so is its registration: the worker takes it over on a fresh connection."""
        proxy = self.proxy()
        worker = self.blocking("transport", "sms", endpoint=proxy.endpoint)
        application = self.application()
        worker.send(message("m1"), DEADLINE_S)
        self.assertTrue(worker.wait_confirmed(DEADLINE_S))
        proxy.freeze()
        worker.send(message("m2"), DEADLINE_S)  # into the void
        self.assertTrue(worker.wait_confirmed(DEADLINE_S))
        self.assertEqual((worker.registrations, proxy.accepted), (2, 2))
        self.assert_ids(application.deliveries(2), "m1", "m2")
        self.assertEqual(worker.state, signalbox.State.REGISTERED)

    def test_asyncio_notices_it_without_being_asked_for_anything(self):
        proxy = self.proxy()

        async def serve():
            async with self.asynchronous("application", "app", endpoint=proxy.endpoint) as worker:
                self.assertTrue(await worker.wait_registered(DEADLINE_S))
                proxy.freeze()
                delivery = await worker.receive(DEADLINE_S)
                self.assertEqual((delivery.message["message_id"], worker.registrations), ("m1", 2))

        join = self.in_thread(lambda: asyncio.run(serve()))
        wait_for(lambda: proxy.accepted == 2, "a second connection")
        self.send_raw(self.transport(), "m1")
        join()


class Restarted(Breaking):
    def restart(self):
        port = self.port()
        self.bus.kill()
        self.start(port=port)

    def test_what_was_unconfirmed_is_sent_again(self):
        self.start(endpoints={"app": {"max_messages": 1, "block_ms": 60000}})
        worker = self.blocking("transport", "sms")
        for each in messages(1, 2):
            worker.send(each, DEADLINE_S)
        wait_for(lambda: worker.do_work() >= 0 and worker.confirmed == 1, "the first confirmation")
        self.restart()
        application = self.application()
        self.assertTrue(worker.wait_confirmed(DEADLINE_S))
        self.assert_ids(application.deliveries(1), "m2")  # what was confirmed and in memory went with the broker
        self.assertEqual(worker.send(message("m3")), 3)
        self.assert_ids(application.deliveries(1), "m3")

    def test_both_kinds_of_worker_come_back(self):
        transport = self.blocking("transport", "sms")
        got = []

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                async for delivery in worker:
                    got.append(number_of(delivery))
                    await worker.send(delivery.message.reply("yes"))
                    if got[-1] == 3:
                        break

        join = self.in_thread(lambda: asyncio.run(serve()))
        for number in (1, 2, 3):
            transport.send(message("m%d" % number, from_addr="a"), DEADLINE_S)
            answered = None
            while answered != "m%d" % number:  # what the old broker had not confirmed may come twice
                answered = transport.receive(LONG_S).message["in_reply_to"]
            if number < 3:
                self.restart()
        join()
        self.assertEqual(sorted(set(got)), [1, 2, 3])

    def test_a_draining_broker_waits_for_what_is_here(self):
        worker = self.blocking("application", "app")
        self.send_raw(self.transport(), "m1", "m2")
        first = worker.receive(DEADLINE_S)
        self.bus.terminate()
        wait_for(lambda: worker.do_work() >= 0 and worker.draining, "BYE")
        self.assertEqual(first.message["message_id"], "m1")
        self.assertEqual(self.take(worker, 1), ["m2"])
        self.assertIsNone(worker.receive(0))
        self.assertEqual(self.bus.exit_code(), 0, self.bus.log())


class TakenOver(Breaking):
    def test_the_old_one_does_not_come_back(self):
        secret = bytes(range(16))
        old = self.blocking("transport", "sms", session=secret)
        self.assertTrue(old.wait_registered(DEADLINE_S))
        new = self.blocking("transport", "sms", session=secret)
        self.assertTrue(new.wait_registered(DEADLINE_S))
        with self.assertRaises(signalbox.WorkerError) as raised:
            old.receive(DEADLINE_S)
        self.assertEqual(raised.exception.code, "taken_over")
        self.assertEqual(new.state, signalbox.State.REGISTERED)


if __name__ == "__main__":
    unittest.main()
