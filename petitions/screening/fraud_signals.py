"""Fraud signals (heuristics for bots and made-up signers) and their weights; pure functions.

Each signal has a weight, and a sentence that a moderator reads beside the signature. The
weights add up: from `HOLD_AT` the signature is held for moderation, from `BLOCK_AT` it is
refused. No single signal refuses anybody, and none looks at which script a name is written in:
rules for letters apply to those of every script, and rules for a particular keyboard or
alphabet leave all others alone.

Signals about other senders of the same network add to the others, by the heaviest alone, but can
only hold, never block: they would tell a sender just below `BLOCK_AT`, by the refusal, that a
neighbour signed. Nor does the network alone hold anybody: a carrier, a relay or a hall full of
people is asked for the challenge first (`settings.BURST_CHALLENGE`).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from disposable_email_domains import blocklist

from petitions.identity import names
from petitions.identity.providers import RELAYS

HOLD_AT = 100
BLOCK_AT = 300
BURST_MINUTES = 2
# Less than `HOLD_AT`, however many: see above. No number between these is stored or told: staff
# who send forms from somebody's network would read in two of their own how many came between.
_BURST_WEIGHTS = ((40, 60), (8, 30))
# From the first changed field to pressing the button, where all required fields changed in
# between. Autofill and a practised hand take two seconds; no hand takes half of one.
LEAST_PACE_MS = 500
# Hidden fields of the form, the first a honeypot: see templates/petitions/_traps.html. No contact
# card has its name, so that what fills in forms for people does not know what to write there.
HONEYPOT, PACE = "feedback", "pace"
FIELDS = frozenset({HONEYPOT, PACE})
# Signals whose sentence tells a number.
NUMBERED = frozenset({"burst"})
# Signals about other senders, and rules that hold.
_OF_OTHERS = frozenset({"burst", "held-network", "held-domain", "held-address", "held-petition"})
# Signals of rules and switches that hold, which are asked again about every form.
OF_RULES = _OF_OTHERS - {"burst"}

_DISPOSABLE = frozenset(blocklist)


class Verdict(Enum):
    """The decision on a signing: count it, hold it for moderation, or refuse it."""

    PASS = "pass"  # noqa: S105 - no password
    HOLD = "hold"
    BLOCK = "block"


class Facts(NamedTuple):
    """Input of the rules. `domain` is that of the e-mail address, in ASCII and lower case.

    `pace` is in milliseconds, and None where no script measured it. `from_network` counts the
    signings of this petition from the same network in the last `BURST_MINUTES`, this one too.
    """

    name: str
    domain: str
    honeypot: str = ""
    pace: int | None = None
    has_origin: bool = True
    from_network: int = 0


class Signal(NamedTuple):
    """One signal, with the number that its sentence tells, if it tells one."""

    code: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.code}:{self.number}" if self.number else self.code

    @classmethod
    def read(cls, text: str) -> "Signal":
        """Parse a stored signal, "code" or "code:number"."""
        code, _colon, number = text.partition(":")
        return cls(code, int(number) if number.isdecimal() else 0)

    @property
    def weight(self) -> int:
        """Its weight; 0 if no rule yields it any more."""
        if self.code == "burst":
            return next((weight for least, weight in _BURST_WEIGHTS if self.number >= least), 0)
        return _RULES[self.code][0] if self.code in _RULES else 0

    @property
    def sentence(self) -> str:
        if self.code == "burst" and self.number:
            return f"At least {self.number} signatures from one network in two minutes."
        return _RULES[self.code][1] if self.code in _RULES else self.code


class Judgement(NamedTuple):
    """A verdict and the signals that it rests on, the weightiest first."""

    verdict: Verdict
    signals: tuple[Signal, ...]


def judge(facts: Facts, suspected: Iterable[str] = ()) -> Judgement:
    """Weigh every signal of the facts, and the lasting ones of `suspected`, which are those of an
    earlier form of the same sender.
    """
    request, person = _of_request(facts), of_person(facts.name, facts.domain)
    return weigh(_merged([*lasting(suspected), *request, *person]))


def weigh(signals: Iterable[Signal]) -> Judgement:
    """The verdict on given signals: sum their weights, and compare with the thresholds."""
    found = tuple(sorted(signals, key=lambda signal: (-signal.weight, signal.code)))
    of_others = [signal.weight for signal in found if signal.code in _OF_OTHERS]
    own = sum([signal.weight for signal in found]) - sum(of_others)
    if own >= BLOCK_AT:
        return Judgement(Verdict.BLOCK, found)
    is_held = own + max(of_others, default=0) >= HOLD_AT
    return Judgement(Verdict.HOLD if is_held else Verdict.PASS, found)


def with_burst(judged: Judgement, number: int) -> Judgement:
    """Add the burst signal of `number` signings from the network; it may hold, never block."""
    return weigh(_merged([*judged.signals, *_of_burst(number)]))


def lasting(suspected: Iterable[str]) -> list[Signal]:
    """Of the signals stored with a signature, those that a correction cannot clear, such as how
    fast the form was filled in.
    """
    signals = map(Signal.read, suspected)
    return [signal for signal in signals if signal.weight and signal.code not in OF_PERSON]


def of_person(name: str, domain: str) -> Iterator[Signal]:
    """The signals in a signer's name and e-mail domain, which can be found again in stored
    signatures: see `petitions.moderation.rescan`.
    """
    if is_disposable(domain):
        yield Signal("disposable")
    yield from _of_name(name)


# The signals that `of_person` yields; all others are known only at signing.
OF_PERSON = frozenset({
    "disposable", "name-test", "name-keys", "name-repeats", "name-digits", "name-random",
    "name-code", "name-slogan",
})  # fmt: skip


def sentences(stored: Iterable[str]) -> list[str]:
    return [Signal.read(text).sentence for text in stored]


def read_pace(text: str) -> int | None:
    """Parse the script's field: milliseconds; None for anything that it would not write."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def is_disposable(domain: str) -> bool:
    """Whether this domain, or one above it, is of disposable e-mail addresses. Relays are not."""
    labels = domain.split(".")
    names = {".".join(labels[i:]) for i in range(len(labels) - 1)}
    return not names.isdisjoint(_DISPOSABLE) and names.isdisjoint(RELAYS)


