"""A transport and an application that keep to the rules, in a process of their own, so that nothing but the broker
stands between them and whoever does not.

    honest.py ENDPOINT TRANSPORT APPLICATION

For each line on stdin it sends MESSAGES at an even pace, and prints one line of JSON when all are delivered and
confirmed, or when DEADLINE_S is over: `seconds` for all, `delivered`, `confirmed`, `refused`, `repeated` (came again,
or out of order), `median_ms` and `worst_ms` from sending to delivery.
"""

import json
import statistics
import sys
import time
import types

import zmq

from bus import CONFIRM, DELIVER, REFUSE, Worker, user

BATCH, BATCHES, INTERVAL_S = 10, 200, 0.005
MESSAGES = BATCH * BATCHES
DEADLINE_S = 60


class Pair:
    def __init__(self, endpoint, transport, application):
        bus = types.SimpleNamespace(context=zmq.Context(), endpoint=endpoint, workers=[], log=lambda: "")
        self.transport, self.application = Worker(bus), Worker(bus)
        self.transport.register("transport", transport)
        self.application.register("application", application)
        self.poller = zmq.Poller()
        for worker in (self.transport, self.application):
            self.poller.register(worker.socket, zmq.POLLIN)
        self.expected = 1  # the number in the message that comes next

    def measure(self):
        first, start = self.transport.next_seq, time.monotonic()
        last = first + MESSAGES - 1
        self.refused = self.repeated = self.delivered = 0
        self.sent_at, self.taken_s = {}, []
        batches = 0
        while self.transport.confirmed < last or self.delivered < MESSAGES:
            now = time.monotonic()
            if now > start + DEADLINE_S:
                break
            if batches < BATCHES and now >= start + batches * INTERVAL_S:
                number = self.transport.next_seq
                self.sent_at.update((n, now) for n in range(number, number + BATCH))
                self.transport.say(*[user("honest %d" % n, number=n) for n in range(number, number + BATCH)])
                batches += 1
            due = start + batches * INTERVAL_S if batches < BATCHES else start + DEADLINE_S
            self.poller.poll(max(0, (due - time.monotonic()) * 1000))
            self.read()
        taken_ms = [1000 * seconds for seconds in self.taken_s] or [1000 * DEADLINE_S]
        return {"seconds": time.monotonic() - start, "delivered": self.delivered, "refused": self.refused,
                "confirmed": max(0, self.transport.confirmed - first + 1), "repeated": self.repeated,
                "median_ms": statistics.median(taken_ms), "worst_ms": max(taken_ms)}

    def read(self):
        while (frame := self.transport.next(0)) is not None:
            assert frame.kind in (CONFIRM, REFUSE), frame
            self.refused += frame.kind == REFUSE
        while (frame := self.application.next(0)) is not None:
            assert frame.kind == DELIVER, frame
            batch = self.application.opened(frame)
            now = time.monotonic()
            for delivery in batch:
                number = delivery.message["number"]
                if delivery.redelivered or number != self.expected:
                    self.repeated += 1
                self.expected = number + 1
                self.delivered += 1
                self.taken_s.append(now - self.sent_at[number])
            self.application.ack(batch[-1].seq)


if __name__ == "__main__":
    pair = Pair(*sys.argv[1:])
    for _ in sys.stdin:
        print(json.dumps(pair.measure()), flush=True)
