"""The heart of a worker in a test's hands: frames in, frames out, and the time invented."""

import msgpack

from signalbox._session import Options, Refusal, Session

HELLO, SEND, ACK, NACK, FLOW, PING, PONG, BYE = range(1, 9)
WELCOME, DELIVER, CONFIRM, REFUSE, ERROR = range(16, 21)
SECRET = bytes(range(16))


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


def split(body):
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(body)
    return list(unpacker)


class Heart:
    """Plays the broker and the clock for one Session."""

    def __init__(self, role="application", name="app", **options):
        self.now = 1000.0
        self.session = Session(Options(role=role, name=name, session=SECRET, **options), self.now)

    def out(self, socket_takes=1000):
        """What leaves now, as lists: the header's elements, and the messages of a body behind them."""
        result = []
        while len(result) < socket_takes:
            frames = self.session.next_frames()
            if frames is None:
                break
            self.session.sent(self.now)
            result.append(msgpack.unpackb(frames[0], strict_map_key=False) + [split(body) for body in frames[1:]])
        return result

    def kinds(self):
        return [frame[0] for frame in self.out()]

    def hear(self, *elements, body=None):
        frames = [pack(list(elements))]
        if body is not None:
            frames.append(body if isinstance(body, bytes) else b"".join(map(pack, body)))
        self.session.receive(frames, self.now)

    def welcome(self, last_seq=0, **limits):
        self.hear(WELCOME, 1, SECRET, last_seq, limits)

    def register(self, last_seq=0, **limits):
        """HELLO and WELCOME; returns HELLO's options."""
        (hello,) = self.out()
        assert hello[0] == HELLO, hello
        self.welcome(last_seq, **limits)
        return hello[4]

    def send(self, *numbers):
        """Hands over {"n": number} for each, all of which must be taken."""
        return [self.session.offer(pack({"n": number})) for number in numbers]

    def deliver(self, first_seq, *numbers, redelivered=False):
        self.hear(DELIVER, first_seq, redelivered, body=[{"n": number} for number in numbers])

    def next(self):
        return self.session.next_delivery(self.now)

    def take(self, count):
        """That many deliveries, unsettled."""
        return [self.next() for _ in range(count)]

    def wait(self, seconds):
        self.now += seconds
        self.session.tick(self.now)

    def events(self):
        result = [(event.seq, event.code, event.message.get("n")) if isinstance(event, Refusal) else event.upto
                  for event in self.session.events]
        self.session.events.clear()
        return result