def _merged(signals: Iterable[Signal]) -> Iterable[Signal]:
    """Deduplicate signals, keeping the greatest number: what comes later clears nothing."""
    greatest: dict[str, Signal] = {}
    for signal in signals:
        known = greatest.get(signal.code)
        if known is None or signal.number > known.number:
            greatest[signal.code] = signal
    return greatest.values()


def _of_request(facts: Facts) -> Iterator[Signal]:
    if facts.honeypot.strip():
        yield Signal("honeypot")
    if facts.pace is not None and facts.pace < LEAST_PACE_MS:
        yield Signal("pace")
    yield from _of_burst(facts.from_network)
    if not facts.has_origin:
        yield Signal("no-origin")


def _of_burst(number: int) -> Iterator[Signal]:
    """The burst signal of `number` signings, if it has a weight, with the least that has it."""
    for least, _weight in _BURST_WEIGHTS:
        if number >= least:
            yield Signal("burst", least)
            return


# --- Names -----------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W\d_]+")
_REPEATS = re.compile(r"([^\W\d_])\1{3}")
_DIGITS = re.compile(r"\d\D*\d\D*\d")
# Eight, because seven stand in Hirschsprung; y and w are vowels, as in Ynys and Wmffre.
_NO_VOWEL = re.compile(r"[bcdfghjklmnpqrstvxz]{8}")
# McDonald changes to capitals once, DeLaCruz twice.
_CAPITALS_INSIDE = re.compile(r"(?:[a-z]+[A-Z]+){3}")
_LEAST_KEYS = 5
# Rows of keyboards: Latin in three layouts, Arabic, and Cyrillic.
_ROWS = (
    "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm",
    "azertyuiop", "qsdfghjklm", "wxcvbn",
    "ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤرلاىةوزظ",
    "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю",
)  # fmt: skip
_KEYS = frozenset(
    line[start:end]
    for row in _ROWS
    for line in (row, row[::-1])
    for start in range(len(line))
    for end in range(start + _LEAST_KEYS, len(line) + 1)
)
# A name of nothing but such words is a placeholder. Beside another word each may be a surname.
_PLACEHOLDERS = frozenset({
    "test", "tests", "testing", "tester", "prawf", "اختبار", "تجربة",
    "nobody", "anonymous", "anon", "noname", "dienw", "مجهول",
    "user", "name", "firstname", "lastname", "fake", "null", "undefined", "foo", "foobar",
    "asd", "asdf", "qwe", "qwer", "zxc", "zxcv", "abc", "abcd", "xyz",
})  # fmt: skip
# What is called out or tagged, and how calls begin. Not "Free" or "Justice" alone, which are names.
_SLOGAN = re.compile(
    r"""[^\W\d_]\s*[!！]|[#@]\w{3}|
    ^(?:stop|end|save|free|boycott|support|vote)\s+(?:the|all|our|this|for)\b|
    ^(?:free|save)\s+(?:palestine|gaza|syria|idlib|ukraine|tibet|britain|wales)\b|
    ^(?:down\s+with|long\s+live|death\s+to|say\s+no|no\s+to|no\s+more|hands\s+off|justice\s+for)\b|
    ^(?:rhyddid\s+i|achubwch|stopiwch|cymru\s+am\s+byth)\b|
    ^(?:أوقفوا|اوقفوا|أنقذوا|انقذوا|الحرية\s+ل|يسقط|تسقط|الموت\s+ل|لا\s+لل)""",
    re.IGNORECASE | re.VERBOSE,
)


