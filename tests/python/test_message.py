"""Messages as vumi has them."""

import datetime
import unittest

import msgpack

from signalbox import Message, format_time, parse_time


class Messages(unittest.TestCase):
    def setUp(self):
        self.message = Message.user_message(
            content="hello", from_addr="+27831234567", to_addr="*120*1#", transport_name="sms", transport_type="ussd",
            transport_metadata={"session": 1}, helper_metadata={"tag": ["a"]}, provider="mno", session_event="new")

    def test_what_is_filled_in(self):
        message = Message.user_message(to_addr="a", colour="red")
        self.assertEqual(
            {key: value for key, value in message.items() if key not in ("message_id", "timestamp")},
            {"message_type": "user_message", "message_version": "20110921", "to_addr": "a", "from_addr": None,
             "in_reply_to": None, "content": None, "session_event": None, "transport_name": None,
             "transport_type": None, "transport_metadata": {}, "helper_metadata": {}, "routing_metadata": {},
             "group": None, "provider": None, "colour": "red"})
        self.assertRegex(message["message_id"], "^[0-9a-f]{32}$")
        age = datetime.datetime.now(datetime.timezone.utc) - parse_time(message["timestamp"])
        self.assertLess(abs(age.total_seconds()), 60)
        self.assertTrue(message.is_user_message and not message.is_event)
        with self.assertRaises(ValueError):
            Message.user_message(session_event="pause")

    def test_reply(self):
        reply = self.message.reply("hi")
        self.assertEqual(
            {key: reply[key] for key in reply if key not in ("message_id", "timestamp")},
            {"message_type": "user_message", "message_version": "20110921", "to_addr": "+27831234567",
             "from_addr": "*120*1#", "in_reply_to": self.message["message_id"], "content": "hi", "session_event": None,
             "transport_name": "sms", "transport_type": "ussd", "transport_metadata": {"session": 1},
             "helper_metadata": {"tag": ["a"]}, "routing_metadata": {}, "group": None, "provider": "mno"})
        self.assertNotEqual(reply["message_id"], self.message["message_id"])
        reply["helper_metadata"]["tag"].append("b")
        self.assertEqual(self.message["helper_metadata"], {"tag": ["a"]})

    def test_reply_that_ends_the_session(self):
        self.assertEqual(self.message.reply("bye", session_event="close")["session_event"], "close")
        self.assertEqual(self.message.reply("bye", continue_session=False)["session_event"], "close")
        self.assertEqual(self.message.reply("…", continue_session=False, session_event="resume")["session_event"],
                         "resume")

    def test_reply_leaves_on_the_endpoint_that_the_message_came_in_on(self):
        self.assertIsNone(self.message.endpoint_name)
        self.message["routing_metadata"] = {"endpoint_name": "second", "more": 1}
        self.assertEqual(self.message.endpoint_name, "second")
        self.assertEqual(self.message.reply("x")["routing_metadata"], {"endpoint_name": "second"})

    def test_what_makes_it_a_reply_cannot_be_given(self):
        for field in ("to_addr", "from_addr", "group", "in_reply_to", "transport_name", "transport_metadata"):
            with self.assertRaises(ValueError, msg=field):
                self.message.reply("x", **{field: "other"})
        self.assertEqual(self.message.reply("x", colour="red")["colour"], "red")

    def test_reply_to_a_message_of_few_fields(self):
        reply = Message(message_type="user_message", message_id="1", helper_metadata=None).reply("x")
        self.assertEqual((reply["to_addr"], reply["in_reply_to"], reply["helper_metadata"]), (None, "1", {}))

    def test_reply_group(self):
        self.assertEqual(self.message.reply_group("x")["to_addr"], "+27831234567")
        self.message["group"] = "#channel"
        reply = self.message.reply_group("x")
        self.assertEqual((reply["to_addr"], reply["group"]), (None, "#channel"))
        self.assertEqual(self.message.reply("x")["to_addr"], "+27831234567")

    def test_events(self):
        ack = self.message.ack("network 7")
        self.assertEqual(
            {key: ack[key] for key in ack if key not in ("event_id", "timestamp")},
            {"message_type": "event", "message_version": "20110921", "event_type": "ack",
             "user_message_id": self.message["message_id"], "sent_message_id": "network 7", "transport_name": None,
             "transport_type": "ussd", "transport_metadata": {}, "helper_metadata": {}, "routing_metadata": {}})
        self.assertTrue(ack.is_event and not ack.is_user_message)
        nack = self.message.nack("no credit", transport_metadata={"code": 3})
        self.assertEqual((nack["event_type"], nack["nack_reason"], nack["transport_metadata"]),
                         ("nack", "no credit", {"code": 3}))
        report = self.message.delivery_report("delivered")
        self.assertEqual((report["event_type"], report["delivery_status"]), ("delivery_report", "delivered"))
        with self.assertRaises(ValueError):
            self.message.delivery_report("lost")

    def test_encoding(self):
        self.assertEqual(Message.decode(self.message.encode()), self.message)
        self.assertIs(type(self.message.copy()), Message)
        for odd in (b"", b"\xc1", b"\x01", b"\x80\x80", b"\x81", b"\x81\xa1a\x81\x91\x01\x02"):
            with self.assertRaises(ValueError, msg=odd):
                Message.decode(odd)
        with self.assertRaises(TypeError):
            Message(thing=object()).encode()
        self.assertEqual(Message.decode(Message(a=1).encode()), {"a": 1})  # the failure left nothing behind

    def test_values_survive(self):
        values = {"bytes": b"\x00\xff", "ext": msgpack.ExtType(7, b"abc"), "stamp": msgpack.Timestamp(5, 6),
                  "keys": {1: "one", True: [1, 2.5, None]}, "broken": "caf\udce9", "large": 2**64 - 1,
                  "small": -2**63}
        self.assertEqual(Message.decode(Message(values).encode()), values)

    def test_times(self):
        zone = datetime.timezone(datetime.timedelta(hours=2))
        time = datetime.datetime(2026, 1, 31, 23, 59, 59, tzinfo=zone)
        self.assertEqual(format_time(time), "2026-01-31 21:59:59.000000")
        self.assertEqual(format_time(time.replace(tzinfo=None)), "2026-01-31 23:59:59.000000")
        self.assertEqual(parse_time(format_time(time)), time)
        self.assertEqual(parse_time("2026-01-31 21:59:59"), time)
        with self.assertRaises(ValueError):
            parse_time("yesterday")
        message = Message.decode(Message.user_message(timestamp=time, other={"at": [time]}).encode())
        self.assertEqual(message["timestamp"], "2026-01-31 21:59:59.000000")
        self.assertEqual(message["other"], {"at": ["2026-01-31 21:59:59.000000"]})


if __name__ == "__main__":
    unittest.main()
