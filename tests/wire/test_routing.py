"""SimpleDispatchRouter: who gets what, seen from outside."""

import re
import unittest

from bus import *


class Routing(BusTest):
    dispatcher = {"router_class": "vumi.dispatchers.base.SimpleDispatchRouter",
                  "transport_names": ["sms", "xmpp", "ussd", "silent"], "exposed_names": ["app", "other", "third"],
                  "routing_mappings": {"sms": "app", "xmpp": ["other", "app"], "ussd": ["app", "app", "third"]},
                  "transport_mappings": {"gsm": "sms", "jabber": "xmpp", "xmpp": "ussd"}}

    def setUp(self):
        self.workers = {}

    def __getitem__(self, name):
        """The worker of that name, registered when it is first asked for."""
        if name not in self.workers:
            role = "transport" if name in self.dispatcher["transport_names"] + ["hub"] else "application"
            self.workers[name] = self.worker(role, name)
        return self.workers[name]

    def sends(self, name, *messages):
        """The codes of what was refused, by place in the batch."""
        worker = self[name]
        first = worker.next_seq
        return {seq - first: code for seq, code in worker.settled(worker.say(*messages))}

    def gets(self, name, *expected):
        self.assert_ids(self[name].deliveries(len(expected)), *expected)
        self.assert_nothing(self[name])


class Inbound(Routing):
    def test_to_the_application_of_its_transport(self):
        self.assertEqual(self.sends("sms", user("m1"), user("m2")), {})
        self.gets("app", "m1", "m2")
        self.gets("other")

    def test_to_each_of_several(self):
        self.assertEqual(self.sends("xmpp", user("m1"), event("e1")), {})
        for name in ("other", "app"):
            self.assertEqual(sorted(ids(self[name].deliveries(2))), ["e1", "m1"])
        self.gets("third")

    def test_duplicates_are_kept(self):
        self.assertEqual(self.sends("ussd", user("m1")), {})
        self.gets("app", "m1", "m1")
        self.gets("third", "m1")

    def test_copies_are_settled_one_by_one(self):
        self.sends("xmpp", user("m1"))
        self["app"].deliveries(1)
        self["other"].deliveries(1)
        self["app"].ack(1)
        self["other"].nack(1, True)
        self.assert_all(self["other"].deliveries(1), True)
        self.gets("app")

    def test_what_is_refused_in_the_last_second_is_in_the_log(self):
        self.assertEqual(len(self.sends("silent", *users(1, 3))), 3)
        self.bus.stop()
        told = re.findall(r" refusals code=no_route count=(\d+)", self.bus.log())
        self.assertEqual(sum(map(int, told)), 3)

    def test_no_rule(self):
        self.assertEqual(self.sends("silent", user("m1"), event("m2")), {0: "no_route", 1: "no_route"})

    def test_while_nobody_is_there_it_waits(self):
        self.sends("xmpp", user("m1"))
        self.gets("app", "m1")
        self.gets("other", "m1")


class Outbound(Routing):
    def test_by_its_transport_name(self):
        self.assertEqual(self.sends("app", user("m1", transport_name="sms"), user("m2", transport_name="silent")), {})
        self.gets("sms", "m1")
        self.gets("silent", "m2")

    def test_by_transport_mappings_in_one_hop(self):
        self.assertEqual(self.sends("app", *[user("to " + name, transport_name=name) for name in
                                             ("gsm", "jabber", "xmpp", "ussd")]), {})
        self.gets("sms", "to gsm")
        self.gets("xmpp", "to jabber")  # not on to ussd
        self.gets("ussd", "to xmpp", "to ussd")

    def test_it_is_not_rewritten(self):
        message = pack(user("m1", transport_name="gsm"))
        self.sends("app", message)
        self.assertEqual(self["sms"].deliveries(1)[0].raw, message)

    def test_to_no_transport(self):
        for name in ("nobody", "app", "SMS", "sms ", "dead_letters"):
            with self.subTest(name):
                self.assertEqual(self.sends("app", user("m", transport_name=name)), {0: "unknown_endpoint"})

    def test_to_nowhere(self):
        refused = self.sends("app", user("m"), user("m", transport_name=None))
        self.assertEqual(set(refused), {0, 1})
        self.assertLessEqual(set(refused.values()), {"no_route", "unknown_endpoint"})

    def test_to_several_in_one_batch(self):
        messages = [user("m%d" % n, transport_name=("sms", "ussd", "nobody")[n % 3]) for n in range(30)]
        self.assertEqual(self.sends("app", *messages), {n: "unknown_endpoint" for n in range(2, 30, 3)})
        self.gets("sms", *["m%d" % n for n in range(0, 30, 3)])
        self.gets("ussd", *["m%d" % n for n in range(1, 30, 3)])


