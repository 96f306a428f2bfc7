"""The attack drill: cleaned by two moderators with the admin alone, in few decisions, harming
nobody.

`DRILL=2000 DRILL_GENUINE=100 DRILL_NETWORKS=400` sets its size; -s shows what it took.
"""

import html
import os
import re
import time
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from petitions.models import Petition, Signature
from petitions.moderation import alert_causes, bulk
from petitions.staff.roles import MODERATORS
from tests import drill

SCRIPTED = int(os.environ.get("DRILL", "400"))
GENUINE = int(os.environ.get("DRILL_GENUINE", "40"))
NETWORKS = int(os.environ.get("DRILL_NETWORKS", "44"))
# A university, which anybody there knows.
KNOWN = {"leeds-uni.example"}
# What somebody takes, in seconds: to read a page, and to click or choose once.
READING, CLICKING = 8, 2


class Moderator:
    """A moderator at the admin, whose page loads and clicks are counted."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.pages = self.clicks = 0

    def open(self, path: str) -> str:
        """Follow a link, and read."""
        self.pages += 1
        self.clicks += 1
        answer = self.client.get(path)
        assert answer.status_code == 200, path
        return html.unescape(answer.content.decode())

    def press(self, path: str, *, chosen: int = 0, **form: Any) -> tuple[str, str]:
        """Choose so many fields of a form, press its button, and read the page that follows."""
        self.pages += 1
        self.clicks += 1 + chosen
        answer = self.client.post(path, form, follow=True)
        assert answer.status_code == 200, path
        where = answer.redirect_chain[-1][0] if answer.redirect_chain else path
        return where, html.unescape(answer.content.decode())

    @property
    def seconds(self) -> int:
        return READING * self.pages + CLICKING * self.clicks


@pytest.fixture
def mona(moderator: User) -> Moderator:
    return Moderator(moderator)


@pytest.fixture
def nadia(moderator: User) -> Moderator:
    colleague = User.objects.create_user("nadia", is_staff=True)
    colleague.groups.add(Group.objects.get(name=MODERATORS))
    return Moderator(colleague)


@pytest.mark.timeout(3600)
@pytest.mark.django_db(transaction=True)
def test_two_moderators_clean_up_an_attack_using_only_the_admin(
    petition: Petition, mona: Moderator, nadia: Moderator
) -> None:
    truth = drill.attack(petition, scripted=SCRIPTED, genuine=GENUINE, networks=NETWORKS)
    before, start, decisions = counted(truth.scripted), time.monotonic(), 0
    assert before > SCRIPTED // 2

    path = link(mona.open("/admin/"), "alert")
    page = mona.open(path)
    while found := telling(page):
        domains, sign = found
        preview, _page = mona.press(
            path,
            # The reason, too.
            chosen=len(domains) + bool(sign) + 1,
            kind="remove",
            reason_remove="automated",
            note="",
            seen=seen(page),
            domains=domains,
            sign=sign,
        )
        _same, started = mona.press(preview, act="start")
        decisions += 1
        assert decisions <= 15, started
        if "a second moderator has to approve it" in started:
            waiting = nadia.open(link(nadia.open("/admin/petitions/decision/"), "bulkdecision"))
            assert "Approve it" in waiting
            nadia.press(preview, act="approve")
        # The worker, which looks every few seconds.
        bulk.run_due(seconds=600)
        alert_causes.raise_and_close()
        page = mona.open(path)

    took, left = time.monotonic() - start, counted(truth.scripted)
    missed = left - counted(truth.believable)
    print(  # noqa: T201 - what it took
        f"\n{SCRIPTED} scripted from {NETWORKS} networks, {GENUINE} genuine: {before} counted, "
        f"{left} left ({missed} of them not believable) after {decisions} decisions; first "
        f"moderator {mona.pages} pages, {mona.clicks} clicks, about {mona.seconds} s; second "
        f"{nadia.pages} pages, {nadia.clicks} clicks, about {nadia.seconds} s; machine {took:.0f} s"
    )
    genuine = Signature.objects.filter(pk__in=truth.genuine)
    assert not genuine.filter(state=Signature.State.REMOVED).exists()
    assert left <= before * 3 // 100
    assert mona.seconds + nadia.seconds <= 600


def link(page: str, kind: str) -> str:
    """The address of the first link of a page to an alert or a bulk decision."""
    found = re.search(rf'href="(/admin/petitions/{kind}/[^"]+)"', page)
    assert found, page
    return found[1]


def seen(page: str) -> str:
    """What the page's form says of how much its reader has seen."""
    found = re.search(r'name="seen" value="(\d+)"', page)
    assert found, page
    return found[1]


def telling(page: str) -> tuple[list[str], str] | None:
    """What a moderator would choose: the domains that they do not know and that far more people
    have than would share one, else a sign of made-up names; None if nothing tells scripts from
    people any more.

    The page names domains of many alone. How many that is for the moderator comes from the page,
    too: a tenth of what has the most of these.
    """
    named = re.findall(
        r'value="(domain:[^"]+)"[^>]*>\s*([\d,]+): the email domain (\S+) \(one of', page
    )
    unknown = {value: number_in(n) for value, n, name in named if name not in KNOWN}
    if unknown:
        return [one for one, n in unknown.items() if 10 * n >= max(unknown.values())], ""
    signs = re.findall(r'<option value="(signal:[^"]+)">[\d,]+: The name', page)
    return ([], signs[0]) if signs else None


def number_in(text: str) -> int:
    return int(text.replace(",", ""))


def counted(ids: set[UUID]) -> int:
    return Signature.objects.counted().filter(pk__in=ids).count()
