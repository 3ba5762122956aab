"""One message from the broker, as the program has it."""

from __future__ import annotations

from typing import Protocol

from .message import Message


class Settling(Protocol):
    def ack(self, connection: int, seq: int) -> bool: ...

    def nack(self, connection: int, seq: int, reason: str, requeue: bool) -> bool: ...


class Delivery:
    """A message that the broker delivered. It is settled when its handler returns, or when the next one is asked for,
    unless the program has settled it or holds it.

    What is not settled counts against the prefetch. When the connection ends, the broker takes back what was not
    settled on it and delivers it again, perhaps to another instance; settling it afterwards changes nothing.

    Thread: the worker's; `Worker.post(delivery.ack)` settles it from another one.
    """

    __slots__ = ("message", "seq", "redelivered", "encoded", "held", "settled", "_session", "_connection")

    def __init__(self, session: Settling, connection: int, seq: int, redelivered: bool, message: Message,
                 encoded: bytes) -> None:
        self.message = message
        self.seq = seq  # its number on the connection that it came by
        self.redelivered = redelivered  # it was handed out before, and may have been handled
        self.encoded = encoded  # the message as it came
        self.held = False
        self.settled = False
        self._session = session
        self._connection = connection

    def hold(self) -> Delivery:
        """From here on it is settled by ack() or nack() alone, whenever and in whatever order that suits."""
        self.held = True
        return self

    def ack(self) -> bool:
        """It was handled. False: it is settled already, or the broker has taken it back; nothing happened."""
        if self.settled:
            return False
        self.settled = True
        return self._session.ack(self._connection, self.seq)

    def nack(self, reason: str = "", requeue: bool = True) -> bool:
        """It was not handled: it is delivered again later, up to the endpoint's `max_deliveries`, or becomes a dead
        letter with the reason at once, without `requeue`. False: as for ack()."""
        if self.settled:
            return False
        self.settled = True
        return self._session.nack(self._connection, self.seq, reason, requeue)

    def finish(self) -> None:
        """Its handler has returned: what the worker does."""
        if not self.held:
            self.ack()

    def __repr__(self) -> str:
        return "<signalbox.Delivery %d%s %r>" % (self.seq, " again" if self.redelivered else "", self.message)
