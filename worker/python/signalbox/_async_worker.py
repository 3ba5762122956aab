"""A worker for asyncio."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, AsyncIterator, Awaitable, Callable, List, Optional, Set, Type

import zmq

from ._base import FLUSH_INTERVAL, FRAMES_A_TURN, Sendable, WorkerBase
from ._delivery import Delivery
from ._errors import WorkerError
from ._session import State
from .message import encode


class AsyncWorker(WorkerBase):
    """The same as Worker, for asyncio.

        async with signalbox.AsyncWorker("application", "my_application") as worker:
            async for delivery in worker:
                await worker.send(delivery.message.reply("You said " + delivery.message["content"]))

    or, with handlers side by side, each message settled when its own handler is through:

        async with signalbox.AsyncWorker("application", "my_application") as worker:
            await worker.run(handler, concurrency=100)

    The socket is served by the event loop from the beginning of `async with` to its end, so heartbeats, confirmations
    and resuming go on whatever the program awaits. Callbacks for confirmations and refusals are plain functions, called
    by the event loop.

    Thread: that of its event loop; one loop for the life of the worker. One task at a time receives, iterates or runs;
    any number of them send. Errors and bounds: as for Worker. Needs a loop
    with `add_reader` (on Windows that is the SelectorEventLoop).
    """

    def _prepare(self) -> None:
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._readers: List[int] = []
        self._waiters: List[asyncio.Future[None]] = []
        self._turn_due = False
        self._timer: Optional[asyncio.TimerHandle] = None
        self._in_hand: Optional[Delivery] = None
        self._stopped = False
        self._yielded_at = time.monotonic()

    async def __aenter__(self) -> AsyncWorker:
        self._loop = asyncio.get_running_loop()
        self._link_begins()
        self._turn()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None and error is None:
            in_hand.finish()
        elif in_hand is not None and isinstance(error, Exception):
            self._failed(in_hand, error)
        if self.state is not State.CLOSED:
            await self.close(self.close_timeout)
            if error is None:
                self._raise_for_what_is_lost()

    # --- sending

    def try_send(self, message: Sendable) -> Optional[int]:
        """Takes a message into the window, and returns its number; None where there is no room (the broker has to
        confirm some first), or no registration yet. It leaves when the event loop comes to it, with all that has
        gathered. Bytes are one encoded message, sent as they are.

        Raises ValueError for one larger than a batch, WorkerError where the worker has ended."""
        seq = self._session.offer(encode(message))
        if seq is not None:
            self._output_due()
        return seq

    async def send(self, message: Sendable, timeout: Optional[float] = None) -> int:
        """The same, and waits for room, for ever or `timeout` seconds; then raises TimeoutError."""
        data = encode(message)
        deadline = self._deadline(timeout)
        while True:
            seq = self._session.offer(data)
            if seq is not None:
                self._output_due()
                return seq
            if not await self._changed(deadline):
                raise TimeoutError("no room for the message within %s s%s" % (
                    timeout, "; " + self.fault if self.fault else ""))

    async def wait_confirmed(self, timeout: Optional[float] = None) -> bool:
        """Waits until all that was sent is confirmed. False: the time is over."""
        return await self._until(lambda: self.unconfirmed == 0, self._deadline(timeout))

    async def wait_registered(self, timeout: Optional[float] = None) -> bool:
        """Waits until the broker knows this worker. False: the time is over."""
        return await self._until(lambda: self.state is State.REGISTERED, self._deadline(timeout))

    # --- receiving

    async def receive(self, timeout: Optional[float] = None) -> Optional[Delivery]:
        """The next message; asking for it says that the one before was handled. None: the time is over, or stop() was
        called."""
        self._finish_in_hand()
        self._in_hand = await self._next(timeout)
        return self._in_hand

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        """Each message in turn, until stop()."""
        while True:
            delivery = await self.receive()
            if delivery is None:
                return
            yield delivery

    async def run(self, handler: Callable[[Delivery], Awaitable[Any]], *, concurrency: int = 1) -> None:
        """Has `handler` called with each message until stop(), at most `concurrency` of them at a time, and settles
        each message when its handler is through, in whatever order that is. With a concurrency of 1 messages are
        handled in the order in which they come. The prefetch should be no less than the concurrency.

        A handler that raises has its message delivered again, or, with Reject, made a dead letter. When run() ends it
        waits for the handlers that are under way; when it is cancelled it cancels them, and their messages go back
        when the worker is closed."""
        if concurrency < 1:
            raise ValueError("concurrency is at least 1")
        self._finish_in_hand()
        running: Set[asyncio.Task[None]] = set()
        slots = asyncio.Semaphore(concurrency)

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            slots.release()

        try:
            while True:
                await slots.acquire()
                delivery = await self._next(None)
                if delivery is None:
                    break
                task = asyncio.ensure_future(self._handle(handler, delivery))
                running.add(task)
                task.add_done_callback(ended)
        except asyncio.CancelledError:
            for task in running:
                task.cancel()
            raise
        finally:
            if running:
                await asyncio.wait(set(running))

    async def _handle(self, handler: Callable[[Delivery], Awaitable[Any]], delivery: Delivery) -> None:
        try:
            await handler(delivery)
        except Exception as error:
            self._failed(delivery, error)
        else:
            delivery.finish()
        self._output_due()

    def _finish_in_hand(self) -> None:
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None:
            in_hand.finish()
            self._output_due()

    async def _next(self, timeout: Optional[float]) -> Optional[Delivery]:
        deadline = self._deadline(timeout)
        while not self._stopped:
            now = time.monotonic()
            if now - self._yielded_at >= FLUSH_INTERVAL:  # a full inbox must not keep the event loop from its work
                await asyncio.sleep(0)
                now = self._yielded_at = time.monotonic()
            delivery = self._session.next_delivery(now)
            if delivery is not None:
                return delivery
            if not await self._changed(deadline):
                return None
            self._yielded_at = time.monotonic()
        self._stopped = False
        return None

    # --- leaving

    def stop(self) -> None:
        """Has run() return, or the loop over the deliveries end, now or when it comes to that. Good as a signal handler
        of the event loop (`loop.add_signal_handler`)."""
        self._stopped = True
        self._wake()

    async def close(self, timeout: float = 10.0) -> bool:
        """Leaves in order: waits until what was sent is confirmed, says BYE, waits for the answer. True: all that
        within the time. In any case it is closed after; what was not handled, or is held, goes back to its queue, and
        is not held against anyone."""
        self._finish_in_hand()
        deadline = self._deadline(timeout)
        try:
            return await self._leave(deadline)
        except WorkerError:
            return False  # `error` has it
        finally:
            self._session.end()
            self._link_ends()
            self._link.close()
            if self._timer is not None:
                self._timer.cancel()
            self._wake()

    async def _leave(self, deadline: Optional[float]) -> bool:
        if self._session.ended or self._loop is None:
            return False
        self._output_due()
        if not await self._until(lambda: self.unconfirmed == 0, deadline) or self.state is not State.REGISTERED:
            return False
        self._session.leave()
        self._output_due()
        return await self._until(lambda: self.state is State.CLOSED, deadline)

    # --- waiting

    @staticmethod
    def _deadline(timeout: Optional[float]) -> Optional[float]:
        return None if timeout is None else time.monotonic() + timeout

    async def _until(self, done: Callable[[], bool], deadline: Optional[float]) -> bool:
        while not done():
            if not await self._changed(deadline):
                return done()
        return True

    async def _changed(self, deadline: Optional[float]) -> bool:
        """Waits until something has happened. False: the time is over. Raises WorkerError where the worker has
        ended."""
        self._raise_if_ended()
        if self._loop is None:
            raise RuntimeError("the worker is not served yet: use it inside `async with`")
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return False
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        timer = None if left is None else self._loop.call_later(left, _release, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
        return True

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            _release(waiter)

    # --- the loop

    def _output_due(self) -> None:
        if not self._turn_due and self._loop is not None and not self._session.ended:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Input, timers, output; called by the event loop. A ZeroMQ descriptor tells of an event once, and any use of
        the socket may take that word away, so the turn ends only when the sockets have nothing more to do."""
        self._turn_due = False
        if self._loop is None or self._session.ended:
            return
        for _ in range(FRAMES_A_TURN):
            work = self._pump()
            self._session.tick(time.monotonic())
            self._flush()
            if work == 0 and not self._link.ready(self._session.next_frames() is not None):
                break
        else:
            self._output_due()  # others have their turn first
        self._arm()
        self._wake()
        self._tell()

    def _link_begins(self) -> None:
        if self._loop is None:
            return
        for socket in self._link.sockets():
            descriptor = int(socket.get(zmq.FD))
            self._loop.add_reader(descriptor, self._turn)
            self._readers.append(descriptor)

    def _link_ends(self) -> None:
        for descriptor in self._readers:
            if self._loop is not None:
                self._loop.remove_reader(descriptor)
        self._readers = []

    def _arm(self) -> None:
        """A timer for what time alone brings. One that is early does no harm, and is left as it is."""
        due = self._session.deadline()
        if due is None or self._loop is None:
            return
        at = self._loop.time() + max(due - time.monotonic(), 0)
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() <= at + FLUSH_INTERVAL:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._timer_due)

    def _timer_due(self) -> None:
        self._timer = None
        self._turn()


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
