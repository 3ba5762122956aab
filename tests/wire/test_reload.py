"""SIGHUP: the configuration is read again and swapped whole or not at all, and the log says what has changed."""

import os
import signal

from bus import *


class Reload(BusTest):
    broker = {"removed_endpoint_ms": 300}
    dispatcher = {"router_class": "SimpleDispatchRouter", "transport_names": ["smpp", "xmpp"],
                  "exposed_names": ["app", "audit"], "routing_mappings": {"smpp": "app", "xmpp": "app"}}

    def rewrite(self, *pairs):
        """Old texts of the file become new ones."""
        path = os.path.join(self.bus.folder, "broker.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for old, new in pairs:
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def hangup(self, line):
        """Returns when the log has another line with that text."""
        before = self.bus.log().count(line)
        self.bus.process.send_signal(signal.SIGHUP)
        with self.bus.changed:
            self.assertTrue(self.bus.changed.wait_for(
                lambda: sum(line in said for said in self.bus.lines) > before, DEADLINE_S), self.bus.lines)

    def test_routes_are_swapped_under_traffic(self):
        transport, application, audit = self.transport("smpp"), self.application("app"), self.application("audit")
        transport.settled(transport.say(*users(1, 3)))
        self.assert_ids(application.deliveries(3), "m1", "m2", "m3")
        self.rewrite(('"smpp" = "app"', '"smpp" = "audit"'))
        self.hangup("routing_mappings.smpp")
        transport.settled(transport.say(user("m4")))
        self.assert_ids(audit.deliveries(1), "m4")
        application.ack(3)
        application.settled(application.say(user("r1", in_reply_to="m1")))
        self.assert_ids(transport.deliveries(1), "r1")

    def test_with_a_fault_nothing_changes_and_the_log_says_where(self):
        transport, application = self.transport("smpp"), self.application("app")
        self.rewrite(('"xmpp" = "app"', '"xmpp" = "audti"'))
        self.hangup("not_reloaded")
        self.assertIn("broker.toml:4:", self.bus.log())
        self.assertIn("audit", self.bus.log())
        transport.settled(transport.say(user("m1")))
        self.assert_ids(application.deliveries(1), "m1")
        self.rewrite(('"audti"', '"audit"'))
        self.hangup("routing_mappings.xmpp")

    def test_what_is_fixed_while_it_runs_is_refused(self):
        self.bus
        self.rewrite(("removed_endpoint_ms = 300", "send_window = 5"))
        self.hangup("not_reloaded")
        self.assertIn("restart it", self.bus.log())

    def test_nothing_has_changed(self):
        self.bus
        self.hangup("reloaded")
        self.assertNotIn("not_reloaded", self.bus.log())

    def test_a_removed_name_is_wound_up(self):
        transport, audit, letters = self.transport("smpp"), self.application("audit"), self.application("dead_letters")
        self.rewrite(('"smpp" = "app"', '"smpp" = "audit"'))
        self.hangup("reloaded")
        transport.settled(transport.say(*users(1, 2)))
        self.assert_ids(audit.deliveries(2), "m1", "m2")
        audit.ack(1)
        self.rewrite(('["app", "audit"]', '["app"]'), ('"smpp" = "audit"', '"smpp" = "app"'))
        self.hangup("exposed_names")
        self.assertEqual(audit.expect(ERROR).args[0], "unknown_endpoint")
        self.assert_ids(letters.deliveries(1), "m2")

    def test_many_in_a_row(self):
        transport, application = self.transport("smpp"), self.application("app")
        for i in range(20):
            old, new = ("audit", "app") if i % 2 else ("app", "audit")
            self.rewrite(('"xmpp" = "%s"' % old, '"xmpp" = "%s"' % new))
            self.bus.process.send_signal(signal.SIGHUP)
            transport.settled(transport.say(user("m%d" % i)))
        self.assert_ids(application.deliveries(20), *("m%d" % i for i in range(20)))

    def test_a_hangup_while_it_ends(self):
        transport = self.transport("smpp")
        transport.settled(transport.say(user("m1")))
        self.bus.terminate()
        self.bus.process.send_signal(signal.SIGHUP)
        self.assertEqual(self.bus.exit_code(), 1, "one message is left behind")
        self.bus.stopped = True
