"""The one door to ZeroMQ: a DEALER socket that never blocks, and word of its connection's end."""

from __future__ import annotations

import itertools
from typing import Any, List, Optional, Sequence

import zmq

# Enough that the broker is never kept waiting; few enough that what the program sends next still joins a batch.
SEND_FRAMES_MAX = 16
_names = itertools.count()


class Link:
    """Thread: one. Owns: two sockets while it is open. Errors: ValueError from open() where the endpoint is no good."""

    def __init__(self, endpoint: str, context: Optional[zmq.Context[Any]]) -> None:
        self.endpoint = endpoint
        self._context: zmq.Context[Any] = context if context is not None else zmq.Context.instance()
        self.socket: Optional[zmq.Socket[Any]] = None
        self.monitor: Optional[zmq.Socket[Any]] = None
        self.connection = 0  # which of the session's it serves; 0: none

    def open(self, connection: int) -> None:
        self.close()
        try:
            self.socket = socket = zmq.Socket(self._context, zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is taken before there is a connection to take it
            socket.setsockopt(zmq.SNDHWM, SEND_FRAMES_MAX)
            socket.setsockopt(zmq.RCVHWM, 0)  # the prefetch bounds what comes
            socket.setsockopt(zmq.RECONNECT_IVL, 50)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
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
        socket.monitor(name, zmq.EVENT_DISCONNECTED)
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
                self.monitor.recv_multipart(zmq.NOBLOCK)  # it tells of nothing else
                lost = True
            except zmq.Again:
                break
        return lost

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
