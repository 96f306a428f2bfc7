"""A small HTTP load generator: some keep-alive connections, one thread, no library.

It shares the machine with what it measures, so it does as little as it can: requests are
bytes made beforehand, and of an answer it reads the status and the length.
"""

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from statistics import quantiles

_BUFFER = 256 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Timeout of a single answer, in seconds.
_PATIENCE = 30.0


class LoadFailed(Exception):
    """An answer was not the one that the measure expects, or none came."""


@dataclass(slots=True)
class Run:
    """Results of a run: answers by status, latencies, and CPU time."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def latency(self, percent: int) -> float:
        """A percentile of the latencies, in seconds."""
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]

    def expect(self, *statuses: int) -> "Run":
        """Itself, if every answer had one of these statuses. Raises `LoadFailed`."""
        if not set(self.statuses) <= set(statuses) or not self.statuses:
            raise LoadFailed(f"expected only status {statuses}, got {dict(self.statuses)}")
        return self


class _Connection:
    """One connection: a request on its way, and what has come back of its answer."""

    __slots__ = ("received", "sent_at", "socket", "wanted")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.wanted = 0
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.received, self.wanted = b"", 0
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has arrived; whether the answer is complete."""
        chunk = self.socket.recv(_BUFFER)
        if not chunk:
            raise LoadFailed("the server closed a connection")
        self.received = self.received + chunk if self.received else chunk
        if not self.wanted:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            length = _LENGTH.search(self.received, 0, end)
            if length is None:
                raise LoadFailed("an answer without its length")
            self.wanted = end + 4 + int(length[1])
        return len(self.received) >= self.wanted

    @property
    def status(self) -> int:
        return int(self.received[9:12])


def run(
    port: int, requests: Iterable[bytes], *, connections: int, seconds: float = float("inf")
) -> Run:
    """Send the requests over so many connections, until they or the seconds are used up."""
    result = Run()
    coming = iter(requests)
    started, cpu_started = time.perf_counter(), time.process_time()
    with closing(selectors.DefaultSelector()) as selector:
        try:
            busy = _open(selector, port, coming, connections)
            _exchange(selector, coming, busy, result, started + seconds)
        finally:
            for key in list(selector.get_map().values()):
                key.data.socket.close()
    result.seconds = time.perf_counter() - started
    result.cpu_seconds = time.process_time() - cpu_started
    return result


def _open(
    selector: selectors.BaseSelector, port: int, coming: Iterator[bytes], connections: int
) -> int:
    """Open the connections, each with its first request; return how many there are."""
    busy = 0
    for _, request in zip(range(connections), coming, strict=False):
        connection = _Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(request)
        busy += 1
    return busy


def _exchange(
    selector: selectors.BaseSelector,
    coming: Iterator[bytes],
    busy: int,
    result: Run,
    deadline: float,
) -> None:
    while busy:
        ready = selector.select(_PATIENCE)
        if not ready:
            raise LoadFailed("no answer came in time")
        for key, _events in ready:
            connection: _Connection = key.data
            if not connection.receive():
                continue
            now = time.perf_counter()
            result.latencies.append(now - connection.sent_at)
            result.statuses[connection.status] += 1
            request = next(coming, None) if now < deadline else None
            if request is None:
                busy -= 1
            else:
                connection.send(request)
