"""Runs a block of a page as a reader would, beside a broker where it needs one, and says what differs from the page."""

import ctypes
import fcntl
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wire"))

import zmq  # noqa: E402

import bus  # noqa: E402

DEADLINE_S = 60
PORT = 5570
MARK = "@@documented@@"  # no page prints it


def isolate():
    """A network of this process's own, with nothing in it but loopback. Whether the kernel allowed it."""
    new_network, new_user = 0x40000000, 0x10000000
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(new_network) != 0:
        if libc.unshare(new_network | new_user) != 0:
            return False
        try:
            pathlib.Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            pathlib.Path("/proc/self/uid_map").write_text("%d %d 1" % (user, user), encoding="ascii")
            pathlib.Path("/proc/self/gid_map").write_text("%d %d 1" % (group, group), encoding="ascii")
        except OSError:
            pass  # without them it goes on as nobody, which reads and runs all the same
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags, = struct.unpack("16xh14x", fcntl.ioctl(any_socket, get_flags, request))
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", flags | up))
    return True


def port_is_free():
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) != 0


class Mismatch(AssertionError):
    """A block does not do what its page says."""


def pattern(text):
    """A regular expression for what a page says is printed."""
    parts = []
    for line in text.rstrip().splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(piece) for piece in line.rstrip().split("…")) + r"[ \t]*\n")
    return "".join(parts)


def compare(shown, printed):
    """Throws Mismatch unless `printed` is what the page has `shown`."""
    printed = printed.rstrip() + "\n" if printed.strip() else ""
    if not re.fullmatch(pattern(shown), printed):
        raise Mismatch("the page shows:\n%s\nprinted was:\n%s" % (shown, printed))


