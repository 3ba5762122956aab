"""A worker in a process of its own, for tests that kill it: registers, says what it gets, settles nothing.

    victim.py ENDPOINT ROLE NAME PREFETCH
"""

import sys

import msgpack
import zmq

from bus import DELIVER, ERROR, HELLO, WELCOME, pack, split, unpack

endpoint, role, name, prefetch = sys.argv[1:]
worker = zmq.Context().socket(zmq.DEALER)
worker.connect(endpoint)
worker.send(pack([HELLO, 1, role, name, {"prefetch": int(prefetch)}]))
while True:
    header, *body = worker.recv_multipart()
    kind, *args = unpack(header)
    if kind == ERROR:
        sys.exit(repr(args))
    if kind == WELCOME:
        print("registered", flush=True)
    if kind == DELIVER:
        for message, _ in split(body[0]):
            print(message["message_id"], flush=True)
