"""Which addresses are one mailbox is what the table says, on every process within seconds."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, InterfaceError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from petitions.counting import tallies
from petitions.identity import providers
from petitions.mail import outbox
from petitions.models import MailDomain, MailProvider, Petition, Reindexing, Signer
from petitions.moderation.roles import ORGANISERS
from petitions.signatures.confirm import Outcome
from petitions.signers.sealing import Attempt
from tests import shipped
from tests.people import AMINA, confirm, sign, sign_and_confirm

LIST = "/admin/petitions/mailprovider/"


@pytest.fixture(autouse=True)
def _as_in_the_database(db: None) -> None:
    shipped.write_providers()
    providers.forget()


@pytest.fixture
def administrator(db: None) -> User:
    return User.objects.create_superuser("ada", password=None)


def form_of(name: str, *domains: str, **changes: str) -> dict[str, str]:
    """What the admin's form sends for a new provider."""
    rows = {f"domains-{number}-domain": domain for number, domain in enumerate(domains)}
    return {
        "canonical": name,
        "ignores": "",
        "tags": "+",
        "domains-TOTAL_FORMS": str(len(domains)),
        "domains-INITIAL_FORMS": "0",
        **rows,
        **changes,
    }


def test_the_table_holds_the_rules_that_the_site_ships_with() -> None:
    assert providers.load() == shipped.RULES


def test_once_read_the_rules_cost_no_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            assert providers.canonical("A.Mina+x@googlemail.com") == "amina@gmail.com"
    assert len(queries) == 1


def test_a_change_is_heeded_two_seconds_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("petitions.identity.providers.time.monotonic", lambda: now)
    assert providers.canonical("a.mina@dots.example") == "a.mina@dots.example"
    provider = MailProvider.objects.create(canonical="dots.example", ignores=".")
    MailDomain.objects.create(provider=provider, domain="dots.example")

    now += 1.9
    assert providers.canonical("a.mina@dots.example") == "a.mina@dots.example"
    now += 0.2
    assert providers.canonical("a.mina@dots.example") == "amina@dots.example"


# Of a connection that was closed behind our back psycopg2 says an `InterfaceError`.
@pytest.mark.parametrize("kind", [DatabaseError, InterfaceError])
def test_while_the_database_is_away_the_last_rules_hold(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    providers.rules()
    monkeypatch.setattr("petitions.identity.providers.time.monotonic", lambda: 1e12)

    def away() -> None:
        raise kind

    monkeypatch.setattr(providers, "load", away)

    assert providers.canonical("a.mina@gmail.com") == "amina@gmail.com"
    providers.forget()
    with pytest.raises(kind):
        providers.canonical("a.mina@gmail.com")


@pytest.mark.parametrize(
    "alias", ["A.mina@Gmail.com", "amina+petition@gmail.com", "a.m.ina@googlemail.com"]
)
def test_addresses_that_reach_the_same_mailbox_count_once(petition: Petition, alias: str) -> None:
    sign_and_confirm(petition, attempt("amina@gmail.com"))

    assert confirm(sign(petition, attempt(alias))) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 1


def test_mail_goes_to_the_address_that_was_typed(petition: Petition, mailoutbox: Any) -> None:
    sign(petition, attempt("A.mina+petition@GoogleMail.com"))
    outbox.deliver()

    assert mailoutbox[0].to == ["A.mina+petition@googlemail.com"]


def attempt(email: str) -> Attempt:
    return Attempt(name=AMINA.name, email=email, postcode=AMINA.postcode, name_use=AMINA.name_use)


def test_an_administrator_adds_a_provider_and_its_signers_are_compared_anew(
    petition: Petition, administrator: User, client: Client
) -> None:
    client.force_login(administrator)

    page = client.post(
        f"{LIST}add/",
        form_of("Dots.example", "dots.EXAMPLE", "bücher.example", ignores="."),
        follow=True,
    ).content.decode()

    assert "held for a moderator" in page
    assert "Nobody gets an email." in page
    provider = MailProvider.objects.get(canonical="dots.example")
    assert {row.domain for row in provider.domains.all()} == {
        "dots.example",
        "xn--bcher-kva.example",
    }
    job = Reindexing.objects.get()
    assert job.domains == ["dots.example", "xn--bcher-kva.example"]
    assert job.actor == administrator
    assert "0%" in client.get("/admin/petitions/reindexing/").content.decode()


def test_a_domain_of_two_providers_is_refused_and_it_says_whose_it_is(
    administrator: User, client: Client
) -> None:
    client.force_login(administrator)

    page = client.post(
        f"{LIST}add/", form_of("dots.example", "dots.example", "GoogleMail.com")
    ).content.decode()

    assert "googlemail.com belongs to gmail.com. Take it out there first." in page
    assert not MailProvider.objects.filter(canonical="dots.example").exists()
    assert not Reindexing.objects.exists()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (form_of("dots.example", "other.example"), "name must be one of its domains"),
        (form_of("dots.example", "dots.example", "Dots.example"), "stands here twice"),
        (form_of("dots.example", "dots.example", ignores="a"), "always make a difference"),
        (form_of("dots.example", "dots.example", tags="@"), "always make a difference"),
        (form_of("dots.example", "dots.example", "nodomain"), "Give a domain"),
    ],
)
def test_rules_that_would_mix_people_up_are_refused(
    administrator: User, client: Client, form: dict[str, str], words: str
) -> None:
    client.force_login(administrator)
    assert words in client.post(f"{LIST}add/", form).content.decode()
    assert not MailProvider.objects.filter(canonical="dots.example").exists()


