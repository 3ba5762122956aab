"""Each piece of middleware, seen from outside, on what enters and on what leaves."""

import time
import unittest

from bus import *


class Middleware(BusTest):
    pieces = []  # the list
    options = ""  # the pieces' tables
    dispatcher = {"router_class": "SimpleDispatchRouter", "transport_names": ["sms", "ussd"],
                  "exposed_names": ["app", "other"], "routing_mappings": {"sms": ["app", "other"], "ussd": "app"}}

    def setUp(self):
        self.text = self.options
        self.start(dispatcher={"middleware": self.pieces})
        self.sms, self.ussd = self.transport("sms"), self.transport("ussd")
        self.app, self.other = self.application("app"), self.application("other")

    def through(self, sender, receiver, message):
        """What becomes of a message on its way."""
        self.assertEqual(sender.settled(sender.say(message)), [])
        [delivery] = receiver.deliveries(1)
        return delivery.message

    def unchanged(self, sender, receiver, message):
        self.assertEqual(self.through(sender, receiver, message), message)

    def inbound(self, **fields):
        return self.through(self.ussd, self.app, user("m", transport_name="ussd", **fields))

    def outbound(self, **fields):
        return self.through(self.app, self.ussd, user("m", transport_name="ussd", **fields))


class NoMiddleware(Middleware):
    def test_nothing_changes(self):
        self.unchanged(self.ussd, self.app, user("m", transport_name="ussd", helper_metadata={"a": [1, None]}))


class Logging(Middleware):
    pieces = [{"mw1": "vumi.middleware.LoggingMiddleware"}]
    options = '[mw1]\nlog_level = "warning"\n'

    def lines(self, count):
        """The lines of the piece so far, once there are so many: they come by a pipe of their own."""
        def found():
            return [line for line in self.bus.lines if " message middleware=mw1 " in line]

        with self.bus.changed:
            self.bus.changed.wait_for(lambda: len(found()) >= count, DEADLINE_S)
            return found()

    def test_a_line_for_each_pass(self):
        message = user("m1", transport_name="sms", content="two words\nand a line", from_addr="+1")
        self.sms.settled(self.sms.say(message))
        self.app.deliveries(1)
        self.other.deliveries(1)
        lines = self.lines(3)
        self.assertEqual(len(lines), 3, lines)
        for line, passing in zip(lines, ("pass=entering direction=inbound connector=sms",
                                         "pass=leaving direction=inbound connector=app",
                                         "pass=leaving direction=inbound connector=other")):
            self.assertIn(" warning message middleware=mw1 dispatcher=dispatcher " + passing + " message_id=m1 ", line)
            self.assertIn(" from_addr=+1 ", line)
            self.assertIn('content="two words\\\\x0aand a line"', line)

    def test_events_and_outbound(self):
        self.app.settled(self.app.say(user("m1", transport_name="ussd")))
        self.ussd.deliveries(1)
        self.ussd.settled(self.ussd.say(event("m1")))
        self.app.deliveries(1)
        passes = [" ".join(line.split("pass=")[1].split()[:3]) for line in self.lines(4)]
        self.assertEqual(passes,
                         ["entering direction=outbound connector=app", "leaving direction=outbound connector=ussd",
                          "entering direction=event connector=ussd", "leaving direction=event connector=app"])

    def test_each_level(self):
        for level in ("debug", "info", "warning", "error", "critical"):
            self.text = '[mw1]\nlog_level = "%s"\n' % level
            self.start(dispatcher={"middleware": self.pieces})
            ussd = self.transport("ussd")
            ussd.settled(ussd.say(user("m1", transport_name="ussd")))
            lines = self.lines(2)
            self.assertEqual(len(lines), 2)
            for line in lines:
                self.assertIn(" %s message middleware=mw1 " % level, line)


class AddressTranslation(Middleware):
    pieces = [{"mw": "vumi.middleware.address_translator.AddressTranslationMiddleware"}]
    options = '[mw.outbound_map]\n"+1" = "a@b"\n"+2" = "c@d"\n"+3" = "c@d"\n"c@d" = "e@f"\n'

    def test_outbound(self):
        self.assertEqual(self.outbound(to_addr="+1", from_addr="+1"),
                         user("m", transport_name="ussd", to_addr="a@b", from_addr="+1"))
        self.assertEqual(self.outbound(to_addr="+2")["to_addr"], "e@f")  # once on entering, once on leaving
        self.assertEqual(self.outbound(to_addr="+9")["to_addr"], "+9")

    def test_inbound(self):
        self.assertEqual(self.inbound(from_addr="a@b", to_addr="a@b"),
                         user("m", transport_name="ussd", from_addr="+1", to_addr="a@b"))
        self.assertEqual(self.inbound(from_addr="e@f")["from_addr"], "+3")  # the later of two

    def test_odd_ones(self):
        self.assertIsNone(self.inbound(from_addr=None)["from_addr"])
        self.assertNotIn("to_addr", self.outbound())
        self.unchanged(self.ussd, self.app, event("e", transport_name="ussd", to_addr="+1", from_addr="a@b"))


