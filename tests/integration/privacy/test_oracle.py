"""Nobody can find out what an address has done: answers and mails are alike, byte for byte.

Somebody signs with another's name and address, then tries all that the pages offer: look,
ask again, guess the code, correct. What became of the address before must show nowhere. How
long each answer takes is for `test_oracle_timing`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from petitions import tasks
from petitions.mail import outbox, suppression
from petitions.models import Mail, Petition, Rule, Signature
from petitions.screening import rate_limits, rules
from petitions.screening.rate_limits import Act
from petitions.signatures import disown
from petitions.signatures import withdraw as withdrawing
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.people import AMINA, sign, sign_and_confirm, typed

# Sealed, signed and random strings, which differ in each response. A token's length is compared.
_TOKEN = re.compile(r"(/t/\w+/[\w-]+/)([\w.-]{40,})")
_REFERENCE = re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){2}\b")
_CODE = re.compile(r"\b\d{4}-\d{4}\b")
_IDS_AND_TIMES = {"Message-ID", "Date"}


Prepare = Callable[[Petition, Attempt], Any]


@dataclass(frozen=True)
class Fate:
    """What happened to an address before somebody else types it, and whether it is mailed."""

    name: str
    happens: Prepare
    is_mailed: bool

    def __str__(self) -> str:
        return self.name


def nothing(petition: Petition, victim: Attempt) -> None:
    """An address that nobody has typed yet."""


def put_into(state: Signature.State) -> Prepare:
    """A confirmed signature that a moderator or a rule has moved to another state."""

    def happens(petition: Petition, victim: Attempt) -> None:
        signature = sign_and_confirm(petition, victim)
        Signature.objects.filter(pk=signature.pk).update(state=state)

    return happens


def block(kind: str) -> Prepare:
    def happens(petition: Petition, victim: Attempt) -> None:
        if kind == "domain":
            Rule.objects.create(
                kind="domain", action="block", pattern=victim.email.partition("@")[2], note="x"
            )
        else:
            Rule.objects.create(
                kind="address",
                action="block",
                address_ix=rules.address_index(victim.email),
                note="x",
            )
        rules.invalidate()

    return happens


def ask_too_often(petition: Petition, victim: Attempt) -> None:
    for act in (Act.SIGN, Act.RESEND):
        while not rate_limits.hit(act, address=victim.email, petition=petition.pk).is_silenced:
            pass


def use_up_the_mails_of_the_day(petition: Petition, victim: Attempt) -> None:
    mine = [sign(petition, victim) for _ in range(5)]
    # All rows in a test's transaction have the same time.
    earlier = timezone.now() - timedelta(minutes=1)
    Mail.objects.filter(signature__in=mine).update(created_at=earlier)


def object_(petition: Petition, victim: Attempt) -> None:
    signature = Signature.objects.get(pk=sign(petition, victim))
    disown.disown(mailbox=sealing.mailbox_of(signature, victim.email))


def bounce(petition: Petition, victim: Attempt) -> None:
    suppression.suppress_bounced(address=victim.email)


def withdraw(petition: Petition, victim: Attempt) -> None:
    assert withdrawing.withdraw(signature_id=sign_and_confirm(petition, victim).pk)


FATES = (
    Fate("new", nothing, is_mailed=True),
    Fate("pending", sign, is_mailed=True),
    Fate("confirmed", sign_and_confirm, is_mailed=True),
    Fate("held", put_into(Signature.State.HELD), is_mailed=True),
    Fate("removed", put_into(Signature.State.REMOVED), is_mailed=True),
    Fate("withdrawn", withdraw, is_mailed=True),
    Fate("blocked by its address", block("address"), is_mailed=False),
    Fate("blocked by its domain", block("domain"), is_mailed=False),
    Fate("over the limit of its mailbox", ask_too_often, is_mailed=False),
    Fate("over the mails of a day", use_up_the_mails_of_the_day, is_mailed=False),
    Fate("objected", object_, is_mailed=False),
    Fate("undeliverable", bounce, is_mailed=False),
)


@dataclass
class Stranger:
    """Somebody with a victim's name and address, a mailbox of their own, and much time."""

    home: str
    number: int
    answers: list[tuple[Any, ...]] = field(default_factory=list)
    received: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Domains of one length, one for each fate.
        self.victim = replace(AMINA, email=f"amina@home{self.number:02}.example")
        self.own = f"stranger@self{self.number:02}.example"
        self.browser = Client(
            headers={"Sec-Fetch-Site": "same-origin"}, REMOTE_ADDR=f"198.51.{self.number}.7"
        )

    def tries_everything(self) -> None:
        check = self._post(f"{self.home}petitions/protect/", typed(email=self.victim.email))
        self._get(check)
        self._post(check + "code/", {"code": "00000000"})
        check = self._post(check + "again/")
        self._get(check)
        self._post(check + "code/", {"code": "00000000"})
        self._post(check + "meant/")
        correct = check.replace("/check/", "/correct/")
        self._post(correct)
        form = {"name": "Amina Example", "residence": "uk", "postcode": "M14 5RX", "country": ""}
        self._post(correct, {**form, "email": "nonsense"})
        mine = self._post(correct, {**form, "email": self.own})
        self._get(mine)
        self._post(mine + "code/", {"code": "00000000"})
        # The earlier page is still open in another tab.
        self._post(check + "again/")
        self._post(check + "code/", {"code": "00000000"})
        self._post(correct, {**form, "email": self.own})

    def presses_own_link(self) -> None:
        """The link that came after a victim's address was corrected to the stranger's own."""
        (message,) = [message for message in mail.outbox if message.to == [self.own]]
        link = re.findall(r"https?://[^/]+(/t/\w+/confirm/\S+)", str(message.body))[0]
        # The count differs between fates.
        with patch("petitions.publishing.warm_cache.total", return_value=1):
            self._get(link)
            self._post(link)
        self.answers[-1] = (*self.answers[-1][:2], _REFERENCE.sub("", self.answers[-1][2]))

    def alike(self, text: str) -> str:
        """Return a text without the parts that must differ: addresses, tokens and codes."""
        text = text.replace(self.victim.email.partition("@")[2], "VICTIM")
        text = text.replace(self.own.partition("@")[2], "SELF")
        return _CODE.sub("CODE", _TOKEN.sub(lambda m: f"{m[1]}TOKEN{len(m[2])}", text))

    def inbox(self, address: str) -> list[tuple[Any, ...]]:
        """Return the mails to an address, without ids and dates."""
        found = []
        for message in mail.outbox:
            if message.to != [address]:
                continue
            written = message.message()
            headers = [(k, self.alike(v)) for k, v in written.items() if k not in _IDS_AND_TIMES]
            length = len(written.as_bytes())
            found.append((message.subject, headers, self.alike(str(message.body)), length))
        return found

    def _get(self, path: str) -> None:
        self._note(self.browser.get(path))

    def _post(self, path: str, data: dict[str, str] | None = None) -> str:
        return self._note(self.browser.post(path, data or {}))

    def _note(self, response: Any) -> str:
        headers = [(name, self.alike(value)) for name, value in response.items()]
        self.answers.append((response.status_code, headers, self.alike(response.content.decode())))
        return str(response.headers.get("Location", ""))


