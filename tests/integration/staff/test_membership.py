"""Nothing in the admin reveals to staff whether one address signed, unless the look is recorded.

Two worlds differ only in who signed: in one Vera and Verity, in the other two people with the same
names, places, choices and minutes, but other addresses. In both, an insider who knows the addresses
of the first has sent four forms with the domain of one of them. Then a member of each role opens
every page of the admin, follows its links, and types the addresses and the domain into every field
of every form. Every sweep of the worker runs, with its mails to the team. Moderators see names
unrecorded, as SECURITY.md says.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from zipfile import ZipFile

import openpyxl
import pytest
import redis
from bs4 import BeautifulSoup, Tag
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from petitions.handover.purposes import OnePerson, Supporters
from petitions.mail import outbox
from petitions.models import Alert, AlertMail, AuditRecord, Export, Petition, Signature
from petitions.moderation import activity, cockpit
from petitions.signers.sealing import Attempt
from tests.integration.staff.test_admin_site import (
    HOME,
    addresses,
    client_of,
    everything,  # noqa: F401 - a fixture
)
from tests.memories import invalidate_all
from tests.people import CARYS, DAVID, sign, sign_and_confirm
from tests.sweeps import run_within_transaction

SIGNED = ("vera@verity.example", "verity@gmail.com")
OTHERS = ("valentina@others.example", "valerie@gmail.com")
DOMAIN = SIGNED[0].partition("@")[2]
TYPED = (SIGNED[0], DOMAIN)
PADDING = 4
# Acts that are on record for what they tell, and exports of addresses.
LOOKS = {AuditRecord.Action.SEARCHED, AuditRecord.Action.ADDRESS_REVEALED}
OF_ADDRESSES = {OnePerson.name, Supporters.name}
# About staff alone, where each press costs the hash of a password; and the state of the machine.
_LEFT_OUT = re.compile(r"password|second-factor|log(in|out)|forgotten|reset|/auth/")
_MOST_OPTIONS = 4
# The rows of a formset are alike: the first stands for all, and what a new one is copied from is
# read by nobody.
_LIKE_THE_FIRST = re.compile(r"-(?:[1-9]\d*|__prefix__)-")
# What was asked, the status and text of the answer, and whether the look is on record.
Answer = tuple[str, tuple[int, str], bool]
_CHANCE_AND_TIME = {
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}": "UUID",
    r"\b[0-9A-Z]{4}([- ]?)[0-9A-Z]{4}\1[0-9A-Z]{4}\b": "REFERENCE",
    r"\b(?=\w*\d)[0-9A-Za-z_-]{32,}\b": "TOKEN",
    r'(name="csrfmiddlewaretoken" value=")\w+': "TOKEN",
    r"\d\d:\d\d(?::\d\d)?(?:\.\d+)?": "TIME",
    r"\b\d+\W+(?:second|minute)s?\b": "A WHILE",
}


def alike(text: str) -> str:
    """Return a text without random values and times."""
    for pattern, word in _CHANCE_AND_TIME.items():
        text = re.sub(pattern, word, text)
    return text


@dataclass
class Insider:
    """A team member's client, and everything shown to them, in order."""

    client: Client
    told: list[Answer] = field(default_factory=list)

    def look_everywhere(self, keys: dict[str, Any]) -> None:
        """Open every page, type into each form once, and follow one link of each kind."""
        paths = {path: alike(path) for _name, path in addresses(keys)}
        opened, typed = set(paths.values()), set[str]()
        linked = dict[str, str]()
        for path in (path for path in paths if not _LEFT_OUT.search(path)):
            page = BeautifulSoup(self.open(path), "html.parser")
            linked |= {alike(target): target for target in _links(page, path)}
            for form in page.find_all("form"):
                target = urljoin(path, str(form.get("action") or ""))
                names = sorted({str(one["name"]) for one in form.select("[name]")})
                if (known := alike(f"{target} {names}")) not in typed:
                    typed.add(known)
                    self.type_into(target, form)
        for kind, path in linked.items():
            if kind not in opened:
                self.open(path)

    def open(self, path: str) -> str:
        return self._note(path, lambda: self.client.get(path))

    def type_into(self, target: str, form: Tag) -> None:
        if _LEFT_OUT.search(target) or not target.startswith(HOME):
            return
        is_post = str(form.get("method", "")).lower() == "post"
        send = self.client.post if is_post else self.client.get
        for fields in _filled(form):
            self._note(f"{target} {fields}", partial(send, target, fields))

    def _note(self, what: str, ask: Callable[[], Any]) -> str:
        """Note the answer to a request and whether it is on record, and undo what it changed."""
        with transaction.atomic():
            known = set(AuditRecord.objects.values_list("pk", flat=True))
            answer = ask()
            text = _text(answer)
            if answer.status_code == 302 and answer["Location"].startswith(HOME):
                text += _text(self.client.get(answer["Location"]))
            looks = AuditRecord.objects.exclude(pk__in=known).filter(action__in=LOOKS)
            files = Export.objects.filter(purpose__in=OF_ADDRESSES)
            is_on_record = looks.exists() or files.exists()
            transaction.set_rollback(True)
        self.told.append((alike(what), (answer.status_code, alike(text)), is_on_record))
        return text


