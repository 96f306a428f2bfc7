"""Self-service: seeing, correcting, downloading and withdrawing signatures, and opting out."""

import json
import re
import threading
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.core import mail as sent
from django.db import connections
from django.test import Client

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.mail import outbox, suppression
from petitions.models import Export, Mail, Objection, Petition, Signature, Signer
from petitions.signatures import self_service
from petitions.signatures.confirm import Outcome
from petitions.signers import consent, sealing
from petitions.signers.sealing import Attempt
from tests.integration.signatures.test_finding import another, asked, inbox_of, link_for
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm


def change(signature: Signature, what: str, address: str = AMINA.email) -> str:
    return f"{link_for(address)}{signature.reference}/{what}/"


def name_of(signature: Signature) -> str:
    return sealing.unsealed(Signer.objects.get(pk=signature.pk))["name"]


# --- Seeing --------------------------------------------------------------------------------


def test_pressing_the_button_shows_all_stored_data(petition: Petition, browser: Client) -> None:
    signature = sign_and_confirm(petition, DAVID)
    page = browser.post(link_for(DAVID.email)).content.decode()
    for words in (
        "David Sample", "david@example.net", "Protect people", "Jordan", "Confirmed.",
        "Show my name publicly", signature.spoken_reference,
    ):  # fmt: skip
        assert words in page


