"""The asyncio worker beside the real broker."""

import asyncio
import signal
import unittest

import signalbox
from support import *


class Asynchronous(PythonTest):
    def run_in_loop(self, coroutine):
        """With a deadline, and with every complaint of the event loop a failure."""
        complaints = []

        async def watched():
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
            return await asyncio.wait_for(coroutine, LONG_S)

        result = asyncio.run(watched())
        self.assertEqual(complaints, [])
        return result


class Receiving(Asynchronous):
    def test_the_loop_of_the_documentation(self):
        transport = self.transport()
        self.send_raw(transport, "m1", "m2")
        self.send_raw(transport, "m3", content="stop")

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                async for delivery in worker:
                    if delivery.message["content"] == "stop":
                        worker.stop()
                    else:
                        await worker.send(delivery.message.reply("You said " + delivery.message["content"]))
            return worker

        worker = self.run_in_loop(serve())
        self.assertEqual((worker.state, worker.unconfirmed), (signalbox.State.CLOSED, 0))
        self.assertEqual([d.message["content"] for d in transport.deliveries(2)], ["You said hello"] * 2)
        self.assert_nothing(self.application(), DELIVER)

    def test_receive_with_a_time(self):
        async def serve():
            async with self.asynchronous("application", "app", prefetch=1) as worker:
                self.assertIsNone(await worker.receive(0.05))
                self.assertTrue(await worker.wait_registered(DEADLINE_S))
                self.send_raw(transport, "m1", "m2")
                self.assertEqual((await worker.receive(DEADLINE_S)).message["message_id"], "m1")
                self.assertEqual((await worker.receive(DEADLINE_S)).message["message_id"], "m2")
                self.assertIsNone(await worker.receive(0))

        transport = self.transport()
        self.run_in_loop(serve())

    def test_other_tasks_have_their_turn_while_messages_pour_in(self):
        transport, turns = self.transport(), []
        transport.settled(transport.say(*[user("m%d" % n) for n in range(3000)]))

        async def serve():
            async with self.asynchronous("application", "app", prefetch=3000) as worker:
                async def turn():
                    while True:
                        turns.append(len(got))
                        await asyncio.sleep(0)

                got, task = [], asyncio.ensure_future(turn())
                async for delivery in worker:
                    got.append(delivery)
                    if len(got) == 3000:
                        break
                task.cancel()

        self.run_in_loop(serve())
        self.assertGreater(len([n for n in turns if 0 < n < 3000]), 2)

    def test_a_signal_stops_it(self):
        async def serve():
            async with self.asynchronous("application", "app") as worker:
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(signal.SIGUSR1, worker.stop)
                loop.call_later(0.05, signal.raise_signal, signal.SIGUSR1)
                await worker.run(lambda delivery: asyncio.sleep(0))
                loop.remove_signal_handler(signal.SIGUSR1)

        self.run_in_loop(serve())

    def test_pause(self):
        transport = self.transport()

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                await worker.wait_registered(DEADLINE_S)
                worker.pause()
                await worker.receive(0)
                self.send_raw(transport, "m1")
                self.assertIsNone(await worker.receive(0.05))
                waiting = asyncio.ensure_future(worker.receive(DEADLINE_S))
                await asyncio.sleep(0)
                worker.resume()
                self.assertEqual((await waiting).message["message_id"], "m1")

        self.run_in_loop(serve())

    def test_what_is_served_only_inside_async_with(self):
        async def serve():
            worker = self.asynchronous("application", "app")
            with self.assertRaises(RuntimeError):
                await worker.receive()
            self.assertFalse(await worker.close(0))

        self.run_in_loop(serve())


