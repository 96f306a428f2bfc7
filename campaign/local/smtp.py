"""An SMTP sink that stores every message in a Maildir: `python -m campaign.local.smtp FOLDER`.

It is aiosmtpd's server with our own handler. aiosmtpd's Maildir handler adds headers, gives names
that do not sort by time, and answers a full disk with a permanent failure. The listening socket is
inherited and named by BIND, as for gunicorn. All mail is accepted, including UTF-8 addresses.
"""

import asyncio
import itertools
import logging
import os
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
        """Answer with a temporary failure (4xx), because nothing is refused permanently.

        Called by aiosmtpd, which by default would answer 500 and quote the exception.
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
            # An incomplete message would take up space that the next one needs.
            draft.unlink(missing_ok=True)
            raise


async def serve(listener: socket.socket, folder: Path) -> None:
    """Accept messages until a signal ends the process."""
    maildir, loop = Maildir(folder), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            maildir,
            enable_SMTPUTF8=True,
            data_size_limit=LARGEST_MESSAGE,
            hostname="localhost",
            loop=loop,
        ),
        sock=listener,
    )
    await server.serve_forever()


if __name__ == "__main__":
    # aiosmtpd would log every address.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    _descriptor = int(os.environ["BIND"].removeprefix("fd://"))
    asyncio.run(serve(socket.socket(fileno=_descriptor), Path(sys.argv[1])))
