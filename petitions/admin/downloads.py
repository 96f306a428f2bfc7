"""Limit streamed downloads by staff: few at the same time, and none for a client that stalls.

A download occupies a thread of the web process until its last byte is sent. If it is longer than
the network buffers, about 300 kB, eight clients that read nothing would occupy all threads and make
the site unavailable for as long as they like.
"""

import threading
import weakref
from collections.abc import Callable, Generator, Iterator

from django.http import HttpRequest

from petitions.staff.refusal import Refused

# Per process, which has `WEB_THREADS`, at least three; the other threads serve signers.
SLOTS = 2
# Seconds within which a client must read a chunk of about 100 kB.
PATIENCE = 60.0
_slots = threading.BoundedSemaphore(SLOTS)


class Download(Iterator[bytes]):
    """The chunks that `begin` returns. It holds a slot until it is closed, as responses do.

    Raises `Refused` if no slot is free, before `begin` is called.
    """

    def __init__(self, begin: Callable[[], Iterator[bytes]]) -> None:
        if not _slots.acquire(blocking=False):
            raise Refused(
                "Nothing was sent. Other downloads are running. Try again in a few minutes."
            )
        # Releases the slot once, even if nobody closes this or `begin` raises.
        self._release = weakref.finalize(self, _slots.release)
        self._chunks = begin()

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Close the chunks and release the slot."""
        try:
            if isinstance(self._chunks, Generator):
                self._chunks.close()
        finally:
            self._release()


def download(request: HttpRequest, begin: Callable[[], Iterator[bytes]]) -> Download:
    """Return the chunks that `begin` returns, for a streaming response.

    A client that reads nothing for `PATIENCE` seconds is disconnected. Raises `Refused` if no slot
    is free, before `begin` is called.
    """
    found = Download(begin)
    # gunicorn's socket has no timeout. Other servers do not provide it.
    if connection := request.META.get("gunicorn.socket"):
        connection.settimeout(PATIENCE)
    return found
