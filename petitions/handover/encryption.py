"""Encryption of an export for one recipient, in the `age` format (age-encryption.org)."""

import io
import threading
from collections.abc import Generator, Iterable
from queue import SimpleQueue
from typing import Any, TypeAlias

import pyrage

Recipient: TypeAlias = "pyrage.x25519.Recipient | pyrage.ssh.Recipient"


class NotARecipient(ValueError):
    """The text is no public key that `age` can encrypt for."""


class Stopped(Exception):
    """The download ended before the file did, or its rows could not be read."""


def recipient_of(typed: str) -> Recipient:
    """The recipient that a text names: a public key `age1…`, `ssh-ed25519 …` or `ssh-rsa …`.

    Raises `NotARecipient`, also for a private key, which nobody must store.
    """
    key = typed.strip()
    try:
        if key.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(key)
        return pyrage.x25519.Recipient.from_str(key)
    except pyrage.RecipientError:
        raise NotARecipient from None


def encrypted(chunks: Iterable[bytes], recipient: str) -> Generator[bytes, None, None]:
    """Encrypt a stream of bytes, in constant memory. Armour is left out: it adds a third.

    pyrage pulls from one file and pushes into another, and a response pulls: a thread stands
    between the two. It ends with the last chunk, and also when whoever reads this stops.
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
    """A file of the chunks that are put into its queue; an empty one is its end."""

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
    """A file whose bytes are taken away as they come, by another thread."""

    def __init__(self) -> None:
        super().__init__()
        self._written: SimpleQueue[bytes] = SimpleQueue()

    def write(self, data: Any, /) -> int:
        self._written.put(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        return b"".join(self._written.get() for _ in range(self._written.qsize()))