class Replies(Routing):
    def test_they_go_where_the_message_came_from(self):
        self.sends("sms", user("m1"))
        self.assertEqual(self.sends("app", user("r1", in_reply_to="m1"),
                                    user("r2", in_reply_to="m1", transport_name="silent"),
                                    user("r3", in_reply_to="m1", transport_name="nobody"),
                                    user("r4", in_reply_to="m1", transport_name="jabber")), {})
        self.gets("sms", "r1", "r2", "r3", "r4")

    def test_nothing_in_them_is_rewritten(self):
        self.sends("sms", user("m1"))
        for fields in ({}, {"transport_name": None}, {"transport_name": "silent"}):
            message = pack(user("r", in_reply_to="m1", **fields))
            self.sends("app", message)
            self.assertEqual(self["sms"].deliveries(1)[0].raw, message)

    def test_whoever_sends_them(self):
        self.sends("sms", user("m1"))
        self.assertEqual(self.sends("third", user("r1", in_reply_to="m1")), {})
        self.gets("sms", "r1")

    def test_no_reply_overtakes_its_memory(self):
        for n in range(50):
            self["sms"].say(user("m%d" % n))
            for delivery in self["app"].deliveries(1):
                self["app"].say(user("r%d" % n, in_reply_to=delivery.message["message_id"]))
        self.assertEqual(self["app"].settled(50), [])

    def test_to_what_nobody_remembers(self):
        self.assertEqual(self.sends("app", user("r1", in_reply_to="m1", transport_name="sms"),
                                    user("r2", in_reply_to="m1", transport_name="nobody")), {1: "unknown_endpoint"})
        self.gets("sms", "r1")
        self.assertEqual(set(self.sends("app", user("r3", in_reply_to="m1"))), {0})

    def test_nil_and_empty_are_no_replies(self):
        self.assertEqual(self.sends("app", user("a", in_reply_to=None, transport_name="sms"),
                                    user("b", in_reply_to="", transport_name="ussd")), {})
        self.gets("sms", "a")
        self.gets("ussd", "b")

    def test_ids_are_exact(self):
        self.sends("sms", user("M1"))
        self.sends("ussd", user("m1"))
        self.sends("app", user("r1", in_reply_to="M1"), user("r2", in_reply_to="m1"))
        self.gets("sms", "r1")
        self.gets("ussd", "r2")

    def test_an_id_that_two_senders_used_is_not_followed(self):
        self.sends("sms", user("m1"))
        self.sends("ussd", user("m1"))
        self.assertEqual(self.sends("app", user("r1", in_reply_to="m1", transport_name="silent")), {})
        self.gets("silent", "r1")
        self.assertEqual(set(self.sends("app", user("r2", in_reply_to="m1"))), {0})
        self.sends("sms", user("m1"))  # it stays ambiguous
        self.assertEqual(set(self.sends("app", user("r3", in_reply_to="m1"))), {0})

    def test_the_same_sender_may_use_an_id_again(self):
        self.sends("sms", user("m1"), user("m1"))
        self.sends("sms", user("m1"))
        self.assertEqual(self.sends("app", user("r1", in_reply_to="m1")), {})
        self.gets("sms", "r1")

    def test_instances_are_one_sender(self):
        self.sends("sms", user("m1"))
        second = self.transport("sms", prefetch=0)
        second.settled(second.say(user("m1")))
        self.assertEqual(self.sends("app", user("r1", in_reply_to="m1")), {})
        self.gets("sms", "r1")

    def test_what_was_refused_is_not_remembered(self):
        self.start(endpoints={"app": {"max_messages": 1, "overflow": "refuse"}})
        self.assertEqual(self.sends("sms", user("m1"), user("m2"), user("m3", to_addr=5)),
                         {1: "queue_full", 2: "malformed"})
        self.assertEqual(set(self.sends("app", user("r1", in_reply_to="m1"), user("r2", in_reply_to="m2"),
                                        user("r3", in_reply_to="m3"))), {1, 2})
        self.gets("sms", "r1")

    def test_what_was_refused_makes_no_id_ambiguous(self):
        self.sends("sms", user("m1"))
        self.assertEqual(self.sends("silent", user("m1")), {0: "no_route"})
        self.assertEqual(self.sends("app", user("r1", in_reply_to="m1")), {})
        self.gets("sms", "r1")

    def test_what_at_least_one_took_is_remembered(self):
        self.start(endpoints={"other": {"max_messages": 1, "overflow": "refuse"}})
        self.assertEqual(self.sends("xmpp", user("m1"), user("m2")), {})
        self.assertEqual(self.sends("app", user("r2", in_reply_to="m2")), {})
        self.gets("xmpp", "r2")

    def test_memory_fades(self):
        for expiry in (1, "1"):
            self.start(dispatcher={"expire_routing_memory": expiry})
            self.workers.clear()
            self.sends("sms", user("m1"))
            self.assertEqual(self.sends("app", user("r1", in_reply_to="m1")), {})
            span(2.1, "longer than expire_routing_memory, and a second to round by")
            self.assertEqual(set(self.sends("app", user("r2", in_reply_to="m1"))), {0})

    def test_what_an_application_wrote_is_not_replied_to(self):
        """Inbound and outbound ids are remembered apart."""
        self.sends("app", user("m1", transport_name="ussd"))
        self.sends("sms", user("m1"))
        self.assertEqual(self.sends("app", user("r1", in_reply_to="m1")), {})
        self.gets("sms", "r1")
        self.sends("other", user("m2", transport_name="ussd"))
        self.assertEqual(set(self.sends("app", user("r2", in_reply_to="m2"))), {0})