def test_a_change_of_domains_asks_about_those_of_before_and_of_after(
    administrator: User, client: Client
) -> None:
    client.force_login(administrator)
    provider = MailProvider.objects.get(canonical="fastmail.com")
    rows = list(provider.domains.order_by("domain"))
    form = form_of("fastmail.com", *[row.domain for row in rows], "sent.example")
    form |= {f"domains-{number}-id": str(row.pk) for number, row in enumerate(rows)}
    form |= {f"domains-{number}-provider": str(provider.pk) for number in range(3)}
    form |= {"domains-INITIAL_FORMS": "2", "domains-1-DELETE": "on", "subdomains": "on"}

    assert client.post(f"{LIST}{provider.pk}/change/", form).status_code == 302

    assert {row.domain for row in provider.domains.all()} == {"fastmail.com", "sent.example"}
    assert Reindexing.objects.get().domains == ["fastmail.com", "fastmail.fm", "sent.example"]


def test_saving_without_a_change_and_deleting_ask_for_what_they_need(
    administrator: User, client: Client
) -> None:
    client.force_login(administrator)
    provider = MailProvider.objects.get(canonical="yahoo.fr")
    (row,) = provider.domains.all()
    form = form_of("yahoo.fr", "yahoo.fr", tags="-+")
    form |= {"domains-INITIAL_FORMS": "1", "domains-0-id": str(row.pk)}
    form |= {"domains-0-provider": str(provider.pk)}

    assert client.post(f"{LIST}{provider.pk}/change/", form).status_code == 302
    assert not Reindexing.objects.exists()

    assert client.post(f"{LIST}{provider.pk}/delete/", {"post": "yes"}).status_code == 302
    assert Reindexing.objects.get().domains == ["yahoo.fr"]


def test_an_organiser_reads_the_rules_and_changes_none(organiser: User, client: Client) -> None:
    """Whoever writes them says whose signatures are one mailbox's."""
    client.force_login(organiser)
    provider = MailProvider.objects.get(canonical="yahoo.fr")
    page = client.get(f"{LIST}{provider.pk}/change/").content.decode()
    assert "yahoo.fr" in page
    assert 'name="_save"' not in page
    assert "yahoo.fr" in client.get(LIST).content.decode()
    for path, form in (
        (f"{LIST}add/", form_of("dots.example", "dots.example")),
        (f"{LIST}{provider.pk}/change/", form_of("yahoo.fr", "yahoo.fr", tags="x")),
        (f"{LIST}{provider.pk}/delete/", {"post": "yes"}),
        (LIST, {"action": "delete_selected", "_selected_action": str(provider.pk), "post": "yes"}),
    ):
        client.post(path, form)
    assert not Reindexing.objects.exists()
    provider.refresh_from_db()
    assert provider.tags == "-+"


def test_a_group_that_could_change_the_rules_is_narrowed_and_others_are_left(db: None) -> None:
    group = Group.objects.get(name=ORGANISERS)
    mine = Group.objects.create(name="Postmasters")
    rules = Permission.objects.filter(codename__in=["change_mailprovider", "add_maildomain"])
    kept = set(group.permissions.values_list("codename", flat=True))
    group.permissions.add(*rules)
    mine.permissions.add(*rules)

    import_module("petitions.migrations.0013_organisers_read_providers").narrow(apps, None)

    assert set(group.permissions.values_list("codename", flat=True)) == kept
    assert "view_mailprovider" in kept
    assert mine.permissions.count() == 2


def test_a_moderator_may_not_change_the_rules(moderator: User, client: Client) -> None:
    client.force_login(moderator)
    assert client.get(LIST).status_code == 403
    assert client.post(f"{LIST}add/", form_of("dots.example", "dots.example")).status_code == 403
    assert client.get("/admin/petitions/reindexing/").status_code == 403


def test_the_indexes_of_a_signer_follow_the_rules_of_their_moment(petition: Petition) -> None:
    one = sign(petition, attempt("a.mina@gmail.com"))
    other = sign(petition, attempt("amina@gmail.com"))
    first, second = Signer.objects.get(pk=one), Signer.objects.get(pk=other)
    assert bytes(first.mailbox_ix) == bytes(second.mailbox_ix)