def _of_name(name: str) -> Iterator[Signal]:
    if names.holds_markup(name):
        yield Signal("name-code")
    elif _SLOGAN.search(name):
        yield Signal("name-slogan")
    # Arabic words are stretched with strokes, as many as please the eye.
    plain = name.casefold().replace("\u0640", "")
    words = _WORD.findall(plain)
    if words and all(word in _PLACEHOLDERS for word in words):
        yield Signal("name-test")
    elif any(word in _KEYS for word in words):
        yield Signal("name-keys")
    if _REPEATS.search(plain) or names.piles_up_marks(name):
        yield Signal("name-repeats")
    if _DIGITS.search(name):
        yield Signal("name-digits")
    if _looks_random(name):
        yield Signal("name-random")


def _looks_random(name: str) -> bool:
    """Whether Latin letters stand in an order that no language gives them."""
    # An accented letter must not break a run of consonants, and an accented vowel must.
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return bool(_NO_VOWEL.search(letters.lower()) or _CAPITALS_INSIDE.search(letters))


# --- Weights and sentences ---------------------------------------------------------------------

# A weight of 0: what refused an attempt, so that it is decided. See `petitions.screening.screen`.
_RULES: dict[str, tuple[int, str]] = {
    "honeypot": (100, "A field that people cannot see was filled in."),
    "pace": (100, "The form was filled in faster than a person can type."),
    "disposable": (
        100,
        (
            "The address is from a throwaway email service. It may also be a typing mistake, such "
            "as gmial.com."
        ),
    ),
    # With a number it has another sentence, and a weight of `_BURST_WEIGHTS`.
    "burst": (0, "Many signatures from one network in two minutes."),
    # Found after signing: see `petitions.moderation.reindex`.
    "same-mailbox": (100, "Other people have signed with the same mailbox."),
    "no-origin": (20, "The browser did not say which page the form came from."),
    "name-test": (100, "The name looks like a test."),
    "name-keys": (100, "The name is a row of keyboard keys (such as qwerty)."),
    "name-repeats": (
        100,
        "The name repeats one letter four times or more, or piles up accents on a letter.",
    ),
    "name-code": (100, "The name contains program code."),
    "name-slogan": (60, "The name looks like a slogan."),
    "name-digits": (60, "The name contains several digits."),
    "name-random": (60, "The name looks like random letters."),
    "blocked-network": (0, "The network is blocked by a rule."),
    "blocked-domain": (0, "The domain of the email address is blocked by a rule."),
    "blocked-address": (0, "The email address is blocked by a rule."),
    "held-network": (HOLD_AT, "A rule holds what comes from this network."),
    "held-domain": (HOLD_AT, "A rule holds the domain of the email address."),
    "held-address": (HOLD_AT, "A rule holds this email address."),
    "held-petition": (HOLD_AT, "Everything new of this petition was held."),
    "mailbox-rate": (0, "Too many attempts with one email address."),
}
# Every code, for filters.
CODES = tuple(_RULES)
