"""The cockpit: bounded, the same for every address, and each bar leads to its list."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.models import ActivityMinute, Mail, Petition, Rule, Signature
from petitions.moderation import cockpit
from petitions.screening.screen import Screening
from petitions.signatures import submit, withdraw
from petitions.signers.sealing import Attempt
from tests.benchmarks import seeding
from tests.held import hold_one
from tests.people import confirm, sign, sign_and_confirm, somebody
from tests.plans import rows_read

pytestmark = pytest.mark.django_db
PAGE = "/admin/petitions/activityminute/"


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def minute(petition: Petition, minutes_ago: int, **counts: int) -> None:
    at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    named = {name.replace("_", "-"): number for name, number in counts.items()}
    ActivityMinute.objects.create(petition=petition, minute=at, counts=named)


def text(client: Client, **asked: str) -> str:
    page = client.get(PAGE, asked)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", page.content.decode())


def of(provider: str, number: int) -> Attempt:
    return replace(somebody(number), email=f"p{number}@{provider}")


def from_network(petition: Petition, network: str, attempt: Attempt) -> UUID:
    return submit.store(petition=petition, attempt=attempt, screening=Screening(network=network))


def mailed(*ids: UUID) -> None:
    Mail.objects.filter(signature__in=ids).update(state=Mail.State.SENT)


def test_the_handbook_describes_the_cockpit_sections_in_page_order(
    petition: Petition, mona: Client
) -> None:
    handbook = (settings.BASE_DIR / "docs" / "moderators.md").read_text()
    attack = handbook.partition("## We are under attack")[2].lower()
    page = text(mona).partition("<h2")[2].lower()
    names = [
        "what waits", "the last hour", "busiest networks", "what the rules refused", "extra check",
        "mail by large provider", "parts of the site",
    ]  # fmt: skip
    for words, mark in ((page, ">{}"), (attack, "**{}")):
        places = [words.index(mark.format(name)) for name in names]
        assert places == sorted(places)


def test_every_cockpit_chart_has_a_table_with_the_same_figures(
    petition: Petition, mona: Client
) -> None:
    minute(petition, 3, signed=40, confirmed=7, held=2)
    minute(petition, 90, signed=1_000)

    page = text(mona)

    assert ": 40 signed, 7 confirmed, 2 held." in page
    assert page.count('class="chart chart-columns"') == 6
    assert "Signed: the last hour, by the minute" in page
    assert "1,040 in all, at most 1,000. The table below has every figure." in page
    assert re.search(r'Signed">40</td><td data-label="Confirmed">7</td>.*?Held">2<', page)
    assert 'Signed">1000</td><td data-label="Confirmed">0<' in page


def test_the_cockpit_shows_the_most_signed_petition_and_links_to_the_others(
    petition: Petition, mona: Client
) -> None:
    other = Petition.objects.create(slug="other", state=Petition.State.OPEN)
    minute(petition, 3, signed=4)
    minute(other, 3, signed=5)
    minute(Petition.objects.create(slug="third"), 3, asked=9)
    assert '<a href="?petition=protect">' in text(mona)
    assert ": 4 signed, 0 confirmed" in text(mona, petition="protect")
    assert ": 5 signed, 0 confirmed" in text(mona, petition="nowhere")


def test_a_held_signature_does_not_affect_which_petition_the_cockpit_shows(
    petition: Petition, organiser: User, client: Client
) -> None:
    """With a rule that blocks a domain, an organiser would see when somebody there confirms."""
    Petition.objects.create(slug="newest", state=Petition.State.OPEN)
    Petition.objects.create(slug="draft")
    client.force_login(organiser)
    offered = ['<a href="?petition=draft">', '<a href="?petition=protect">']
    assert re.findall(r'<a href="\?petition=[^>]*>', text(client)) == offered

    hold_one(petition)

    assert re.findall(r'<a href="\?petition=[^>]*>', text(client)) == offered


def test_busiest_networks_and_domains_link_to_lists_and_name_only_large_providers(
    petition: Petition, mona: Client
) -> None:
    for number in range(6):
        confirm(from_network(petition, "192.0.2.0/24", of("raid.example", number)))
    for number in range(5):
        confirm(from_network(petition, f"198.51.{number}.0/24", of("gmail.com", 10 + number)))
    sign(petition, of("own.example", 20))

    page = text(mona)

    assert "raid.example" not in page
    assert "192.0.2" not in page
    assert "own.example" not in page
    lists = re.findall(r'<a href="([^"]*_of=[^"]*)">([^<]*)</a></th><td>(\d+)', page)
    assert [(name, number) for _url, name, number in lists] == [
        ("Network 1", "6"), ("Domain 1", "6"), ("gmail.com", "5"),
    ]  # fmt: skip
    for url, _name, number in lists:
        listed = mona.get(url.replace("&amp;", "&")).content.decode()
        assert listed.count('name="chosen"') == int(number)

    Signature.objects.filter(signer__network_ix__isnull=False).update(state="removed")
    assert cockpit.busiest(cockpit.newest(petition)) == ([], []), "what is cleaned up is left out"


def test_pending_forms_do_not_reveal_the_domain_of_one_signer(
    petition: Petition, mona: Client
) -> None:
    """Anybody can send forms. After four of their own, the bar would reveal a fifth signer."""
    sign_and_confirm(petition, of("verity.example", 0))
    for number in range(1, 9):
        from_network(petition, "192.0.2.0/24", of("verity.example", number))
    assert cockpit.busiest(cockpit.newest(petition)) == ([], [])
    assert "_of=" not in text(mona)


def test_mail_figures_count_mailboxes_of_large_providers_in_steps_of_25(
    petition: Petition,
) -> None:
    ids = [sign(petition, of("gmail.com", number)) for number in range(27)]
    mailed(*ids[:26])
    for pk in ids[:24]:
        confirm(pk)
    for number in range(30):
        sign(petition, replace(of("yahoo.com", 99), name=f"Person {number}"))

    assert cockpit.by_provider(cockpit.newest(petition)) == [
        ("gmail.com", 25, 25, 0),
        ("all others", 0, 0, 0),
    ]


def test_mail_figures_do_not_reveal_whether_one_mailbox_confirmed(
    petition: Petition,
) -> None:
    for number in range(23):
        sign(petition, of("gmail.com", number))
    sign(petition, replace(of("gmail.com", 99), name="By Staff"))
    own = sign(petition, of("gmail.com", 99))
    before = cockpit.by_provider(cockpit.newest(petition))

    confirm(own)

    assert cockpit.by_provider(cockpit.newest(petition)) == before == [("all others", 0, 0, 0)]


def test_a_withdrawal_that_deletes_many_pending_forms_changes_no_mail_figure(
    petition: Petition,
) -> None:
    for number in range(50):
        sign(petition, of("gmail.com", number))
    mine = sign_and_confirm(petition, of("gmail.com", 99))
    for _again in range(30):
        sign(petition, of("gmail.com", 99))
    before = cockpit.by_provider(cockpit.newest(petition))

    withdraw.withdraw(signature_id=mine.pk)

    assert Signature.objects.filter(state="pending").count() == 50
    assert cockpit.by_provider(cockpit.newest(petition)) == before
    assert before == [("gmail.com", 50, 0, 0), ("all others", 0, 0, 0)]


def test_mail_figures_are_equal_for_one_form_and_for_none(petition: Petition) -> None:
    """A withdrawal deletes the form that staff have sent in its signer's name."""
    nobody = cockpit.by_provider(cockpit.newest(petition))
    sign(petition, of("own.example", 0))
    assert cockpit.by_provider(cockpit.newest(petition)) == nobody == [("all others", 0, 0, 0)]


