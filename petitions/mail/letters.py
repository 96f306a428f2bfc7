"""Precompiled MIME templates: rendered once per language, then filled in for each signer.

Rendering two templates and writing MIME takes far longer than handing the message to a mail server,
and nearly all of it comes out the same for everybody. So a form is rendered and serialised once,
with placeholders (marks) for a signer's own values, and is kept as the pieces between the marks.
Only values without characters that mean something in HTML or in a header are filled in; any other
address takes Django's own, slower way.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.mail import EmailMultiAlternatives

Values = Mapping[str, str]

# Longer than any value: a line that fits with its mark also fits with the value.
_WIDTH = 180
_PLAIN = re.compile(r"[\w.-]+", re.ASCII)
# An address that needs no encoding in a header, and is too short to be folded.
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_LONGEST_ADDRESS = 70


class Letter(EmailMultiAlternatives):
    """A message to one mailbox. `raw` is its MIME bytes for SMTP, or None: then Django writes it.

    The other attributes are for providers, by django-anymail: no tracking of clicks or opens, and
    the outbox row's id in what they report.
    """

    raw: bytes | None = None
    track_clicks = False
    track_opens = False
    metadata: dict[str, str]


class Form:
    """A MIME template with placeholders. Make one per kind and language, and `fill` it many times.

    Templates get `marks` as context: a mapping of each name in `fields` to its placeholder.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        nonce = secrets.token_hex(6)
        self._marks = {name: f"{nonce}{name}".ljust(_WIDTH, "0") for name in fields}
        # Short ones for headers, which are folded when they are long.
        self._id, self._date, self._to = f"{nonce}-id", f"{nonce}-date", f"{nonce}@to.invalid"
        self._names = {mark: name for name, mark in self._marks.items()}
        self._names |= {self._id: "mail_id", self._date: "date", self._to: "to"}
        self._split = re.compile("(" + "|".join(map(re.escape, self._names)) + ")")

    @property
    def marks(self) -> Values:
        """The context to render templates with: field names to placeholders."""
        return self._marks

    def write(self, *, subject: str, text: str, html: str, sender: str, domain: str) -> "Form":
        """Set subject and bodies, marks and all, and serialise them to MIME once."""
        self._subject, self._sender, self._domain = subject, sender, domain
        self._text, self._html = self._cut(text), self._cut(html)
        example = self._letter(text, html, to=self._to, mail_id=self._id, date=self._date)
        written: Any = example.message()
        whole = written.as_bytes(linesep="\r\n").decode("utf-8", "surrogateescape")
        pieces = self._cut(whole)
        names = ["date", "mail_id", "to", *self._text[1::2], *self._html[1::2]]
        # A long line is encoded and loses its marks: then Django serialises each mail.
        self._is_whole = sorted(pieces[1::2]) == sorted(names)
        self._raw = [piece.encode("utf-8", "surrogateescape") for piece in pieces[::2]]
        self._names_in_raw = pieces[1::2]
        return self

    def fill(self, values: Values, *, to: str, mail_id: str, date: str) -> Letter:
        """The message for one mailbox. Raises `ValueError` for a value that could be markup."""
        if not all(map(_PLAIN.fullmatch, values.values())):
            raise ValueError("a value holds what is no letter, digit, dot or dash")
        letter = self._letter(
            _joined(self._text, values), _joined(self._html, values),
            to=to, mail_id=mail_id, date=date,
        )  # fmt: skip
        if self._is_whole and len(to) <= _LONGEST_ADDRESS and _PLAIN_ADDRESS.fullmatch(to):
            own = {**values, "to": to, "mail_id": mail_id, "date": date}
            letter.raw = _interleaved(
                self._raw, [own[name].encode() for name in self._names_in_raw]
            )
        return letter

    def _letter(self, text: str, html: str, *, to: str, mail_id: str, date: str) -> Letter:
        letter = Letter(
            subject=self._subject,
            body=text,
            from_email=self._sender,
            to=[to],
            headers={
                "Message-ID": f"<{mail_id}@{self._domain}>",
                "Date": date,
                "Auto-Submitted": "auto-generated",
            },
        )
        letter.attach_alternative(html, "text/html")
        letter.metadata = {"mail": mail_id}
        return letter

    def _cut(self, words: str) -> list[str]:
        """Split at the marks: text at even indexes, the fields' names at odd ones."""
        pieces = self._split.split(words)
        pieces[1::2] = [self._names[mark] for mark in pieces[1::2]]
        return pieces


def _joined(pieces: list[str], values: Values) -> str:
    filled = [*pieces]
    filled[1::2] = [values[name] for name in pieces[1::2]]
    return "".join(filled)


def _interleaved(constant: list[bytes], own: list[bytes]) -> bytes:
    whole = [b""] * (len(constant) + len(own))
    whole[::2], whole[1::2] = constant, own
    return b"".join(whole)
