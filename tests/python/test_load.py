"""Many messages in a bounded time, through both kinds of worker, there and back."""

import asyncio
import time
import unittest

import signalbox
from support import *

MESSAGES = 10_000 if SANITIZED else 100_000
BOUND_S = 120  # on two noisy cores that do other things beside it


class Load(PythonTest):
    def test_there_and_back(self):
        application = self.blocking("application", "app")

        def echo(delivery):
            application.send(delivery.message.reply(delivery.message["content"]))

        join = self.in_thread(lambda: application.run(echo))
        asyncio.run(asyncio.wait_for(self.converse(), BOUND_S))
        application.stop()
        join()
        self.assertTrue(application.wait_confirmed(DEADLINE_S))
        self.assertTrue(application.close(DEADLINE_S))

    async def converse(self):
        async with self.asynchronous("transport", "sms") as transport:
            async def send():
                for number in range(MESSAGES):
                    await transport.send(message("m%d" % number, content=str(number), from_addr="a", to_addr="b"))

            start = time.monotonic()
            sending = asyncio.ensure_future(send())
            answers = []
            async for delivery in transport:
                answers.append(int(delivery.message["content"]))
                if len(answers) == MESSAGES:
                    break
            await sending
            print("\n%d messages and as many replies in %.1f s" % (MESSAGES, time.monotonic() - start))
            self.assertTrue(await transport.wait_confirmed(DEADLINE_S))
            self.assertEqual(answers, list(range(MESSAGES)))
            self.assertEqual(transport.registrations, 1)


if __name__ == "__main__":
    unittest.main()