def test_the_order_of_mail_providers_does_not_reveal_the_newest_form(
    petition: Petition,
) -> None:
    """Otherwise staff could see when a form ends because its address has chosen another."""
    for minutes, provider in ((3, "yahoo.com"), (2, "gmail.com")):
        ids = [sign(petition, of(provider, number)) for number in range(26)]
        at = timezone.now() - timedelta(minutes=minutes)
        Signature.objects.filter(pk__in=ids).update(created_at=at)
    newest = sign(petition, replace(of("yahoo.com", 0), name="Sent By Staff"))
    before = cockpit.by_provider(cockpit.newest(petition))
    Signature.objects.filter(pk=newest).delete()
    assert cockpit.by_provider(cockpit.newest(petition)) == before


def test_rules_with_few_hits_look_like_rules_without_hits(petition: Petition, mona: Client) -> None:
    Rule.objects.create(kind="domain", action="hold", pattern="own.example", note="x")
    nobody = text(mona)
    minute(petition, 3, held_domain=4, refused_network=12)

    page = text(mona)

    assert 'data-label="Refused, last hour">10<' in page
    assert 'data-label="In force">1<' in page
    assert nobody.count("fewer than 5") == page.count("fewer than 5") + 2 == 8


def test_queues_show_their_age_and_small_mail_queues_no_exact_size(
    petition: Petition, mona: Client
) -> None:
    hold_one(petition)
    Signature.objects.update(confirmed_at=timezone.now() - timedelta(hours=3))
    Mail.objects.update(created_at=timezone.now() - timedelta(minutes=20))

    page = text(mona)

    assert re.search(r'<a href="[^"]*state=held[^"]*">1</a>, the oldest for 3 hours', page)
    assert "fewer than 25, the oldest for 20 minutes" in page


