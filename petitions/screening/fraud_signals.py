"""Fraud signals (heuristics for bots and made-up signers) and their weights, as pure functions.

Each signal has a weight, and a sentence that a moderator reads beside the signature. The weights
are added: from `HOLD_AT` the signature is held for moderation, from `BLOCK_AT` it is refused. No
single signal refuses anybody. No signal depends on the script of a name: rules for letters apply
to all scripts, and rules for a keyboard or alphabet do not affect others.

Of the signals about other senders of the same network only the heaviest is added. They can hold,
but never block, because a refusal would tell a sender just below `BLOCK_AT` that a neighbour
signed. A busy network alone holds nobody: a carrier, a relay or a hall full of people gets the
challenge first (`settings.BURST_CHALLENGE`).
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
# Least number of signings, and weight. All weights are below `HOLD_AT`: see above. Only these
# numbers are stored and shown, because staff who send two forms from somebody's network could read
# from exact ones how many came between.
_BURST_WEIGHTS = ((40, 60), (8, 30))
BURST_STEPS = tuple(least for least, _weight in _BURST_WEIGHTS)
# Least time from the first changed field to pressing the button, if all required fields changed.
# Autofill and practised people take two seconds. Nobody takes half a second.
MIN_PACE_MS = 500
# Hidden fields of the form: see templates/petitions/_traps.html. The honeypot's name is in no
# contact card, so that autofill does not fill it in.
HONEYPOT, PACE = "feedback", "pace"
FIELDS = frozenset({HONEYPOT, PACE})
# Signals whose sentence contains a number.
NUMBERED = frozenset({"burst"})
# Signals about other senders, and of rules and switches that hold.
_OF_OTHERS = frozenset({"burst", "held-network", "held-domain", "held-address", "held-petition"})
# Signals of rules and switches that hold, which are checked again for every form.
OF_RULES = _OF_OTHERS - {"burst"}

_DISPOSABLE = frozenset(blocklist)


class Verdict(Enum):
    """Verdict on a signing: count it, hold it for moderation, or refuse it."""

    PASS = "pass"  # noqa: S105 - no password
    HOLD = "hold"
    BLOCK = "block"


class Facts(NamedTuple):
    """Input of the rules. `domain` is the e-mail address's, in lower-case ASCII.

    `pace` is in milliseconds, or None if no script measured it. `from_network` counts the signings
    of this petition from the same network within `rate_limits.BURST_SECONDS`, including this one.
    """

    name: str
    domain: str
    honeypot: str = ""
    pace: int | None = None
    has_origin: bool = True
    from_network: int = 0


class Signal(NamedTuple):
    """One signal, with the number in its sentence, if any."""

    code: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.code}:{self.number}" if self.number else self.code

    @classmethod
    def read(cls, text: str) -> "Signal":
        """Parse a stored signal: "code" or "code:number"."""
        code, _colon, number = text.partition(":")
        return cls(code, int(number) if number.isdecimal() else 0)

    @property
    def weight(self) -> int:
        """The weight of the signal, or 0 if its rule no longer exists."""
        if self.code == "burst":
            return next((weight for least, weight in _BURST_WEIGHTS if self.number >= least), 0)
        return _RULES[self.code][0] if self.code in _RULES else 0

    @property
    def sentence(self) -> str:
        if self.code == "burst" and self.number:
            return f"At least {self.number} signatures from one network in two minutes."
        return _RULES[self.code][1] if self.code in _RULES else self.code


class Judgement(NamedTuple):
    """A verdict and its signals, heaviest first."""

    verdict: Verdict
    signals: tuple[Signal, ...]


def judge(facts: Facts, suspected: Iterable[str] = ()) -> Judgement:
    """Weigh all signals of the facts, and the lasting ones of the sender's earlier form."""
    request, person = _of_request(facts), of_person(facts.name, facts.domain)
    return weigh(_merged([*lasting(suspected), *request, *person]))


def weigh(signals: Iterable[Signal]) -> Judgement:
    """Return the verdict on signals: add their weights, and compare with the thresholds."""
    found = tuple(sorted(signals, key=lambda signal: (-signal.weight, signal.code)))
    of_others = [signal.weight for signal in found if signal.code in _OF_OTHERS]
    own = sum([signal.weight for signal in found]) - sum(of_others)
    if own >= BLOCK_AT:
        return Judgement(Verdict.BLOCK, found)
    is_held = own + max(of_others, default=0) >= HOLD_AT
    return Judgement(Verdict.HOLD if is_held else Verdict.PASS, found)


