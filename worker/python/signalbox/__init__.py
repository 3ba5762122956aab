"""Signalbox: transports and applications in Python.

    import signalbox

    with signalbox.Worker("application", "my_application") as worker:
        for delivery in worker:
            if delivery.message.is_user_message:
                worker.send(delivery.message.reply("You said %s" % delivery.message["content"]))

`Worker` is for programs that block, `AsyncWorker` for asyncio; they do the same. Both need pyzmq and msgpack. Times are
seconds. What breaks and heals is logged under the name "signalbox"; what ends a worker is raised as WorkerError.
"""

from ._async_worker import AsyncWorker
from ._base import DEFAULT_ENDPOINT
from ._delivery import Delivery
from ._errors import Reject, WorkerError
from ._keys import read_key_file
from ._session import Limits, Refusal, State
from ._worker import Worker
from .message import Message, format_time, parse_time

__version__ = "0.1.0"

__all__ = [
    "AsyncWorker", "DEFAULT_ENDPOINT", "Delivery", "Limits", "Message", "Refusal", "Reject", "State", "Worker",
    "WorkerError", "format_time", "parse_time", "read_key_file"]
