"""A real name server on loopback, over UDP, for the check of the sender's records."""

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

# What a name answers instead of records: nothing at all, or that the server has failed.
SILENT, BROKEN = "silent", "broken"
Zone = dict[tuple[str, str], list[str] | str]


def quoted(text: str) -> str:
    """A TXT record as DNS writes it: strings of 255 bytes at most."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


class NameServer:
    """Answers for the names of `zone` by (name, type), NXDOMAIN for all others; a context manager.

    `asked` has every question, in order.
    """

    def __init__(self, zone: Zone | None = None) -> None:
        self.zone: Zone = zone if zone is not None else {}
        self.asked: list[tuple[str, str]] = []
        # Seconds that each answer takes.
        self.delay = 0.0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()
        return host, port

    def txt(self, records: Mapping[str, Sequence[str]]) -> None:
        """Publish TXT records, one or several to a name."""
        for name, texts in records.items():
            all_texts = [texts] if isinstance(texts, str) else texts
            self.zone[name, "TXT"] = [quoted(text) for text in all_texts]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        # An empty datagram ends the thread.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"", self.address)
        self._thread.join(timeout=5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            time.sleep(self.delay)
            if answer := self._answer(dns.message.from_wire(wire)):
                self._socket.sendto(answer.to_wire(max_size=65_000), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        found = self.zone.get((name, kind))
        if found == SILENT:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if found == BROKEN:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif found:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif not any(known == name for known, _kind in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response
