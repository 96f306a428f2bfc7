"""SMTP fault injection: a real server that can refuse, stall, hang up and defer (4xx).

It stores accepted messages in memory, by recipient.
"""

import asyncio
import email
import email.policy
import socket
import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import NamedTuple

from tests.conftest import link_in

HOST = "127.0.0.1"


class Mood(Enum):
    """The server's behaviour towards its clients."""

    WELL = "takes everything"
    REFUSING = "no connection at all"
    # Every other session gets no reply at all, the others none after their first message, which is
    # accepted all the same.
    STALLING = "says nothing"
    CLOSING = "hangs up in the middle of the message"
    HOLDING = "takes a few messages, then keeps the next waiting"
    SAYS_421 = "shutting down"
    SAYS_450 = "puts off, with the address in its words"
    SAYS_550 = "refuses for good every other mailbox, with the address in its words"


_REPLIES = {
    Mood.SAYS_421: "421 4.3.2 <{address}>: shutting down",
    Mood.SAYS_450: "450 4.2.0 <{address}>: Recipient address rejected: greylisted",
    Mood.SAYS_550: "550 5.1.1 <{address}>: Recipient address rejected: no such user",
}
# How many messages it takes while `HOLDING`, before the one that waits.
TAKEN_FIRST = 5


class Letter(NamedTuple):
    """A delivered message, and its link to confirm; news and answers have none."""

    message_id: str
    link: str


def _held_port() -> tuple[socket.socket, int]:
    """Reserve a port, which refuses connections while no server listens there too.

    Released while connections are to be refused, it could be taken by any process meanwhile.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((HOST, 0))
    return held, held.getsockname()[1]


class Provider:
    """The server, in a thread of its own, on a port that stays the same."""

    def __init__(self) -> None:
        self.mood = Mood.WELL
        self._held, self.port = _held_port()
        self.taken = 0
        self.is_holding = threading.Event()
        self._mailboxes: defaultdict[str, list[Letter]] = defaultdict(list)
        self._arrived = threading.Condition()
        self._last_arrival = time.monotonic()
        self._writers: set[asyncio.StreamWriter] = set()
        self._sessions = 0
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._listen())

    # --- What was delivered ---------------------------------------------------------------

    def wait_for(self, address: str, seconds: float) -> Letter | None:
        """Wait for mail to an address; the newest, or None after so many seconds."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._mailboxes.get(address), timeout=seconds)
            letters = self._mailboxes.get(address)
            return letters[-1] if letters else None

    def message_ids(self) -> Counter[str]:
        """How often each message was delivered."""
        with self._arrived:
            return Counter(each.message_id for box in self._mailboxes.values() for each in box)

    def by_address(self) -> dict[str, Counter[str]]:
        """How often each message was delivered, by recipient."""
        with self._arrived:
            return {
                address: Counter(letter.message_id for letter in box)
                for address, box in self._mailboxes.items()
            }

    def idle_for(self) -> float:
        """Seconds since the last message came."""
        return time.monotonic() - self._last_arrival

    def doing(self) -> str:
        """The stack of its thread, for debugging mail that does not come."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        stack = "".join(traceback.format_stack(frame)[-4:]) if frame else "its thread has ended"
        return (
            f"{self.mood}, {len(self._writers)} sessions, idle for {self.idle_for():.0f} s\n{stack}"
        )

    def forget(self) -> None:
        """Empty all mailboxes."""
        with self._arrived:
            self._mailboxes.clear()

    # --- Moods ----------------------------------------------------------------------------

    @contextmanager
    def in_mood(self, mood: Mood) -> Iterator[None]:
        """Behave like that inside the block. Connections open at its end are closed."""
        self.taken = 0
        self.is_holding.clear()
        self.mood = mood
        if mood is Mood.REFUSING:
            self._do(self._close())
        try:
            yield
        finally:
            self.mood = Mood.WELL
            if mood is Mood.REFUSING:
                self._do(self._listen())
            self._do(self._hang_up())

    def stop(self) -> None:
        """Close, and end the thread."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._held.close()

    # --- The protocol ---------------------------------------------------------------------

    def _do(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._session, HOST, self.port, reuse_port=True)

    async def _close(self) -> None:
        if self._server:
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            # Connections being accepted finish first: asyncio would lose them.
            await asyncio.sleep(0.05)
            self._server.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        for _ in range(100):  # until the sessions have noticed
            if not self._writers:
                break
            await asyncio.sleep(0.01)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sessions += 1
        if self.mood is Mood.STALLING and self._sessions % 2:
            await reader.read()
            return
        await _say(writer, "220 provider.example ESMTP")
        address = ""
        while line := (await reader.readline()).decode(errors="replace").strip():
            verb = line[:4].upper()
            if verb == "QUIT":
                await _say(writer, "221 Bye")
                return
            if verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                await _say(writer, self._judged(address))
                if self.mood is Mood.SAYS_421:
                    return
            elif verb == "DATA":
                await _say(writer, "354 Go on")
                if not await self._take(address, reader, writer):
                    return
            else:
                await _say(writer, "250 OK")

    def _judged(self, address: str) -> str:
        mood = self.mood
        refused = mood in _REPLIES and (mood is not Mood.SAYS_550 or _is_odd(address))
        return _REPLIES[mood].format(address=address) if refused else "250 OK"

    async def _take(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Accept a message; False if the session ends with it."""
        if self.mood is Mood.CLOSING:
            await reader.readline()
            return False
        message = await reader.readuntil(b"\r\n.\r\n")
        if self.mood is Mood.HOLDING and self.taken >= TAKEN_FIRST:
            self.is_holding.set()
            await reader.read()
            return False
        self.taken += 1
        self._deliver(address, message)
        if self.mood is Mood.STALLING:
            await reader.read()
            return False
        await _say(writer, "250 OK")
        return True

    def _deliver(self, address: str, message: bytes) -> None:
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        has_link = not parsed["List-Unsubscribe"] and not parsed["Reply-To"]
        link = link_in(parsed) if has_link else ""
        letter = Letter(str(parsed["Message-ID"]), link)
        with self._arrived:
            self._mailboxes[address].append(letter)
            self._last_arrival = time.monotonic()
            self._arrived.notify_all()


def _is_odd(address: str) -> bool:
    digits = "".join(filter(str.isdigit, address.partition("@")[0]))
    return bool(digits) and int(digits) % 2 == 1


async def _say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(line.encode() + b"\r\n")
    with suppress(ConnectionError):
        await writer.drain()