def _text(answer: Any) -> str:
    body = b"".join(answer) if answer.streaming else answer.content
    text = _unpacked(body) if body.startswith(b"PK\3\4") else body.decode("utf-8", "replace")
    return str(answer.get("Location", "")) + text


def _unpacked(body: bytes) -> str:
    """Return the cells of a workbook or the files of another archive, as a reader sees them."""
    with ZipFile(BytesIO(body)) as archive:
        if "[Content_Types].xml" not in archive.namelist():
            texts = {
                name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
            }
            return str(texts)
    book = openpyxl.load_workbook(BytesIO(body), read_only=True)
    return str({sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book})


def _links(page: BeautifulSoup, path: str) -> Iterator[str]:
    for link in page.find_all("a", href=True):
        target = urljoin(path, str(link["href"])).partition("#")[0]
        if target.startswith(HOME) and not _LEFT_OUT.search(target):
            yield target


def _filled(form: Tag) -> Iterator[dict[str, str]]:
    """Yield the form with each text in all text fields, for each button, and then with each of a
    few options.
    """
    fields, texts, options = dict[str, str](), list[str](), dict[str, list[str]]()
    buttons = list[dict[str, str]]([{}])
    for one in form.select("input[name], textarea[name], select[name], button[name]"):
        name, value = str(one["name"]), str(one.get("value", "")) or one.text
        match _kind(one):
            case "select":
                options[name] = [str(choice.get("value", "")) for choice in one.find_all("option")]
                chosen = one.find("option", selected=True) or one.find("option")
                fields[name] = str(chosen.get("value", "")) if isinstance(chosen, Tag) else ""
            case "button":
                buttons.append({name: value})
            case "choice":
                options.setdefault(name, []).append(value or "on")
                fields |= {name: value or "on"} if one.has_attr("checked") else {}
            case kind:
                fields[name] = value
                texts += [name] if kind == "text" else []
    for typed in TYPED if texts else ():
        filled = {**fields, **dict.fromkeys(texts, typed)}
        yield from ({**filled, **button} for button in buttons)
        for name, choices in options.items():
            if _LIKE_THE_FIRST.search(name):
                continue
            yield from ({**filled, name: choice} for choice in choices[:_MOST_OPTIONS])


def _kind(one: Tag) -> str:
    said, looks = str(one.get("type", "text")), str(one.get("class"))
    if one.name in {"select", "button"}:
        return str(one.name)
    if said in {"submit", "radio", "checkbox"}:
        return "button" if said == "submit" else "choice"
    takes_text = one.name == "textarea" or said in {"text", "search", "email"}
    return "text" if takes_text and "vDate" not in looks and "vTime" not in looks else "kept"


