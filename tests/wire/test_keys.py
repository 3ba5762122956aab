"""A broker that wants keys: raw frames over CURVE, as any language's ZeroMQ speaks it."""

import unittest

import zmq

from bus import *

SESSION = b"sixteen secret b"


def pair():
    """Public and secret, as text."""
    return tuple(key.decode("ascii") for key in zmq.curve_keypair())


class KeysTest(BusTest):
    def setUp(self):
        self.server, self.gateway, self.logic, self.twin, self.stranger = (pair() for _ in range(5))
        self.broker = {"secret_key": self.server[1]}
        may_be = {"gateway": ["transport:sms"], "logic": ["application:app", "application:dead_letters"],
                  "twin": ["application:app"]}
        self.text = "".join('[[peer]]\nname = "%s"\npublic_key = %s\nmay_be = %s\n' % (
            name, toml(getattr(self, name)[0]), toml(rights)) for name, rights in may_be.items())

    def showing(self, keys, server=None):
        return self.connect(curve_serverkey=(server or self.server)[0].encode(), curve_publickey=keys[0].encode(),
                            curve_secretkey=keys[1].encode())

    def registered(self, keys, role, name, **options):
        worker = self.showing(keys)
        worker.register(role, name, **options)
        return worker

    def answer(self, worker, role, name, **options):
        worker.hello(role, name, **options)
        return worker.error()


class Names(KeysTest):
    def test_messages_pass_between_those_who_may(self):
        sms = self.registered(self.gateway, "transport", "sms")
        app = self.registered(self.logic, "application", "app")
        self.assertEqual(sms.settled(sms.say(user("m1"), user("m2"))), [])
        self.assertEqual(ids(app.deliveries(2)), ["m1", "m2"])

    def test_a_key_is_good_for_its_names(self):
        for keys, role, name in [(self.gateway, "transport", "xmpp"), (self.gateway, "application", "app"),
                                 (self.twin, "application", "dead_letters"), (self.logic, "transport", "sms")]:
            self.assertEqual(self.answer(self.showing(keys), role, name), "not_permitted", (role, name))
        self.registered(self.logic, "application", "dead_letters")

    def test_a_session_is_its_keys_own(self):
        app = self.registered(self.logic, "application", "app", session=SESSION)
        thief = self.showing(self.twin)
        self.assertEqual(self.answer(thief, "application", "app", session=SESSION), "not_permitted")
        self.assertEqual(app.waiting(), [])
        app.close()
        self.assertEqual(self.answer(thief, "application", "app", session=SESSION), "not_permitted")
        thief.register("application", "app")
        self.registered(self.logic, "application", "app", session=SESSION)


class Handshakes(KeysTest):
    def test_who_shows_no_good_key_hears_nothing_and_disturbs_nobody(self):
        app = self.registered(self.logic, "application", "app")
        intruders = [self.showing(self.stranger) for _ in range(20)]
        intruders += [self.showing((self.logic[0], self.stranger[1])), self.showing(self.logic, self.twin),
                      self.connect(), self.connect(plain_username=b"logic", plain_password=b"secret")]
        for intruder in intruders:
            intruder.hello("application", "app")
        sms = self.registered(self.gateway, "transport", "sms")
        self.assertEqual(sms.settled(sms.say(*users(1, 50))), [])
        self.assertEqual(len(app.deliveries(50)), 50)
        for intruder in intruders:
            self.assertIsNone(intruder.next(0), "it was answered")
        self.assertTrue(self.bus.wait_for_line("refused_keys"))
        self.assertNotIn(self.server[1], self.bus.log())


del KeysTest

if __name__ == "__main__":
    unittest.main()
