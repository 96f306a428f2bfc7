"""An SMTP sink that stores every message in a Maildir: `smtp.py DESCRIPTOR FOLDER`.

The listening socket is inherited, so that its port is known and taken before the process
runs. It accepts whatever it is sent, addresses in UTF-8 included.
"""

import asyncio
import itertools
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST_MESSAGE = 25 * 1024 * 1024


class Maildir:
    """Atomic Maildir delivery: tmp/, then rename to new/, so that nobody reads half a message."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name for it
        """Store the message. Called by aiosmtpd."""
        assert isinstance(envelope.content, bytes)
        self.deliver(envelope.content)
        return "250 OK"

    async def handle_exception(self, error: Exception) -> str:
        """Answer with a temporary failure (4xx): nothing here is ever refused for good.

        Called by aiosmtpd, which would answer 500 and quote the exception.
        """
        if isinstance(error, OSError):
            return "452 4.3.1 The message cannot be stored now"
        return "451 4.3.0 Something is wrong here now"

    def deliver(self, message: bytes) -> None:
        """Add one message. Names sort by time of arrival, also within a second."""
        name = f"{time.time_ns():019d}.{os.getpid()}_{next(self._numbers)}.local"
        draft = self.folder / "tmp" / name
        try:
            draft.write_bytes(message)
            draft.rename(self.folder / "new" / name)
        except OSError:
            # Half a message would take up room that the next one needs.
            draft.unlink(missing_ok=True)
            raise


async def serve(listener: socket.socket, folder: Path) -> None:
    """Accept messages until SIGTERM or SIGINT."""
    maildir = Maildir(folder)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)

    def session() -> SMTP:
        return SMTP(
            maildir,
            enable_SMTPUTF8=True,
            data_size_limit=LARGEST_MESSAGE,
            hostname="localhost",
            loop=loop,
        )

    server = await loop.create_server(session, sock=listener, backlog=256)
    await stopped.wait()
    server.close()


def main(descriptor: int, folder: Path) -> None:
    # aiosmtpd would write every address into the log.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    asyncio.run(serve(socket.socket(fileno=descriptor), folder))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
