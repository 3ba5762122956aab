"""What was delivered on one connection and how it stands, and when that may be said to the broker.

Out of order: ACK's `upto` reaches to the oldest delivery that is not settled; what was settled beyond it goes out as
`also`, each number once. Answers first: an ACK or NACK leaves once every message that the program handed over before it
settled the delivery has left on the same connection. So whatever cuts it, and wherever, a delivery that the broker
believes handled is one whose answers it has.
"""

from __future__ import annotations

from collections import deque
from typing import Deque, List, NamedTuple, Optional, Set, Union


class Nack(NamedTuple):
    seq: int
    reason: str
    requeue: bool
    after: int  # leaves once this number has been transmitted


class Ack(NamedTuple):
    upto: int
    also: List[int]
    after: int


class Settlements:
    """Thread: one. Bounds: what is delivered and not settled, hence the prefetch."""

    def __init__(self) -> None:
        self._upto = 0  # everything up to here is settled
        self._beyond: Set[int] = set()  # and these
        self._also: List[int] = []  # handled beyond `upto` when they were, and not in an ACK yet
        self._acknowledged = 0  # the highest `upto` in an ACK
        self._nacks: Deque[Nack] = deque()
        self._sealed: Deque[Ack] = deque()  # at most one ACK, in pieces, that waits for what was handed over before it

    def ack(self, seq: int) -> None:
        if not self._settle(seq):
            self._also.append(seq)

    def nack(self, seq: int, reason: str, requeue: bool, sent: int) -> None:
        self._settle(seq)
        self._nacks.append(Nack(seq, reason, requeue, sent))

    def _settle(self, seq: int) -> bool:
        """Whether `upto` covers it now."""
        if seq != self._upto + 1:
            self._beyond.add(seq)
            return False
        self._upto = seq
        while self._beyond and self._upto + 1 in self._beyond:
            self._upto += 1
            self._beyond.remove(self._upto)
        return True

    def next(self, sent: int, transmitted: int, also_max: int) -> Union[Ack, Nack, None]:
        """What may leave now; left() when it has. `sent` is the newest number handed over, `transmitted` the newest
        that has left."""
        if self._nacks:  # before any ACK, whose `upto` may cover it
            return self._nacks[0] if self._nacks[0].after <= transmitted else None
        if not self._sealed and (self._upto > self._acknowledged or self._also):
            self._seal(sent, also_max)
        return self._sealed[0] if self._sealed and self._sealed[0].after <= transmitted else None

    def _seal(self, sent: int, also_max: int) -> None:
        also = sorted(seq for seq in self._also if seq > self._upto)
        self._also = []
        if not also and self._upto <= self._acknowledged:
            return
        for start in range(0, max(len(also), 1), also_max):
            self._sealed.append(Ack(self._upto, also[start:start + also_max], sent))
        self._acknowledged = self._upto

    def left(self, what: Union[Ack, Nack]) -> None:
        if isinstance(what, Nack):
            self._nacks.popleft()
        else:
            self._sealed.popleft()

    def all_said(self) -> bool:
        return not (self._nacks or self._sealed or self._also or self._upto > self._acknowledged)