def test_an_organiser_sees_no_holds_networks_domains_or_list_links_in_the_cockpit(
    petition: Petition, organiser: User, client: Client
) -> None:
    for number in range(6):
        from_network(petition, "192.0.2.0/24", of("raid.example", number))
    hold_one(petition)
    minute(petition, 3, signed=7, confirmed=1, held=1, held_domain=35, refused_domain=45)
    client.force_login(organiser)

    page = text(client)

    # That the public total does not tell.
    assert ": 7 signed, 1 confirmed.</p>" in page
    assert page.count('class="chart chart-columns"') == 4
    assert "On hold" not in page
    assert ">45<" in page
    assert ">35<" not in page
    assert "Held, last" not in page

    assert "/admin/petitions/signature/" not in page
    assert "Network 1" not in page
    assert "switches" not in page
    assert '<a href="/admin/petitions/activityminute/">' in client.get("/admin/").content.decode()


def test_a_403_of_the_cockpit_names_the_roles_with_permission(
    petition: Petition, client: Client
) -> None:
    client.force_login(User.objects.create_user("ada", is_staff=True))
    page = client.get(PAGE)
    assert page.status_code == 403
    assert "Only moderators and organisers" in page.content.decode()
    assert client.post(PAGE).status_code == 405


def test_the_cockpit_shows_the_health_of_the_site_without_any_petition(mona: Client) -> None:
    page = text(mona)
    assert "There is no petition yet." in page
    assert "Redis: ok" in page
    assert "Worker: deliver-mail: last done" in page


def test_the_cockpit_has_a_constant_query_count(petition: Petition, mona: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            text(mona)
        return len(queries)

    minute(petition, 3, signed=1)
    hold_one(petition)
    # The health of the parts is looked at once every few seconds, for everybody.
    text(mona)
    before = cost()
    for number in range(20):
        minute(petition, 4 + number, signed=9)
        from_network(petition, "192.0.2.0/24", of("gmail.com", number))
    assert cost() == before
    # Session, user, permissions; petitions; then two queries for each of its parts, or one.
    assert before <= 17


def test_the_cockpit_reads_a_bounded_number_of_rows(
    petition: Petition, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cockpit, "MAX_FORMS", 50)
    monkeypatch.setattr(cockpit, "MAX_COUNTED", 100)
    # For the state of mail, of each of six states.
    monkeypatch.setattr("petitions.models.mail.SAMPLE_SIZE", 30)
    seeding.seed(petition=petition, total=20_000, days=1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as queries:
        text(mona)
    reads = [q["sql"] for q in queries if "petitions_signature" in q["sql"]]
    assert reads
    # The newest of four states, and all of them by their ids; held ones as far as they are counted.
    for sql in reads:
        assert rows_read(sql, "petitions_signature") <= 4 * 50 + 1
        assert rows_read(sql, "petitions_signer") <= 50