def with_burst(judged: Judgement, number: int) -> Judgement:
    """Add the burst signal of `number` signings from the network, which may hold but not block."""
    return weigh(_merged([*judged.signals, *_of_burst(number)]))


def lasting(suspected: Iterable[str]) -> list[Signal]:
    """Return the stored signals that a correction cannot clear, such as the pace of the form."""
    signals = map(Signal.read, suspected)
    return [signal for signal in signals if signal.weight and signal.code not in OF_PERSON]


def of_person(name: str, domain: str) -> Iterator[Signal]:
    """Yield the signals in a signer's name and e-mail domain.

    They can be found again in stored signatures: see `petitions.moderation.rescan`.
    """
    if is_disposable(domain):
        yield Signal("disposable")
    yield from _of_name(name)


# The signals that `of_person` yields. All others are known only at signing.
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
    """Return whether this domain or a parent is for disposable addresses. Relays are not."""
    labels = domain.split(".")
    names = {".".join(labels[i:]) for i in range(len(labels) - 1)}
    return not names.isdisjoint(_DISPOSABLE) and names.isdisjoint(RELAYS)


def _merged(signals: Iterable[Signal]) -> Iterable[Signal]:
    """Deduplicate signals, keeping the greatest number of each."""
    greatest: dict[str, Signal] = {}
    for signal in signals:
        known = greatest.get(signal.code)
        if known is None or signal.number > known.number:
            greatest[signal.code] = signal
    return greatest.values()


def _of_request(facts: Facts) -> Iterator[Signal]:
    if facts.honeypot.strip():
        yield Signal("honeypot")
    if facts.pace is not None and facts.pace < MIN_PACE_MS:
        yield Signal("pace")
    yield from _of_burst(facts.from_network)
    if not facts.has_origin:
        yield Signal("no-origin")


def _of_burst(number: int) -> Iterator[Signal]:
    """Yield the burst signal of `number` signings if it has a weight, with its step's number."""
    for least, _weight in _BURST_WEIGHTS:
        if number >= least:
            yield Signal("burst", least)
            return


# --- Names -----------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W\d_]+")
_REPEATS = re.compile(r"([^\W\d_])\1{3}")
_DIGITS = re.compile(r"\d\D*\d\D*\d")
# Eight, because Hirschsprung has seven. Y and w are vowels, as in Ynys and Wmffre.
_NO_VOWEL = re.compile(r"[bcdfghjklmnpqrstvxz]{8}")
# Three, because McDonald changes to capitals once, and DeLaCruz twice.
_CAPITALS_INSIDE = re.compile(r"(?:[a-z]+[A-Z]+){3}")
_MIN_KEYS = 5
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
    for end in range(start + _MIN_KEYS, len(line) + 1)
)
# A name of only such words is a placeholder. Beside another word each may be a surname.
_PLACEHOLDERS = frozenset({
    "test", "tests", "testing", "tester", "prawf", "اختبار", "تجربة",
    "nobody", "anonymous", "anon", "noname", "dienw", "مجهول",
    "user", "name", "firstname", "lastname", "fake", "null", "undefined", "foo", "foobar",
    "asd", "asdf", "qwe", "qwer", "zxc", "zxcv", "abc", "abcd", "xyz",
})  # fmt: skip
# Exclamations, tags, and beginnings of slogans. "Free" and "Justice" alone are names.
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
    # Arabic words may be stretched with any number of strokes.
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
    """Return whether the order of Latin letters occurs in no language."""
    # Accented consonants must not end a run of consonants, and accented vowels must.
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return bool(_NO_VOWEL.search(letters.lower()) or _CAPITALS_INSIDE.search(letters))


# --- Weights and sentences ---------------------------------------------------------------------

# A weight of 0 marks a reason that already refused the attempt: see `petitions.screening.screen`.
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
    # With a number it has another sentence, and a weight from `_BURST_WEIGHTS`.
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
    "held-petition": (HOLD_AT, "Everything new on this petition was held."),
    "mailbox-rate": (0, "Too many attempts with one email address."),
}
# All codes, for filters.
CODES = tuple(_RULES)
