"""Processes that are talked to in lines, the processor time that they take, and what the machine is."""

import os
import platform
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class RunFault(Exception):
    """A run that went wrong, in words for whoever reads the terminal."""


class Child:
    """A process with a group of its own, so that all it starts can be counted and ended with it. Killed on leaving.

    Not a session of its own: Linux shares the processor out between sessions first, and three sessions run otherwise
    than three programs of one.
    """

    def __init__(self, arguments, log, environment=None):
        self.name = " ".join(arguments[:3])
        self._log = log
        self._unread = b""
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment,
                process_group=0)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.kill()

    def fail(self, what):
        with open(self._log, encoding="utf-8", errors="replace") as file:
            raise RunFault(f"{self.name}: {what}\n{file.read()[-2000:]}".strip())

    def wait_for(self, word, deadline_s):
        """The next line that begins with the word; others are passed over."""
        end = time.monotonic() + deadline_s
        while True:
            while b"\n" in self._unread:
                line, self._unread = self._unread.split(b"\n", 1)
                if line.startswith(word.encode()):
                    return line.decode()
            ready = select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                self.fail(f"did not say '{word}' in time")
            some = os.read(self._process.stdout.fileno(), 4096)
            if not some:
                self.fail(f"ended before it said '{word}'")
            self._unread += some

    def wait_for_port(self, port, deadline_s):
        """Until it takes connections. Its output is left to fill a pipe, so what says much is told to say little."""
        end = time.monotonic() + deadline_s
        while True:
            if self._process.poll() is not None:
                self.fail("ended while it started")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    self.fail("takes no connections")
                time.sleep(0.02)  # nothing tells when a program of others listens

    def write_line(self, line):
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.fail("does not listen")

    def wait(self, deadline_s):
        try:
            if self._process.wait(deadline_s) != 0:
                self.fail(f"ended with exit code {self._process.returncode}")
        except subprocess.TimeoutExpired:
            self.fail("did not end")

    def cpu_seconds(self):
        """Of all threads of all processes of its group."""
        ticks = 0
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == self._process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_A_SECOND

    def kill(self):
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._process.stdout.close()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # of a line that it did not live to read


class Folder:
    """A temporary folder that anybody may enter: some brokers, started by root, turn into another user."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="signalbox-compare-")
        os.chmod(self.path, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def at(self, name):
        return os.path.join(self.path, name)


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def machine_seconds():
    """Of all cores together: busy, and stolen by the hypervisor."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, soft_irq, steal = (int(word) for word in file.readline().split()[1:9])
    return (user + nice + system + irq + soft_irq) / TICKS_A_SECOND, steal / TICKS_A_SECOND


def package_version(package):
    """Debian's; "" where there is no such package, or no Debian."""
    try:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
                              check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def stamp():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{os.cpu_count()} x {model}, {system}, Linux {platform.release()}"
