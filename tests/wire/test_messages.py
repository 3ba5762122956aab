"""Section 8: which messages pass, untouched, and which are refused while the rest of their batch stands."""

import unittest

import msgpack

from bus import *


def nested(levels, leaf=0):
    for _ in range(levels):
        leaf = [leaf]
    return leaf


def without(message, *fields):
    return {key: value for key, value in message.items() if key not in fields}


def twice(message, field):
    """The message with that field once more at the end."""
    return bytes([0x80 | len(message) + 1]) + pack(message)[1:] + pack(field) + pack(message[field])


MALFORMED = {
    "an empty map": {},
    "no message_type": without(user("m"), "message_type"),
    "a nil message_type": {**user("m"), "message_type": None},
    "a number for a message_type": {**user("m"), "message_type": 1},
    "bytes for a message_type": {**user("m"), "message_type": b"user_message"},
    "an empty message_type": {**user("m"), "message_type": ""},
    "a status_event": {**user("m"), "message_type": "status_event"},
    "a failure_message": {**user("m"), "message_type": "failure_message"},
    "another case": {**user("m"), "message_type": "User_Message"},
    "no message_id": without(user("m"), "message_id"),
    "a nil message_id": user(None),
    "an empty message_id": user(""),
    "a message_id of 256 bytes": user("x" * 256),
    "a message_id of 256 bytes in 128 characters": user("é" * 128),
    "a number for a message_id": user(7),
    "bytes for a message_id": user(b"m"),
    "a message_id that is no UTF-8": user("m\udcff"),
    "a number for in_reply_to": user("m", in_reply_to=7),
    "bytes for in_reply_to": user("m", in_reply_to=b"x"),
    "a number for a transport_name": user("m", transport_name=7),
    "a list for to_addr": user("m", to_addr=["+1"]),
    "a number for from_addr": user("m", from_addr=27123),
    "a float for from_addr": user("m", from_addr=2.7),
    "false for from_addr": user("m", from_addr=False),
    "bytes for content": user("m", content=b"hello"),
    "a map for content": user("m", content={}),
    "content that is no UTF-8": user("m", content="\udcff\udcfe"),
    "content with an encoded surrogate": pack(user("m", content="@@@")).replace(b"@@@", b"\xed\xa0\x80"),
    "content with an overlong form": pack(user("m", content="@@")).replace(b"@@", b"\xc0\xaf"),
    "content cut within a character": pack(user("m", content="@@")).replace(b"@@", b"\xe2\x82"),
    "content past the last character": pack(user("m", content="@@@@")).replace(b"@@@@", b"\xf4\x90\x80\x80"),
    "text for helper_metadata": user("m", helper_metadata="x"),
    "a list for helper_metadata": user("m", helper_metadata=[]),
    "a list for routing_metadata": user("m", routing_metadata=[]),
    "a number for an endpoint_name": user("m", routing_metadata={"endpoint_name": 7}),
    "no user_message_id": without(event("m"), "user_message_id"),
    "a nil user_message_id": {**event("m"), "user_message_id": None},
    "an empty user_message_id": event(""),
    "a user_message_id of 256 bytes": event("x" * 256),
    "no event_id": without(event("m"), "event_id"),
    "a number for an event_id": {**event("m"), "event_id": 3},
    "no event_type": without(event("m"), "event_type"),
    "another event_type": event("m", "read_report"),
    "an empty event_type": event("m", ""),
    "a number for a key": {**user("m"), 7: "seven"},
    "bytes for a key": {**user("m"), b"key": 1},
    "nil for a key": {**user("m"), None: 1},
    "a list for a key": b"\x83" + pack(user("m"))[1:] + b"\x91\x01\x01",
    "message_id twice": twice(user("m"), "message_id"),
    "message_type twice": twice(user("m"), "message_type"),
    "transport_name twice": twice(user("m", transport_name="sms"), "transport_name"),
    "content twice, both nil": twice(user("m", content=None), "content"),
    "helper_metadata twice": twice(user("m", helper_metadata={}), "helper_metadata"),
    "user_message_id twice": twice(event("m"), "user_message_id"),
    "33 levels": user("m", deep=nested(32)),
    "33 levels in helper_metadata": user("m", helper_metadata={"deep": nested(31)}),
    "5,000 levels": pack(user("m"))[:1].replace(b"\x82", b"\x83") + pack(user("m"))[1:] + b"\xa1d"
                    + b"\x91" * 5000 + b"\0",
    "5,000 maps in one another": b"\x83" + pack(user("m"))[1:] + b"\xa1d" + b"\x81\xa1k" * 5000 + b"\0",
}