def test_held_signers_see_the_same_page_as_counted_ones(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    Export.objects.create(petition=petition, purpose="hand-in", delete_by=date(2099, 1, 1))
    mine = link_for()
    asked_for = (mine, f"{mine}download/", change(signature, "withdraw"))

    def answers() -> list[str]:
        return [browser.post(address).content.decode() for address in asked_for]

    counted = answers()
    # The same signature again, but held.
    Signature.objects.all().delete()
    again = sign_and_confirm(petition)
    Signature.objects.filter(pk=again.pk).update(
        state=Signature.State.HELD,
        reference=signature.reference,
        created_at=signature.created_at,
        confirmed_at=signature.confirmed_at,
    )
    Mail.objects.filter(signature=again).update(created_at=signature.created_at)
    held = answers()

    assert "Some signatures are checked by a person" in held[0]
    assert '"state": "confirmed"' in held[1]
    assert "no longer counts" in held[2]
    assert held[0] == counted[0]
    assert held[2] == counted[2]
    withheld = re.compile(r'"asked_for": "[^"]+"')
    assert withheld.sub("", held[1]) == withheld.sub("", counted[1])


def test_a_pending_signature_shows_how_long_it_is_kept(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.PENDING_DAYS = 9
    sign(petition, AMINA)
    assert (
        "deleted automatically 9 days after you signed" in browser.post(link_for()).content.decode()
    )


def test_the_self_service_page_isolates_the_direction_of_each_name(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    page = browser.post(link_for()).content.decode()
    assert f"<bdi>{AMINA.name}</bdi>" in page
    assert f"<bdi>{BASHIR.name}</bdi>" in page
    assert page.count('class="mine"') == 2


def test_an_address_without_signatures_is_told_that_none_is_stored(
    petition: Petition, browser: Client
) -> None:
    page = browser.post(link_for("nobody@example.org")).content.decode()
    assert "We hold no signature made with this email address." in page


def test_a_link_cannot_show_or_change_the_signature_of_another_address(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    davids = sign_and_confirm(petition, DAVID)
    assert DAVID.name not in browser.post(link_for()).content.decode()
    for what, form in (
        ("withdraw", {}), ("name", {"name": "David Samples"}), ("updates", {}),
        ("name-use", {"name_use": "withheld"}),
    ):  # fmt: skip
        assert browser.post(change(davids, what), form).status_code == 409, what
    davids.refresh_from_db()
    assert (davids.state, davids.name_use, davids.wants_updates) == ("confirmed", "public", True)
    assert name_of(davids) == DAVID.name


def test_a_get_request_to_a_button_redirects_and_changes_nothing(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    for path in (
        *(change(signature, what) for what in ("name", "name-use", "updates", "withdraw")),
        link_for() + "download/", link_for() + "mail/",
    ):  # fmt: skip
        answer = browser.get(path)
        assert (answer.status_code, answer["Location"]) == (
            303,
            "/".join(path.split("/")[:5]) + "/",
        )
    signature.refresh_from_db()
    assert signature.state == Signature.State.CONFIRMED
    assert not Objection.objects.exists()


def test_a_signature_under_an_older_index_key_is_found(
    petition: Petition, browser: Client, settings: Any
) -> None:
    sign_and_confirm(petition)
    settings.INDEX_KEYS = {9: b"9" * 32, **settings.INDEX_KEYS}
    sign_and_confirm(another(petition))

    (_message,) = asked(browser)
    page = browser.post(link_for()).content.decode()

    assert "Protect people" in page
    assert "Another cause" in page


# --- Correcting ----------------------------------------------------------------------------


def test_the_spelling_of_a_name_is_corrected(petition: Petition, browser: Client) -> None:
    signature = sign_and_confirm(petition, replace(AMINA, name="Amnia Exmaple"))
    page = browser.post(change(signature, "name"), {"name": " Amina  Example "})
    assert page.status_code == 200
    assert name_of(signature) == "Amina Example"
    # Signing again under the correct name is the same person.
    assert confirm(sign(petition, AMINA)) is Outcome.ALREADY


@pytest.mark.parametrize(
    ("name", "state", "signals"),
    [
        ("Amina Example {{ 7*7 }}", "held", ["name-code"]),
        ("Amina Example 1 2 3", "confirmed", ["name-digits"]),
    ],
)
def test_a_corrected_name_is_screened_again_without_telling_the_signer(
    petition: Petition, browser: Client, name: str, state: str, signals: list[str]
) -> None:
    signature = sign_and_confirm(petition, AMINA)

    page = browser.post(change(signature, "name"), {"name": name}).content.decode()

    assert "The name is corrected." in page
    assert "Confirmed." in page
    signature.refresh_from_db()
    assert (signature.state, signature.signals) == (state, signals)
    assert tallies.total(petition.pk) == (state == "confirmed")


def test_a_name_that_normalises_to_the_same_text_keeps_its_blind_index(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    before = bytes(Signer.objects.get().person_ix)
    browser.post(change(signature, "name"), {"name": "Amína EXAMPLE"})
    assert name_of(signature) == "Amína EXAMPLE"
    assert bytes(Signer.objects.get().person_ix) == before


@pytest.mark.parametrize("name", ["Bob Smith", "www.example.org", "12345", "", "x" * 300, "A\0B"])
def test_a_different_or_invalid_name_is_refused_with_a_form_error(
    petition: Petition, browser: Client, name: str
) -> None:
    signature = sign_and_confirm(petition)
    answer = browser.post(change(signature, "name"), {"name": name})
    assert answer.status_code == 422
    assert 'id="error-summary"' in answer.content.decode()
    assert f'href="#id_{signature.reference}_name"' in answer.content.decode()
    assert name_of(signature) == AMINA.name


def test_a_name_that_another_person_of_the_mailbox_has_is_refused(
    petition: Petition, browser: Client
) -> None:
    first = sign_and_confirm(petition, AMINA)
    second = sign_and_confirm(petition, replace(AMINA, name="Amira Example"))
    answer = browser.post(change(second, "name"), {"name": "Amina Example"})
    assert answer.status_code == 422
    assert "with the same email address" in answer.content.decode()
    assert [name_of(first), name_of(second)] == ["Amina Example", "Amira Example"]


def test_an_attempt_under_the_old_spelling_cannot_count_the_person_twice(
    petition: Petition, browser: Client
) -> None:
    old = replace(AMINA, name="Amnia Example")
    signature, waiting = sign_and_confirm(petition, old), sign(petition, old)
    browser.post(change(signature, "name"), {"name": "Amina Example"})
    assert confirm(waiting) is Outcome.GONE
    assert tallies.total(petition.pk) == 1


def test_correcting_a_name_retires_only_attempts_with_the_same_address_spelling(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    mine = sign(petition)
    elsewhere = sign(petition, replace(AMINA, email="amina+other@example.org"))

    browser.post(change(signature, "name"), {"name": "Amina Exemplar"})

    assert confirm(mine) is Outcome.GONE
    (left,) = Signature.objects.filter(state=Signature.State.PENDING, disowned_at=None)
    assert left.pk == elsewhere


@pytest.mark.django_db(transaction=True)
def test_concurrent_name_correction_and_confirmation_count_a_person_once(
    petition: Petition,
) -> None:
    seen = set()
    for number in range(8):
        old = replace(AMINA, name="Amnia Example", email=f"race{number}@example.org")
        signature = sign_and_confirm(petition, old)
        waiting = sign(petition, replace(old, name=AMINA.name))
        outcomes: list[Any] = []
        start = threading.Barrier(2)

        def press(pk: Any = waiting, found: Any = outcomes, start: Any = start) -> None:
            start.wait()
            found.append(confirm(pk))
            connections.close_all()

        def correct(
            mine: Signature = signature,
            address: str = old.email,
            found: Any = outcomes,
            start: Any = start,
        ) -> None:
            start.wait()
            try:
                self_service.correct_name(
                    recipient=sealing.recipient_of(address),
                    reference=mine.reference,
                    name=AMINA.name,
                )
            except self_service.NameTaken as error:
                found.append(type(error))
            connections.close_all()

        both = [threading.Thread(target=press), threading.Thread(target=correct)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(timeout=20)
        assert outcomes in (
            [Outcome.ALREADY], [Outcome.CONFIRMED, self_service.NameTaken],
            [self_service.NameTaken, Outcome.CONFIRMED],
        )  # fmt: skip
        seen.add(len(outcomes))
    persons = [
        bytes(ix) for ix in Signer.objects.exclude(slot=None).values_list("person_ix", flat=True)
    ]
    assert len(persons) == len(set(persons))
    assert seen


def test_a_removed_or_pending_signature_can_only_be_withdrawn(
    petition: Petition, browser: Client
) -> None:
    removed = sign_and_confirm(petition, AMINA)
    Signature.objects.filter(pk=removed.pk).update(state="removed")
    waiting = Signature.objects.get(pk=sign(petition, DAVID))
    for signature, address in ((removed, AMINA.email), (waiting, DAVID.email)):
        page = browser.post(link_for(address)).content.decode()
        assert "/withdraw/" in page
        assert "/name-use/" not in page
        for what, form in (("name", {"name": "Amina Exampel"}), ("updates", {"updates": "on"})):
            assert browser.post(change(signature, what, address), form).status_code == 409
        assert browser.post(change(signature, "withdraw", address)).status_code == 200


# --- Choosing ------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", Signature.NameUse.values)
@pytest.mark.parametrize("before", Signature.NameUse.values)
def test_the_name_choice_can_be_changed_from_and_to_every_value(
    petition: Petition, browser: Client, before: str, choice: str
) -> None:
    Petition.objects.update(publishes_names=True)
    signature = sign_and_confirm(petition, replace(AMINA, name_use=before))
    assert browser.post(change(signature, "name-use"), {"name_use": choice}).status_code == 200
    signature.refresh_from_db()
    assert signature.name_use == choice


@pytest.mark.parametrize(
    "form",
    # The last one is invalid, because this petition publishes no names.
    [{}, {"name_use": "sold"}, {"name_use": "withheld", "x": "1"}, {"name_use": "public"}],
)
def test_an_invalid_name_choice_returns_422_and_changes_nothing(
    petition: Petition, browser: Client, form: dict[str, str]
) -> None:
    signature = sign_and_confirm(petition)
    assert browser.post(change(signature, "name-use"), form).status_code == 422
    signature.refresh_from_db()
    assert signature.name_use == AMINA.name_use


def test_news_can_be_unsubscribed_and_subscribed(petition: Petition, browser: Client) -> None:
    signature = sign_and_confirm(petition, DAVID)
    for form, wanted in (({}, False), ({"updates": "on"}, True)):
        browser.post(change(signature, "updates", DAVID.email), form)
        signature.refresh_from_db()
        assert signature.wants_updates is wanted


# --- Taking along --------------------------------------------------------------------------


def test_all_stored_data_can_be_downloaded_without_being_cached(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    answer = browser.post(link_for() + "download/")
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert answer["Cache-Control"] == "no-store"
    assert BASHIR.name in answer.content.decode()
    data = json.loads(answer.content)
    amina = next(one for one in data["signatures"] if one["name"] == AMINA.name)
    wanted = {
        "petition": "protect", "email": AMINA.email, "postcode": AMINA.postcode,
        # Bashir, with the same address, withholds his name.
        "name_use": "withheld", "state": "confirmed", "wants_updates": False, "language": "en",
        "consent_version": consent.CURRENT, "counts_for": "unknown",
    }  # fmt: skip
    assert wanted.items() <= amina.items()
    assert data["no_mail"] is False


# --- Objecting -----------------------------------------------------------------------------


def mails_to(address: str) -> int:
    sent.outbox.clear()
    outbox.deliver()
    return len([message for message in sent.outbox if message.to == [address]])


def test_an_objection_stops_all_mail_until_it_is_lifted(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition, replace(AMINA, wants_updates=True))
    outbox.deliver()
    page = browser.post(link_for() + "mail/").content.decode()
    again = page.partition('href="/t/en/mail-again/')[2].partition('"')[0]

    signature.refresh_from_db()
    assert not signature.wants_updates
    assert Objection.objects.get().reason == Objection.Reason.NO_MAIL
    assert asked(browser) == []
    sign(another(petition), AMINA)
    assert mails_to(AMINA.email) == 0
    assert "no messages at all" in browser.post(link_for()).content.decode()

    # The link of that page does not expire after an hour, because no other can be requested.
    assert "<button" in browser.get(f"/t/en/mail-again/{again}").content.decode()
    assert Objection.objects.exists()
    browser.post(f"/t/en/mail-again/{again}")
    assert not Objection.objects.exists()
    assert len(asked(browser)) == 1


def test_an_objection_can_be_lifted_on_the_self_service_page(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition)
    browser.post(link_for() + "mail/")
    browser.post(link_for() + "mail/", {"wanted": "1"})
    assert not Objection.objects.exists()


def test_objecting_twice_stores_one_objection_which_outlives_the_signature(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    for _ in range(2):
        assert browser.post(link_for() + "mail/").status_code == 200
    browser.post(change(signature, "withdraw"))
    assert Objection.objects.count() == 1
    sign(petition)
    assert mails_to(AMINA.email) == 0


def test_an_objection_to_all_mail_still_works_after_the_index_key_is_rotated(
    petition: Petition, browser: Client, settings: Any
) -> None:
    sign_and_confirm(petition)
    outbox.deliver()
    browser.post(link_for() + "mail/")
    settings.INDEX_KEYS = {9: b"9" * 32, **settings.INDEX_KEYS}
    assert asked(browser) == []
    recipient = sealing.recipient_of(AMINA.email)
    assert recipient.inboxes[0].key_id == 9
    assert self_service.subject_access(recipient=recipient)["no_mail"] is True
    suppression.unsuppress_all(inboxes=recipient.inboxes)
    assert not Objection.objects.exists()


def test_a_link_to_lift_an_objection_does_not_show_signatures(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition)
    token = tokens.inbox_link(tokens.MAIL_AGAIN, inbox_of())
    for answer in (
        browser.get(f"/t/en/mail-again/{token}/"), browser.post(f"/t/en/mail-again/{token}/")
    ):  # fmt: skip
        assert AMINA.name not in answer.content.decode()
    assert browser.post(f"/t/en/mail-again/{token[:-2]}/").status_code == 404


def test_a_signer_who_cannot_be_unsealed_does_not_hide_others(
    petition: Petition, browser: Client
) -> None:
    broken = sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    Signer.objects.filter(pk=broken.pk).update(sealed=b"\1\1" + b"x" * 60)
    assert BASHIR.name in browser.post(link_for()).content.decode()


def person(name: str) -> Attempt:
    return replace(AMINA, name=name)


def test_the_self_service_page_has_a_constant_query_count(
    petition: Petition, browser: Client, django_assert_num_queries: Any
) -> None:
    sign_and_confirm(petition)
    browser.post(link_for())
    for number in range(20):
        sign_and_confirm(petition, replace(DAVID, email=f"david{number}@example.net"))
    with django_assert_num_queries(9):
        browser.post(link_for())


def test_a_flood_of_forms_hides_no_confirmed_signature(petition: Petition, browser: Client) -> None:
    """Anybody can send 30 forms an hour in somebody's name, which makes 10,000 in a fortnight."""
    stands = sign_and_confirm(petition)
    for number in range(30):
        sign(petition, replace(AMINA, name=f"Mallory {'abcdefghijklmnopqrstuvwxyz'[number % 26]}"))
    page = browser.post(link_for()).content.decode()
    assert page.count("/withdraw/") == 21
    assert stands.spoken_reference in page
    assert "only the newest 20 are shown" in page
    data = json.loads(browser.post(f"{link_for()}download/").content)
    assert len(data["signatures"]) == 21
    assert data["only_newest_waiting"] is True
    assert browser.post(change(stands, "withdraw")).status_code == 200
    assert Signature.objects.get(pk=stands.pk).state == Signature.State.WITHDRAWN


OTHER = "a.mina+tag@googlemail.com"
OWN = "amina@gmail.com"


@pytest.fixture
def spellings(petition: Petition) -> tuple[Signature, Signature]:
    """Create two people's confirmed signatures, which the alias rules treat as one mailbox."""
    return (
        sign_and_confirm(petition, replace(AMINA, email=OTHER, wants_updates=True)),
        sign_and_confirm(petition, replace(BASHIR, email=OWN)),
    )


def test_a_link_does_not_show_or_download_signatures_of_another_spelling(
    spellings: tuple[Signature, Signature], browser: Client
) -> None:
    for address in (OWN, "Amina@GMAIL.com"):
        link = link_for(address)
        for page in (browser.post(link), browser.post(link + "download/")):
            assert BASHIR.name in page.content.decode()
            assert AMINA.name not in page.content.decode()
            assert OTHER not in page.content.decode()
    for address in ("a.mina@gmail.com", "amina+x@gmail.com", "amina@googlemail.com"):
        words = browser.post(link_for(address)).content.decode()
        assert "We hold no signature" in words
        assert "Amina" not in words
        assert browser.post(link_for(address) + "download/").json()["signatures"] == []


def test_a_link_cannot_change_signatures_of_another_spelling(
    spellings: tuple[Signature, Signature], browser: Client
) -> None:
    theirs, _mine = spellings
    for what, form in (
        ("withdraw", {}), ("name", {"name": "Amina Exampel"}), ("updates", {}),
        ("name-use", {"name_use": "withheld"}),
    ):  # fmt: skip
        assert browser.post(change(theirs, what, OWN), form).status_code == 409, what
    browser.post(link_for(OWN) + "mail/")
    theirs.refresh_from_db()
    assert (theirs.state, theirs.name_use, theirs.wants_updates) == (
        "confirmed",
        "government",
        True,
    )
    assert name_of(theirs) == AMINA.name
