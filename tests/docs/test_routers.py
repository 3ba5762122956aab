"""The pages of the routers, tried: a broker with the configuration that a page shows, and messages through it.

A step is (who sends, message, what becomes of it): {endpoint: fields that differ there}, `discarded`, or the code of a
refusal. The words of refusals have to be those of the page's table, and every row of that table has to be met.
"""

import json
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

import zmq  # noqa: E402

import blocks  # noqa: E402
import bus  # noqa: E402
from bus import event, user  # noqa: E402
from test_router_cases import roles_in  # noqa: E402

FOLDER = pathlib.Path(os.environ["SIGNALBOX_SOURCE"]) / "docs" / "routers"
NO_ROUTE, UNKNOWN = "no_route", "unknown_endpoint"
ROW = re.compile(r"\| `(%s|%s)` \| (.+?) \|$" % (NO_ROUTE, UNKNOWN), re.M)


def endpoint(name):
    return {"routing_metadata": {"endpoint_name": name}}


def names(*listed):
    return {"helper_metadata": {"load_balancer": {"transport_names": list(listed)}}}


def without(line):
    """The configuration of the page but for that line."""
    def change(text):
        assert line + "\n" in text, "the page has no line '%s'" % line
        return text.replace(line + "\n", "")
    return change


def untracked(text):
    return "reply_tracking = false\n" + text


def before(heading):
    return lambda text: text[:text.index(heading)]


def by_name(application):
    """What all routers refuse that go by the transport_name of what an application sends."""
    return [(application, user("by name", transport_name="nowhere"), UNKNOWN), (application, user("no name"), UNKNOWN)]


