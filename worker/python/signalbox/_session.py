"""A worker's side of the protocol, without a socket and without a clock.

In go frames and the time, out come frames and events; who owns the socket drives it (`WorkerBase`). It registers,
numbers, keeps what is unconfirmed, resumes, settles deliveries, and waits before it comes back. `connection` counts the
connections: whenever it changes, what is held of the old one is void, and where `wants_connection` says so the owner
opens a fresh socket. An old one might still hold deliveries of a connection that is over, whose numbers mean other
messages on the new one.

Thread: one. Times are seconds of a clock that only goes forward. Errors: a peer's fault ends in `error`, never in an
exception. Bounds: the broker's limits for what is unconfirmed, the prefetch for what is delivered.
"""

from __future__ import annotations

import enum
import secrets
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any, Deque, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import _frames
from ._delivery import Delivery
from ._errors import WorkerError
from ._inbox import Inbox
from ._send_window import Batch, SendWindow
from ._settlements import Ack, Nack, Settlements
from .message import Message

SESSION_BYTES = 16
NAME_BYTES_MAX = 255
SILENT_HEARTBEATS = 3
WORTH_A_RETURN = ("not_registered", "gap", "too_many")


@dataclass(frozen=True)
class Limits:
    """What the broker's WELCOME announced; the protocol's defaults where it says nothing."""

    heartbeat_ms: int = 5000
    max_message_bytes: int = 1 << 20
    max_batch_bytes: int = 4 << 20
    send_window: int = 16384
    send_window_bytes: int = 16 << 20
    max_prefetch: int = 65536
    ack_timeout_ms: int = 0  # 0: this endpoint has none
    durable: bool = False
    features: Tuple[str, ...] = ()
    broker: str = ""

    @classmethod
    def of(cls, announced: Mapping[Any, Any]) -> Limits:
        kinds = {each.name: type(each.default) for each in fields(cls)}
        values: Dict[str, Any] = {}
        for name, kind in kinds.items():
            value: Any = announced.get(name)
            if kind is tuple and isinstance(value, list):
                values[name] = tuple(value)
            elif type(value) is kind and (kind is not int or value > 0):
                values[name] = value
        return cls(**values)


@dataclass(frozen=True)
class Options:
    role: str
    name: str
    prefetch: int = 1000
    client: str = ""
    instance: str = ""
    session: bytes = field(default_factory=lambda: secrets.token_bytes(SESSION_BYTES))
    backoff_min: float = 1.0
    backoff_max: float = 30.0
    heartbeat: float = 5.0  # until WELCOME says it

    def __post_init__(self) -> None:
        if self.role not in ("transport", "application"):
            raise ValueError("role is 'transport' or 'application', not %r" % (self.role,))
        size = len(self.name.encode("utf-8"))
        if not 1 <= size <= NAME_BYTES_MAX or "/" in self.name or any(ord(c) < 32 or ord(c) == 127 for c in self.name):
            raise ValueError("%r is no name that a worker can register under" % (self.name,))
        if len(self.session) != SESSION_BYTES:
            raise ValueError("a session is %d bytes" % SESSION_BYTES)
        if self.prefetch < 0:
            raise ValueError("prefetch cannot be negative")


class State(enum.Enum):
    """How a worker stands with the broker."""

    CONNECTING = "connecting"  # HELLO is on its way, or will be as soon as the broker can be reached
    REGISTERED = "registered"
    WAITING = "waiting"  # for its time to come back, after an error that time may heal
    FAILED = "failed"  # for good; `error` says why
    CLOSED = "closed"


@dataclass(frozen=True)
class Refusal:
    """A message that the broker would not take. Told once, just before the confirmation that covers it."""

    seq: int  # as send() returned it
    code: str  # one of the protocol's: no_route, queue_full …
    text: str  # one line, for people
    encoded: bytes  # the message, as it was sent

    @property
    def message(self) -> Message:
        return Message.decode(self.encoded)


@dataclass(frozen=True)
class Confirmed:
    """Every message up to this number is settled: the broker has it, or has refused it."""

    upto: int


Event = Union[Refusal, Confirmed]


