"""The case files of tests/routers/cases, against the real program over a socket.

Each message is sent by a worker of the endpoint that the case names, what it refers to has been sent before, and who
gets it, with which fields, is looked up at every endpoint. cases/README.md says how a file reads. A case with `wire`
says there why it cannot run here; the time cannot be set from outside, so cases with `now` stay in the core, and with
them the groups in order that have one.
"""

import collections
import glob
import json
import os
import tomllib
import unittest

from bus import *

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "routers", "cases")
PLAIN_FIELDS = ("transport_name", "to_addr", "from_addr", "content", "in_reply_to")
# These change as they go, so cases that are not in order need a broker each.
CHANGING = ("LoadBalancingRouter", "UserGroupingRouter")


def names_of(dispatcher):
    """Its transports and its applications."""
    transports = dispatcher.get("transport_names", []) + dispatcher.get("receive_inbound_connectors", [])
    applications = dispatcher.get("exposed_names", []) + dispatcher.get("receive_outbound_connectors", [])
    applications += [mapping["name"] for mapping in dispatcher.get("to_address_mappings", [])]
    applications += [dispatcher["default_app"]] if dispatcher.get("default_app") else []
    applications += [destination["id"] for destination in dispatcher.get("destinations", [])]
    transports += [dispatcher["channel"]] if "channel" in dispatcher else []
    return transports, applications


def roles_in(text):
    """The role of each name that a worker can register: all but the joints between dispatchers."""
    configuration = tomllib.loads(text)
    pairs = [names_of(dispatcher) for dispatcher in configuration.get("dispatcher", [configuration])]
    transports = {name for listed, _ in pairs for name in listed}
    applications = {name for _, listed in pairs for name in listed}
    roles = {name: "transport" for name in transports - applications}
    return {**roles, **{name: "application" for name in applications - transports}}


class Step:
    """One case, with ids that no other case uses."""

    def __init__(self, group, case, number):
        followed = case.get("followed", [])
        self.it, self.goes, self.sender = case["it"], case["goes"], case["from"]
        self.followed = followed if isinstance(followed, list) else [followed]
        self.live = set(case["live"]) | {self.sender, *self.followed} if "live" in case else None
        self.earlier_id = "earlier %d" % number
        if case["what"] == "event":
            self.message = event(self.earlier_id, "ack")
        else:
            self.message = user("m %d" % number, **({"in_reply_to": self.earlier_id} if self.followed else {}))
        self.message |= {key: case[key] for key in PLAIN_FIELDS if key in case}
        if "endpoint" in case:
            self.message["routing_metadata"] = {"endpoint_name": case["endpoint"]}
        self.message |= json.loads(case.get("message", "{}"))
        self.earlier = user(self.earlier_id)
        if case["what"] != "outbound":
            self.earlier["transport_name"] = self.sender
        self.earlier |= json.loads(case.get("earlier", "{}"))
        self.arrives = dict(self.message)
        fills_in = case["what"] != "outbound" and group.get("fills_in_transport_name", True)
        if fills_in and self.arrives.get("transport_name") is None:
            self.arrives["transport_name"] = self.sender
        self.arrives |= json.loads(case.get("changes", "{}"))


class RouterCases(BusTest):
    def start_with(self, text):
        if hasattr(self, "_bus"):
            self._bus.stop()
        self.context = getattr(self, "context", None) or zmq.Context()
        if "broker" not in tomllib.loads(text):
            text += "\n[broker]\n"
        keys = "[broker]\nendpoint = %s\nheartbeat_ms = %d\ndrain_ms = 500\nrouting_memory_bytes = 1048576\n"
        self._bus = Broker(lambda endpoint: text.replace("[broker]\n", keys % (json.dumps(endpoint), HEARTBEAT_MS)),
                           self.context)
        self.addCleanup(self._look_over_and_stop, self._bus)
        self.roles, self.workers, self.inboxes = roles_in(text), {}, {}

    def there(self, name):
        """A worker of that name, registered now if there is none."""
        if name not in self.workers:
            self.workers[name] = self.worker(self.roles[name], name)
        return self.workers[name]

    def only(self, names):
        """These have a worker, and nobody else has."""
        for name in set(self.workers) - names:
            worker = self.workers.pop(name)
            worker.send(BYE, "done")
            self.assertEqual(worker.expect(BYE).kind, BYE)
        for name in sorted(names):
            self.there(name)

    def say(self, name, message):
        """The code and text that it is refused with, or nothing."""
        worker = self.there(name)
        upto, refused = worker.say(message), None
        while True:
            frame = worker.expect(CONFIRM, REFUSE)
            if frame.kind == CONFIRM and frame.args[0] >= upto:
                return refused
            if frame.kind == REFUSE:
                refused = "refused %s: %s" % (frame.args[1], frame.args[2])

    def takes(self, name, wanted):
        """The next message there is the one wanted; what was only sent to be referred to is passed over."""
        worker = self.there(name)
        inbox = self.inboxes.setdefault(name, collections.deque())
        while True:
            while not inbox:
                inbox.extend(worker.opened(worker.expect(DELIVER)))
                worker.ack(inbox[-1].seq)
            message = inbox.popleft().message
            if not str(message.get("message_id", "")).startswith("earlier "):
                return self.assertEqual(message, wanted, name)

    def run_step(self, step):
        self.only(set(self.roles) if step.live is None else step.live)
        for name in step.followed:
            self.assertIsNone(self.say(name, step.earlier), "the earlier message")
        refused = self.say(step.sender, step.message)
        if step.goes.startswith("refused "):
            self.assertEqual((refused or "taken")[:len(step.goes)], step.goes)
        else:
            self.assertIsNone(refused)
            if step.goes != "discarded":
                for name in step.goes.split(", "):
                    self.takes(name, step.arrives)

    def nothing_is_left(self):
        for name in self.roles:
            messages = [delivery.message for delivery in self.inboxes.get(name, ())]
            for frame in self.there(name).waiting():
                self.assertEqual(frame.kind, DELIVER, frame)
                messages += [message for message, _ in split(frame.body)]
            left = [one for one in messages if not str(one.get("message_id", "")).startswith("earlier ")]
            self.assertEqual(left, [], name)

    def run_file(self, path):
        with open(path, "rb") as file:
            groups = tomllib.load(file)["group"]
        for group in groups:
            in_order = group.get("in_order", False)
            alone = not in_order and any(name in group["configuration"] for name in CHANGING)
            if in_order and any("wire" in case or "now" in case for case in group["case"]):
                continue
            started = False
            for number, case in enumerate(group["case"]):
                if "wire" in case or "now" in case:
                    continue
                if alone or not started:
                    self.start_with(group["configuration"])
                    started = True
                # What comes behind a fault says nothing, so the group ends with it.
                with self.subTest(case["it"]):
                    started = False
                    self.run_step(Step(group, case, number))
                    started = True
                if not started:
                    break
            if started:
                self.nothing_is_left()


def test_of(path):
    return lambda self: self.run_file(path)


for found in sorted(glob.glob(os.path.join(CASES, "*.toml"))):
    setattr(RouterCases, "test_" + os.path.basename(found)[:-len(".toml")], test_of(found))


if __name__ == "__main__":
    unittest.main()
