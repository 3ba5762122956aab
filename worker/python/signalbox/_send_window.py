"""What a worker has handed over and the broker has not confirmed: numbered, batched, ready to be sent again.

Two queues in the order of numbers: what has left on this connection, and what has not. A batch takes from the front of
the second; a lost connection moves the first back in front of it, so old messages leave under their old numbers.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Deque, List, NamedTuple, Optional

BATCH_BYTES = 64 * 1024  # what a batch aims at; one message always goes


class Batch(NamedTuple):
    first_seq: int
    messages: int
    body: bytes


class SendWindow:
    """Thread: one. Bounds: the window that WELCOME announced, in messages and in bytes (one message always fits)."""

    def __init__(self) -> None:
        self._messages_max = 0  # until WELCOME nothing fits
        self._bytes_max = 0
        self._batch_bytes_max = BATCH_BYTES
        self._sent: Deque[bytes] = deque()
        self._sent_bytes = 0
        self._unsent: Deque[bytes] = deque()
        self._unsent_bytes = 0
        self.settled = 0  # everything up to this number is
        self.last_seq = 0  # the newest number given

    def set_limits(self, messages: int, size: int, batch_bytes: int) -> None:
        """May narrow a window that is in use: then it holds more than it transmits."""
        self._messages_max = max(messages, 1)
        self._bytes_max = size
        self._batch_bytes_max = min(batch_bytes, BATCH_BYTES)

    @property
    def unsettled(self) -> int:
        return self.last_seq - self.settled

    @property
    def transmitted(self) -> int:
        """The newest number that has left on this connection."""
        return self.settled + len(self._sent)

    def fits(self, size: int) -> bool:
        if self.unsettled >= self._messages_max:
            return False
        return self.unsettled == 0 or self._sent_bytes + self._unsent_bytes + size <= self._bytes_max

    def append(self, message: bytes) -> int:
        """Gives it the next number, which is returned. Whoever calls has asked whether it fits."""
        self._unsent.append(message)
        self._unsent_bytes += len(message)
        self.last_seq += 1
        return self.last_seq

    @property
    def unsent_bytes(self) -> int:
        return self._unsent_bytes

    def next_batch(self) -> Optional[Batch]:
        """What to transmit now; None: nothing, or nothing that the broker's window allows."""
        count_max = min(len(self._unsent), self._messages_max - len(self._sent))
        if count_max <= 0:
            return None
        room = self._bytes_max - self._sent_bytes
        size = count = 0
        for message in itertools.islice(self._unsent, count_max):
            size += len(message)
            if count > 0 and size > self._batch_bytes_max or size > room and (count > 0 or self._sent):
                break
            count += 1
        if count == 0:
            return None
        return Batch(self.transmitted + 1, count, b"".join(itertools.islice(self._unsent, count)))

    def batch_left(self, batch: Batch) -> None:
        for _ in range(batch.messages):
            self._sent.append(self._unsent.popleft())
        self._sent_bytes += len(batch.body)
        self._unsent_bytes -= len(batch.body)

    def settle(self, upto: int) -> None:
        """Forgets everything up to `upto`, a number that was given."""
        assert upto <= self.last_seq
        for _ in range(self.settled, upto):
            if self._sent:
                self._sent_bytes -= len(self._sent.popleft())
            else:  # after a resume the broker settles what it had received before
                self._unsent_bytes -= len(self._unsent.popleft())
        self.settled = max(self.settled, upto)

    def rewind(self, received: int) -> None:
        """Transmission starts again behind `received`, a number that was given and that the broker has (0: none)."""
        assert received <= self.last_seq
        everything = self._sent
        everything.extend(self._unsent)
        held = max(received - self.settled, 0)
        self._sent = deque(itertools.islice(everything, held))
        self._unsent = deque(itertools.islice(everything, held, None))
        self._sent_bytes = sum(map(len, self._sent))
        self._unsent_bytes = sum(map(len, self._unsent))

    def messages(self, seqs: List[int]) -> List[Optional[bytes]]:
        """The messages of these numbers; None for one that is not held."""
        found: List[Optional[bytes]] = []
        for seq in seqs:
            index = seq - self.settled - 1
            if 0 <= index < len(self._sent):
                found.append(self._sent[index])
            elif 0 <= index < self.unsettled:
                found.append(self._unsent[index - len(self._sent)])
            else:
                found.append(None)
        return found