class SideBySide(Asynchronous):
    endpoint_defaults = {"max_deliveries": 3, "redeliver_ms": 1}

    def test_messages_are_settled_in_the_order_in_which_handlers_end(self):
        """Four are under way at a time, and the first of them ends last: whatever follows comes all the same, which it
        does only where the others have been acknowledged."""
        transport, ended = self.transport(), []
        self.send_raw(transport, *["m%d" % n for n in range(1, 13)])

        async def serve():
            async with self.asynchronous("application", "app", prefetch=4) as worker:
                last = asyncio.get_running_loop().create_future()

                async def handle(delivery):
                    name = delivery.message["message_id"]
                    if name == "m1":
                        await last
                    elif name == "m12":
                        last.set_result(None)
                        worker.stop()
                    else:
                        await asyncio.sleep(0)
                    ended.append(name)

                await worker.run(handle, concurrency=4)

        self.run_in_loop(serve())
        self.assertEqual((len(ended), ended[-1]), (12, "m1"))
        self.assert_nothing(self.application(), DELIVER)

    def test_no_more_than_asked_for(self):
        transport, most, under_way = self.transport(), [], set()
        self.send_raw(transport, *["m%d" % n for n in range(50)])

        async def serve(concurrency):
            async with self.asynchronous("application", "app") as worker:
                async def handle(delivery):
                    under_way.add(delivery)
                    await asyncio.sleep(0)
                    most.append(len(under_way))
                    under_way.remove(delivery)
                    if len(most) == 50:
                        worker.stop()

                await worker.run(handle, concurrency=concurrency)

        self.run_in_loop(serve(7))
        self.assertEqual(max(most), 7)
        self.assertEqual(under_way, set())

    def test_in_order_with_one(self):
        transport, got = self.transport(), []
        names = ["m%d" % n for n in range(20)]
        self.send_raw(transport, *names)

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                async def handle(delivery):
                    await asyncio.sleep(0)
                    got.append(delivery.message["message_id"])
                    if len(got) == 20:
                        worker.stop()

                await worker.run(handle)

        self.run_in_loop(serve())
        self.assertEqual(got, names)

    def test_handlers_that_raise(self):
        transport, tries = self.transport(), []
        self.send_raw(transport, "bad", "worse", "good")

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                async def handle(delivery):
                    name = delivery.message["message_id"]
                    tries.append(name)
                    if tries.count("bad") == 3:
                        worker.stop()
                    if name == "bad":
                        raise KeyError(name)
                    if name == "worse":
                        raise signalbox.Reject("no")

                await worker.run(handle, concurrency=3)

        self.run_in_loop(serve())
        self.assertEqual(sorted(tries), ["bad"] * 3 + ["good", "worse"])
        letters = self.application("dead_letters").deliveries(2)
        self.assertEqual({d.message["message_id"]: self.dead_letter(d)["reason"] for d in letters},
                         {"worse": "no", "bad": "KeyError: 'bad'"})

    def test_cancelling_cancels_the_handlers_and_their_messages_go_back(self):
        transport = self.transport()
        self.send_raw(transport, "m1", "m2")

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                begun, cancelled = asyncio.Semaphore(0), []

                async def handle(delivery):
                    begun.release()
                    try:
                        await asyncio.get_running_loop().create_future()
                    except asyncio.CancelledError:
                        cancelled.append(delivery.message["message_id"])
                        raise

                running = asyncio.ensure_future(worker.run(handle, concurrency=2))
                await begun.acquire()
                await begun.acquire()
                running.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await running
                self.assertEqual(sorted(cancelled), ["m1", "m2"])

        self.run_in_loop(serve())
        self.assert_ids(self.application().deliveries(2), "m1", "m2")

    def test_handlers_under_way_end_before_run_does(self):
        transport, ended = self.transport(), []
        self.send_raw(transport, "m1", "m2", "m3")

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                async def handle(delivery):
                    if delivery.seq == 3:
                        worker.stop()
                    await asyncio.sleep(0.05)
                    ended.append(delivery.seq)

                await worker.run(handle, concurrency=3)
                self.assertEqual(sorted(ended), [1, 2, 3])

        self.run_in_loop(serve())
        self.assert_nothing(self.application(), DELIVER)

    def test_inside_async_with(self):
        transport = self.transport()
        self.send_raw(transport, "bad")

        async def serve():
            async with self.asynchronous("application", "app") as worker:
                async for _ in worker:
                    raise ZeroDivisionError

        for _ in range(3):
            with self.assertRaises(ZeroDivisionError):
                self.run_in_loop(serve())
        self.assert_ids(self.application("dead_letters").deliveries(1), "bad")


class Sending(Asynchronous):
    broker = {"send_window": 2}
    endpoints = {"app": {"max_messages": 2, "block_ms": 60000}}

    def test_back_pressure(self):
        async def serve():
            async with self.asynchronous("transport", "sms") as sender:
                self.assertIsNone(sender.try_send(message("early")))
                for each in messages(1, 4):
                    await sender.send(each, DEADLINE_S)
                with self.assertRaises(TimeoutError):
                    await sender.send(message("m5"), 0.1)
                self.assertFalse(await sender.wait_confirmed(0.05))
                waiting = [asyncio.ensure_future(sender.send(each)) for each in messages(5, 10)]
                got = []
                async with self.asynchronous("application", "app") as receiver:
                    async for delivery in receiver:
                        got.append(delivery.message["message_id"])
                        if len(got) == 10:
                            break
                    await asyncio.gather(*waiting)
                    self.assertTrue(await sender.wait_confirmed(DEADLINE_S))
                self.assertEqual(got[:4], ["m1", "m2", "m3", "m4"])
                self.assertEqual(sorted(got), sorted("m%d" % n for n in range(1, 11)))

        self.run_in_loop(serve())

    def test_close_has_a_deadline(self):
        async def serve():
            async with self.asynchronous("transport", "sms") as worker:
                for each in messages(1, 3):
                    await worker.send(each)
                self.assertFalse(await worker.close(0.1))
                with self.assertRaises(signalbox.WorkerError):
                    await worker.send(message("late"))

        self.run_in_loop(serve())

    def test_async_with_says_what_was_not_confirmed(self):
        async def serve():
            async with self.asynchronous("transport", "sms", close_timeout=0.1) as worker:
                for each in messages(1, 3):
                    await worker.send(each)

        with self.assertRaisesRegex(TimeoutError, "1 messages were not confirmed"):
            self.run_in_loop(serve())

    def test_refusals(self):
        told = []

        async def serve():
            async with self.asynchronous("transport", "sms") as worker:
                worker.on_refused(lambda refusal: told.append((refusal.seq, refusal.code, refusal.message)))
                worker.on_confirmed(told.append)
                await worker.send({"message_type": "nonsense"})
                self.assertTrue(await worker.wait_confirmed(DEADLINE_S))

        self.run_in_loop(serve())
        self.assertEqual(told, [(1, "malformed", {"message_type": "nonsense"}), 1])

    def test_what_gathers_travels_together(self):
        application = self.application()

        async def serve():
            async with self.asynchronous("transport", "sms") as worker:
                await worker.wait_registered(DEADLINE_S)
                for each in messages(1, 2):
                    await worker.send(each)

        self.run_in_loop(serve())
        self.assertEqual(len(application.opened(application.expect(DELIVER))), 2)

    def test_a_name_that_the_broker_does_not_have(self):
        async def serve():
            async with self.asynchronous("application", "nobody") as worker:
                await worker.run(lambda delivery: asyncio.sleep(0))

        with self.assertRaises(signalbox.WorkerError) as raised:
            self.run_in_loop(serve())
        self.assertEqual(raised.exception.code, "unknown_endpoint")


if __name__ == "__main__":
    unittest.main()