class Events(Routing):
    def test_they_go_to_who_sent_the_message(self):
        self.sends("third", user("m1", transport_name="sms"))
        self["sms"].deliveries(1)
        self.assertEqual(self.sends("sms", event("m1", "ack"), event("m1")), {})
        self.gets("third", "m1", "m1")
        self.gets("app")

    def test_from_whichever_transport(self):
        self.sends("third", user("m1", transport_name="sms"))
        self.assertEqual(self.sends("silent", event("m1")), {})
        self.gets("third", "m1")

    def test_about_a_reply(self):
        self.sends("sms", user("m1"))
        self.sends("other", user("r1", in_reply_to="m1"))
        self.assertEqual(self.sends("sms", event("r1")), {})
        self.gets("other", "r1")

    def test_when_nobody_remembers_as_inbound(self):
        self.assertEqual(self.sends("xmpp", event("e1")), {})
        self.gets("app", "e1")
        self.gets("other", "e1")

    def test_an_id_that_two_applications_used(self):
        self.sends("other", user("m1", transport_name="sms"))
        self.sends("third", user("m1", transport_name="sms"))
        self.assertEqual(self.sends("sms", event("m1")), {})
        self.gets("app", "m1")

    def test_what_was_refused_is_not_remembered(self):
        self.assertEqual(self.sends("third", user("m1", transport_name="nobody")), {0: "unknown_endpoint"})
        self.sends("sms", event("m1"))
        self.gets("app", "m1")
        self.gets("third")

    def test_what_came_in_under_that_id_does_not_count(self):
        self.sends("sms", user("m1"))
        self.sends("third", user("m1", transport_name="sms"))
        self["app"].deliveries(1)
        self.sends("sms", event("m1"))
        self.gets("third", "m1")

    def test_no_event_overtakes_its_memory(self):
        for n in range(50):
            self["third"].say(user("m%d" % n, transport_name="sms"))
            for delivery in self["sms"].deliveries(1):
                self["sms"].say(event(delivery.message["message_id"]))
        self["sms"].settled(50)
        self["third"].settled(50)
        self.gets("third", *["m%d" % n for n in range(50)])


