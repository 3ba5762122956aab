"""A worker for programs that block."""

from __future__ import annotations

import math
import socket
import time
from collections import deque
from types import TracebackType
from typing import Any, Callable, Deque, Iterator, Optional, Type, TypeVar

import zmq

from ._base import FLUSH_INTERVAL, Sendable, WorkerBase
from ._delivery import Delivery
from ._errors import WorkerError
from ._session import State
from .message import encode

_Handler = TypeVar("_Handler", bound=Callable[[Delivery], Any])


class Worker(WorkerBase):
    """A transport or an application: a connection to the broker, registered under one name.

        with signalbox.Worker("application", "my_application") as worker:
            for delivery in worker:
                if delivery.message.is_user_message:
                    worker.send(delivery.message.reply("You said " + delivery.message["content"]))

    A message is acknowledged when the next one is asked for, or when its handler has returned; one whose handler (or
    whose turn of the loop, inside `with`) raises goes back to the broker, and is delivered again, or becomes a dead
    letter where it raised `Reject`. What was sent is kept until the broker confirms it, and is sent again after a lost
    connection or a restarted broker. Messages leave before the acknowledgement of what they answer.

    Thread: one at a time uses it, and it has none of its own: nothing moves but in the calls marked (works the loop).
    stop() and post() may be called from any thread, stop() from signal handlers too. A handler may call all but
    receive, run and close; callbacks for confirmations and refusals may call try_send, post and stop.
    Errors: WorkerError from any call that works the loop, once the worker has ended for good.
    Bounds: the broker's limits for what is unconfirmed, `prefetch` for what waits to be handled or is held.
    """

    def _prepare(self) -> None:
        self._handler: Optional[Callable[[Delivery], Any]] = None
        self._in_hand: Optional[Delivery] = None  # what receive() gave out last
        self._handling = False  # a handler or a posted function is being called
        self._telling = False  # a callback is
        self._stopped = False
        self._posted: Deque[Callable[[], Any]] = deque()
        self._bell, self._bell_rope = socket.socketpair()
        self._bell.setblocking(False)
        self._bell_rope.setblocking(False)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None and error is None:
            in_hand.finish()
        elif in_hand is not None and isinstance(error, Exception):
            self._failed(in_hand, error)
        if self.state is not State.CLOSED:
            self.close(self.close_timeout)
            if error is None:
                self._raise_for_what_is_lost()

    # --- sending

    def try_send(self, message: Sendable) -> Optional[int]:
        """Takes a message into the window, and returns its number; None where there is no room (the broker has to
        confirm some first), or no registration yet. Does not touch the socket: the message leaves in the next call that
        works the loop, or in flush(), with all that has gathered. Bytes are one encoded message, sent as they are.

        Raises ValueError for one larger than a batch, WorkerError where the worker has ended."""
        return self._session.offer(encode(message))

    def send(self, message: Sendable, timeout: Optional[float] = None) -> int:
        """The same, and waits for room, for ever or `timeout` seconds (works the loop); then raises TimeoutError. The
        message leaves at once, or, while there are more deliveries here to be handled, soon, with what they bring."""
        data = encode(message)
        seq = self._session.offer(data)
        if seq is None:
            return self._send_when_it_fits(data, timeout)
        busy = (self._in_hand is not None or self._handling) and self._session.delivery_waits()
        if not self._telling and (not busy or time.monotonic() - self._flushed_at >= FLUSH_INTERVAL):
            self._flush()
        return seq

    def _send_when_it_fits(self, data: bytes, timeout: Optional[float]) -> int:
        if self._telling:
            raise RuntimeError("a callback cannot wait: try_send() is for callbacks")
        seq: Optional[int] = None

        def fits() -> bool:
            nonlocal seq
            seq = self._session.offer(data)
            return seq is not None

        self._work_until(fits, timeout)
        if seq is None:
            raise TimeoutError("no room for the message within %s s%s" % (
                timeout, "; " + self.fault if self.fault else ""))
        self._flush()
        return seq

    def flush(self) -> None:
        """Sends what there is, as far as the socket takes it. Every call that works the loop does so too."""
        if not self._telling:
            self._flush()

    def wait_confirmed(self, timeout: Optional[float] = None) -> bool:
        """Waits until all that was sent is confirmed (works the loop). False: the time is over."""
        return self._work_until(lambda: self.unconfirmed == 0, timeout)

    def wait_registered(self, timeout: Optional[float] = None) -> bool:
        """Waits until the broker knows this worker (works the loop). False: the time is over."""
        return self._work_until(lambda: self.state is State.REGISTERED, timeout)

    # --- receiving

    def on_message(self, handler: _Handler) -> _Handler:
        """Has `handler` called with each Delivery by the calls that work the loop, other than receive() and close().
        Good as a decorator."""
        self._handler = handler
        return handler

    def run(self, handler: Optional[Callable[[Delivery], Any]] = None, timeout: Optional[float] = None) -> None:
        """Works the loop until stop(), or until the time is over. `handler` is for on_message()."""
        if handler is not None:
            self.on_message(handler)
        if self._handler is None:
            raise RuntimeError("run() needs a handler: on_message() takes one")
        self._finish_in_hand()
        self._work_until(lambda: self._stopped, timeout)
        self._stopped = False

    def receive(self, timeout: Optional[float] = None) -> Optional[Delivery]:
        """The next message; asking for it says that the one before was handled (works the loop). None: the time is
        over, or stop() was called. Passes on_message() by."""
        if self._handling or self._telling:
            raise RuntimeError("a handler cannot receive")
        self._finish_in_hand()
        found: Optional[Delivery] = None

        def ready() -> bool:
            nonlocal found
            if not self._stopped:
                found = self._session.next_delivery(time.monotonic())
            return self._stopped or found is not None

        # Within a batch the socket is left alone, unless the program took its time.
        if time.monotonic() - self._flushed_at >= FLUSH_INTERVAL or not ready():
            self._work_until(ready, timeout, with_handlers=False)
        if found is None:
            self._stopped = False
        self._in_hand = found
        return found

    def __iter__(self) -> Iterator[Delivery]:
        """Each message in turn, until stop()."""
        while True:
            delivery = self.receive()
            if delivery is None:
                return
            yield delivery

    # --- the loop

    def do_work(self) -> int:
        """One turn, without waiting: input, handlers, timers, output. How many frames and messages it dealt with."""
        return self._turn(True)

    def stop(self) -> None:
        """Has run() return, or the loop over the deliveries end, now or when it comes to that. It does not interrupt a
        send() that waits: give that a timeout."""
        self._stopped = True
        self._ring()

    def post(self, function: Callable[[], Any]) -> None:
        """Has `function` called by the thread that works the loop, in its next turn, outside handlers; a loop that
        waits wakes up. What it raises passes through the call that worked the loop. What has not run when the worker
        closes is dropped."""
        self._posted.append(function)
        self._ring()

    def close(self, timeout: float = 10.0) -> bool:
        """Leaves in order: waits until what was sent is confirmed, says BYE, waits for the answer (works the loop,
        without handlers). True: all that within the time. In any case it is closed after; what was not handled, or is
        held, goes back to its queue, and is not held against anyone."""
        if self._handling or self._telling:
            raise RuntimeError("a handler cannot close the worker: stop() ends run()")
        self._finish_in_hand()
        try:
            return self._leave(time.monotonic() + timeout)
        except WorkerError:
            return False  # `error` has it
        finally:
            self._session.end()
            self._link.close()
            self._posted.clear()
            self._bell.close()
            self._bell_rope.close()

    def _leave(self, deadline: float) -> bool:
        if self._session.ended or not self._wait(lambda: self.unconfirmed == 0, deadline, False):
            return False
        if self.state is not State.REGISTERED:
            return False
        self._session.leave()
        return self._wait(lambda: self.state is State.CLOSED, deadline, False)

    def _finish_in_hand(self) -> None:
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None:
            in_hand.finish()

    def _ring(self) -> None:
        try:
            self._bell_rope.send(b"\0")
        except OSError:  # it rings already, or the worker is closed
            pass

    def _turn(self, with_handlers: bool) -> int:
        if self._telling:
            return 0
        work = self._pump()
        self._session.tick(time.monotonic())  # before the handlers, whose time is not the broker's silence
        self._telling = True
        try:
            self._tell()
        finally:
            self._telling = False
        work += self._run_posted()
        if with_handlers:
            work += self._deliver()
        self._flush()
        return work

    def _run_posted(self) -> int:
        if self._handling:
            return 0
        count = 0
        for _ in range(len(self._posted)):
            function = self._posted.popleft()
            self._handling = True
            try:
                function()
            finally:
                self._handling = False
            count += 1
        return count

    def _deliver(self) -> int:
        if self._handler is None or self._handling or self._in_hand is not None:
            return 0
        count = 0
        while not self._stopped:
            delivery = self._session.next_delivery(time.monotonic())
            if delivery is None:
                break
            self._handle(delivery)
            count += 1
            if time.monotonic() - self._flushed_at >= FLUSH_INTERVAL:
                self._flush()
        return count

    def _handle(self, delivery: Delivery) -> None:
        assert self._handler is not None
        self._handling = True
        try:
            self._handler(delivery)
        except Exception as error:
            self._failed(delivery, error)
        else:
            delivery.finish()
        finally:
            self._handling = False

    def _work_until(self, done: Callable[[], bool], timeout: Optional[float], with_handlers: bool = True) -> bool:
        return self._wait(done, None if timeout is None else time.monotonic() + timeout, with_handlers)

    def _wait(self, done: Callable[[], bool], deadline: Optional[float], with_handlers: bool) -> bool:
        if self._telling:
            raise RuntimeError("a callback cannot work the loop")
        while True:
            work = self._turn(with_handlers)
            if done():
                return True
            self._raise_if_ended()
            left = math.inf if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            if work == 0:
                self._poll(left)

    def _poll(self, seconds: float) -> None:
        """Waits for input, room for output that waits, a timer of the session's, or a ring."""
        due = self._session.deadline()
        if due is not None:
            seconds = min(seconds, due - time.monotonic())
        if self._posted and not self._handling:
            seconds = 0
        poller = zmq.Poller()
        poller.register(self._bell.fileno(), zmq.POLLIN)
        if self._link.socket is not None:
            waits = self._session.next_frames() is not None
            poller.register(self._link.socket, zmq.POLLIN | zmq.POLLOUT if waits else zmq.POLLIN)
        if self._link.monitor is not None:
            poller.register(self._link.monitor, zmq.POLLIN)
        milliseconds = None if seconds == math.inf else max(0, math.ceil(seconds * 1000))
        if any(source == self._bell.fileno() for source, _ in poller.poll(milliseconds)):
            try:
                self._bell.recv(4096)
            except BlockingIOError:
                pass