class Tagging(Middleware):
    pieces = [{"tag": "TaggingMiddleware"}]
    options = r"""
[tag.incoming]
addr_pattern = '^\d+(?P<last>\d{3})$'
tagpool_template = 'pool'
tagname_template = 'mytag-\1/\g<last>'
[tag.outgoing]
tagname_pattern = 'mytag-(\d{3})'
[tag.outgoing.msg_template]
from_addr = '1234*\1'
[tag.outgoing.msg_template.helper_metadata.extra]
number = 5
"""

    def test_inbound(self):
        self.assertEqual(self.inbound(to_addr="27001", helper_metadata={"a": 1})["helper_metadata"],
                         {"a": 1, "tag": {"tag": ["pool", "mytag-001/001"]}})
        self.assertNotIn("helper_metadata", self.inbound(to_addr="+27001"))
        self.assertEqual(self.inbound(to_addr=None, helper_metadata={"tag": {"tag": ["x", "y"]}})["helper_metadata"],
                         {"tag": {"tag": ["x", "y"]}})

    def test_outbound(self):
        tagged = {"tag": {"tag": ["other_pool", "mytag-042"]}, "extra": {"text": "t"}}
        self.assertEqual(self.outbound(from_addr=None, helper_metadata=tagged),
                         user("m", transport_name="ussd", from_addr="1234*042",
                              helper_metadata={**tagged, "extra": {"text": "t", "number": 5}}))
        for tag in (["p", "mytag-1"], ["mytag-042"], "mytag-042", [1, 2], None, {}):
            self.unchanged(self.app, self.ussd, user("m", transport_name="ussd", helper_metadata={"tag": {"tag": tag}}))
        for metadata in (None, {}, {"tag": "x"}):
            self.unchanged(self.app, self.ussd, user("m", transport_name="ussd", helper_metadata=metadata))


class Providers(Middleware):
    pieces = [{"prefix": "AddressPrefixProviderSettingMiddleware"}]
    options = '[prefix]\nprovider_prefixes = {"+2783" = "MTN", "+27" = "other"}\n' \
              'normalize_msisdn = {country_code = "27"}\n'

    def test_prefixes(self):
        self.assertEqual(self.inbound(from_addr="083 123 4567", to_addr="1")["provider"], "MTN")
        self.assertEqual(self.inbound(from_addr="083 123 4567")["from_addr"], "083 123 4567")
        self.assertEqual(self.outbound(from_addr="0831234567", to_addr="0027111111")["provider"], "other")
        self.assertEqual(self.inbound(from_addr="0831234567", provider="mine")["provider"], "mine")
        self.assertEqual(self.inbound(from_addr="0831234567", provider=None)["provider"], "MTN")
        for fields in ({"from_addr": "+1234567"}, {"from_addr": None}, {"from_addr": "27"}, {}):
            self.assertNotIn("provider", self.inbound(**fields))
        self.assertIsNone(self.inbound(from_addr="+1234567", provider=None)["provider"])


class StaticProvider(Middleware):
    pieces = [{"static": {"class": "StaticProviderSettingMiddleware", "consume_priority": 5}}]
    options = '[static]\nprovider = "p"\n'

    def test_always(self):
        for provider in ("other", None, 3):
            self.assertEqual(self.inbound(provider=provider)["provider"], "p")
            self.assertEqual(self.outbound(provider=provider)["provider"], "p")
        self.unchanged(self.ussd, self.app, event("e", transport_name="ussd"))


class SessionLength(Middleware):
    pieces = [{"length": "SessionLengthMiddleware"}]

    def test_a_session(self):
        before = time.time()
        first = self.inbound(from_addr="u", session_event="new")["helper_metadata"]["session"]
        self.assertEqual(list(first), ["session_start"])
        start = first["session_start"]
        self.assertIsInstance(start, float)
        self.assertTrue(before - 1 <= start <= time.time() + 1, start)
        self.assertEqual(self.outbound(to_addr="u")["helper_metadata"]["session"], {"session_start": start})
        self.assertNotIn("helper_metadata", self.outbound(to_addr="v"))
        self.assertNotIn("helper_metadata", self.inbound(from_addr=None, session_event="new"))
        last = self.inbound(from_addr="u", session_event="close", helper_metadata={"a": 1})["helper_metadata"]
        self.assertEqual((last["a"], last["session"]["session_start"]), (1, start))
        self.assertGreaterEqual(last["session"]["session_end"], start)
        self.assertNotIn("helper_metadata", self.inbound(from_addr="u", session_event="resume"))

    def test_nothing_is_overwritten(self):
        session = {"session": {"session_start": 1.5, "session_end": "mine"}}
        for session_event in ("new", "resume", "close", None):
            self.unchanged(self.ussd, self.app, user("m", transport_name="ussd", from_addr="u",
                                                     session_event=session_event, helper_metadata=session))


class Order(Middleware):
    """Each piece maps an address on; what comes out tells in which order they ran, on entering and on leaving."""
    pieces = [{"one": {"class": "AddressTranslationMiddleware", "consume_priority": 1}},
              {"two": "AddressTranslationMiddleware"},
              {"three": {"class": "AddressTranslationMiddleware", "publish_priority": -1}}]
    options = """
[one.outbound_map]
a = "1"
2 = "21"
23 = "231"
"231x" = "L1"
L32 = "out"
[two.outbound_map]
a = "2"
L3 = "L32"
[three.outbound_map]
a = "3"
2 = "23"
231 = "L3"
"""

    def test_outbound(self):
        # Entering: two (2), three (23), one (231). Leaving: three (L3), two (L32), one (out).
        self.assertEqual(self.outbound(to_addr="a")["to_addr"], "out")


if __name__ == "__main__":
    unittest.main()