PASSES = {
    "the least": user("m"),
    "the longest message_id": user("x" * 255),
    "nil wherever it may be": user("m", in_reply_to=None, to_addr=None, from_addr=None, content=None,
                                   routing_metadata=None,
                                   helper_metadata=None),
    "empty wherever it may be": user("m", in_reply_to="", to_addr="", from_addr="", content="", routing_metadata={},
                                     helper_metadata={}),
    "every vumi field": user(
        "m", message_version="20110921", timestamp="2024-02-29 12:00:00.000001", to_addr="+1", from_addr="+2",
        content="x",
        in_reply_to=None, session_event="new", transport_type="ussd", transport_metadata={"a": [1]}, group=None,
        provider="p", from_addr_type="msisdn", to_addr_type=None, routing_metadata={"endpoint_name": "default"},
        helper_metadata={"tag": {"tag": ["pool", "tag"]}}),
    "a nil endpoint_name": user("m", routing_metadata={"endpoint_name": None, "other": 1}),
    "32 levels": user("m", deep=nested(31)),
    "content beyond the first plane": user("m", content="\U0001F600\u20ac\u00e9\0\x7f"),
    "every type of value": user("m", i=-1, u=MAXIMUM, f=1.5, t=True, n=None, b=b"\xff\0", e=msgpack.ExtType(5, b"ext"),
                                stamp=msgpack.Timestamp(1, 2), a=[1, "x", {}], m={1: 2, None: [], b"k": 0}),
    "what is kept for later": user("m", expires_at="tomorrow", priority=[3]),
    "an unknown field that is no UTF-8": user("m", junk="\udcff\udc80"),
    "an unknown key that is no UTF-8": {**user("m"), "\udcff": 1},
    "an unknown field twice": twice(user("m", twin=1), "twin"),
    "fields of section 8 inside others": user("m", inner={"message_id": 1, "transport_name": [], "content": {}}),
    "an ack": event("m", "ack", sent_message_id="x"),
    "a nack": event("m", "nack", nack_reason="no"),
    "a delivery report": event("m", delivery_status="delivered"),
    "the longest user_message_id": event("x" * 255),
    "a map of 16 bits": b"\xde\0\x02" + pack(user("m"))[1:],
    "a map of 32 bits": b"\xdf\0\0\0\x02" + pack(user("m"))[1:],
    "long keys in wide heads": b"\x83" + pack(user("m"))[1:] + b"\xdb\0\0\x01\0" + b"k" * 256 + b"\xc0",
    "a known key in a wide head": b"\x82\xdb\0\0\0\x0cmessage_type\xda\0\x0cuser_message\xd9\x0amessage_id\xd9\x01m",
}


class Messages(BusTest):
    dispatcher = {**BusTest.dispatcher, "transport_names": ["sms", "xmpp", "long_transport_name"],
                  "routing_mappings": {"sms": "app", "xmpp": "app", "long_transport_name": "app"}}

    def test_malformed_ones_are_refused_alone(self):
        worker, application = self.transport(), self.application()
        for name, message in MALFORMED.items():
            with self.subTest(name):
                last = worker.say(user("before"), message, user("behind"))
                self.assertEqual(worker.settled(last), [(last - 1, "malformed")])
                self.assert_ids(application.deliveries(2), "before", "behind")

    def test_all_of_them_in_one_batch(self):
        worker, application = self.transport(), self.application()
        messages = []
        for message in MALFORMED.values():
            messages += [message, user("good")]
        last = worker.say(*messages)
        self.assertEqual(worker.settled(last), [(n, "malformed") for n in range(1, last, 2)])
        application.deliveries(len(MALFORMED))

    def named(self, message, name):
        """The same message with a transport_name put last, whatever width its head has."""
        data = pack(message)
        if data[0] == 0xDE:
            head, rest = b"\xde" + (int.from_bytes(data[1:3], "big") + 1).to_bytes(2, "big"), data[3:]
        elif data[0] == 0xDF:
            head, rest = b"\xdf" + (int.from_bytes(data[1:5], "big") + 1).to_bytes(4, "big"), data[5:]
        else:
            count = (data[0] & 15) + 1
            head, rest = (bytes([0x80 | count]) if count < 16 else b"\xde\0\x10"), data[1:]
        return head, rest + pack("transport_name") + pack(name)

    def test_good_ones_pass_byte_for_byte(self):
        worker, application = self.transport(), self.application()
        for name, message in PASSES.items():
            with self.subTest(name):
                data = b"".join(self.named(message, "sms"))
                self.assertEqual(worker.settled(worker.say(data)), [])
                self.assertEqual(application.deliveries(1)[0].raw, data)

    def test_a_transport_name_that_is_added_leaves_the_rest_as_it_was(self):
        for name in ("sms", "long_transport_name"):
            worker, application = self.transport(name), self.application()
            for title, message in PASSES.items():
                with self.subTest(title):
                    worker.settled(worker.say(message))
                    delivery = application.deliveries(1)[0]
                    self.assertEqual(delivery.message["transport_name"], name)
                    self.assertTrue(delivery.raw.endswith(self.named(message, name)[1]))
                    application.ack(delivery.seq)
            application.send(BYE, None)
            application.expect(BYE)

    def test_a_transport_name_in_place_of_nil_leaves_the_rest_as_it_was(self):
        worker, application = self.transport("long_transport_name"), self.application()
        for title, message in PASSES.items():
            with self.subTest(title):
                given, wanted = [b"".join(self.named(message, name)) for name in (None, "long_transport_name")]
                worker.settled(worker.say(given))
                self.assertEqual(application.deliveries(1)[0].raw, wanted)

    def test_an_applications_messages_pass_byte_for_byte(self):
        worker, transport = self.application(), self.transport()
        for name, message in PASSES.items():
            if isinstance(message, bytes) or message["message_type"] == "user_message":
                with self.subTest(name):
                    data = b"".join(self.named(message, "sms"))
                    self.assertEqual(worker.settled(worker.say(data)), [])
                    self.assertEqual(transport.deliveries(1)[0].raw, data)

    def test_an_applications_malformed_ones_are_refused_alone(self):
        worker, transport = self.application(), self.transport()
        for name, message in MALFORMED.items():
            with self.subTest(name):
                last = worker.say(user("before", transport_name="sms"), message, user("behind", transport_name="sms"))
                self.assertEqual(worker.settled(last), [(last - 1, "malformed")])
                self.assert_ids(transport.deliveries(2), "before", "behind")


if __name__ == "__main__":
    unittest.main()
