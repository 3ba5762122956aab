#!/usr/bin/env python3
"""Writes seeds into corpus/: one small file for each kind of frame, message and edit, for each fault that the protocol
names, and plays of the core in which much is delivered and settled. Files of other names in there were found by the
fuzzers and stay.

    tests/fuzz/make_corpus.py
"""

import pathlib
import random
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def pack(value):
    """MessagePack in the shortest form. A tuple of pairs is a map, in which a key may come twice."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_number(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return b"\xc4" + bytes([len(value)]) + value
    if isinstance(value, str):
        return pack_text(value.encode())
    if isinstance(value, Raw):
        return value.encoded
    if isinstance(value, list):
        return count(0x90, 0xDC, len(value)) + b"".join(map(pack, value))
    entries = value.items() if isinstance(value, dict) else value
    return count(0x80, 0xDE, len(entries)) + b"".join(pack(key) + pack(inner) for key, inner in entries)


def pack_number(number):
    if number < 0:
        return b"\xd3" + struct.pack(">q", number)
    if number < 0x80:
        return bytes([number])
    for tag, form in ((0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I")):
        if number < 1 << 8 * struct.calcsize(form):
            return bytes([tag]) + struct.pack(form, number)
    return b"\xcf" + struct.pack(">Q", number)


def pack_text(text):
    if len(text) < 32:
        return bytes([0xA0 | len(text)]) + text
    if len(text) < 256:
        return b"\xd9" + bytes([len(text)]) + text
    return b"\xda" + struct.pack(">H", len(text)) + text


def count(fixed, wide, items):
    return bytes([fixed | items]) if items < 16 else bytes([wide]) + struct.pack(">H", items)


class Raw:
    """Bytes that are encoded already."""

    def __init__(self, encoded):
        self.encoded = encoded


def nested(levels, innermost=None):
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


def write(folder, seeds):
    directory = CORPUS / folder
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (directory / name).write_bytes(content)


def headers():
    session = bytes(range(16))
    options = {"session": session, "confirmed": 70000, "prefetch": 0, "client": "seed 1", "instance": "one",
               "features": ["none", ""], "unknown": {"a": [1]}}
    limits = {"heartbeat_ms": 5000, "max_message_bytes": 1048576, "max_batch_bytes": 4194304, "send_window": 16384,
              "send_window_bytes": 16777216, "max_prefetch": 65536, "durable": True, "features": [],
              "broker": "signalbox 0.1"}
    frames = {
        "hello": [1, 1, "application", "app", {}],
        "hello_without_options": [1, 1, "transport", "sms"],
        "hello_full": [1, 1, "transport", "sms", options],
        "hello_options_nil": [1, 1, "transport", "sms", dict.fromkeys(options)],
        "hello_version_2": [1, 2, 3],
        "hello_other_role": [1, 1, "observer", "app", {}],
        "hello_short_session": [1, 1, "application", "app", {"session": session[:15]}],
        "hello_odd_keys": [1, 1, "application", "app", ((5, 1), (None, []))],
        "send": [2, 1],
        "send_widest": [2, Raw(b"\xcf" + b"\xff" * 8)],
        "send_signed": [2, Raw(b"\xd3" + b"\0" * 7 + b"\5")],
        "send_negative": [2, -1],
        "send_zero": [2, 0],
        "send_real": [2, 1.0],
        "ack": [3, 7],
        "ack_also": [3, 7, [9, 200, 70000, 5000000000]],
        "ack_many": [3, 0, list(range(1, 20))],
        "ack_also_text": [3, 0, ["1"]],
        "nack": [4, 3, "no", True],
        "nack_nil": [4, 3, None, False],
        "flow": [5, 0],
        "ping": [6],
        "pong_and_more": [7, "more", {"a": 1}],
        "bye": [8, "draining"],
        "bye_nil": [8, None],
        "welcome": [16, 1, session, 12, limits],
        "welcome_nil": [16, 1, None, 0, {}],
        "deliver": [17, 4, True],
        "confirm": [18, 4],
        "refuse": [19, 4, "queue_full", "one line"],
        "error": [20, "malformed", "one line"],
        "unknown": [9, 1],
        "no_type": [],
        "map": {"type": 6},
        "levels_32": [6, nested(31, 1)],
        "levels_33": [6, nested(32, 1)],
        "claims_much": [6, Raw(b"\xdd\xff\xff\xff\xff")],
        "never": [6, Raw(b"\xc1")],
    }
    seeds = {name: pack(frame) for name, frame in frames.items()}
    seeds["behind"] = pack([6]) + b"\xc0"
    seeds["cut"] = pack([3, 7, [9, 10]])[:-1]
    write("fuzz_header", seeds)


USER = {"message_type": "user_message", "message_id": "m1", "in_reply_to": None, "transport_name": "sms",
        "to_addr": "+27831234567", "from_addr": "1234", "content": "hall\u00e5 \U0001f600",
        "routing_metadata": {"endpoint_name": "default", "go": {"a": [1, 2]}}, "helper_metadata": {},
        "timestamp": "2026-01-01 00:00:00.000000", "priority": 3}
EVENT = {"message_type": "event", "event_id": "e1", "event_type": "delivery_report", "user_message_id": "m1",
         "transport_name": None, "routing_metadata": None, "helper_metadata": {"a": b"\0"}}


def changed(message, **fields):
    return {**message, **fields}


def without(message, *keys):
    return {key: value for key, value in message.items() if key not in keys}


def bodies():
    bad_text = Raw(b"\xa4a\xed\xa0\x80")
    small = {"message_type": "user_message", "message_id": "m"}
    messages = {
        "user": USER,
        "event": EVENT,
        "small": small,
        "empty": {},
        "type_missing": without(USER, "message_type"),
        "type_other": changed(USER, message_type="status_event"),
        "id_missing": without(USER, "message_id"),
        "id_empty": changed(small, message_id=""),
        "id_long": changed(small, message_id="i" * 256),
        "id_longest": changed(small, message_id="i" * 255),
        "id_twice": (*small.items(), ("message_id", "m")),
        "nil_twice": (*small.items(), ("content", None), ("content", None)),
        "key_no_text": (*small.items(), (1, 2)),
        "key_array": (*small.items(), ([1], 2)),
        "content_number": changed(small, content=1),
        "content_no_utf8": changed(small, content=bad_text),
        "metadata_text": changed(small, helper_metadata="x"),
        "endpoint_nil": changed(small, routing_metadata={"endpoint_name": None}),
        "endpoint_number": changed(small, routing_metadata={"endpoint_name": 1}),
        "endpoint_no_utf8": changed(small, routing_metadata={"endpoint_name": bad_text}),
        "endpoint_twice": changed(small, routing_metadata=(("endpoint_name", "a"), ("endpoint_name", "b"))),
        "event_type_other": changed(EVENT, event_type="seen"),
        "event_id_missing": without(EVENT, "event_id"),
        "event_with_bad_content": changed(EVENT, content=bad_text, to_addr=5),
        "levels_32": changed(small, other=nested(31, 1)),
        "levels_33": changed(small, other=nested(32)),
        "levels_many": changed(small, other=nested(80)),
        "key_in_wide_head": ((Raw(b"\xdb\0\0\0\x0cmessage_type"), "event"), *without(EVENT, "message_type").items()),
        "raw_text": changed(small, content="c" * 70, to_addr=Raw(b"\xda\0\3abc")),
        "every_tag": changed(small, other=[1.5, -1, 300, 70000, 1 << 40, b"bin", Raw(b"\xca\0\0\0\0"),
                                           Raw(b"\xd4\1\2"), Raw(b"\xc7\2\1ab"), Raw(b"\xd8\1" + b"e" * 16), True]),
    }
    seeds = {name: pack(message) for name, message in messages.items()}
    seeds["batch"] = pack(USER) + pack(EVENT) + pack(small)
    seeds["batch_alike"] = b"".join(map(pack, (
        USER,
        changed(USER, content="other words, and more of them than before", to_addr="+2783"),
        changed(USER, content=None, in_reply_to="0123456789abcdef0123456789abcdef", helper_metadata={"a": [1, "b"]}),
        changed(USER, content="caf\u00e9 " * 20, routing_metadata={"endpoint_name": "other"}, to_addr=None),
        changed(USER, content=bad_text, message_id="i" * 255),
        USER)))
    seeds["batch_alike_events"] = b"".join(map(pack, (
        EVENT,
        changed(EVENT, event_type="nack", user_message_id="i"),
        without(EVENT, "event_id"),
        changed(EVENT, event_type="delivery_report", event_id=None),
        changed(EVENT, event_type="delivery_report"))))
    seeds["batch_alternating"] = 3 * (pack(USER) + pack(EVENT) + pack(without(USER, "to_addr")) + pack(small))
    seeds["batch_with_bad_one"] = pack(small) + pack({}) + pack(EVENT)
    seeds["batch_cut"] = pack(small) + pack(EVENT)[:-3]
    seeds["batch_then_text"] = pack(small) + pack("text")
    seeds["wide_map"] = b"\xdf\0\0\0\2" + pack(small)[1:]
    seeds["claims_much"] = b"\xdf\xff\xff\xff\xff\xa1a"
    seeds["never"] = b"\x81\xa1a\xc1"
    write("fuzz_body", seeds)


def rewrites():
    """The first byte: operation, number of keys in the path, and that value and message follow as they are."""
    operations = {"set": 0, "push": 1, "pop": 2, "merge": 3}
    keys = ["a", "b", "c", "routing_metadata", "endpoint_name", "helper_metadata", "message_id", "message_type",
            "content"]

    def edit(operation, path, value, message):
        first = 0x80 | len(path) << 2 | operations[operation]
        return bytes([first, *map(keys.index, path)]) + pack(value) + pack(message)

    fifteen = {f"key{i}": i for i in range(15)}
    seeds = {
        "set_there": edit("set", ["content"], "other", USER),
        "set_nil": edit("set", ["a"], "x", {"a": None, "b": 1}),
        "set_absent": edit("set", ["a"], {"b": 1}, USER),
        "set_wider_map": edit("set", ["a"], 1, fifteen),
        "set_deep": edit("set", ["helper_metadata", "a", "b", "c"], 1, USER),
        "set_past_text": edit("set", ["content", "a"], 1, USER),
        "push_there": edit("push", ["a", "b"], 3, {"a": {"b": [1, 2]}, "c": 1}),
        "push_absent": edit("push", ["a", "b"], {}, {"c": 1}),
        "push_wider_array": edit("push", ["a"], 1, {"a": list(range(15))}),
        "push_to_text": edit("push", ["content"], 1, USER),
        "pop_there": edit("pop", ["a"], None, {"a": [1, {"b": 2}], "c": 1}),
        "pop_empty": edit("pop", ["a"], None, {"a": []}),
        "pop_wide": edit("pop", ["a"], None, {"a": list(range(17))}),
        "pop_absent": edit("pop", ["b"], None, {"a": []}),
        "merge_top": edit("merge", [], {"helper_metadata": {"a": 1}, "b": 2}, USER),
        "merge_deep": edit("merge", ["a"], {"b": {"c": 1}, "d": [1]}, {"a": {"b": {"e": 2}, "d": None}}),
        "merge_absent": edit("merge", ["a", "b"], {"c": 1}, {}),
        "merge_no_map": edit("merge", ["a"], 1, {"a": {}}),
        "key_twice": edit("set", ["a"], 1, (("a", 2), ("a", 3))),
        "deepest": edit("set", ["a"], 1, {"b": nested(31)}),
    }
    # Recipes: by chance, and for a map and an array of 65535 that get one more; those
    # need a first byte of their own.
    chance = random.Random(20110921)
    for i in range(16):
        seeds[f"recipe_{i:02}"] = bytes([chance.randrange(128), *chance.randbytes(chance.randrange(20, 120))])
    seeds["recipe_65535_entries"] = bytes([0x7C, 1, 1, 1, 0xF6])
    seeds["recipe_65535_items"] = bytes([0x7D, 0, 1, 1, 1, 0, 5, 0xF6])
    write("fuzz_rewrite", seeds)


def plays():
    """Choices as fuzz_core.cpp takes them: workers of four names register, and then send, settle and let time pass."""
    chance = random.Random(5570)

    def step(action, peer, *choices):
        return bytes([peer << 4 | action, *choices])

    def message():
        fields = chance.choice([0, 0, 2, 4])
        return [fields << 2 & 0xFC | chance.choice([0, 1, 1, 2]), *(chance.randrange(8) for _ in range(4 + 2 * fields))]

    def move():
        peer = chance.randrange(6)
        ack, nack, pause = chance.randrange(32), chance.randrange(16), chance.randrange(9)
        return chance.choice([
            step(0, peer % 2, 1, *message(), *message(), 0), step(0, peer, 0, *message(), 0),
            step(5, peer, ack, 1, 2, 3, 0), step(5, 2 + peer % 4, ack & 1, 0), step(7, 2 + peer % 4, nack, 0),
            step(7, 2 + peer % 4, 8, 0), step(8, peer, 4 * chance.randrange(8), 0), step(10, 0, pause), step(10, 0, 3),
            step(12, peer, chance.randrange(3)), step(12, peer, 0), step(13, peer, 0), hello(peer)])

    def hello(peer):
        role, name = [(0, 0), (0, 1), (1, 3), (1, 3), (1, 4), (1, 8)][peer]
        return step(3, peer, role | name << 1 | peer % 4 << 5, 0x40 | chance.choice([1, 2, 6, 7]), 0)

    seeds = {}
    for number in range(64):
        start = bytes([0, number % 8]) + b"".join(hello(peer) for peer in range(6))
        seeds[f"play_{number:02}"] = start + b"".join(move() for _ in range(50))
    write("fuzz_core", seeds)


headers()
bodies()
plays()
rewrites()
