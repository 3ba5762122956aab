"""Messages as vumi has them: a dictionary, with ids, timestamps and defaults filled in."""

from __future__ import annotations

import copy
import datetime
import threading
import uuid
from typing import Any, Dict, Mapping, Optional, TypeVar, Union, cast

import msgpack

MESSAGE_VERSION = "20110921"
SESSION_EVENTS = (None, "new", "resume", "close")
DELIVERY_STATUSES = ("pending", "failed", "delivered")

_T = TypeVar("_T", bound="Message")
_local = threading.local()  # a packer has a buffer, so each thread keeps one of its own


def format_time(time: datetime.datetime) -> str:
    """`time` in UTC and in vumi's format, `2026-01-31 23:59:59.000000`. A time without a zone is taken to be UTC."""
    if time.tzinfo is not None:
        time = time.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return time.isoformat(" ", "microseconds")


def parse_time(text: str) -> datetime.datetime:
    """A time in vumi's format, the fraction optional, as an aware datetime in UTC. Raises ValueError."""
    pattern = "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S"
    return datetime.datetime.strptime(text, pattern).replace(tzinfo=datetime.timezone.utc)


def _pack_other(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return format_time(value)
    raise TypeError("a message cannot hold a %s" % type(value).__name__)


def encode(message: Union[Mapping[str, Any], bytes]) -> bytes:
    """The MessagePack of a message; bytes are taken to be that already."""
    if isinstance(message, bytes):
        return message
    if not isinstance(message, Mapping):
        raise TypeError("a message is a mapping, or the bytes of one, and no %s" % type(message).__name__)
    packer = getattr(_local, "packer", None)
    if packer is None:
        packer = _local.packer = msgpack.Packer(
            use_bin_type=True, unicode_errors="surrogateescape", default=_pack_other)
    return cast(bytes, packer.pack(message if isinstance(message, dict) else dict(message)))


def unpacker() -> Any:
    """A decoder that takes whatever the broker lets through: broken UTF-8 becomes lone surrogates and is written back
    as it was, keys may be numbers, ext values stay `msgpack.ExtType`. Sizes are bounded by the broker."""
    return msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogateescape", max_buffer_size=0)


class Message(Dict[str, Any]):
    """A user message or an event: a dictionary of its fields, with what follows from a message as methods.

    Fields are read as in vumi, `message["content"]`; those that the program does not know are carried on. Texts whose
    bytes are no UTF-8 arrive with lone surrogates in their place, and leave as they came. A datetime anywhere in a
    message is sent in vumi's format, in UTC; times in a message that was received are text (`parse_time` reads them).

    Thread: any, one at a time. Errors: ValueError for a value that vumi's schema does not have.
    """

    @classmethod
    def user_message(cls: type[_T], **fields: Any) -> _T:
        """A new user message with vumi's fields: id, timestamp and version filled in, metadata empty, the rest None.
        Any field may be given, others than vumi's too."""
        message = cls(
            message_type="user_message", message_version=MESSAGE_VERSION, message_id=uuid.uuid4().hex,
            timestamp=format_time(datetime.datetime.now(datetime.timezone.utc)),
            to_addr=None, from_addr=None, in_reply_to=None, content=None, session_event=None,
            transport_name=None, transport_type=None,
            transport_metadata={}, helper_metadata={}, routing_metadata={}, group=None, provider=None)
        message.update(fields)
        if message["session_event"] not in SESSION_EVENTS:
            raise ValueError("session_event is one of %r, not %r" % (SESSION_EVENTS, message["session_event"]))
        return message

    @classmethod
    def event(cls: type[_T], event_type: str, user_message_id: str, **fields: Any) -> _T:
        """A new event about the user message of that id. `ack`, `nack` and `delivery_report` of a message are what
        most programs want."""
        message = cls(
            message_type="event", message_version=MESSAGE_VERSION, event_id=uuid.uuid4().hex, event_type=event_type,
            user_message_id=user_message_id,
            timestamp=format_time(datetime.datetime.now(datetime.timezone.utc)),
            transport_name=None, transport_type=None,
            transport_metadata={}, helper_metadata={}, routing_metadata={})
        message.update(fields)
        return message

    @classmethod
    def decode(cls: type[_T], encoded: bytes) -> _T:
        """The message that these bytes are. Raises ValueError where they are not one MessagePack map."""
        reader = unpacker()
        reader.feed(encoded)
        try:
            fields = reader.unpack()
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise ValueError("no message: %s" % error) from error
        if not isinstance(fields, dict) or reader.tell() != len(encoded):
            raise ValueError("no message: not one map")
        return cls(fields)

    def encode(self) -> bytes:
        """Its MessagePack."""
        return encode(self)

    def copy(self: _T) -> _T:
        """A copy of the fields; the values are shared, as with every dictionary."""
        return type(self)(self)

    @property
    def is_user_message(self) -> bool:
        return self.get("message_type") == "user_message"

    @property
    def is_event(self) -> bool:
        return self.get("message_type") == "event"

    @property
    def endpoint_name(self) -> Optional[str]:
        """The endpoint that `routing_metadata` names; None: vumi's `default`."""
        metadata = self.get("routing_metadata")
        return metadata.get("endpoint_name") if isinstance(metadata, dict) else None

    # --- what follows from a user message

    def reply(self: _T, content: Optional[str] = None, *, continue_session: bool = True, **fields: Any) -> _T:
        """The answer to whoever wrote this: addresses swapped, `in_reply_to` set, and what leads it back copied
        (transport, its metadata, helper_metadata, group, provider, the endpoint).

        `session_event="close"`, or vumi's `continue_session=False`, ends the session with it. Other fields may be given
        too, but for those that make it a reply to this message.
        """
        fixed = {"to_addr", "from_addr", "group", "in_reply_to", "transport_name", "transport_type",
                 "transport_metadata", "provider"} & fields.keys()
        if fixed:
            raise ValueError("a reply has its %s from the message that it answers" % ", ".join(sorted(fixed)))
        fields.setdefault("session_event", None if continue_session else "close")
        if self.endpoint_name is not None:
            fields.setdefault("routing_metadata", {"endpoint_name": self.endpoint_name})
        fields.setdefault("helper_metadata", copy.deepcopy(self.get("helper_metadata") or {}))
        return self.user_message(
            content=content, to_addr=self.get("from_addr"), from_addr=self.get("to_addr"),
            in_reply_to=self.get("message_id"), group=self.get("group"), provider=self.get("provider"),
            transport_name=self.get("transport_name"), transport_type=self.get("transport_type"),
            transport_metadata=copy.deepcopy(self.get("transport_metadata") or {}), **fields)

    def reply_group(self: _T, content: Optional[str] = None, *, continue_session: bool = True, **fields: Any) -> _T:
        """The same to all of a group: where this message has a `group`, the answer has no `to_addr`."""
        answer = self.reply(content, continue_session=continue_session, **fields)
        if answer["group"] is not None:
            answer["to_addr"] = None
        return answer

    def ack(self: _T, sent_message_id: str, **fields: Any) -> _T:
        """The event that the network took this message, under an id of its own."""
        return self._event("ack", fields, sent_message_id=sent_message_id)

    def nack(self: _T, reason: str, **fields: Any) -> _T:
        """The event that the network did not take this message, and why."""
        return self._event("nack", fields, nack_reason=reason)

    def delivery_report(self: _T, delivery_status: str, **fields: Any) -> _T:
        """The event of what became of this message: `pending`, `failed` or `delivered`."""
        if delivery_status not in DELIVERY_STATUSES:
            raise ValueError("delivery_status is one of %r, not %r" % (DELIVERY_STATUSES, delivery_status))
        return self._event("delivery_report", fields, delivery_status=delivery_status)

    def _event(self: _T, event_type: str, fields: Dict[str, Any], **own: Any) -> _T:
        fields.setdefault("transport_type", self.get("transport_type"))
        return self.event(event_type, self["message_id"], **own, **fields)
