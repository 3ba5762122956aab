"""Dispatchers of one broker, joined by names that they share, or apart; seen from outside."""

import unittest

from bus import *


def simple(name, transports, applications, mappings, **settings):
    return {"name": name, "router_class": "SimpleDispatchRouter", "transport_names": transports,
            "exposed_names": applications, **settings, "routing_mappings": mappings}


class Chain(BusTest):
    dispatcher = {}
    dispatchers = []
    transports = ()

    def setUp(self):
        self.text = ""
        for keys in self.dispatchers:
            self.text += "\n[[dispatcher]]\n" + "".join("%s = %s\n" % item for item in
                                                       ((key, toml(value)) for key, value in keys.items()))
        self.workers = {}

    def __getitem__(self, name):
        if name not in self.workers:
            self.workers[name] = self.worker("transport" if name in self.transports else "application", name)
        return self.workers[name]

    def sends(self, name, *messages):
        """The codes of what was refused, by place in the batch."""
        worker = self[name]
        first = worker.next_seq
        return {seq - first: code for seq, code in worker.settled(worker.say(*messages))}

    def gets(self, name, *expected):
        deliveries = self[name].deliveries(len(expected))
        self.assert_ids(deliveries, *expected)
        self.assert_nothing(self[name], DELIVER)
        self[name].ack(deliveries[-1].seq)
        return deliveries


class Two(Chain):
    transports = ("smpp_transport", "xmpp_transport")
    dispatchers = [simple("near", ["smpp_transport", "xmpp_transport"], ["hub"],
                          {"smpp_transport": "hub", "xmpp_transport": "hub"}),
                   simple("far", ["hub"], ["my_application", "other"], {"hub": "my_application"})]

    def test_both_ways(self):
        self.assertEqual(self.sends("smpp_transport", *users(1, 3)), {})
        for delivery in self.gets("my_application", "m1", "m2", "m3"):
            self.assertEqual(delivery.message["transport_name"], "smpp_transport")
        answers = [user("r%d" % number, in_reply_to="m%d" % number) for number in (1, 2, 3)]
        self.assertEqual(self.sends("my_application", *answers), {})
        self.assertEqual([d.message for d in self.gets("smpp_transport", "r1", "r2", "r3")], answers)
        self.assertEqual(self.sends("smpp_transport", event("r2")), {})
        self.gets("my_application", "r2")

    def test_an_event_goes_to_who_sent_the_message(self):
        self.assertEqual(self.sends("other", user("o", transport_name="xmpp_transport")), {})
        self.gets("xmpp_transport", "o")
        self.assertEqual(self.sends("xmpp_transport", event("o"), event("unknown")), {})
        self.gets("other", "o")
        self.gets("my_application", "unknown")

    def test_an_unknown_transport_is_refused(self):
        self.assertEqual(self.sends("other", user("o", transport_name="nowhere"), user("p")),
                         {0: "unknown_endpoint", 1: "unknown_endpoint"})

    def test_nobody_registers_a_joint(self):
        for role in ("transport", "application"):
            worker = self.connect()
            worker.hello(role, "hub")
            self.assertEqual(worker.error(), "unknown_endpoint")


class Three(Chain):
    transports = ("smpp_transport", "xmpp_transport")
    endpoints = {"full": {"max_messages": 1, "overflow": "refuse"}}
    dispatchers = [
        simple("far", ["hall"], ["my_application", "full"], {"hall": ["my_application", "full"]},
               dead_letters="far_dead"),
        {"name": "near", "router_class": "RedirectRouter", "transport_names": ["smpp_transport", "xmpp_transport"],
         "exposed_names": ["hub"], "redirect_inbound": {"smpp_transport": "hub", "xmpp_transport": "hub"},
         "redirect_outbound": {"hub": "smpp_transport"}, "middleware": [{"mw": "StaticProviderSettingMiddleware"}],
         "mw": {"provider": "acme"}},
        simple("middle", ["hub"], ["hall"], {"hub": "hall"}, reply_tracking=False)]

    def test_both_ways_with_each_ones_router_and_middleware(self):
        self.assertEqual(self.sends("smpp_transport", user("m")), {})
        delivery, = self.gets("my_application", "m")
        self.assertEqual((delivery.message["transport_name"], delivery.message["provider"]), ("hub", "acme"))
        self.gets("full", "m")
        self.assertEqual(self.sends("my_application", user("r", in_reply_to="m", transport_name="hub")), {})
        self.gets("smpp_transport", "r")
        self.assertEqual(self.sends("smpp_transport", event("r")), {})
        self.gets("my_application", "r")

    def test_a_copy_left_out_becomes_a_dead_letter_where_it_stopped(self):
        self.assertEqual(self.sends("xmpp_transport", user("m1"), user("m2")), {})
        self.gets("my_application", "m1", "m2")
        letter, = self.gets("far_dead", "m2")
        letter = self.dead_letter(letter)
        self.assertEqual((letter["endpoint"], letter["reason"]), ("full", "queue_full"))
        self.gets("full", "m1")
        self.assert_nothing(self["dead_letters"], DELIVER)


class Pressure(Chain):
    transports = ("smpp_transport",)
    endpoints = {"my_application": {"max_messages": 2, "block_ms": 60000}}
    dispatchers = [simple("near", ["smpp_transport"], ["hub"], {"smpp_transport": "hub"}),
                   simple("far", ["hub"], ["my_application"], {"hub": "my_application"})]

    def test_a_full_queue_behind_a_joint_holds_the_confirmation(self):
        sender = self["smpp_transport"]
        sender.say(*users(1, 3))
        self.assertEqual(sender.settled(2), [])
        self.assert_nothing(sender, CONFIRM)
        self.assert_ids(self["my_application"].deliveries(3), "m1", "m2", "m3")
        self["my_application"].ack(1)
        self.assertEqual(sender.settled(3), [])


class Apart(Chain):
    transports = ("smpp_transport", "xmpp_transport")
    dispatchers = [simple("first", ["smpp_transport"], ["my_application"], {"smpp_transport": "my_application"},
                          dead_letters="first_dead"),
                   simple("second", ["xmpp_transport"], ["other"], {"xmpp_transport": "other"})]

    def test_ids_and_names_are_a_dispatchers_own(self):
        self.assertEqual(self.sends("smpp_transport", user("m")), {})
        self.assertEqual(self.sends("xmpp_transport", user("m")), {})
        self.gets("my_application", "m")
        self.gets("other", "m")
        self.assertEqual(self.sends("my_application", user("r", in_reply_to="m")), {})
        self.assertEqual(self.sends("other", user("r", in_reply_to="m"), user("o", transport_name="smpp_transport")),
                         {1: "unknown_endpoint"})
        self.gets("smpp_transport", "r")
        self.gets("xmpp_transport", "r")

    def test_dead_letters_too(self):
        self.sends("smpp_transport", user("m"))
        self.sends("xmpp_transport", user("n"))
        for name in ("my_application", "other"):
            self[name].deliveries(1)
            self[name].nack(1, False, "no")
        self.assertEqual(self.dead_letter(self.gets("first_dead", "m")[0])["endpoint"], "my_application")
        self.assertEqual(self.dead_letter(self.gets("dead_letters", "n")[0])["endpoint"], "other")


if __name__ == "__main__":
    unittest.main()
