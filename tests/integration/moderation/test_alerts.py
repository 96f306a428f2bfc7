"""Alerts: a burst from one network reaches moderators within a minute."""

import html
import re
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaign.celery import app
from petitions import tasks
from petitions.infra.locks import lease
from petitions.models import Alert, Mail, Petition, Signature, Signer
from petitions.moderation import alert_causes, alerts
from petitions.screening.screen import Screening
from petitions.signatures import submit
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.benchmarks import seeding

HERE, ELSEWHERE = "192.0.2.0/24", "2001:db8::/64"
HOME = "/admin/"


def crowd(petition: Petition, number: int, network: str = HERE) -> None:
    """Sign from one network with this many different people."""
    for i in range(number):
        attempt = Attempt(
            name=f"Person {network} {i}", email=f"p{i}@gmail.com", name_use="withheld"
        )
        submit.store(petition=petition, attempt=attempt, screening=Screening(network=network))


def test_a_burst_from_one_network_raises_a_single_alert(
    petition: Petition,
) -> None:
    crowd(petition, alert_causes.BURST)
    crowd(petition, alert_causes.BURST - 1, ELSEWHERE)

    assert alert_causes.raise_burst_alerts() == 1
    assert alert_causes.raise_burst_alerts() == 0

    alert = Alert.objects.get()
    assert alert.petition == petition
    assert alert.number == alert_causes.BURST
    assert bytes(alert.network_ix or b"") == sealing.network_index(HERE)


def test_alerts_are_checked_twice_a_minute() -> None:
    entry = app.conf.beat_schedule["raise-alerts"]
    assert entry["task"] == tasks.raise_alerts.name
    assert entry["schedule"] <= 30


def test_300_evenly_spread_signatures_an_hour_raise_no_burst_alert(petition: Petition) -> None:
    crowd(petition, 300)
    hour_ago = timezone.now() - timedelta(hours=1)
    for place, signature in enumerate(Signature.objects.order_by("id")):
        signature.created_at = hour_ago + timedelta(seconds=12 * (place + 1))
        signature.save(update_fields=["created_at"])
    assert alert_causes.raise_burst_alerts() == 0


def test_refused_attempts_raise_no_burst_alert(petition: Petition) -> None:
    crowd(petition, alert_causes.BURST)
    Signature.objects.update(state=Signature.State.REFUSED)
    assert alert_causes.raise_burst_alerts() == 0


def test_a_dismissed_alert_reopens_only_when_its_number_has_doubled(
    petition: Petition, moderator: User
) -> None:
    crowd(petition, alert_causes.BURST)
    alert_causes.raise_burst_alerts()
    alerts.dismiss(alert=Alert.objects.get(), actor=moderator, screen="-")

    crowd(petition, alert_causes.BURST - 1)
    assert alert_causes.raise_burst_alerts() == 0
    assert Alert.objects.get().seen_at

    crowd(petition, 1)
    assert alert_causes.raise_burst_alerts() == 1
    alert = Alert.objects.get()
    assert (alert.seen_at, alert.number) == (None, 2 * alert_causes.BURST)


@pytest.mark.django_db(transaction=True)
def test_alerts_are_raised_by_one_worker_at_a_time(petition: Petition) -> None:
    crowd(petition, alert_causes.BURST)

    def look() -> None:
        try:
            tasks.raise_alerts()
        finally:
            connections.close_all()

    with lease("raise-alerts"):
        # Somebody else's connection, as that of another worker.
        other = threading.Thread(target=look)
        other.start()
        other.join(timeout=20)
    assert not Alert.objects.exists()

    look()
    assert Alert.objects.exists()


def test_the_alert_queries_read_only_recent_signatures_by_index(petition: Petition) -> None:
    seeding.seed(petition=petition, total=5_000)
    Signer.objects.update(
        network_ix=sealing.network_index(HERE), domain_ix=sealing.domain_index("@gmail.com")
    )
    crowd(petition, 5)
    with CaptureQueriesContext(connection) as queries:
        alert_causes.raise_burst_alerts()
    assert len(queries) == 2, "networks and domains"
    for query in queries.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE petitions_signature, petitions_signer, petitions_petition")
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = [line.strip() for (line,) in cursor.fetchall()]
        (by_index,) = [line for line in plan if "signature_list" in line]
        assert not [line for line in plan if "Seq Scan on petitions_sign" in line]
        condition = plan[plan.index(by_index) + 1]
        for column in ("petition_id", "state", "created_at"):
            assert column in condition


@pytest.mark.parametrize(("domain", "raised"), [("script.example", 1), ("gmail.com", 0)])
def test_many_signatures_of_a_small_domain_within_an_hour_raise_an_alert(
    petition: Petition, domain: str, raised: int
) -> None:
    """A script signs from changing networks, too slowly for a burst from any of them."""
    for n in range(alert_causes.DOMAIN_BURST):
        attempt = Attempt(name=f"Person {n}", email=f"p{n}@{domain}", name_use="withheld")
        network = Screening(network=f"203.0.{n}.0/24")
        signed = submit.store(petition=petition, attempt=attempt, screening=network)
        ago = timezone.now() - timedelta(minutes=n)
        Signature.objects.filter(pk=signed).update(created_at=ago)
    assert alert_causes.raise_burst_alerts() == raised
    assert alert_causes.raise_burst_alerts() == 0
    assert Alert.objects.filter(kind="domain", petition=petition).count() == raised
    # What is removed counts no more.
    Alert.objects.all().delete()
    Signature.objects.update(state=Signature.State.REMOVED)
    assert alert_causes.raise_burst_alerts() == 0


