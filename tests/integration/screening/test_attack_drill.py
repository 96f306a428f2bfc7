"""The attack drill: cleaned with the admin's alerts alone, in few decisions, harming nobody.

`DRILL=2000 DRILL_GENUINE=100` sets its size; -s shows what it took.
"""

import os
import re
import time
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from petitions.models import Alert, BulkDecision, Petition, Signature
from petitions.moderation import alert_causes, bulk
from petitions.staff.roles import MODERATORS
from tests import drill

ALERTS = "/admin/petitions/alert/"
SCRIPTED = int(os.environ.get("DRILL", "400"))
GENUINE = int(os.environ.get("DRILL_GENUINE", "40"))
# So few that the small drill, too, has bursts of twenty in each network.
NETWORKS = max(4, 44 * SCRIPTED // 2000)


class Moderator:
    """A moderator at the admin, whose page loads and decisions are counted."""

    def __init__(self, user: User, colleague: User) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.colleague = colleague
        self.pages = self.decisions = 0

    def get(self, path: str) -> str:
        self.pages += 1
        return self.client.get(path).content.decode()

    def together(self) -> str:
        """Tick all open alerts, and look at them together."""
        self.pages += 1
        ids = [str(pk) for pk in Alert.objects.filter(seen_at=None).values_list("pk", flat=True)]
        chosen = {"action": "together", "_selected_action": ids}
        return str(self.client.post(ALERTS, chosen)["Location"])

    def remove(self, path: str, narrow: str) -> None:
        """Preview a removal, start it, and let a colleague approve what is large."""
        self.pages += 2
        self.decisions += 1
        typed = {"kind": "remove", "reason": "automated", "note": "drill", "narrow": narrow}
        shown = self.client.post(path, typed).content.decode()
        job = re.search(r'name="start" value="([\w-]+)"', shown)
        assert job
        self.client.post(path, {"start": job[1]})
        for waiting in BulkDecision.objects.waiting():
            bulk.approve(job=waiting, actor=self.colleague, screen="drill")
        bulk.run_due()


@pytest.fixture
def mona(moderator: User) -> Moderator:
    colleague = User.objects.create_user("nadia", is_staff=True)
    colleague.groups.add(Group.objects.get(name=MODERATORS))
    return Moderator(moderator, colleague)


@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_an_attack_is_cleaned_with_the_admin_alone(petition: Petition, mona: Moderator) -> None:
    truth = drill.attack(petition, scripted=SCRIPTED, genuine=GENUINE, networks=NETWORKS)
    alert_causes.raise_and_close()
    before = counted(truth.scripted)
    assert before > SCRIPTED // 2

    start = time.monotonic()
    mona.get(ALERTS)
    path = mona.together()
    while choice := telling(mona.get(path)):
        mona.remove(path, choice)
    took = time.monotonic() - start
    alert_causes.raise_and_close()

    left, genuine = counted(truth.scripted), Signature.objects.filter(pk__in=truth.genuine)
    print(  # noqa: T201 - what it took
        f"{SCRIPTED} scripted, {GENUINE} genuine, {NETWORKS} networks: {before} counted, {left} "
        f"left after {mona.decisions} decisions, {mona.pages} pages, {took:.1f} s of the machine"
    )
    assert left <= before * 3 // 100
    assert not genuine.filter(state=Signature.State.REMOVED).exists()
    assert mona.decisions <= 15


def telling(page: str) -> str:
    """What a moderator would choose: a domain of far more than people would share, or a signal
    of made-up names; "" if nothing tells scripts from people any more.
    """
    options = re.findall(r'<option value="((?:domain|signal):[^"]+)">([\d,]+): ([^<]+)<', page)
    for value, number, words in options:
        is_large = value.startswith("domain:") and int(number.replace(",", "")) > SCRIPTED // 10
        if is_large or "The name" in words:
            return str(value)
    return ""


def counted(ids: set[UUID]) -> int:
    return Signature.objects.counted().filter(pk__in=ids).count()
