"""Files that staff download while they are made: few at once, and none for a reader who stands
still.

Each keeps a thread of the web process until its last byte is on its way. Of a list longer than the
buffers on its way, which hold some 300 kB, eight readers who took in nothing kept all of them, and
the site was away for everybody for as long as they liked.
"""

import threading
import weakref
from collections.abc import Callable, Generator, Iterator

from django.http import HttpRequest

from petitions.staff.refusal import Refused

# Of a process, which has `WEB_THREADS`, three at least: the others are left to those who sign.
AT_ONCE = 2
# Within which a reader has to take in a chunk, of about 100 kB.
PATIENCE = 60.0
_places = threading.BoundedSemaphore(AT_ONCE)


class Download(Iterator[bytes]):
    """The chunks that `begin` returns, in one of the places. Whoever sends them closes it, as
    responses do. Raises `Refused` where no place is free, before `begin` is called.
    """

    def __init__(self, begin: Callable[[], Iterator[bytes]]) -> None:
        if not _places.acquire(blocking=False):
            raise Refused(
                "Nothing was sent: other lists are being downloaded at this moment. Try again once "
                "they are there."
            )
        # Also where nobody closes it, and where `begin` raises; it does so once.
        self._leave = weakref.finalize(self, _places.release)
        self._chunks = begin()

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Close the chunks, and leave the place to others."""
        try:
            if isinstance(self._chunks, Generator):
                self._chunks.close()
        finally:
            self._leave()


def download(request: HttpRequest, begin: Callable[[], Iterator[bytes]]) -> Download:
    """The chunks that `begin` returns, once there is a place; a reader who takes in none for
    `PATIENCE` seconds loses the connection. Raises `Refused`, before `begin` is called.
    """
    found = Download(begin)
    # gunicorn's, which waits without end. There is none where something else serves.
    if connection := request.META.get("gunicorn.socket"):
        connection.settimeout(PATIENCE)
    return found