class WithoutTracking(Routing):
    dispatcher = {**Routing.dispatcher, "reply_tracking": False}

    def test_the_routers_own_rule_alone_decides(self):
        self.sends("sms", user("m1"))
        self.assertEqual(self.sends("third", user("r1", in_reply_to="m1", transport_name="silent")), {})
        self.gets("silent", "r1")
        self.assertEqual(set(self.sends("third", user("r2", in_reply_to="m1"))), {0})
        self["app"].deliveries(1)
        self.sends("sms", event("r1"))
        self.gets("app", "r1")
        self.gets("third")


class Relays(Routing):
    dispatcher = {**Routing.dispatcher, "transport_names": ["sms", "xmpp", "ussd", "silent", "hub"], "relays": ["hub"],
                  "routing_mappings": {"sms": "app", "elsewhere": "third", "hub": "other"}}

    def test_the_rule_is_that_of_the_name_it_carries_and_replies_go_to_the_relay(self):
        self.assertEqual(self.sends("hub", user("m1", transport_name="sms"), user("m2", transport_name="elsewhere"),
                                    user("m3")), {})
        self.gets("app", "m1")
        self.gets("third", "m2")
        self.gets("other", "m3")
        self.assertEqual(self.sends("app", *[user("r%d" % n, in_reply_to="m%d" % n) for n in (1, 2, 3)]), {})
        self.gets("hub", "r1", "r2", "r3")

    def test_the_same_id_from_a_relay_and_from_the_transport_itself(self):
        self.sends("hub", user("m1", transport_name="sms"))
        self.sends("sms", user("m1"))
        self.assertEqual(set(self.sends("app", user("r1", in_reply_to="m1"))), {0})


class SeveralDispatchers(BusTest):
    dispatcher = dict.fromkeys(BusTest.dispatcher)
    text = """
[[dispatcher]]
name = "one"
router_class = "SimpleDispatchRouter"
transport_names = ["sms"]
exposed_names = ["app"]
[dispatcher.routing_mappings]
sms = "app"

[[dispatcher]]
name = "two"
router_class = "SimpleDispatchRouter"
transport_names = ["xmpp"]
exposed_names = ["other"]
[dispatcher.routing_mappings]
xmpp = "other"
"""

    def test_each_by_itself(self):
        sms, xmpp = self.transport("sms"), self.transport("xmpp")
        app, other = self.application("app"), self.application("other")
        sms.settled(sms.say(user("m1")))
        xmpp.settled(xmpp.say(user("m1")))
        self.assert_ids(app.deliveries(1), "m1")
        self.assert_ids(other.deliveries(1), "m1")
        for worker in (app, other):  # no memory of the one is the other's, so m1 is not ambiguous
            self.assertEqual(worker.settled(worker.say(user("r1", in_reply_to="m1"))), [])
        self.assert_ids(sms.deliveries(1), "r1")
        self.assert_ids(xmpp.deliveries(1), "r1")
        app.say(user("x", transport_name="xmpp"))
        self.assertEqual(app.settled(2), [(2, "unknown_endpoint")])


if __name__ == "__main__":
    unittest.main()
