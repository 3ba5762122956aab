"""What a program may have to catch, and what a handler may raise."""

from __future__ import annotations


class WorkerError(Exception):
    """The worker has ended for good; what it has not seen confirmed it does not send any more.

    `code` is one of the protocol's (`unknown_endpoint`, `taken_over`, `not_permitted` …), or `closed` where the
    program itself had closed the worker, or `protocol` where the broker said what no broker says. `text` is one line
    for people.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__("%s: %s" % (code, text) if text else code)
        self.code = code
        self.text = text


class Reject(Exception):
    """Raised by a handler that will never take this message: it becomes a dead letter, with this text for a reason.

    Whatever else a handler raises has the message delivered again, up to the endpoint's `max_deliveries`.
    """
