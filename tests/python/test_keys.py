"""The Python workers where the broker wants keys."""

import os
import tempfile
import unittest

import zmq

import signalbox
from support import *


def pair():
    return tuple(key.decode("ascii") for key in zmq.curve_keypair())


class Keys(PythonTest):
    def setUp(self):
        self.server, self.gateway, self.logic, self.stranger = (pair() for _ in range(4))
        self.broker = {"secret_key": self.server[1]}
        self.text = ("[[peer]]\nname = 'gateway'\npublic_key = '%s'\nmay_be = ['transport:sms']\n"
                     "[[peer]]\nname = 'logic'\npublic_key = '%s'\nmay_be = ['application:app']\n" % (
                         self.gateway[0], self.logic[0]))

    def with_keys(self, keys, role, name, server=None):
        return self.blocking(role, name, secret_key=keys[1], server_key=(server or self.server)[0])

    def fault(self, worker):
        def stands():
            worker.receive(0.01)
            return worker.fault

        wait_for(stands, "a fault")
        return worker.fault

    def test_the_right_ones(self):
        app = self.with_keys(self.logic, "application", "app")
        sms = self.with_keys(self.gateway, "transport", "sms")
        sms.send(message("m1"))
        self.assertEqual(self.take(app, 1), ["m1"])
        self.assertTrue(sms.wait_confirmed(DEADLINE_S))

    def test_with_asyncio(self):
        import asyncio

        async def talk():
            async with self.asynchronous("application", "app", secret_key=self.logic[1],
                                         server_key=self.server[0]) as app:
                async with self.asynchronous("transport", "sms", secret_key=self.gateway[1],
                                             server_key=self.server[0]) as sms:
                    await sms.send(message("m1"))
                    delivery = await asyncio.wait_for(app.receive(), DEADLINE_S)
                    return delivery.message["message_id"]

        self.assertEqual(asyncio.run(talk()), "m1")

    def test_another_name(self):
        worker = self.with_keys(self.gateway, "application", "app")
        with self.assertRaises(signalbox.WorkerError) as raised:
            worker.receive(DEADLINE_S)
        self.assertEqual(raised.exception.code, "not_permitted")

    def test_faults_have_words(self):
        self.assertEqual(self.fault(self.with_keys(self.stranger, "application", "app")),
                         "the broker does not know this worker's key")
        self.assertIn("is its key the one given here?",
                      self.fault(self.with_keys(self.logic, "application", "app", self.gateway)))
        self.assertIn(" keys", self.fault(self.blocking("application", "app")))  # it wants some

    def test_what_is_no_key(self):
        for given in ({"secret_key": self.logic[1]}, {"server_key": self.server[0]},
                      {"secret_key": "x", "server_key": self.server[0]},
                      {"secret_key": self.logic[1], "server_key": "\u20ac" * 40},
                      {"secret_key": self.logic[1], "server_key": "#" * 40}):
            with self.assertRaises(ValueError) as raised:
                signalbox.Worker("application", "app", self.bus.endpoint, **given)
            self.assertNotIn(self.logic[1], str(raised.exception))

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            def file(text, mode=0o600, name="worker.secret"):
                path = os.path.join(folder, name)
                with open(path, "w", encoding="ascii") as stream:
                    stream.write(text)
                os.chmod(path, mode)
                return path

            self.assertEqual(signalbox.read_key_file(file("# ours\n%s\n" % self.logic[1])), self.logic[1])
            self.assertEqual(signalbox.read_key_file(file(self.logic[0], 0o644, "worker.public")), self.logic[0])
            for path in (file(self.logic[1], 0o644, "open"), file("", 0o600, "empty"), file("secret", 0o600, "other")):
                with self.assertRaises(ValueError) as raised:
                    signalbox.read_key_file(path)
                self.assertNotIn(self.logic[1], str(raised.exception))


if __name__ == "__main__":
    unittest.main()
