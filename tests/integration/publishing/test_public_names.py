"""Public names: off by default; otherwise listed a day later in alphabetical order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.models import AuditRecord, Decision, NamePage, Petition, Signature
from petitions.moderation import decisions
from petitions.publishing import life, name_list
from petitions.signatures import self_service
from petitions.signers import consent, sealing
from petitions.signers.sealing import Attempt
from petitions.staff.refusal import Refused
from petitions.web.fields import CHOOSE_NAME_USE
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm, typed
from tests.pressing import press

PAGE = "/petitions/protect/names/"
NameUse = Signature.NameUse


@pytest.fixture
def showing(petition: Petition) -> Petition:
    """A petition that publishes names."""
    life.perform(petition=petition, name=life.SHOW_NAMES, actor=None, screen="-")
    petition.refresh_from_db()
    return petition


def public(name: str, number: int = 0) -> Attempt:
    """Return an attempt whose signer chose a public name in a form that offered it."""
    return Attempt(
        name=name,
        email=f"p{number}@example.org",
        country="JO",
        name_use=NameUse.PUBLIC,
        consent_version=consent.PUBLISHING,
    )


def next_day() -> None:
    """Make the list as tomorrow's first sweep does."""
    name_list.make_due(timezone.now() + timedelta(days=1))


def listed(browser: Client, path: str = PAGE) -> list[str]:
    """Return the names on a page in their order."""
    page = browser.get(path)
    assert page.status_code == HTTPStatus.OK
    return [part.partition("</bdi>")[0] for part in page.content.decode().split("<li><bdi>")[1:]]


# --- The form ---------------------------------------------------------------------------------


def test_public_names_are_off_by_default(petition: Petition, browser: Client) -> None:
    page = browser.get("/petitions/protect/").content.decode()
    assert 'value="government"' in page
    assert 'value="public"' not in page
    assert PAGE not in page
    assert browser.get(PAGE).status_code == HTTPStatus.NOT_FOUND
    refused = browser.post("/petitions/protect/", typed(name_use="public"))
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert not Signature.objects.exists()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("", "shown to everybody on this site, only if I chose so above"),
        ("/ar", "ولا يُعرض على الجميع في هذا الموقع"),
        ("/cy", "na’i ddangos i bawb ar y wefan hon"),
    ],
)
def test_a_petition_that_publishes_names_says_so_in_its_form_and_consent(
    showing: Petition, browser: Client, language: str, said: str
) -> None:
    page = browser.get(f"{language}/petitions/protect/").content.decode()
    assert 'value="public"' in page
    assert said in page
    assert f"{language}{PAGE}" in page
    version = f'name="consent_version" value="{consent.PUBLISHING}"'
    assert version in page.replace('type="hidden" ', "")


def test_a_signature_stores_the_consent_that_its_page_showed(
    showing: Petition, browser: Client
) -> None:
    seen = {"earlier@example.org": "2", "now@example.org": "3", "forged@example.org": "999"}
    for email, version in seen.items():
        browser.post("/petitions/protect/", typed(email=email, consent_version=version))
    stored = list(
        Signature.objects.order_by("created_at").values_list("consent_version", flat=True)
    )
    assert stored == [consent.CURRENT, consent.PUBLISHING, consent.CURRENT]


def test_a_refused_form_shows_the_current_consent_wording(
    petition: Petition, browser: Client
) -> None:
    """The page was opened while names were published, which has ended since."""
    sent = typed(name_use="public", consent_version="3")
    page = browser.post("/petitions/protect/", sent).content.decode()
    assert str(CHOOSE_NAME_USE) in page
    assert consent.wording("SBC", "the British Government", language="en") in page
    assert f'value="{consent.CURRENT}"' in page.partition('name="consent_version"')[2][:20]
    assert "shown to everybody" not in page


# --- Who is listed ----------------------------------------------------------------------------


def test_names_are_listed_alphabetically_from_the_next_day(
    showing: Petition, browser: Client
) -> None:
    for number, name in enumerate(["Zoë Last", "ليلى مثال", "bilal Early", "Émile Early"]):
        sign_and_confirm(showing, public(name, number))
    name_list.make_due()
    assert listed(browser) == []
    next_day()
    assert listed(browser) == ["bilal Early", "Émile Early", "Zoë Last", "ليلى مثال"]


def test_only_counted_signers_who_chose_a_public_name_are_listed(
    showing: Petition, browser: Client
) -> None:
    sign_and_confirm(showing, public("Shown Example"))
    sign(showing, public("Pending Example", 1))
    sign_and_confirm(showing, AMINA)
    sign_and_confirm(showing, BASHIR)
    held = sign_and_confirm(showing, public("Held Example", 2))
    Signature.objects.filter(pk=held.pk).update(state=Signature.State.HELD)
    next_day()
    assert listed(browser) == ["Shown Example"]


def test_earlier_signers_are_listed_only_if_they_choose_it_themselves(
    petition: Petition, browser: Client
) -> None:
    before = sign_and_confirm(petition, DAVID)
    assert before.consent_version == consent.CURRENT
    life.perform(petition=petition, name=life.SHOW_NAMES, actor=None, screen="-")
    next_day()
    assert listed(browser) == []
    self_service.choose_name_use(
        recipient=sealing.recipient_of(DAVID.email),
        reference=before.reference,
        name_use=NameUse.PUBLIC,
    )
    Petition.objects.update(names_listed_on=None)
    next_day()
    assert listed(browser) == [DAVID.name]