class Session:
    def __init__(self, options: Options, now: float) -> None:
        self.options = options
        self.state = State.CONNECTING
        self.connection = 1
        self.error: Optional[WorkerError] = None  # what ended it
        self.fault = ""  # that, or what it is waiting to recover from
        self.limits = Limits()
        self.window = SendWindow()
        self.registrations = 0
        self.draining = False  # the broker is about to exit
        self.events: Deque[Event] = deque()
        self.undecodable: Deque[str] = deque(maxlen=100)  # what was rejected unseen, and why

        self._hello_due = True
        # Sent, and not answered (yet): one whose connection was given up may still reach the broker, behind a later
        # one.
        self._unanswered_hellos = 0
        self._control: Deque[bytes] = deque()  # PONG and PING, at most one of each
        self._prefetch = options.prefetch
        self._prefetch_told = 0  # by HELLO or FLOW
        self.paused = False
        self._leaving = False
        self._bye_due = False
        self._bye_sent = False

        self._last_heard = now  # or when HELLO left, until the answer
        self._registered_at = now
        self._resume_at = now
        self._backoff = options.backoff_min

        self._refusals: Deque[Tuple[int, str, str]] = deque()  # of what is unconfirmed, in order
        self._repeated_refusals_upto = 0  # settled according to WELCOME, kept until its REFUSEs have come
        self._inbox = Inbox()
        self._settlements = Settlements()
        self._offered: Union[Batch, Ack, Nack, None] = None  # what next_frames() gave out last
        self._offered_kind = 0

    # --- the program's side

    @property
    def ended(self) -> bool:
        return self.state in (State.FAILED, State.CLOSED)

    @property
    def wants_connection(self) -> bool:
        return self.state in (State.CONNECTING, State.REGISTERED)

    @property
    def leaving(self) -> bool:
        return self._leaving or self.ended

    def offer(self, encoded: bytes) -> Optional[int]:
        """Takes a message into the window and returns its number; None: there is no room yet. Raises ValueError for one
        that no batch can carry, WorkerError where the worker has ended or is leaving."""
        if self.leaving:
            raise self.error or WorkerError("closed", "the worker is closed")
        if not encoded:
            raise ValueError("a message cannot be empty")
        if self.registrations == 0:
            return None
        if len(encoded) > self.limits.max_batch_bytes:
            raise ValueError("%d bytes are more than the broker takes, %d" % (
                len(encoded), self.limits.max_batch_bytes))
        return self.window.append(encoded) if self.window.fits(len(encoded)) else None

    def next_delivery(self, now: float) -> Optional[Delivery]:
        while not self.paused and not self.ended:
            try:
                arrival = self._inbox.next()
            except ValueError as error:
                self._fail("protocol", str(error))
                return None
            if arrival is None:
                return None
            if arrival.message is not None:
                return Delivery(self, self.connection, arrival.seq, arrival.redelivered, arrival.message,
                                arrival.encoded)
            self._settlements.nack(arrival.seq, _frames.one_line(arrival.fault), False, self.window.last_seq)
            self.undecodable.append(arrival.fault)
        return None

    def delivery_waits(self) -> bool:
        return not self.paused and not self._inbox.empty()

    def ack(self, connection: int, seq: int) -> bool:
        """False: the connection that it came by is over, and the broker has taken it back."""
        if connection != self.connection or self.ended:
            return False
        self._settlements.ack(seq)
        return True

    def nack(self, connection: int, seq: int, reason: str, requeue: bool) -> bool:
        if connection != self.connection or self.ended:
            return False
        self._settlements.nack(seq, _frames.one_line(reason), requeue, self.window.last_seq)
        return True

    def set_prefetch(self, prefetch: int) -> None:
        if prefetch < 0:
            raise ValueError("prefetch cannot be negative")
        self._prefetch = prefetch

    def leave(self) -> None:
        """Says BYE once everything else has left; `state` is CLOSED when the broker has answered."""
        self._leaving = True
        self._bye_due = self.state is State.REGISTERED

    def end(self) -> None:
        """The worker is closed, whatever became of the BYE."""
        if self.state is not State.FAILED:
            self.state = State.CLOSED
        self._end_deliveries()

    # --- the time

    def tick(self, now: float) -> None:
        if self.state is State.WAITING and now >= self._resume_at:
            self._register_again("")
        elif self._listening() and now - self._last_heard >= self._silence_allowed():
            self._register_again("nothing came from the broker for three heartbeats")

    def deadline(self) -> Optional[float]:
        """When tick() has something to do, if nothing happens before."""
        if self.state is State.WAITING:
            return self._resume_at
        return self._last_heard + self._silence_allowed() if self._listening() else None

    def connection_lost(self, now: float) -> None:
        """One that had lasted is made again at once, others after a pause: whoever accepts and hangs up in turn is not
        to be kept busy."""
        if not self._listening():
            return  # libzmq connects again by itself
        if self.state is State.CONNECTING or now - self._registered_at < self.options.backoff_min:
            self._come_back_later("the connection was lost", now)
        else:
            self._register_again("the connection was lost")

    def handshake_failed(self, fault: str, for_good: bool, now: float) -> None:
        """Not the end: the key may be listed by the next time. `for_good`: libzmq does not try again by itself."""
        if self.state is not State.CONNECTING:
            return
        if for_good:
            self._come_back_later(fault, now)
        else:
            self.fault = fault

    def cannot_connect(self, fault: str, now: float) -> None:
        """There was no fresh socket to be had."""
        self._come_back_later(fault, now)

    def _listening(self) -> bool:
        return self.state is State.REGISTERED or self._awaiting_answer()

    def _awaiting_answer(self) -> bool:
        return self.state is State.CONNECTING and not self._hello_due

    def _silence_allowed(self) -> float:
        heartbeat = self.limits.heartbeat_ms / 1000 if self.registrations else self.options.heartbeat
        return SILENT_HEARTBEATS * heartbeat

    # --- frames in

    def receive(self, frames: Sequence[bytes], now: float) -> None:
        """What came on the socket of this connection. What no broker says is ignored."""
        if self.state in (State.WAITING, State.FAILED, State.CLOSED):
            return
        self._last_heard = now
        elements = _frames.read(frames[0])
        if elements is None:
            return
        kind = elements[0]
        if kind == _frames.WELCOME:
            self._welcome(elements[3], elements[4], now)
        elif kind == _frames.ERROR:
            self._error(elements[1], elements[2], now)
        elif kind == _frames.BYE:
            self._bye(elements[1], now)
        elif self.state is State.REGISTERED:
            self._backoff = self.options.backoff_min  # this registration works
            if kind == _frames.DELIVER:
                if len(frames) == 2:
                    self._inbox.put(elements[1], elements[2], frames[1])
            elif kind == _frames.CONFIRM:
                self._confirm(elements[1])
            elif kind == _frames.REFUSE:
                self._refuse(elements[1], elements[2], elements[3])
            elif kind == _frames.PING:
                self._control_due(_frames.PONG)
            elif kind == _frames.PONG:
                self._end_repeated_refusals()

    def _control_due(self, kind: int) -> None:
        frame = _frames.write(kind)
        if frame not in self._control:
            self._control.append(frame)

    def _welcome(self, last_seq: int, limits: Mapping[Any, Any], now: float) -> None:
        if not self._awaiting_answer():
            return
        if last_seq > self.window.last_seq:
            return self._fail("protocol", "the broker has settled messages that were never sent")
        self.limits = Limits.of(limits)
        self.window.set_limits(
            self.limits.send_window, self.limits.send_window_bytes, self.limits.max_batch_bytes)
        self.window.rewind(last_seq)
        if last_seq > self.window.settled:
            # Some of these may have been refused, and their REFUSEs follow. They refer to messages that are held here,
            # so those stay until a CONFIRM comes or the answer to a PING, which the broker sends after them.
            self._repeated_refusals_upto = last_seq
            self._control_due(_frames.PING)
        self._unanswered_hellos -= 1
        self.state = State.REGISTERED
        self._registered_at = now
        self._bye_due = self._leaving
        self.draining = False
        self.fault = ""
        self.registrations += 1

    def _confirm(self, upto: int) -> None:
        if upto > self.window.last_seq:
            return self._fail("protocol", "the broker confirmed a message that was never sent")
        self._end_repeated_refusals()
        self._settle(upto)

    def _end_repeated_refusals(self) -> None:
        upto, self._repeated_refusals_upto = self._repeated_refusals_upto, 0
        self._settle(upto)

    def _settle(self, upto: int) -> None:
        if upto <= self.window.settled:
            return
        told = []
        while self._refusals and self._refusals[0][0] <= upto:
            told.append(self._refusals.popleft())
        if told:
            messages = self.window.messages([seq for seq, _, _ in told])
            for (seq, code, text), message in zip(told, messages):
                if message is not None:
                    self.events.append(Refusal(seq, code, text, message))
        self.window.settle(upto)
        self.events.append(Confirmed(upto))

    def _refuse(self, seq: int, code: str, text: str) -> None:
        if seq > self.window.last_seq:
            return self._fail("protocol", "the broker refused a message that was never sent")
        if seq > self.window.settled and not (self._refusals and seq <= self._refusals[-1][0]):
            self._refusals.append((seq, code, text))

    def _error(self, code: str, text: str, now: float) -> None:
        if not self._listening() or (code == "not_registered" and self._awaiting_answer()):
            return  # it answers what left before the HELLO
        # It may be an earlier HELLO of its own that took the registration over, read only now; each can do so once.
        own_takeover = code == "taken_over" and not self._awaiting_answer() and self._unanswered_hellos > 0
        if own_takeover or self._awaiting_answer():
            self._unanswered_hellos -= 1
        if own_takeover or code in WORTH_A_RETURN:
            self._come_back_later("%s: %s" % (code, text), now)
        else:
            self._fail(code, text)

    def _bye(self, reason: Any, now: float) -> None:
        if self.state is State.REGISTERED and reason == "draining":
            self.draining = True  # what is delivered here is still to be handled
        elif self.state is State.REGISTERED and self._bye_sent:
            self.state = State.CLOSED
        elif self._listening():
            self._unanswered_hellos -= self._awaiting_answer()
            self._come_back_later("the broker said BYE" + (": %s" % reason if isinstance(reason, str) else ""), now)

    # --- registration

    def _register_again(self, fault: str) -> None:
        self._end_deliveries()
        self.state = State.CONNECTING
        self._hello_due = True
        self.fault = fault or self.fault

    def _come_back_later(self, fault: str, now: float) -> None:
        self._end_deliveries()
        self.state = State.WAITING
        self.fault = fault
        self._resume_at = now + self._backoff
        self._backoff = min(self._backoff * 2, self.options.backoff_max)

    def _fail(self, code: str, text: str) -> None:
        self._end_deliveries()
        self.state = State.FAILED
        self.error = WorkerError(code, text)
        self.fault = str(self.error)

    def _end_deliveries(self) -> None:
        """The connection is over: its numbers mean nothing any more, and what was not acknowledged will be delivered
        again."""
        self._inbox = Inbox()
        self._settlements = Settlements()
        self._refusals.clear()
        self._repeated_refusals_upto = 0
        self._control.clear()
        self._bye_due = self._bye_sent = False
        self._offered, self._offered_kind = None, 0
        self.connection += 1

    # --- frames out

    def next_frames(self) -> Optional[List[bytes]]:
        """What the socket should take next; sent() once it has. Answers stand before the ACK of what they answer."""
        if self.state is State.CONNECTING and self._hello_due:
            return self._offer(_frames.HELLO, None, [self._hello()])
        if self.state is not State.REGISTERED or self._bye_sent:
            return None
        if self._control:
            return self._offer(_frames.PING, None, [self._control[0]])
        if self._flow_due():
            return self._offer(_frames.FLOW, None, [_frames.write(_frames.FLOW, self._prefetch_wanted())])
        batch = None if self._held_back() else self.window.next_batch()
        if batch is not None:
            return self._offer(_frames.SEND, batch, [_frames.write(_frames.SEND, batch.first_seq), batch.body])
        return self._next_settlement()

    def _next_settlement(self) -> Optional[List[bytes]]:
        # What is held back leaves when the broker is back, and the broker waits for the ACKs before it goes.
        transmitted = self.window.last_seq if self._held_back() else self.window.transmitted
        what = self._settlements.next(self.window.last_seq, transmitted, self.limits.max_prefetch)
        if isinstance(what, Ack):
            elements = [_frames.ACK, what.upto, what.also] if what.also else [_frames.ACK, what.upto]
            return self._offer(_frames.ACK, what, [_frames.write(*elements)])
        if what is not None:
            return self._offer(
                _frames.NACK, what, [_frames.write(_frames.NACK, what.seq, what.reason, what.requeue)])
        if self._bye_due:
            return self._offer(_frames.BYE, None, [_frames.write(_frames.BYE, None)])
        return None

    def _offer(self, kind: int, what: Union[Batch, Ack, Nack, None], frames: List[bytes]) -> List[bytes]:
        self._offered_kind, self._offered = kind, what
        return frames

    def sent(self, now: float) -> None:
        """What next_frames() gave out last has left."""
        kind, what = self._offered_kind, self._offered
        self._offered_kind, self._offered = 0, None
        if kind == _frames.HELLO:
            self._hello_due = False
            self._unanswered_hellos += 1
            self._prefetch_told = 0 if self.paused else self._prefetch
            self._last_heard = now  # the answer has three heartbeats
        elif kind == _frames.PING:
            self._control.popleft()
        elif kind == _frames.FLOW:
            self._prefetch_told = self._prefetch_wanted()
        elif kind == _frames.BYE:
            self._bye_due, self._bye_sent = False, True
        elif isinstance(what, Batch):
            self.window.batch_left(what)
        elif what is not None:
            self._settlements.left(what)

    def _hello(self) -> bytes:
        options: Dict[str, Any] = {
            "session": self.options.session, "confirmed": self.window.settled,
            "prefetch": 0 if self.paused else self._prefetch, "client": self.options.client,
            "instance": self.options.instance}
        return _frames.write(_frames.HELLO, _frames.VERSION, self.options.role, self.options.name, options)

    def _prefetch_wanted(self) -> int:
        return 0 if self.paused else min(self._prefetch, self.limits.max_prefetch)

    def _flow_due(self) -> bool:
        # HELLO may have asked for more than there is, and got what there is.
        return min(self._prefetch_told, self.limits.max_prefetch) != self._prefetch_wanted()

    def _held_back(self) -> bool:
        """A broker that drains takes nothing new from transports; it stays here until the broker is back."""
        return self.draining and self.options.role == "transport"