# Of each page: a change to its configuration, if any, and steps that one broker sees in order.
PAGES = {
    "SimpleDispatchRouter": [(None, [
        ("sms", user("m1", content="hello"), {"survey": {}, "log": {}}),
        ("carrier", user("m2", transport_name="far_off"), {"log": {}}),
        ("carrier", user("m3"), NO_ROUTE),
        ("survey", user("r1", in_reply_to="m2", transport_name="far_off"), {"carrier": {}}),
        ("carrier", event("r1"), {"survey": {}}),
        ("log", user("o1", transport_name="text"), {"sms": {}}),
        ("log", user("o2", transport_name="ussd"), {"ussd": {}}),
        *by_name("log"),
    ])],
    "TransportToTransportRouter": [(None, [
        ("sms_in", user("m1", from_addr="1", to_addr="2"), {"carrier_a": {}, "carrier_b": {}}),
        ("carrier_b", user("m2"), {"sms_in": {}}),
        ("carrier_a", event("m1"), "discarded"),
    ]), (without('carrier_b = "sms_in"'), [("carrier_b", user("m1"), NO_ROUTE)])],
    "ToAddrRouter": [(None, [
        ("sms", user("m1", to_addr="123456"), {"survey": {}, "archive": {}}),
        ("ussd", user("m2", to_addr="*120*7#"), {"menu": {}, "archive": {}}),
        ("sms", user("m3", to_addr="0123456"), {"archive": {}}),
        ("sms", user("m4"), NO_ROUTE),
        ("menu", user("r1", in_reply_to="m2"), {"ussd": {}}),
        ("ussd", event("r1"), {"menu": {}}),
        ("ussd", event("unknown"), NO_ROUTE),
        ("survey", user("o1", transport_name="text"), {"sms": {}}),
        *by_name("survey"),
    ]), (lambda text: text.replace("archive = ''", "archive = 'x'"), [("sms", user("m1", to_addr="7"), NO_ROUTE)])],
    "FromAddrMultiplexRouter": [(None, [
        ("mtn", user("m1"), {"phones": {"transport_name": "phones"}}),
        ("phones", user("r1", in_reply_to="m1", from_addr="+27821110000"), {"vodacom": {"transport_name": "vodacom"}}),
        ("vodacom", event("r1"), {"phones": {"transport_name": "phones"}}),
        ("landline", event("unknown"), {"phones": {"transport_name": "phones"}}),
        ("phones", user("o1", from_addr="+1"), NO_ROUTE),
        ("phones", user("o2", transport_name="mtn"), NO_ROUTE),
    ])],
    "UserGroupingRouter": [(None, [
        ("sms", user("m1", from_addr="+1"), {"old_survey": {}}),
        ("ussd", user("m2", from_addr="+2"), {"new_survey": {}}),
        ("ussd", user("m3", from_addr="+1"), {"old_survey": {}}),
        ("sms", user("m4"), NO_ROUTE),
        ("sms", user("m5", from_addr="+3"), {"old_survey": {}}),
        ("new_survey", user("r1", in_reply_to="m2"), {"ussd": {}}),
        ("ussd", event("r1"), {"new_survey": {}}),
        ("ussd", event("unknown"), {"old_survey": {}}),
        *by_name("old_survey"),
    ]), (before("[routing_mappings]"), [("sms", event("unknown"), NO_ROUTE)]),
        (without('ussd = "old_survey"'), [("ussd", event("unknown"), NO_ROUTE)])],
    "ContentKeywordRouter": [(None, [
        ("sms", user("m1", content="VOTE yes", to_addr="12345"), {"survey": {}}),
        ("sms", user("m2", content="stop", from_addr="+2783"), {"survey": {}, "optout": {}}),
        ("sms", user("m3", content="stop"), {"optout": {}}),
        ("ussd", user("m4", content="vote", to_addr="1"), {"helpdesk": {}}),
        ("ussd", user("m5"), {"helpdesk": {}}),
        ("survey", user("o1", from_addr="12345", transport_name="ussd"), {"sms": {}}),
        ("sms", event("o1"), {"survey": {}}),
        ("sms", event("unknown"), NO_ROUTE),
        ("helpdesk", user("r1", in_reply_to="m5", from_addr="9"), {"ussd": {}}),
        ("helpdesk", user("o2", from_addr="9"), NO_ROUTE),
        ("helpdesk", user("o3"), NO_ROUTE),
    ]), (without('fallback_application = "helpdesk"'), [("sms", user("m1", content="hello"), NO_ROUTE)]),
        (untracked, [
            ("helpdesk", user("o1", from_addr="12345", transport_name="survey"), {"sms": {}}),
            ("sms", event("o1"), {"survey": {}}),
            ("helpdesk", user("o2", from_addr="12345", transport_name="sms"), {"sms": {}}),
            ("sms", event("o2"), NO_ROUTE),
            ("helpdesk", user("o3", from_addr="12345"), {"sms": {}}),
            ("sms", event("o3"), NO_ROUTE),
            ("sms", event("unknown"), NO_ROUTE),
        ])],
    "RedirectRouter": [(None, [
        ("sms", user("m1"), {"survey": {"transport_name": "survey"}}),
        ("survey", user("r1", in_reply_to="m1", transport_name="survey"), {"sms": {}}),
        ("sms", event("r1"), {"survey": {"transport_name": "survey"}}),
        ("survey", user("o1", transport_name="menu"), {"ussd": {}}),
        ("ussd", event("unknown"), {"menu": {"transport_name": "menu"}}),
        ("menu", user("o2", transport_name="sms"), NO_ROUTE),
        ("menu", user("o3"), NO_ROUTE),
    ]), (without('sms  = "survey"'), [("sms", user("m1"), NO_ROUTE)])],
    "RedirectOutboundRouter": [(None, [
        ("sms", user("m1"), {"survey": {"transport_name": "survey"}}),
        ("survey", user("o1", transport_name="survey"), {"sms": {}}),
        ("sms", event("o1"), {"survey": {"transport_name": "survey"}}),
    ])],
    "LoadBalancingRouter": [(None, [
        ("smsc_2", user("m1"), {"sms": {"transport_name": "sms", **names("smsc_2")}}),
        ("sms", user("r1", in_reply_to="m1", **names("smsc_3", "smsc_2")),
         {"smsc_2": {"transport_name": "smsc_2", **names("smsc_3")}}),
        ("sms", user("r2", in_reply_to="m1"), {"smsc_2": {"transport_name": "smsc_2"}}),
        ("sms", user("r3", in_reply_to="unknown"), {"smsc_1": {"transport_name": "smsc_1"}}),
        ("sms", user("o1"), {"smsc_2": {"transport_name": "smsc_2"}}),
        ("smsc_2", event("o1"), {"sms": {"transport_name": "sms"}}),
    ])],
    "RoutingTableDispatcher": [(None, [
        ("sms", user("m1"), {"survey": endpoint("default")}),
        ("ussd", user("m2", transport_name="anything"), {"menu": endpoint("ussd")}),
        ("menu", user("r1", in_reply_to="m2", **endpoint("ussd")), {"ussd": endpoint("default")}),
        ("ussd", event("r1"), {"menu": endpoint("ussd")}),
        ("menu", user("o1"), {"sms": endpoint("default")}),
        ("ussd", event("unknown"), {"menu": endpoint("ussd")}),
        ("sms", user("m3", **endpoint("other")), NO_ROUTE),
    ])],
    "ToAddressRouter": [(None, [
        ("sms", user("m1", to_addr="12345"), {"survey": {}}),
        ("sms", user("m2", to_addr="123456"), {"campaigns": {}}),
        ("ussd", user("m3", to_addr="*120#"), {"survey": {}}),
        ("sms", user("m4"), {"helpdesk": {}}),
        ("survey", user("r1", in_reply_to="m1"), {"sms": {}}),
        ("survey", user("o1", transport_name="ussd", from_addr="123"), {"ussd": {}}),
        ("ussd", event("o1"), {"survey": {}}),
        ("ussd", event("unknown"), NO_ROUTE),
        *by_name("helpdesk"),
    ]), (without('default_app     = "helpdesk"'), [
        ("sms", user("m1", to_addr="7"), NO_ROUTE),
        ("sms", user("m2"), NO_ROUTE),
    ]), (lambda text: untracked(without('default_app     = "helpdesk"')(text)), [
        ("survey", user("o1", transport_name="sms", from_addr="1234"), {"sms": {}}),
        ("sms", event("o1"), {"campaigns": {}}),
        ("survey", user("o2", transport_name="sms", from_addr="7"), {"sms": {}}),
        ("sms", event("o2"), NO_ROUTE),
        ("survey", user("o3", transport_name="sms"), {"sms": {}}),
        ("sms", event("o3"), NO_ROUTE),
        ("sms", event("unknown"), NO_ROUTE),
    ])],
    "FromAddressRouter": [(None, [
        ("sms", user("m1", to_addr="1234599"), {"survey": {}, "hotline": {}}),
        ("sms", user("m2", to_addr="7"), {"helpdesk": {}}),
        ("sms", user("m3"), {"helpdesk": {}}),
        ("hotline", user("o1", from_addr="12345"), {"sms": {}}),
        ("sms", event("o1"), {"hotline": {}}),
        ("sms", event("unknown"), NO_ROUTE),
    ]), (lambda text: text.replace(", default = true", ""), [
        ("sms", user("m1", to_addr="7"), NO_ROUTE),
        ("sms", user("m2"), NO_ROUTE),
    ]), (lambda text: untracked(text.replace(", default = true", "")), [
        ("survey", user("o1", from_addr="99"), {"sms": {}}),
        ("sms", event("o1"), {"hotline": {}}),
        ("survey", user("o2"), {"sms": {}}),
        ("sms", event("o2"), NO_ROUTE),
    ])],
}


