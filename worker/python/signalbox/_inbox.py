"""What the broker has delivered on one connection, decoded as it is asked for."""

from __future__ import annotations

from collections import deque
from typing import Any, Deque, NamedTuple, Optional, Tuple

import msgpack

from .message import Message, unpacker


class Arrival(NamedTuple):
    """One message out of a batch. Without `message` it is one that Python cannot hold, and `fault` says why."""

    seq: int
    redelivered: bool
    message: Optional[Message]
    encoded: bytes
    fault: str


class Inbox:
    """Thread: one. Errors: ValueError where the bytes are no messages, or the numbers do not join; the connection is of
    no use then. Bounds: the prefetch, by the broker."""

    def __init__(self) -> None:
        self._batches: Deque[Tuple[int, bool, bytes]] = deque()
        self._next_seq = 1  # of the message that next() gives next
        self._body = b""
        self._offset = 0  # of that message in the body, where the rest of the body begins
        self._base = 0  # what the decoder was fed begins here
        self._redelivered = False
        self._reader: Any = None

    def put(self, first_seq: int, redelivered: bool, body: bytes) -> None:
        self._batches.append((first_seq, redelivered, body))

    def empty(self) -> bool:
        return self._offset == len(self._body) and not self._batches

    def next(self) -> Optional[Arrival]:
        if self._offset == len(self._body):
            if not self._batches:
                return None
            self._open()
        message: Optional[Message] = None
        fault = ""
        try:
            fields = self._reader.unpack()
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            # A key that is a map, or an instant that is none: fine for MessagePack, not for Python.
            fault = "a Python worker cannot hold it: %s" % error
            self._skip()
        else:
            if not isinstance(fields, dict):
                raise ValueError("the broker delivered something else than a message")
            message = Message(fields)
        start, self._offset = self._offset, self._base + self._reader.tell()
        arrival = Arrival(self._next_seq, self._redelivered, message, self._body[start:self._offset], fault)
        self._next_seq += 1
        return arrival

    def _open(self) -> None:
        first_seq, self._redelivered, self._body = self._batches.popleft()
        if first_seq != self._next_seq:
            raise ValueError("the numbers of the broker's deliveries do not join")
        if not self._body:
            raise ValueError("the broker delivered an empty batch")
        self._offset = 0
        self._decode_from(0)

    def _decode_from(self, offset: int) -> None:
        self._base = offset
        self._reader = unpacker()
        self._reader.feed(self._body[offset:] if offset else self._body)

    def _skip(self) -> None:
        """Steps over a message without making anything of it."""
        self._decode_from(self._offset)
        try:
            self._reader.skip()
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise ValueError("the broker delivered bytes that are no message") from error
