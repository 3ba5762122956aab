"""The one door to ZeroMQ: a DEALER socket that never blocks, and word of its connection's end."""

from __future__ import annotations

import itertools
import struct
from typing import Any, List, Optional, Sequence, Tuple

import zmq

from ._keys import is_key

# Of a handshake's end libzmq says no more than this.
MECHANISM_MISMATCH = 0x11000002
CUT_HANDSHAKES_TOLD = 3
EVENTS = (zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL |
          zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)

# Enough that the broker is never kept waiting; few enough that what the program sends next still joins a batch.
SEND_FRAMES_MAX = 16
_names = itertools.count()


class Link:
    """Thread: one. Owns: two sockets while it is open. Errors: ValueError where the endpoint or a key is no good."""

    def __init__(self, endpoint: str, context: Optional[zmq.Context[Any]], secret_key: Optional[str] = None,
                 server_key: Optional[str] = None) -> None:
        self.endpoint = endpoint
        # What has ended a handshake, until somebody takes it away; and whether libzmq has given up with it.
        self.handshake_fault: Optional[Tuple[str, bool]] = None
        self._cut_handshakes = 0  # of this socket, without a word of why
        self._context: zmq.Context[Any] = context if context is not None else zmq.Context.instance()
        self.socket: Optional[zmq.Socket[Any]] = None
        self.monitor: Optional[zmq.Socket[Any]] = None
        self.connection = 0  # which of the session's it serves; 0: none
        self._keys = self._read_keys(secret_key, server_key)

    @staticmethod
    def _read_keys(secret: Optional[str], server: Optional[str]) -> Optional[Tuple[bytes, bytes, bytes]]:
        if (secret is None) != (server is None):
            raise ValueError("secret_key and server_key belong together: the worker's own and the broker's")
        if secret is None or server is None:
            return None
        if not zmq.has("curve"):
            raise ValueError("keys were given, and this libzmq was built without CURVE (libsodium)")
        for name, key in (("secret_key", secret), ("server_key", server)):
            if not is_key(key.encode("ascii", "replace")):
                raise ValueError("%s is no key: 40 characters, as `signalbox keygen` writes them" % name)
        own = secret.encode("ascii")
        return server.encode("ascii"), zmq.curve_public(own), own

    def open(self, connection: int) -> None:
        self.close()
        self._cut_handshakes = 0
        try:
            self.socket = socket = zmq.Socket(self._context, zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is taken before there is a connection to take it
            socket.setsockopt(zmq.SNDHWM, SEND_FRAMES_MAX)
            socket.setsockopt(zmq.RCVHWM, 0)  # the prefetch bounds what comes
            socket.setsockopt(zmq.RECONNECT_IVL, 50)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
            if self._keys is not None:
                socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = self._keys
            self._watch(socket)
            socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ValueError("cannot connect to %r: %s" % (self.endpoint, error)) from error
        self.connection = connection

    def _watch(self, socket: zmq.Socket[Any]) -> None:
        name = "inproc://signalbox-python-worker-%d" % next(_names)
        monitor = zmq.Socket(self._context, zmq.PAIR)
        self.monitor = monitor
        monitor.setsockopt(zmq.LINGER, 0)
        monitor.setsockopt(zmq.RCVHWM, 0)  # libzmq's own thread would stand still at a limit
        socket.monitor(name, EVENTS)
        monitor.connect(name)

    def close(self) -> None:
        self.connection = 0
        socket, self.socket = self.socket, None
        monitor, self.monitor = self.monitor, None
        if socket is not None:
            # Before the listener goes: libzmq's own thread would wait for one for ever at the next event, and with it
            # every socket of the context.
            if monitor is not None:
                socket.monitor(None, 0)
            socket.close(0)
        if monitor is not None:
            monitor.close(0)

    def __del__(self) -> None:
        self.close()

    def send(self, frames: Sequence[bytes]) -> bool:
        """Whether the socket took it."""
        if self.socket is None:
            return False
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> Optional[List[bytes]]:
        if self.socket is None:
            return None
        try:
            return self.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def connection_lost(self) -> bool:
        """Whether it was since the last call."""
        lost = False
        while self.monitor is not None:
            try:
                what = self.monitor.recv_multipart(zmq.NOBLOCK)[0]
            except zmq.Again:
                break
            event, value = struct.unpack("=HI", what)
            lost = lost or event == zmq.EVENT_DISCONNECTED
            self._note_handshake_fault(event, value)
        return lost

    def _note_handshake_fault(self, event: int, value: int) -> None:
        """A broker whose key is another one than was expected shows as no more than a connection that ends."""
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.handshake_fault = ("the broker does not know this worker's key", True)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and value == MECHANISM_MISMATCH:
            self.handshake_fault = ("the broker wants keys, and this worker has none" if self._keys is None else
                                    "the broker there has no keys, and this worker was given some", True)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            self.handshake_fault = ("the handshake failed: is the broker's key the right one?", True)
        elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            # Once may be chance: a broker that ends just now, or that hangs up before its word for it has been read.
            self._cut_handshakes += 1
            if self._cut_handshakes >= CUT_HANDSHAKES_TOLD:
                self.handshake_fault = ("the broker ends each handshake: does it want keys?" if self._keys is None else
                                        "the broker ends each handshake: is its key the one given here?", False)

    def ready(self, output_waits: bool) -> bool:
        """Whether something can be received, or sent where something waits for that. Asking is also what has the
        sockets' descriptors tell of the next event, and takes away their word of this one."""
        for socket in self.sockets():
            events = int(socket.get(zmq.EVENTS))
            if events & zmq.POLLIN or (output_waits and socket is self.socket and events & zmq.POLLOUT):
                return True
        return False

    def sockets(self) -> List[zmq.Socket[Any]]:
        return [socket for socket in (self.socket, self.monitor) if socket is not None]
