"""Health checks: one word for the public, details for staff."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaign import monitoring
from petitions.infra.sweeps import SWEEPS
from petitions.models import Lease, Mail, Petition, Signature
from petitions.screening import rate_limits
from petitions.signatures.withdraw import withdraw
from petitions.signers import erasing
from tests.benchmarks import seeding
from tests.people import sign, sign_and_confirm, somebody

pytestmark = pytest.mark.django_db


def test_the_public_health_check_says_one_word(client: Client) -> None:
    answer = client.get("/health")

    assert (answer.status_code, json.loads(answer.content)) == (200, {"status": "ok"})
    assert answer["Cache-Control"] == "no-store"


def test_the_public_health_check_does_not_say_what_is_wrong(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "state", lambda: "local")
    answer = client.get("/health")

    assert (answer.status_code, json.loads(answer.content)) == (503, {"status": "degraded"})


def test_the_admin_health_page_lists_every_part(
    client: Client, moderator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get(reverse("admin:health")).status_code == 302
    client.force_login(moderator)

    told = json.loads(client.get(reverse("admin:health")).content)

    assert told["status"] == "ok"
    assert set(told) == {"status", "database", "sweeps", "mail", "redis", "limits", "mailboxes"}
    assert set(told["sweeps"]["seconds_since"]) == set(SWEEPS)


def test_frequent_health_checks_query_the_database_once(client: Client) -> None:
    with CaptureQueriesContext(connection) as first:
        client.get("/health")
    with CaptureQueriesContext(connection) as others:
        for _time in range(50):
            client.get("/health")

    assert 0 < len(first) <= 13
    assert len(others) == 0


def test_a_full_disk_is_found_by_the_write_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> None:
        raise OperationalError

    monkeypatch.setattr(monitoring, "_write", no_room)

    assert monitoring.look()["database"]["state"] == "takes no writes"


def test_the_write_probe_needs_new_disk_space() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{monitoring.PROBE_MEMORY}'")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {monitoring.PROBE_QUERY}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "temp read" in plan
    monitoring._write()
    assert Lease.objects.get(name=monitoring.PROBE).succeeded_at


@pytest.mark.parametrize("name", SWEEPS)
def test_each_job_that_is_overdue_is_named(name: str) -> None:
    longest = SWEEPS[name].overdue_after
    assert not monitoring.broken(monitoring.look())
    for late, state in ((-5, "ok"), (5, "overdue")):
        since = timezone.now() - longest - timedelta(seconds=late)
        Lease.objects.filter(name=name).update(succeeded_at=since)
        part = monitoring.look()["sweeps"]
        assert part["state"] == state
        assert part["overdue"] == ([name] if late > 0 else [])


def test_a_job_that_never_ran_is_overdue_from_the_first_health_check() -> None:
    monitoring.look()
    Lease.objects.update(succeeded_at=timezone.now() - timedelta(minutes=3))

    assert "raise-alerts" in monitoring.look()["sweeps"]["overdue"]


def mails(petition: Petition, *states: tuple[str, str]) -> None:
    """Mails of so many people, with their states and codes."""
    for number, (state, code) in enumerate(states):
        signature_id = sign(petition, somebody(number))
        later = timezone.now() + timedelta(hours=1)
        Mail.objects.filter(signature=signature_id).update(state=state, code=code, due_at=later)


@pytest.mark.parametrize("refusal", [("failed", "550"), ("queued", "450")])
def test_a_mail_server_that_refuses_most_mails_is_reported(
    petition: Petition, refusal: tuple[str, str]
) -> None:
    mails(petition, *[refusal] * 12, *[("sent", "")] * 8)

    part = monitoring.look()["mail"]

    assert part["state"] == "refused"
    assert [part[name] for name in ("failing_lately", "sent", "asked")] == [12, 8, 20]


@pytest.mark.parametrize("refusal", [("failed", "550"), ("queued", "450")])
@pytest.mark.parametrize("number", [3, 9])
def test_few_refusals_are_reported_if_the_mail_server_has_sent_nothing(
    petition: Petition, refusal: tuple[str, str], number: int
) -> None:
    mails(petition, *[refusal] * number)

    assert monitoring.look()["mail"]["state"] == "refused"


@pytest.mark.parametrize("outcome", ["refused", "withheld", "cancelled"])
def test_mail_outcomes_caused_by_recipients_do_not_change_the_health_check(
    petition: Petition, outcome: str
) -> None:
    """Whoever signs with addresses that take no mail, or want none, sets off no alarm, however
    many: it would tell what became of them, and anybody could break a monitor's night.
    """
    mails(petition, *[(outcome, "")] * 30)

    part = monitoring.look()["mail"]

    assert (part["state"], part["sent"], part["asked"]) == ("ok", 0, 30)


@pytest.mark.parametrize("act", ["withdrawn", "refused", "removed"])
def test_a_form_that_ends_makes_no_difference_to_what_the_public_reads(
    petition: Petition, act: str
) -> None:
    """With a domain of their own that puts off mails anybody can bring the state to where one mail
    decides, and would see when somebody withdraws in whose name they have sent a form.
    """
    signature = sign_and_confirm(petition)
    forms = [signature.pk, sign(petition)]
    Mail.objects.update(state="sent")
    mails(petition, *[("queued", "451")] * 3, *[("sent", "")] * 2)
    assert monitoring.look()["mail"]["asked"] == 7
    if act == "withdrawn":
        assert withdraw(signature_id=signature.pk)
    else:
        Signature.objects.filter(pk__in=forms[1:]).update(state=act)

    part = monitoring.look()["mail"]

    assert (part["state"], part["asked"]) == ("ok", 7)


@pytest.mark.parametrize("act", ["withdrawn", "refused", "closed"])
def test_a_mail_asked_for_again_is_counted_by_its_own_hour(petition: Petition, act: str) -> None:
    """A form of the hour before last whose mail was asked for again later had no part in the
    sample until it ended, and by that anybody would see that it did.
    """
    signature = sign_and_confirm(petition)
    form = signature.pk if act == "withdrawn" else sign(petition, somebody(7))
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    Signature.objects.update(created_at=hour - timedelta(minutes=70))
    Mail.objects.update(state="sent", created_at=hour - timedelta(minutes=70))
    mails(petition, *[("queued", "451")] * 3, *[("sent", "")])
    for minutes in (10, 20):
        Mail.objects.create(
            signature_id=form,
            kind="confirm",
            state="sent",
            global_mailbox_ix=bytes(16),
            due_at=hour,
            created_at=hour - timedelta(minutes=minutes),
        )
    before = monitoring.look()["mail"]
    if act == "withdrawn":
        assert withdraw(signature_id=form)
    elif act == "refused":
        # As when its decoy is deleted.
        erasing.erase_people([form])
    else:
        Petition.objects.update(state="closed")

    part = monitoring.look()["mail"]

    assert (part["state"], part["asked"]) == (before["state"], before["asked"]) == ("refused", 6)


def test_staff_see_the_state_of_mail_without_its_figures(
    moderator: User, petition: Petition, client: Client
) -> None:
    client.force_login(moderator)
    assert json.loads(client.get("/admin/health/").content)["mail"] == {"state": "ok"}


@pytest.mark.parametrize(
    "states",
    [
        [("failed", "550")] * 5 + [("sent", "")] * 6,
        [("refused", "550 5.1.1")] * 9,
        [("failed", "550")] * 2,
        [("failed", "550")] * 12 + [("sent", "")] * 14,
        [("queued", "domain")] * 20,
        [("queued", "")] * 20,
    ],
    ids=[
        "few beside some sent",
        "few that their addresses refuse",
        "two in all",
        "fewer than half",
        "many for one domain",
        "not tried yet",
    ],
)
def test_mail_that_fails_through_no_fault_of_the_server_is_not_reported(
    petition: Petition, states: list[tuple[str, str]]
) -> None:
    mails(petition, *states)

    assert monitoring.look()["mail"]["state"] == "ok"


def test_the_age_of_the_oldest_queued_mail_is_reported(petition: Petition) -> None:
    sign(petition)
    Mail.objects.update(created_at=timezone.now() - timedelta(minutes=10))

    assert 600 <= monitoring.look()["mail"]["oldest_waiting_seconds"] < 605


def test_the_newest_mails_are_found_by_index(petition: Petition) -> None:
    seeding.seed(petition=petition, total=20_000)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=2))
    mails(petition, *[("sent", "")] * 2)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_mail, petitions_petition")
    with CaptureQueriesContext(connection) as asked:
        assert Mail.objects.outcomes_lately() == (0, 2, 2)
    newest, theirs = (explain(query["sql"]) for query in asked.captured_queries)

    assert "signature_list" in newest
    assert "Seq Scan on petitions_signature" not in newest + theirs


def explain(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_the_health_command_prints_every_part_and_fails_if_one_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = StringIO()
    call_command("health", stdout=out)
    assert json.loads(out.getvalue())["status"] == "ok"

    monkeypatch.setattr(rate_limits, "state", lambda: "local")
    with pytest.raises(CommandError, match="Not well: limits"):
        call_command("health", stdout=out)
