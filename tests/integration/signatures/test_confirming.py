"""Confirmation: its rules, and that a signature is counted only once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from petitions.counting import tallies
from petitions.crypto import tokens, vault
from petitions.models import Correction, Petition, Signature, Signer
from petitions.signatures import confirm as confirming
from petitions.signatures import signing_sql, withdraw
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from petitions.web.views import confirming as confirming_views
from tests.at_once import at_once
from tests.people import AMINA, BASHIR, CARYS, DAVID, confirm, sign, sign_and_confirm


def link(signature_id: UUID, language: str = "en") -> str:
    return f"/t/{language}/confirm/{tokens.link(tokens.CONFIRM, signature_id, 0)}/"


def test_a_get_request_to_the_link_changes_nothing_and_a_post_confirms(
    petition: Petition, client: Client
) -> None:
    signature_id = sign(petition)

    opened = client.get(link(signature_id))
    assert opened.status_code == 200
    assert Signature.objects.get(pk=signature_id).state == Signature.State.PENDING
    assert tallies.total(petition.pk) == 0

    pressed = client.post(link(signature_id))
    assert pressed.status_code == 200
    assert "Thank you. Your signature is confirmed." in pressed.content.decode()
    assert tallies.total(petition.pk) == 1


def test_confirming_unseals_its_signer_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature_id, opened, unseal = sign(petition), [], vault.unseal

    def noted(*sealed: Any, **of: Any) -> Any:
        opened.append(of["row_id"])
        return unseal(*sealed, **of)

    monkeypatch.setattr(vault, "unseal", noted)
    assert confirm(signature_id) is Outcome.CONFIRMED
    assert opened == [signature_id]


@pytest.mark.django_db(transaction=True)
def test_confirming_reads_a_signer_again_that_changed_before_the_lock(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature_id, read = sign(petition), signing_sql.read_under_lock
    moved = {**sealing.unsealed(Signer.objects.get()), "name": "Amina Moved"}

    def moves_first(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(signing_sql, "read_under_lock", read)
        # In a separate transaction, which is not rolled back with the first judgement.
        at_once(lambda: Signer.objects.update(sealed=sealing.seal(moved, signature_id)))
        return read(*args, **options)

    monkeypatch.setattr(signing_sql, "read_under_lock", moves_first)
    pressed = confirming.confirm(signature_id=signature_id, epoch=0)
    assert [person.name for person in pressed.people] == ["Amina Moved"]


def test_confirming_twice_succeeds_and_counts_once(petition: Petition, client: Client) -> None:
    address = link(sign(petition))

    answers = [client.post(address) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert tallies.total(petition.pk) == 1


def _confirmed_ago(signature_id: UUID, **ago: int) -> None:
    moment = timezone.now() - timedelta(**ago)
    Signature.objects.filter(pk=signature_id).update(confirmed_at=moment)


def test_a_used_link_shows_the_same_page_for_ten_minutes(
    petition: Petition, client: Client
) -> None:
    signature = sign_and_confirm(petition)
    _confirmed_ago(signature.pk, minutes=9)
    page = client.post(link(signature.pk)).content.decode()
    assert "Thank you. Your signature is confirmed." in page
    assert signature.spoken_reference in page


@pytest.mark.parametrize("state", ["confirmed", "held", "removed"])
def test_after_ten_minutes_a_used_link_reveals_nothing(
    petition: Petition, client: Client, state: str
) -> None:
    """The link stays in the history of a phone that others may use or seize."""
    signature = sign_and_confirm(petition)
    Signature.objects.update(state=state)
    _confirmed_ago(signature.pk, minutes=11)

    opened, pressed = client.get(link(signature.pk)), client.post(link(signature.pk))

    assert "This link has been used" in opened.content.decode()
    assert (pressed.status_code, pressed.content) == (opened.status_code, opened.content)
    assert tallies.total(petition.pk) == 1


@pytest.mark.django_db(transaction=True)
def test_a_used_link_makes_the_same_number_of_queries_after_ten_minutes(
    petition: Petition, client: Client, settings: Settings
) -> None:
    # Fills the caches of data that is read every few seconds.
    settings.PAGE_CACHE_SECONDS = 60
    signature = sign_and_confirm(petition)
    client.get(link(signature.pk))
    client.post(link(signature.pk))
    with CaptureQueriesContext(connection) as at_once:
        client.post(link(signature.pk))
    _confirmed_ago(signature.pk, minutes=11)
    with CaptureQueriesContext(connection) as later:
        client.post(link(signature.pk))
    assert len(later) == len(at_once)


@pytest.mark.django_db(transaction=True)
def test_confirming_makes_three_queries_in_one_transaction(
    petition: Petition, settings: Settings
) -> None:
    # Prepares the statements, and fills the caches of data that is read every few seconds.
    settings.PAGE_CACHE_SECONDS = 60
    sign_and_confirm(petition, DAVID)
    signature_id = sign(petition)
    with CaptureQueriesContext(connection) as queries:
        assert confirm(signature_id) is Outcome.CONFIRMED
    # BEGIN and COMMIT count as well.
    assert len(queries) == 5, [q["sql"] for q in queries]
    again = sign(petition)
    with CaptureQueriesContext(connection) as queries:
        assert confirm(again) is Outcome.ALREADY
    assert len(queries) == 5, [q["sql"] for q in queries]


def _make_too_old(signature_id: UUID) -> None:
    old = timezone.now() - timedelta(days=15)
    Signature.objects.filter(pk=signature_id).update(created_at=old)


def _remove_while_pending(signature_id: UUID) -> None:
    Signature.objects.filter(pk=signature_id).update(state=Signature.State.REMOVED)


def _correct(signature_id: UUID) -> None:
    Correction.objects.create(attempt_id=signature_id)


def _mail_another_link(signature_id: UUID) -> None:
    Signature.objects.filter(pk=signature_id).update(link_epoch=1)


def _close(_signature_id: UUID) -> None:
    Petition.objects.update(state=Petition.State.CLOSED)


@pytest.mark.parametrize(
    "speaks_against",
    [
        _make_too_old,
        _remove_while_pending,
        _correct,
        _mail_another_link,
        _close,
    ],
)
def test_expired_removed_corrected_or_superseded_attempts_are_not_confirmed(
    petition: Petition, speaks_against: Callable[[UUID], None]
) -> None:
    signature_id = sign(petition)
    speaks_against(signature_id)
    before = Signature.objects.filter(pk=signature_id).values().get()

    assert confirm(signature_id) is not Outcome.CONFIRMED

    assert Signature.objects.filter(pk=signature_id).values().get() == before
    assert tallies.total(petition.pk) == 0


def test_a_used_link_shows_no_reference_and_no_name_of_the_signer(
    petition: Petition, client: Client
) -> None:
    signature = sign_and_confirm(petition)

    page = client.get(link(signature.pk)).content.decode()

    assert "This link has been used" in page
    assert signature.spoken_reference not in page
    assert "Amina" not in page
    assert "amina" not in page


def test_the_confirmation_page_shows_no_name_and_no_email_address(
    petition: Petition, client: Client
) -> None:
    page = client.get(link(sign(petition))).content.decode()
    assert "Amina" not in page
    assert "example.org" not in page.replace("privacy@example.org", "")


def test_the_confirmation_page_is_not_cached_or_indexed_and_sends_no_referrer(
    petition: Petition, client: Client
) -> None:
    response = client.get(link(sign(petition)))
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response["X-Robots-Tag"]


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_the_language_of_the_link_is_the_language_of_the_page(
    petition: Petition, client: Client, language: str
) -> None:
    response = client.get(link(sign(petition), language))
    assert f'<html lang="{language}"' in response.content.decode()


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: "x" + t, lambda t: "nonsense"])
def test_a_broken_confirmation_link_shows_a_404_page_with_advice(
    petition: Petition, client: Client, spoil: Callable[[str], str]
) -> None:
    token = spoil(tokens.link(tokens.CONFIRM, sign(petition), 0))
    response = client.get(f"/t/en/confirm/{token}/")
    assert response.status_code == 404
    assert "Sign again to get a new link" in response.content.decode()


def test_a_404_page_below_the_token_path_is_not_cached_and_sends_no_referrer(
    petition: Petition, client: Client
) -> None:
    response = client.get("/t/en/nonesuch/token/")
    assert response.status_code == 404
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"


def test_a_repeated_signing_is_revealed_only_after_pressing_confirm(
    petition: Petition, client: Client
) -> None:
    sign_and_confirm(petition)
    again = link(
        sign(
            petition,
            Attempt(
                name="AMINA  exámple",
                email="amina+again@example.org",
                postcode="M145RX",
                name_use="government",
            ),
        )
    )

    assert "You have already signed" not in client.get(again).content.decode()
    pressed = client.post(again)
    assert pressed.status_code == 200
    assert "You have already signed" in pressed.content.decode()
    assert tallies.total(petition.pk) == 1


def test_confirming_a_repeated_signing_shows_neither_reference_nor_constituency(
    petition: Petition, client: Client
) -> None:
    standing = sign_and_confirm(petition)
    again = sign(petition)

    page = client.post(link(again)).content.decode()

    assert "You have already signed" in page
    assert 'class="reference"' not in page
    for reference in (standing.spoken_reference, Signature.objects.get(pk=again).spoken_reference):
        assert reference not in page
    assert confirming_views.home(standing.place_id) not in page


def test_signing_again_can_withhold_the_name(petition: Petition) -> None:
    shown = sign_and_confirm(petition, DAVID)
    again = sign(
        petition,
        Attempt(name=DAVID.name, email=DAVID.email, country="JO", name_use="withheld"),
    )

    assert confirm(again) is Outcome.ALREADY

    shown.refresh_from_db()
    assert shown.name_use == Signature.NameUse.WITHHELD


def test_signing_again_never_makes_a_withheld_name_public(petition: Petition) -> None:
    kept_back = sign_and_confirm(petition, BASHIR)
    again = sign(
        petition,
        Attempt(
            name=BASHIR.name,
            email=BASHIR.email,
            postcode=BASHIR.postcode,
            name_use="public",
        ),
    )

    assert confirm(again) is Outcome.ALREADY

    kept_back.refresh_from_db()
    assert kept_back.name_use == Signature.NameUse.WITHHELD


def test_two_people_of_one_home_may_share_a_mailbox(petition: Petition) -> None:
    sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    assert tallies.total(petition.pk) == 2


def test_a_second_person_of_a_mailbox_from_another_home_is_refused_with_a_reason(
    petition: Petition, client: Client
) -> None:
    sign_and_confirm(petition, AMINA)

    response = client.post(link(sign(petition, CARYS)))

    assert response.status_code == 409
    assert "Somebody from another home" in response.content.decode()
    assert tallies.total(petition.pk) == 1


def test_a_third_person_of_a_mailbox_is_not_counted(petition: Petition) -> None:
    sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    third = Attempt(name="Third Person", email=AMINA.email, postcode="M145RX", name_use="public")

    assert confirm(sign(petition, third)) is Outcome.MAILBOX_FULL
    assert tallies.total(petition.pk) == 2


def test_a_link_sent_before_the_closing_time_works_for_one_more_day(
    petition: Petition,
) -> None:
    first, second = sign(petition, AMINA), sign(petition, DAVID)
    hour_ago = timezone.now() - timedelta(hours=23)
    Signature.objects.update(created_at=hour_ago - timedelta(minutes=1))
    Petition.objects.update(closes_at=hour_ago)
    assert confirm(first) is Outcome.CONFIRMED

    Petition.objects.update(closes_at=timezone.now() - timedelta(hours=25))
    Signature.objects.update(created_at=timezone.now() - timedelta(hours=26))
    assert confirm(second) is Outcome.CLOSED


def test_a_link_of_an_older_epoch_is_invalid(petition: Petition) -> None:
    signature_id = sign(petition)
    Signature.objects.filter(pk=signature_id).update(link_epoch=1)
    assert confirm(signature_id) is Outcome.GONE


def test_a_link_is_invalid_after_withdrawal(petition: Petition) -> None:
    signature = sign_and_confirm(petition)

    assert withdraw.withdraw(signature_id=signature.pk)

    assert confirm(signature.pk) is Outcome.GONE
    assert tallies.total(petition.pk) == 0
    assert not Signer.objects.exists()
