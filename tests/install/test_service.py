"""The systemd unit of the Debian package: sound, hardened, and the program can live with it."""

import re
import signal
import socket
import subprocess
import unittest

import msgpack
import zmq

from machine import PACKAGES, fresh_folder, output
from sandbox import Sandbox

DEADLINE_MS = 60000


def unpacked():
    root = fresh_folder("root")
    for package in PACKAGES.glob("signalbox_*.deb"):
        output("dpkg-deb", "--extract", package, root)
    return root


def settings_of(unit):
    """Key to the list of its values, of the section [Service]."""
    service = unit.read_text().partition("[Service]")[2].partition("[Install]")[0]
    settings = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", service, re.MULTILINE):
        settings.setdefault(key, []).append(value)
    return settings


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = unpacked()
        cls.unit = cls.root / "usr/lib/systemd/system/signalbox.service"
        cls.program = cls.root / "usr/bin/signalbox"
        cls.configuration = cls.root / "etc/signalbox/signalbox.toml"

    def test_systemd_finds_nothing_wrong(self):
        # Under the path that the program has here, since systemd looks whether it can be run.
        unit = fresh_folder("verified") / "signalbox.service"
        unit.write_text(self.unit.read_text().replace("=/usr/bin/signalbox ", f"={self.program} "))
        said = output("systemd-analyze", "verify", "--man=no", unit)
        self.assertNotIn("signalbox", said)

    def test_its_exposure_is_low(self):
        # On systemd's scale from 0 to 10.
        output("systemd-analyze", "--no-pager", "security", "--offline=true", "--threshold=20", self.unit)

    def test_it_runs_what_the_package_brings(self):
        commands = [value for key in ("ExecStartPre", "ExecStart") for value in settings_of(self.unit)[key]]
        self.assertEqual(commands, ["/usr/bin/signalbox check /etc/signalbox/signalbox.toml",
                                    "/usr/bin/signalbox serve /etc/signalbox/signalbox.toml"])
        for path in re.findall(r"/\S+", " ".join(commands)):
            self.assertTrue((self.root / path.lstrip("/")).is_file(), path)

    def test_it_waits_for_longer_than_the_broker_drains(self):
        drain_ms = int(re.search(r"(?m)^drain_ms *= *(\d+)", self.configuration.read_text()).group(1))
        self.assertGreater(float(settings_of(self.unit)["TimeoutStopSec"][0]) * 1000, drain_ms + 1500)

    def test_the_program_serves_within_what_the_unit_allows(self):
        folder = fresh_folder("served")
        configuration = folder / "signalbox.toml"
        # The package's own, on a port of the system's choice and on a file as well.
        text, replaced = re.subn(r'(?m)^endpoint = "\S+"', f'endpoints = ["tcp://127.0.0.1:*", "ipc://{folder}/bus"]',
                                 self.configuration.read_text())
        self.assertEqual(replaced, 1)
        configuration.write_text(text)

        sandbox = Sandbox(settings_of(self.unit))

        def enter():
            sandbox.enter_memory_and_families()
            sandbox.enter()

        try:
            subprocess.run(["/bin/true"], preexec_fn=enter, check=True)
        except (OSError, subprocess.SubprocessError) as refused:
            self.skipTest(f"no seccomp here: {refused}")
        # The sandbox holds: a family that the unit does not list cannot be had.
        probe = f"import socket; socket.socket({int(socket.AF_PACKET)}, socket.SOCK_RAW)"
        said = output_within(enter, "/usr/bin/python3", "-c", probe)
        self.assertIn("Address family not supported", said)

        broker = subprocess.Popen([self.program, "serve", configuration], stderr=subprocess.PIPE, text=True,
                                  preexec_fn=enter)
        try:
            endpoints = self.endpoints_of(broker)
            for endpoint in endpoints:
                self.assertEqual(register(endpoint), 16)
            broker.send_signal(signal.SIGTERM)
            _, log = broker.communicate(timeout=DEADLINE_MS / 1000)
            self.assertEqual(broker.returncode, 0, log)
        finally:
            broker.kill()
            broker.communicate()

    def endpoints_of(self, broker):
        log = ""
        for line in broker.stderr:
            log += line
            found = re.search(r" listening endpoints=(\S+)", line)
            if found:
                return found.group(1).split(",")
        broker.wait()
        raise AssertionError(f"the program ended with {broker.returncode}: {log}")


def output_within(enter, *command):
    return subprocess.run(command, preexec_fn=enter, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=DEADLINE_MS / 1000).stdout


def register(endpoint):
    """The type of the frame that answers a HELLO."""
    context = zmq.Context()
    worker = context.socket(zmq.DEALER)
    try:
        worker.linger = 0
        worker.rcvtimeo = DEADLINE_MS
        worker.connect(endpoint)
        worker.send(msgpack.packb([1, 1, "application", "my_application", {}]))
        return msgpack.unpackb(worker.recv_multipart()[0])[0]
    finally:
        worker.close()
        context.term()


if __name__ == "__main__":
    unittest.main()