class Try:
    """One broker, with a worker for each of its endpoints."""

    def __init__(self, text, context):
        self.broker = bus.Broker(lambda where: text + "\n[broker]\nendpoint = %s\n" % json.dumps(where), context)
        self.transports = {name for name, role in roles_in(text).items() if role == "transport"}
        self.workers = {}
        for name, role in roles_in(text).items():
            self.workers[name] = bus.Worker(self.broker)
            self.workers[name].register(role, name)

    def say(self, name, message):
        """The code and the words that it is refused with, or nothing."""
        worker, refused = self.workers[name], None
        upto = worker.say(message)
        while True:
            frame = worker.expect(bus.CONFIRM, bus.REFUSE)
            if frame.kind == bus.REFUSE:
                refused = frame.args[1], frame.args[2]
            elif frame.args[0] >= upto:
                return refused

    def stop(self):
        self.broker.stop()
        for sign in ("Sanitizer", "runtime error:", "Assertion", "terminate called"):
            assert sign not in self.broker.log(), self.broker.log()

    def take(self, name):
        delivery, = self.workers[name].deliveries(1)
        self.workers[name].ack(delivery.seq)
        return delivery.message


class RouterPages(unittest.TestCase):
    maxDiff = None

    def test_each_has_its_steps(self):
        self.assertEqual(sorted(PAGES), sorted(page.stem for page in FOLDER.glob("*.md") if page.stem != "README"))

    def run_page(self, name):
        text = (FOLDER / (name + ".md")).read_text(encoding="utf-8")
        shown = next(block.text for block in blocks.read_blocks(name, text) if block.language == "toml")
        met = set()
        for change, steps in PAGES[name]:
            context = zmq.Context()
            self.addCleanup(context.destroy, linger=0)
            with self.subTest("as shown" if change is None else "changed"):
                running = Try(change(shown) if change else shown, context)
                self.addCleanup(running.stop)
                met |= self.run_steps(running, steps, fills_in=name != "RoutingTableDispatcher")
        self.assertEqual(met, set(ROW.findall(text)), "the words of the page")

    def run_steps(self, running, steps, fills_in):
        met = set()
        for sender, message, becomes in steps:
            refused = running.say(sender, message)
            if refused:
                self.assertEqual(refused[0], becomes, message)
                met.add((refused[0], re.sub(r'"[^"]*"', '"…"', refused[1])))
                continue
            self.assertIn(becomes if isinstance(becomes, str) else "taken", ("taken", "discarded"), message)
            arrives = dict(message)
            if sender in running.transports and fills_in:
                arrives.setdefault("transport_name", sender)
            for target, changes in becomes.items() if becomes != "discarded" else ():
                self.assertEqual(running.take(target), {**arrives, **changes}, target)
        for name, worker in running.workers.items():
            self.assertEqual(worker.waiting(), [], name)
        return met


def test_of(name):
    return lambda self: self.run_page(name)


for page in PAGES:
    setattr(RouterPages, "test_" + page, test_of(page))

if __name__ == "__main__":
    unittest.main()