# Results of all that strangers tried, by language: many hundred requests, which are made once for
# all tests that compare responses and mails.
_TRIED: dict[str, dict[str, Stranger]] = {}


def tried_by_fate(petition: Petition, home: str) -> dict[str, Stranger]:
    """A stranger for each fate, who has tried everything."""
    if home not in _TRIED:
        _TRIED[home] = {
            fate.name: _tried(petition, fate, Stranger(home, number))
            for number, fate in enumerate(FATES)
        }
    return _TRIED[home]


def _tried(petition: Petition, fate: Fate, stranger: Stranger) -> Stranger:
    fate.happens(petition, stranger.victim)
    outbox.deliver()
    mail.outbox.clear()
    stranger.tries_everything()
    tasks.deliver_mail()
    stranger.received = stranger.inbox(stranger.own)
    stranger.presses_own_link()
    return stranger


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
def test_every_response_is_identical_for_every_history_of_an_address(
    petition: Petition, home: str
) -> None:
    seen = tried_by_fate(petition, home)
    new = seen["new"]
    # If all requests were refused, the responses would be the same, too.
    assert [status for status, *_rest in new.answers] == [
        303, 200, 422, 303, 200, 422, 303, 200, 422, 303, 200, 422, 303, 422, 303,
        200, 200,
    ]  # fmt: skip
    for fate in FATES:
        stranger = seen[fate.name]
        for step, (answer, expected) in enumerate(zip(stranger.answers, new.answers, strict=True)):
            assert answer == expected, (fate.name, step)


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
def test_an_address_that_may_be_mailed_gets_the_same_mail_for_every_history(
    petition: Petition, home: str
) -> None:
    inboxes = {}
    for number, fate in enumerate(FATES):
        stranger = Stranger(home, number)
        fate.happens(petition, stranger.victim)
        outbox.deliver()
        mail.outbox.clear()
        stranger.browser.post(f"{home}petitions/protect/", typed(email=stranger.victim.email))
        tasks.deliver_mail()
        inboxes[fate] = stranger.inbox(stranger.victim.email)

    # After "not me" one other mail is sent: see `test_objections`.
    unmailed = [fate.name for fate in FATES if not fate.is_mailed and inboxes[fate]]
    assert unmailed == ["objected"]
    mailed = [inbox for fate, inbox in inboxes.items() if fate.is_mailed]
    assert len(mailed[0]) == 1
    for inbox in mailed:
        assert inbox == mailed[0]


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
def test_mail_to_a_strangers_own_address_does_not_depend_on_the_corrected_one(
    petition: Petition, home: str
) -> None:
    inboxes = [stranger.received for stranger in tried_by_fate(petition, home).values()]

    assert len(inboxes[0]) == 1
    for inbox in inboxes:
        assert inbox == inboxes[0]


def test_the_comparison_finds_a_planted_difference(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds one more space in a response, and one more word in a mail."""
    first, second = Stranger("/", 1), Stranger("/", 2)
    for stranger in (first, second):
        stranger.tries_everything()
        tasks.deliver_mail()
    assert first.answers == second.answers
    assert first.inbox(first.own) == second.inbox(second.own)

    other = Stranger("/", 3)
    note = Stranger._note

    def note_with_a_space(self: Stranger, response: Any) -> str:
        if b"a\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2@" in response.content:
            response.content += b" "
        return note(self, response)

    monkeypatch.setattr(Stranger, "_note", note_with_a_space)
    other.tries_everything()
    tasks.deliver_mail()
    (message,) = [message for message in mail.outbox if message.to == [other.own]]
    message.body += "again"
    assert other.answers != first.answers
    assert other.inbox(other.own) != first.inbox(first.own)