def world(petition: Petition, signed: tuple[str, ...], start: datetime) -> Signature:
    """Signatures a minute apart; the last is of the insider's own forms, for somebody's domain."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(oid, 1000) FROM pg_class WHERE relkind = 'S'")
    invalidate_all()
    with redis.Redis.from_url(settings.REDIS_URL) as counters:
        counters.flushdb()
    made = [sign_and_confirm(petition, DAVID).pk]
    for name, address in zip(("Vera Example", "Verity Example"), signed, strict=True):
        made.append(sign_and_confirm(petition, _somebody(name, address)).pk)
    made.append(sign(petition, CARYS))
    made += [sign(petition, _somebody(f"P {n}", f"p{n}@{DOMAIN}")) for n in range(PADDING)]
    for minute, pk in enumerate(made):
        moment = start + timedelta(minutes=minute)
        rows = Signature.objects.filter(pk=pk)
        rows.update(created_at=moment)
        rows.exclude(confirmed_at=None).update(confirmed_at=moment)
    outbox.deliver()
    mail.outbox.clear()
    return Signature.objects.get(pk=made[-1])


def whole_minute(moment: datetime, minutes: int) -> datetime:
    return moment.replace(second=0, microsecond=0) + timedelta(minutes=minutes)


def wants_every_alert(moderator: User) -> None:
    User.objects.filter(pk=moderator.pk).update(email="mona@team.example")
    AlertMail.objects.bulk_create(AlertMail(user=moderator, kind=kind) for kind in Alert.Kind)


def _somebody(name: str, address: str) -> Attempt:
    use = Signature.NameUse.GOVERNMENT
    return Attempt(name=name, email=address, postcode="M145RX", name_use=use)


def _difference(one: Answer, other: Answer) -> str:
    """Return each request with the lines that differ."""
    before, after = (
        f"{asked}\n{status}\n{text}".splitlines()
        for asked, (status, text), _recorded in (one, other)
    )
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    return "\n".join([str(one[0]), *lines])


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("who", ["moderator", "organiser", "administrator"])
def test_staff_cannot_learn_whether_an_address_signed_without_an_audit_record(
    petition: Petition,
    who: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    keys: dict[str, Any] = request.getfixturevalue("everything")
    user, seen = request.getfixturevalue(who), []
    listed = tmp_path / "differing.txt"
    start = whole_minute(timezone.now(), -30)
    # The cockpit counts to the same minute in both worlds, however long the walk through one takes.
    for module in (activity, cockpit):
        monkeypatch.setattr(module, "last_full_minute", lambda: whole_minute(start, 40))
    wants_every_alert(request.getfixturevalue("moderator"))
    for signed in (SIGNED, OTHERS):
        caplog.clear()
        with transaction.atomic():
            insider = Insider(client_of(user))
            signature = world(petition, signed, start)
            run_within_transaction()
            insider.look_everywhere({**keys, "signature": signature.pk})
            transaction.set_rollback(True)
        mails = [alike(f"{one.to} {one.subject} {one.body}") for one in mail.outbox]
        seen.append((insider.told, alike(caplog.text), mails))

    (told, logged, mailed), (others_told, others_logged, others_mailed) = seen
    asked, others_asked = ([one[0] for one in walk] for walk in (told, others_told))
    listed.write_text(
        "\n".join(difflib.unified_diff(asked, others_asked, n=0, lineterm="")), "utf-8"
    )
    assert len(asked) == len(others_asked), f"not the same was asked: see {listed}"
    differing = [
        (one, other)
        for one, other in zip(told, others_told, strict=True)
        if one != other and not (one[0] == other[0] and one[2] and other[2])
    ]
    listed.write_text("\n\n\n".join(_difference(*pair) for pair in differing), "utf-8")
    assert not [one[0] for one, _other in differing], f"{len(differing)} differ: see {listed}"
    # Not one assertion of both: texts of this length are long compared.
    assert (logged == others_logged, mailed == others_mailed) == (True, True)
    assert len(told) > 100
    assert mailed