@pytest.mark.parametrize(
    ("kind", "burst"), [("domain", alert_causes.DOMAIN_BURST), ("burst", alert_causes.BURST)]
)
def test_alerts_on_unaudited_pages_do_not_reveal_one_more_signature(
    petition: Petition, moderator: User, client: Client, kind: str, burst: int
) -> None:
    """Somebody who sent the other forms could see on the first page that one more had signed."""

    def sign(n: int) -> None:
        is_domain = kind == "domain"
        email = f"p{n}@{'small.example' if is_domain else 'gmail.com'}"
        attempt = Attempt(name=f"Person {n}", email=email, name_use="withheld")
        where = Screening(network=f"203.0.{n}.0/24" if is_domain else HERE)
        submit.store(petition=petition, attempt=attempt, screening=where)

    def seen() -> list[str]:
        alert_causes.raise_burst_alerts()
        answers = [client.get(page) for page in (HOME, "/admin/petitions/alert/")]
        return [re.sub(r'csrf\S+ value="[^"]*"', "", each.content.decode()) for each in answers]

    client.force_login(moderator)
    for n in range(burst):
        sign(n)
    before = seen()
    assert f"{burst} or more" in before[0]
    assert f"{burst} or more" in before[1]
    sign(burst)
    assert seen() == before
    for n in range(burst + 1, 2 * burst):
        sign(n)
    assert f"{2 * burst} or more" in seen()[0]


def test_alerts_and_their_networks_are_kept_for_thirty_days(petition: Petition) -> None:
    now = timezone.now()
    old = Alert.objects.create(petition=petition, kind="burst", network_ix=b"o" * 16, number=20)
    fresh = Alert.objects.create(petition=petition, kind="burst", network_ix=b"f" * 16, number=20)
    Alert.objects.filter(pk=old.pk).update(created_at=now - timedelta(days=31))
    four_days_ago = now - timedelta(days=4)
    Alert.objects.filter(pk=fresh.pk).update(created_at=four_days_ago, seen_at=four_days_ago)

    tasks.apply_retention()

    kept = Alert.objects.get()
    assert kept.pk == fresh.pk
    for moment in (kept.created_at, kept.seen_at):
        assert moment
        local = timezone.localtime(moment)
        assert (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)


def test_a_moderator_opens_the_signatures_of_a_burst_alert_and_dismisses_it(
    petition: Petition, moderator: User, client: Client
) -> None:
    crowd(petition, alert_causes.BURST)
    crowd(petition, 1, ELSEWHERE)
    alert_causes.raise_burst_alerts()
    client.force_login(moderator)

    home = client.get(HOME).content.decode()
    assert "20 or more signatures on Protect people came from one network within" in home

    link = re.search(r'href="([^"]*network=[^"]*)"', home)
    assert link
    address = html.unescape(link[1])
    assert HERE not in address
    lines = [line for line, _url in client.get(address, follow=True).context["lines"]]
    assert len(lines) == alert_causes.BURST
    assert {line.name.split()[1] for line in lines} == {HERE}

    page = client.post(f"/admin/petitions/alert/{Alert.objects.get().pk}/seen/", follow=True)
    assert "Nothing needs you" in page.content.decode()
    assert client.get("/admin/petitions/alert/").status_code == 200


def test_an_organiser_can_neither_see_nor_dismiss_alerts(
    petition: Petition, organiser: User, client: Client
) -> None:
    crowd(petition, alert_causes.BURST)
    alert_causes.raise_burst_alerts()
    client.force_login(organiser)
    home = client.get(HOME).content.decode()
    assert "one network" not in home
    assert "to check" not in home
    seen = f"/admin/petitions/alert/{Alert.objects.get().pk}/seen/"
    assert client.post(seen).status_code == 403
    assert client.get(seen).status_code == 405
    assert Alert.objects.get().seen_at is None


@pytest.mark.parametrize(("number", "of", "percent"), [(2, 3, 67), (1, 3, 33), (0, 0, 0)])
def test_an_alert_share_is_rounded_to_whole_per_cent(number: int, of: int, percent: int) -> None:
    assert alerts.Likeness("", number, of).percent == percent


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("mail", "Mail that waits for more than 10 minutes"),
        ("bounces", "More than 5% of mail refused by servers"),
        ("tally", "A count that did not match its signatures: Protect people"),
    ],
)
def test_the_admin_home_lists_mail_and_tally_alerts_until_they_are_dismissed(
    petition: Petition, moderator: User, client: Client, kind: str, words: str
) -> None:
    """Regression test: the home listed only bursts, and said "Nothing needs you"."""
    about = petition if kind == "tally" else None
    alert = Alert.objects.create(kind=kind, petition=about, number=25)
    client.force_login(moderator)
    home = client.get(HOME).content.decode()
    assert "Nothing needs you" not in home
    assert f'<a href="/admin/petitions/alert/{alert.pk}/change/">{words}' in home
    client.post(f"/admin/petitions/alert/{alert.pk}/seen/")
    assert "Nothing needs you" in client.get(HOME).content.decode()


def test_bounced_mail_raises_an_alert_that_closes_when_delivery_recovers(
    petition: Petition,
) -> None:
    crowd(petition, 100)
    Mail.objects.update(state=Mail.State.SENT)
    fewest = alert_causes.MIN_REFUSED
    failing = list(Mail.objects.values_list("pk", flat=True)[:fewest])

    def fail(number: int) -> None:
        Mail.objects.filter(pk__in=failing[:number]).update(state=Mail.State.FAILED, code="535")
        alert_causes.raise_and_close()

    fail(fewest - 1)
    assert not Alert.objects.filter(kind="bounces").exists()
    fail(fewest)
    assert Alert.objects.get(kind="bounces").number_in_words == "10 or more"
    Mail.objects.update(state=Mail.State.SENT, code="")
    alert_causes.raise_and_close()
    assert not Alert.objects.filter(kind="bounces").exists()
