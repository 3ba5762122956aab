"""What the blocking and the asyncio worker share: a session, a link, and what is told to the program."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Mapping, Optional, Tuple, TypeVar, Union

import zmq

from ._delivery import Delivery
from ._errors import Reject, WorkerError
from ._link import Link
from ._session import Limits, Options, Refusal, Session, State

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5570"
CLIENT = "signalbox python"
FRAMES_A_TURN = 64  # read before handlers and output have their turn
FLUSH_INTERVAL = 0.001  # seconds: how long what was handed over may wait for company

log = logging.getLogger("signalbox")

Sendable = Union[Mapping[str, Any], bytes]
_Confirmed = TypeVar("_Confirmed", bound=Callable[[int], Any])
_Refused = TypeVar("_Refused", bound=Callable[[Refusal], Any])


class WorkerBase:
    """Both workers have this. Times are in seconds.

    `role` is "transport" or "application", `name` an endpoint that the broker's configuration lists under that role.
    `prefetch` is the most messages delivered here and not yet settled. `client` and `instance` are for people to read.
    `session` is 16 secret bytes that let a worker resume; left out, each worker has new ones. (Who gives those of an
    earlier process, whose unconfirmed messages this one does not have, has the broker take new messages for old ones.)
    `backoff` is how long it waits before it comes back after an error: at first, and at most. `close_timeout` is how
    long the end of a `with` block waits for confirmations. `context` is for inproc endpoints. Where the broker wants
    keys, `secret_key` is the worker's own and `server_key` the broker's public one, 40 characters each as `signalbox
    keygen` writes them (`read_key_file` reads its files).

    Raises ValueError for a name, role, session, endpoint or key that is none. A broker that is not there yet is no
    error.
    """

    def __init__(self, role: str, name: str, endpoint: str = DEFAULT_ENDPOINT, *, prefetch: int = 1000,
                 client: str = CLIENT, instance: str = "", session: Optional[bytes] = None,
                 backoff: Tuple[float, float] = (1.0, 30.0), heartbeat: float = 5.0, close_timeout: float = 10.0,
                 context: Optional[zmq.Context[Any]] = None, secret_key: Optional[str] = None,
                 server_key: Optional[str] = None) -> None:
        given = {} if session is None else {"session": session}
        options = Options(role=role, name=name, prefetch=prefetch, client=client, instance=instance,
                          backoff_min=backoff[0], backoff_max=backoff[1], heartbeat=heartbeat, **given)
        self.close_timeout = close_timeout
        self._session = Session(options, time.monotonic())
        self._link = Link(endpoint, context, secret_key, server_key)
        self._on_confirmed: Optional[Callable[[int], Any]] = None
        self._on_refused: Optional[Callable[[Refusal], Any]] = None
        self._flushed_at = time.monotonic()
        self._logged = ("", State.CONNECTING)
        self._link.open(self._session.connection)
        self._prepare()

    # --- what the program is told

    def on_confirmed(self, callback: _Confirmed) -> _Confirmed:
        """Has `callback` called with a number: every message up to it is settled, the broker has it or has refused it.
        Good as a decorator."""
        self._on_confirmed = callback
        return callback

    def on_refused(self, callback: _Refused) -> _Refused:
        """Has `callback` called with a Refusal for each message that the broker would not take, once, before the
        confirmation that covers it. Without it refusals are logged. Good as a decorator."""
        self._on_refused = callback
        return callback

    # --- flow

    def pause(self) -> None:
        """Nothing is handed out until resume(), and the broker delivers no more; what has been delivered waits here."""
        self._session.paused = True
        self._output_due()

    def resume(self) -> None:
        self._session.paused = False
        self._output_due()

    def set_prefetch(self, prefetch: int) -> None:
        """From now on, and for later registrations; capped at the broker's `max_prefetch`. 0: what is here is handed
        out, and nothing follows."""
        self._session.set_prefetch(prefetch)
        self._output_due()

    # --- how it stands

    @property
    def role(self) -> str:
        return self._session.options.role

    @property
    def name(self) -> str:
        return self._session.options.name

    @property
    def state(self) -> State:
        return self._session.state

    @property
    def fault(self) -> str:
        """Why it failed, or what it is waiting to recover from; empty where all is well."""
        return self._session.fault

    @property
    def error(self) -> Optional[WorkerError]:
        """What ended it."""
        return self._session.error

    @property
    def paused(self) -> bool:
        return self._session.paused

    @property
    def draining(self) -> bool:
        """The broker is about to exit. A transport keeps what it has to send for the next one."""
        return self._session.draining

    @property
    def unconfirmed(self) -> int:
        """How many messages were handed over and not confirmed."""
        return self._session.window.unsettled

    @property
    def confirmed(self) -> int:
        """The number up to which every message is settled."""
        return self._session.window.settled

    @property
    def limits(self) -> Limits:
        """What the broker allows; the protocol's defaults before it has said so."""
        return self._session.limits

    @property
    def registrations(self) -> int:
        return self._session.registrations

    # --- for the two workers

    def _prepare(self) -> None:
        """The end of the constructor."""

    def _link_ends(self) -> None:
        """The sockets are about to be closed."""

    def _link_begins(self) -> None:
        """There are new sockets, or none."""

    def _output_due(self) -> None:
        """There may be something to send. The blocking worker sends it with its next turn."""

    def _pump(self) -> int:
        count = 0
        connection = self._session.connection
        while count < FRAMES_A_TURN and connection == self._session.connection:
            frames = self._link.receive()
            if frames is None:
                break
            count += 1
            self._session.receive(frames, time.monotonic())
        if count == 0 and self._link.connection_lost():
            count = 1
            self._session.connection_lost(time.monotonic())
        if self._link.handshake_fault is not None:
            (fault, for_good), self._link.handshake_fault = self._link.handshake_fault, None
            self._session.handshake_failed(fault, for_good, time.monotonic())
            count += 1
        return count

    def _keep_link(self) -> None:
        """The link that the session wants, or none."""
        session = self._session
        wanted = session.connection if session.wants_connection else 0
        if self._link.connection == wanted:
            return
        self._link_ends()
        self._link.close()
        if wanted:
            try:
                self._link.open(wanted)
            except ValueError as error:  # no socket to be had now
                session.cannot_connect(str(error), time.monotonic())
        self._link_begins()

    def _flush(self) -> None:
        now = self._flushed_at = time.monotonic()
        self._keep_link()
        while True:
            frames = self._session.next_frames()
            if frames is None or not self._link.send(frames):
                return
            self._session.sent(now)

    def _tell(self) -> None:
        """Calls back for what has happened. What a callback raises passes through; the rest is told next time."""
        events = self._session.events
        while events:
            event = events.popleft()
            if isinstance(event, Refusal):
                if self._on_refused is not None:
                    self._on_refused(event)
                else:
                    log.warning("%s: message %d was refused: %s: %s", self.name, event.seq, event.code, event.text)
            elif self._on_confirmed is not None:
                self._on_confirmed(event.upto)
        while self._session.undecodable:
            log.error("%s: a message was rejected: %s", self.name, self._session.undecodable.popleft())
        self._log_state()

    def _log_state(self) -> None:
        now = (self.fault, self.state)
        if now == self._logged:
            return
        self._logged = now
        if self.fault:
            log.warning("%s: %s (%s)", self.name, self.fault, self.state.value)
        else:
            log.info("%s: %s", self.name, self.state.value)

    def _failed(self, delivery: Delivery, error: BaseException) -> None:
        """A handler has raised: its message goes back, or becomes a dead letter."""
        if error is self._session.error:
            return  # it could not send any more; the broker has the message back already
        requeue = not isinstance(error, Reject)
        reason = str(error) if isinstance(error, Reject) else "%s: %s" % (type(error).__name__, error)
        delivery.nack(reason, requeue)
        if requeue:
            log.error("%s: the handler raised at message %d", self.name, delivery.seq, exc_info=error)

    def _raise_if_ended(self) -> None:
        if self._session.error is not None:
            raise self._session.error
        if self._session.ended:
            raise WorkerError("closed", "the worker is closed")

    def _raise_for_what_is_lost(self) -> None:
        """At the end of a `with` block that nothing else has ended."""
        if self._session.error is not None:
            raise self._session.error
        if self.unconfirmed:
            raise TimeoutError("%d messages were not confirmed within %g s" % (self.unconfirmed, self.close_timeout))
