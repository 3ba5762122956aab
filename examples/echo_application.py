#!/usr/bin/env python3
"""An application that answers every message with what it said, and is told what became of each answer.

    PYTHONPATH=worker/python examples/echo_application.py [--name my_application] [--endpoint tcp://127.0.0.1:5570]

It goes on until SIGTERM or Ctrl-C, and then waits until the broker has all answers.
"""

import argparse
import signal

import signalbox


def handle(worker: signalbox.Worker, message: signalbox.Message) -> None:
    if message.is_event:
        print("event", message["event_type"], "for", message["user_message_id"], flush=True)
        return
    reply = message.reply("You said: %s" % message["content"])
    worker.send(reply)
    print("replied", reply["message_id"], "to", message["from_addr"], "via", message["transport_name"], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="An application that answers every message with what it said")
    parser.add_argument("--name", default="my_application", help="its name in the broker's configuration")
    parser.add_argument("--endpoint", default=signalbox.DEFAULT_ENDPOINT, help="where the broker listens")
    options = parser.parse_args()
    with signalbox.Worker("application", options.name, options.endpoint, client="echo_application.py") as worker:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        worker.on_refused(lambda refusal: print("refused", refusal.code, refusal.text, flush=True))
        for delivery in worker:
            handle(worker, delivery.message)


if __name__ == "__main__":
    main()