def test_a_name_withheld_in_another_form_of_the_mailbox_is_not_listed(
    showing: Petition, browser: Client
) -> None:
    kept_back = replace(public("Shy Example"), name_use=NameUse.WITHHELD)
    sign(showing, kept_back)
    confirm(sign(showing, public("Shy Example")))
    next_day()
    assert listed(browser) == []


@pytest.mark.parametrize("way", ["withdrawn", "narrowed", "removed", "erased", "renamed"])
def test_a_listed_name_disappears_at_once(
    showing: Petition, browser: Client, moderator: User, way: str
) -> None:
    hers = sign_and_confirm(showing, public("Rana Example"))
    next_day()
    assert listed(browser) == ["Rana Example"]
    mine: dict[str, Any] = {
        "recipient": sealing.recipient_of("p0@example.org"),
        "reference": hers.reference,
    }
    match way:
        case "withdrawn":
            self_service.withdraw(**mine)
        case "narrowed":
            self_service.choose_name_use(**mine, name_use=NameUse.GOVERNMENT)
        case "renamed":
            self_service.correct_name(**mine, name="Rania Example")
        case "removed":
            decisions.decide(
                petition=showing, ids=[hers.pk], kind=Decision.Kind.REMOVE,
                reason=Decision.Reason.FALSE_NAME, actor=moderator, note="",
            )  # fmt: skip
        case _:
            hers.signer.delete()
    assert listed(browser) == (["Rania Example"] if way == "renamed" else [])


def test_turning_public_names_off_hides_them_at_once_and_is_audited(
    petition: Petition, browser: Client, client: Client, organiser: User
) -> None:
    client.force_login(organiser)
    press(client, petition, life.SHOW_NAMES)
    sign_and_confirm(petition, public("Rana Example"))
    next_day()
    assert listed(browser) == ["Rana Example"]
    press(client, petition, life.HIDE_NAMES)
    assert browser.get(PAGE).status_code == HTTPStatus.NOT_FOUND
    assert not NamePage.objects.exists()
    done = AuditRecord.objects.filter(action__startswith="names-").order_by("pk")
    assert [(one.action, one.actor_id) for one in done] == [
        ("names-shown", organiser.pk),
        ("names-hidden", organiser.pk),
    ]
    with pytest.raises(Refused):
        life.perform(petition=petition, name=life.HIDE_NAMES, actor=None, screen="-")


def test_a_name_list_built_while_names_are_turned_off_is_not_stored(
    showing: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_and_confirm(showing, public("Rana Example"))
    read = name_list._listed

    def meanwhile(*args: Any) -> Any:
        life.perform(petition=showing, name=life.HIDE_NAMES, actor=None, screen="-")
        return read(*args)

    monkeypatch.setattr(name_list, "_listed", meanwhile)
    next_day()
    assert not NamePage.objects.exists()


# --- The page ---------------------------------------------------------------------------------


def test_the_name_page_is_noindex_and_reveals_no_place_or_identifier(
    showing: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(showing, public("Rana Example"))
    signed_at = datetime(2019, 3, 17, 13, 47, tzinfo=UTC)
    Signature.objects.update(created_at=signed_at, confirmed_at=signed_at)
    next_day()
    answer = browser.get(PAGE)
    page = answer.content.decode()
    assert answer["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in page
    assert "Rana Example" in page
    for secret in ("Jordan", "JO<", str(signature.pk), signature.reference, "p0@"):
        assert secret not in page
    for moment in ("2019", "March", "17 Mar", "-03-17", "13:47", "1:47"):
        assert moment not in page


def test_the_name_page_allows_no_stale_copies(
    showing: Petition, browser: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 5
    said = browser.get(PAGE)["Cache-Control"]
    assert "s-maxage" in said
    assert "stale" not in said


def test_hostile_names_are_escaped(showing: Petition, browser: Client) -> None:
    hostile = "<script>alert(1)</script>{{ 7|add:7 }}"
    sign_and_confirm(showing, public(hostile))
    next_day()
    page = browser.get(PAGE).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7|add:7 }}" in page


def test_name_pages_have_a_constant_query_count(
    showing: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_list, "PER_PAGE", 2)
    browser.get(PAGE)
    costs = []
    for number in range(5):
        sign_and_confirm(showing, public(f"Person {number}", number))
        Petition.objects.update(names_listed_on=None)
        next_day()
        with CaptureQueriesContext(connection) as queries:
            browser.get(PAGE)
        costs.append(len(queries))
    assert costs == [4] * 5
    assert listed(browser, f"{PAGE}2/") == ["Person 2", "Person 3"]
    assert listed(browser, f"{PAGE}3/") == ["Person 4"]
    for none in ("0", "4", "99999999999999999999"):
        assert browser.get(f"{PAGE}{none}/").status_code == HTTPStatus.NOT_FOUND


def test_a_stored_name_page_reveals_no_names_or_ids_without_the_key(showing: Petition) -> None:
    signature = sign_and_confirm(showing, public("Rana Example"))
    next_day()
    (stored,) = NamePage.objects.values_list("sealed", flat=True)
    for secret in (b"Rana", signature.pk.bytes, signature.pk.hex.encode()):
        assert secret not in bytes(stored)
