"""All of it at once, for a while: senders that resume, workers that die, requeue, leave, pause; then the sum is made.

Every message that was confirmed and not refused arrives, or lies among the dead letters with its reason; nothing is
made up. The seed is fixed, but the processes' timing is not: a failure here is worth a case of its own.
"""

import random
import time
import unittest

from bus import *

SEED = 7
SPAN_S = 5


class Soak(BusTest):
    broker = {"send_window": 200, "max_batch_bytes": 20000, "max_message_bytes": 2000}
    endpoint_defaults = {"redeliver_ms": 10, "max_deliveries": 255, "max_messages": 500, "block_ms": 60000}
    endpoints = {"dead_letters": {"max_messages": 1000000}}

    def setUp(self):
        self.random = random.Random(SEED)

    def sender(self, name, sender):
        """(Re)connects a sender and sends again what is not known to be settled."""
        worker = self.connect()
        frame = worker.register("transport", name, session=name[:1].encode() * 16, confirmed=sender["confirmed"])
        sender["worker"] = worker
        self.settle(sender, frame.args[2])
        again = sorted(sender["open"])
        for part in [again[first:first + 20] for first in range(0, len(again), 20)]:
            worker.batch(part[0], *[sender["open"][seq] for seq in part])

    def settle(self, sender, upto):
        sender["confirmed"] = max(sender["confirmed"], upto)
        for seq in [seq for seq in sender["open"] if seq <= upto]:
            message = sender["open"].pop(seq)
            if message.get("to_addr") != 5:
                self.confirmed.add(message["message_id"])

    def read(self, sender):
        worker = sender["worker"]
        while True:
            frame = worker.next(0)
            if frame is None:
                return
            if frame.kind == CONFIRM:
                self.settle(sender, frame.args[0])
            else:
                self.assertEqual(frame.kind, REFUSE, frame)
                # Odd ones alone are refused: they carry a number for an address.
                self.assertEqual((frame.args[1], frame.args[0] % 10), ("malformed", 0))

    def handle(self, worker):
        while True:
            frame = worker.next(0)
            if frame is None:
                return
            self.assertEqual(frame.kind, DELIVER, frame)
            for delivery in worker.opened(frame):
                if self.random.random() < 0.05:
                    worker.nack(delivery.seq, self.random.random() < 0.9, "by chance")
                elif self.random.random() < 0.9:
                    worker.ack(0, delivery.seq)
                    self.handled.setdefault(delivery.message["message_id"], []).append(delivery.redelivered)

    def test_the_sum(self):
        senders = {name: {"open": {}, "next": 1, "confirmed": 0} for name in ("sms", "xmpp")}
        self.confirmed, self.handled, sent = set(), {}, set()
        letters = self.application("dead_letters")
        for name, sender in senders.items():
            self.sender(name, sender)
        workers, deadline = [], time.monotonic() + SPAN_S
        while time.monotonic() < deadline:
            for name, sender in senders.items():
                self.read(sender)
                count = min(self.random.randrange(30), 200 - len(sender["open"]))
                batch = {}
                for seq in range(sender["next"], sender["next"] + count):
                    batch[seq] = user("%s %d" % (name, seq), content="x" * self.random.randrange(500),
                                      **({"to_addr": 5} if seq % 10 == 0 else {}))
                if batch:
                    sender["worker"].batch(sender["next"], *batch.values())
                    sender["next"] += count
                    sender["open"].update(batch)
                    sent.update(message["message_id"] for message in batch.values())
                if self.random.random() < 0.02:
                    sender["worker"].close()
                    self.sender(name, sender)
            while len(workers) < 3:
                workers.append(self.application(prefetch=self.random.choice((1, 5, 50))))
            for worker in workers:
                self.handle(worker)
            if self.random.random() < 0.05:
                worker = workers.pop(self.random.randrange(3))
                self.random.choice((worker.close, lambda: worker.send(BYE, None), lambda: worker.send(ACK, MAXIMUM)))()
            elif self.random.random() < 0.05:
                self.random.choice(workers).send(FLOW, self.random.choice((0, 1, 100)))

        for worker in workers:
            worker.close()
        last, deadline = self.application(prefetch=1000), time.monotonic() + DEADLINE_S
        dead = set()
        while time.monotonic() < deadline:
            for name, sender in senders.items():
                self.read(sender)
            frame = last.next(0.01)
            while frame:
                for delivery in last.opened(frame):
                    last.ack(0, delivery.seq)
                    self.handled.setdefault(delivery.message["message_id"], []).append(delivery.redelivered)
                frame = last.next(0)
            frame = letters.next(0)
            while frame:
                for delivery in letters.opened(frame):
                    self.assertEqual(self.dead_letter(delivery)["reason"], "by chance")
                    letters.ack(0, delivery.seq)
                    dead.add(delivery.message["message_id"])
                frame = letters.next(0)
            if not any(sender["open"] for sender in senders.values()) and self.confirmed <= self.handled.keys() | dead:
                break
        self.assertEqual([sender["open"] for sender in senders.values()], [{}, {}], "all is confirmed in the end")
        self.assertEqual(self.confirmed - self.handled.keys() - dead, set(), "confirmed, and never handed over")
        self.assertLessEqual(self.handled.keys() | dead, sent)
        self.assertGreater(len(self.confirmed), 500)
        firsts = [name for name, deliveries in self.handled.items() if deliveries.count(False) > 1]
        self.assertEqual(firsts, [], "a first delivery comes once")


