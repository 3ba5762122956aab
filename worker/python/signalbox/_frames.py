"""Header frames: one MessagePack array, the type first (protocol/SPEC.md, section 2)."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, cast

import msgpack

HELLO, SEND, ACK, NACK, FLOW, PING, PONG, BYE = range(1, 9)
WELCOME, DELIVER, CONFIRM, REFUSE, ERROR = range(16, 21)
VERSION = 1

TEXT_BYTES_MAX = 255  # of reasons and the like; the broker cuts them there too

# How many elements stand behind the type, and of which type each is.
_ELEMENTS: Dict[int, Tuple[type, ...]] = {
    PING: (), PONG: (), BYE: (object,), WELCOME: (int, object, int, dict), DELIVER: (int, bool), CONFIRM: (int,),
    REFUSE: (int, str, str), ERROR: (str, str)}


def write(*elements: Any) -> bytes:
    return cast(bytes, msgpack.packb(elements, use_bin_type=True, unicode_errors="surrogateescape"))


def read(header: bytes) -> Optional[List[Any]]:
    """The elements, the type first; None where this is no frame of a broker that this version knows."""
    try:
        elements = msgpack.unpackb(header, strict_map_key=False, unicode_errors="surrogateescape")
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    if not isinstance(elements, list) or not elements or type(elements[0]) is not int:
        return None
    types = _ELEMENTS.get(elements[0])
    if types is None or len(elements) <= len(types):
        return None
    fits = all(map(_is, elements[1:], types))
    return elements if fits else None


def _is(element: Any, wanted: type) -> bool:
    if wanted is int:
        return type(element) is int and element >= 0
    return isinstance(element, wanted)


def one_line(text: str) -> str:
    """`text` as a reason: no control characters, encodable, of at most TEXT_BYTES_MAX bytes."""
    text = "".join(c if c.isprintable() else " " for c in text[:TEXT_BYTES_MAX])
    return text.encode("utf-8", "replace")[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