class Process:
    """A program under way, and what it has printed. Ended, with all that it has started, by end()."""

    def __init__(self, command, folder, environment):
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.pieces, self.silent, self.changed = [], False, threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            piece = os.read(self.process.stdout.fileno(), 65536)
            with self.changed:
                self.silent = not piece
                self.pieces.append(piece)
                self.changed.notify_all()
            if not piece:
                return

    def output(self):
        with self.changed:
            return b"".join(self.pieces).decode("utf-8", "backslashreplace")

    def wait_for_text(self, text):
        with self.changed:
            self.changed.wait_for(
                lambda: text.encode() in b"".join(self.pieces) or self.silent, DEADLINE_S)
        if text not in self.output():
            raise Mismatch("'%s' was not printed; printed was:\n%s" % (text, self.output()))

    def wait_for_end(self, code):
        try:
            ended = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise Mismatch("it still runs after %d s; printed was:\n%s" % (DEADLINE_S, self.output())) from None
        self.end()
        if ended != code:
            raise Mismatch("its exit code is %d, not %d; printed was:\n%s" % (ended, code, self.output()))

    def end(self):
        """What it has left in the background is asked to end, and then made to."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass
            self.reader.join(5)
            if not self.reader.is_alive():
                break
        self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()


class Answerer(threading.Thread):
    """An application that answers all that comes, until it is told to stop."""

    def __init__(self, broker, name):
        super().__init__(daemon=True)
        self.worker, self.name_given = bus.Worker(broker), name
        self.stopping, self.fault = threading.Event(), None
        self.start()

    def run(self):
        try:
            self.worker.register("application", self.name_given)
            while not self.stopping.is_set():
                frame = self.worker.next(0.05)
                if frame is not None and frame.kind == bus.DELIVER:
                    for delivery in self.worker.opened(frame):
                        self.answer(delivery)
        except AssertionError as fault:
            self.fault = fault

    def answer(self, delivery):
        message = delivery.message
        if message["message_type"] == "user_message":
            self.worker.say(bus.user("reply to " + message["message_id"], in_reply_to=message["message_id"],
                                     transport_name=message["transport_name"], to_addr=message.get("from_addr"),
                                     from_addr=message.get("to_addr"),
                                     content="You said: " + (message.get("content") or "")))
        self.worker.ack(delivery.seq)

    def stop(self):
        self.stopping.set()
        self.join(DEADLINE_S)
        if self.fault:
            raise self.fault


class Runner:
    """The folder in which the blocks of one page are run, one after the other."""

    def __init__(self):
        self.root = pathlib.Path(os.environ["SIGNALBOX_SOURCE"])
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="signalbox-docs-"))
        self.printed = None  # by the last block that ran
        for entry in self.root.iterdir():
            if entry.name != "build" and not entry.name.startswith(".git"):
                (self.folder / entry.name).symlink_to(entry)
        (self.folder / "build").mkdir()
        (self.folder / "build" / "release").symlink_to(os.environ["SIGNALBOX_BUILD"])
        commands = self.folder / ".commands"
        commands.mkdir()
        (commands / "signalbox").symlink_to(os.environ["SIGNALBOX"])
        (commands / "python3").symlink_to(sys.executable)
        self.environment = {**os.environ, "PATH": "%s:/usr/bin:/bin:/usr/sbin:/sbin" % commands, "NO_COLOR": "1",
                            "PYTHONPATH": str(self.root / "worker" / "python"), "PYTHONDONTWRITEBYTECODE": "1",
                            "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}
        self.environment.pop("LD_PRELOAD", None)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what is done with a block -----------------------------------------------------------------------------------
    def test(self, block):
        """Throws AssertionError where the block is not what its page says it is."""
        if "file" in block.keys:
            (self.folder / block.keys["file"]).write_text(block.text, encoding="utf-8")
        getattr(self, "_" + block.verb.replace(" ", "_"))(block)

    def _not_run(self, block):
        assert block.reason

    def _file(self, block):
        assert (self.folder / block.keys["file"]).is_file()

    def _build(self, block):
        assert self._executable(block)

    def _output(self, block):
        if self.printed is None:
            raise Mismatch("no block before it has run")
        compare(block.text, self.printed)

    def _same_as(self, block):
        if self._text_of(block) != block.text:
            raise Mismatch("%s says something else" % block.path)

    def _part_of(self, block):
        def plain(text):
            return [line.strip() for line in text.splitlines() if line.strip()]

        there, here = plain(self._text_of(block)), plain(block.text)
        if not any(there[start:start + len(here)] == here for start in range(len(there))):
            raise Mismatch("these lines do not stand together in %s" % block.path)

    def _tested_by(self, block):
        text = self._text_of(block)
        beside = (self.root / block.path).parent / "CMakeLists.txt"
        if beside.is_file():
            text += beside.read_text(encoding="utf-8")
        if os.path.basename(block.page) not in text:
            raise Mismatch("%s does not name the page" % block.path)

    def _text_of(self, block):
        path = self.root / block.path
        if not path.is_file():
            raise Mismatch("there is no %s" % block.path)
        return path.read_text(encoding="utf-8")

    def _parse(self, block):
        import json
        try:
            json.loads(block.text)
        except ValueError:
            for line in block.text.splitlines():
                json.loads(line)

    def _check(self, block):
        text = block.text
        if "after" in block.keys:
            text = (self.folder / block.keys["after"]).read_text(encoding="utf-8") + "\n" + text
        (self.folder / "checked.toml").write_text(text, encoding="utf-8")
        self._finish([os.environ["SIGNALBOX"], "check", "checked.toml"], int(block.keys.get("exit", "0")))

    def _run(self, block):
        shell = block.language in ("sh", "bash", "console")
        broker = block.keys.get("broker", "none" if shell else "examples/seed.toml")
        if broker == "none":
            self._run_beside(block, None)
            return
        context = zmq.Context()
        text = (self.folder / broker).read_text(encoding="utf-8")
        running = bus.Broker(lambda endpoint: text, context, PORT)
        try:
            self._run_beside(block, running)
        finally:
            running.stop()
            context.destroy(linger=0)
        for sign in ("Sanitizer", "runtime error:", "Assertion", "terminate called"):
            assert sign not in running.log(), running.log()

    def _run_beside(self, block, broker):
        if block.language == "console":
            self._console(block)
            return
        keys = block.keys
        application = Answerer(broker, keys["application"]) if "application" in keys else None
        program = Process(self._command(block), self.folder, self.environment)
        try:
            if "tell" in keys or "ask" in keys:
                self._ask(broker, program, keys)
            for text in keys.get("prints", []):
                program.wait_for_text(text)
            if "stop" in keys:
                program.process.send_signal(getattr(signal, keys["stop"]))
            program.wait_for_end(int(keys.get("exit", "0")))
            self.printed = program.output()
        finally:
            program.end()
            if application:
                application.stop()

    def _finish(self, command, code):
        program = Process(command, self.folder, self.environment)
        try:
            program.wait_for_end(code)
            self.printed = program.output()
        finally:
            program.end()

    @staticmethod
    def _executable(block):
        path = pathlib.Path(os.environ["SIGNALBOX_DOCUMENTED"]) / ("documented_" + block.program_name)
        if not path.is_file():
            raise Mismatch("it has not been built: target documented_" + block.program_name)
        return path

    def _command(self, block):
        arguments = shlex.split(block.keys.get("arguments", ""))
        if block.language == "cpp":
            return [str(self._executable(block)), *arguments]
        suffix = {"python": "py"}.get(block.language, "sh")
        path = self.folder / (".block-%d.%s" % (block.index, suffix))
        path.write_text(block.text, encoding="utf-8")
        if block.language == "python":
            return [sys.executable, str(path), *arguments]
        if block.language in ("sh", "bash"):
            return ["bash", "-eu", "-o", "pipefail", str(path), *arguments]
        raise Mismatch("a block of '%s' cannot be run" % block.language)

    # --- the other side ----------------------------------------------------------------------------------------------
    def _ask(self, broker, program, keys):
        """Sends what there is to tell and to ask as a transport, and waits for the answers."""
        name = keys.get("asker", "smpp_transport")
        asker = bus.Worker(broker)
        asker.register("transport", name)

        def say(message_id, text):
            last = asker.say(bus.user(message_id, transport_name=name, from_addr="+27831234567", to_addr="12345",
                                      content=text))
            assert asker.settled(last) == [], "'%s' was refused" % text

        for index, text in enumerate(keys.get("tell", [])):
            say("told %d" % (index + 1), text)
        answers = keys.get("answer", [])
        for index, question in enumerate(keys.get("ask", [])):
            message_id = "question %d" % (index + 1)
            say(message_id, question)
            try:
                reply, = asker.deliveries(1, DEADLINE_S)
            except AssertionError as fault:
                raise Mismatch("no answer to '%s' (%s); printed was:\n%s" % (
                    question, fault, program.output())) from None
            asker.ack(reply.seq)
            if reply.message.get("in_reply_to") != message_id:
                raise Mismatch("%r is no answer to '%s'" % (reply.message, question))
            if index < len(answers) and reply.message.get("content") != answers[index]:
                raise Mismatch("'%s' is answered with '%s'" % (question, reply.message.get("content")))
            if "report" in keys:
                asker.settled(asker.say(bus.event(reply.message["message_id"], delivery_status=keys["report"],
                                                  transport_name=name)))
        asker.send(bus.BYE, None)
        asker.expect(bus.BYE)

    # --- a session in a terminal -------------------------------------------------------------------------------------
    def _console(self, block):
        commands = []  # (command, what is shown below it)
        for line in block.text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif line.startswith("> ") and commands and not commands[-1][1]:
                commands[-1] = (commands[-1][0] + "\n" + line[2:], [])
            elif commands:
                commands[-1][1].append(line)
            else:
                raise Mismatch("a block of console begins with a line '$ …'")
        if not commands:
            raise Mismatch("a block of console without a command")
        script = []
        for command, _ in commands:
            script += [command, "documented_status=$?", "printf '%s%%d%s' $documented_status" % (MARK, MARK),
                       "(exit $documented_status)"]
        path = self.folder / (".block-%d.sh" % block.index)
        path.write_text("\n".join(script) + "\nexit 0\n", encoding="utf-8")
        self._finish(["bash", str(path)], 0)
        pieces = self.printed.split(MARK)
        for index, (command, shown) in enumerate(commands):
            if 2 * index + 1 >= len(pieces):
                raise Mismatch("the shell ended in '%s'; printed was:\n%s" % (command, self.printed))
            printed, status = pieces[2 * index], pieces[2 * index + 1]
            asked_for = index + 1 < len(commands) and commands[index + 1][0].strip() == "echo $?"
            if status != "0" and not asked_for:
                raise Mismatch("'%s' ended with %s; printed was:\n%s" % (command, status, printed))
            try:
                compare("\n".join(shown) + "\n", printed)
            except Mismatch as fault:
                raise Mismatch("$ %s\n%s" % (command, fault)) from None


def wait_for_port():
    """Where the network is shared: whether the pages' port is free, after a while at the latest."""
    deadline = time.monotonic() + DEADLINE_S
    while not port_is_free():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