class Steps(BusTest):
    """Instances that come, handle a part of what they have, and go, step by step: nothing is left to timing. One broker
    sees all the runs, so that each begins with what the ones before it left in the broker's memory."""

    endpoint_defaults = {"max_messages": 100000}

    def send(self, workers):
        count = self.random.choice((1, 3, 30, 100))
        last = self.given + count
        self.giver.settled(self.giver.say(*users(self.given + 1, last, content="x" * self.random.randrange(self.size))))
        self.waiting |= {"m%d" % n for n in range(self.given + 1, last + 1)}
        self.given = last

    def join(self, workers):
        if len(workers) < 3:
            workers.append((self.application(prefetch=self.random.choice((1, 5, 50))), []))

    def handle(self, workers):
        if not workers:
            return
        worker, unsettled = self.random.choice(workers)
        for frame in worker.waiting():
            unsettled += worker.opened(frame)
        for delivery in list(unsettled):
            if self.random.random() < 0.9:
                worker.ack(0, delivery.seq)
                unsettled.remove(delivery)
                self.waiting.discard(delivery.message["message_id"])
        worker.barrier()

    def leave(self, workers):
        if workers:
            worker, _ = workers.pop(self.random.randrange(len(workers)))
            worker.send(BYE, None)
            worker.expect(BYE)
            worker.close()

    def run_of(self, steps, seed):
        self.random = random.Random(seed)
        self.giver, workers = self.transport(), []
        self.given, self.waiting, self.size = 0, set(), self.random.choice((10, 200, 450, 2000))
        for _ in range(steps):
            self.random.choices((self.send, self.join, self.handle, self.leave), (4, 2, 3, 1))[0](workers)
        while workers:
            self.leave(workers)
        heir = self.application(prefetch=65536)
        got = heir.deliveries(len(self.waiting))
        self.assertEqual(sorted(ids(got)), sorted(self.waiting))
        numbers = [int(name[1:]) for name in ids(got)]
        self.assertEqual(numbers, sorted(numbers), "in their old order")
        heir.ack(len(got))
        for worker in (heir, self.giver):
            worker.send(BYE, None)
            worker.expect(BYE)
            worker.close()

    def test_nothing_is_left_behind(self):
        for steps, runs in ((6, 50), (8, 100), (12, 100), (20, 50), (50, 20), (100, 10)):
            for seed in range(runs):
                with self.subTest(steps=steps, seed=seed):
                    self.run_of(steps, seed)


if __name__ == "__main__":
    unittest.main()
