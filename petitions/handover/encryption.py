"""Encrypt an export for one recipient, in the `age` format (age-encryption.org)."""

import io
import threading
from collections.abc import Generator, Iterable
from queue import SimpleQueue
from typing import Any, TypeAlias

import pyrage

Recipient: TypeAlias = "pyrage.x25519.Recipient | pyrage.ssh.Recipient"


class NotARecipient(ValueError):
    """The text is not a public key that `age` can encrypt for."""


class Stopped(Exception):
    """The download ended before the file did, or its rows could not be read."""


def recipient_of(typed: str) -> Recipient:
    """Parse a public key: `age1…`, `ssh-ed25519 …` or `ssh-rsa …`.

    Raises `NotARecipient`, also for a private key, which must not be stored.
    """
    key = typed.strip()
    try:
        if key.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(key)
        return pyrage.x25519.Recipient.from_str(key)
    except pyrage.RecipientError:
        raise NotARecipient from None


def encrypted(chunks: Iterable[bytes], recipient: str) -> Generator[bytes, None, None]:
    """Encrypt a stream of bytes in constant memory, without armour, which would add a third.

    pyrage reads from one file and writes to another, so it runs in a thread while the response
    iterates over this generator. The thread ends with the last chunk, or when the response stops.
    """
    source, sink, failures = _Source(), _Sink(), list[Exception]()
    arguments = (source, sink, recipient_of(recipient), failures)
    thread = threading.Thread(target=_encrypt, args=arguments, daemon=True)
    thread.start()
    end: bytes | Stopped = Stopped()
    try:
        for chunk in chunks:
            source.queue.put(chunk)
            if ready := sink.taken():
                yield ready
            if failures:
                raise failures[0]
        end = b""
    finally:
        source.queue.put(end)
        thread.join()
    yield sink.taken()


def _encrypt(
    source: "_Source", sink: "_Sink", recipient: Recipient, failures: list[Exception]
) -> None:
    try:
        pyrage.encrypt_io(source, sink, [recipient])
    except Exception as error:  # noqa: BLE001 - whatever it is, the reading thread raises it
        failures.append(error)


class _Source(io.BufferedIOBase):
    """A file to read, of the chunks that are put into its queue. An empty chunk is its end."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: SimpleQueue[bytes | Stopped] = SimpleQueue()
        self._rest = b""

    def read(self, size: int | None = -1, /) -> bytes:
        if not self._rest:
            chunk = self.queue.get()
            if isinstance(chunk, Stopped):
                raise chunk
            self._rest = chunk
        most = len(self._rest) if size is None or size < 0 else size
        taken, self._rest = self._rest[:most], self._rest[most:]
        return taken


class _Sink(io.BufferedIOBase):
    """A file to write. Another thread calls `taken`, which returns and removes what was written."""

    def __init__(self) -> None:
        super().__init__()
        self._written: SimpleQueue[bytes] = SimpleQueue()

    def write(self, data: Any, /) -> int:
        self._written.put(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        return b"".join(self._written.get() for _ in range(self._written.qsize()))
