"""Choosing a person at confirmation, because anybody can type anybody's address and any name.

Mallory types Amina's address under invented names, and hopes that Amina presses a link.
"""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.models import Petition, Signature
from petitions.signatures import confirm as confirming
from petitions.signatures import signing_sql
from petitions.signatures.confirm import Outcome
from petitions.signers.sealing import Attempt
from tests.people import AMINA, BASHIR, confirm, sign, sign_and_confirm

WITHHELD, PUBLIC = Signature.NameUse.WITHHELD, Signature.NameUse.PUBLIC
WITHOUT_HER_NAME = replace(AMINA, name_use=WITHHELD)
ONE_LETTER_CHANGED = replace(AMINA, name="Amina Exampel", name_use=PUBLIC)
ANOTHER_HOME = Attempt(name="Rana Forged", email=AMINA.email, country="FR", name_use=PUBLIC)
_ADD = re.compile(
    r'action="(/t/\w+/confirm/[\w.-]+/)"[^>]*><button[^>]*name="chosen"[^>]*>'
    r"<span>[^<]*<bdi>(.*?)</bdi>"
)


def link(signature_id: UUID, language: str = "en") -> str:
    return f"/t/{language}/confirm/{tokens.link(tokens.CONFIRM, signature_id, 0)}/"


def choices(page: str) -> dict[str, str]:
    """Return the paths that the question offers, by name."""
    return {name: path for path, name in _ADD.findall(page)}


def waiting() -> set[UUID]:
    return set(Signature.objects.filter(state="pending").values_list("pk", flat=True))


def test_confirming_with_several_pending_people_asks_which_one_and_counts_nobody(
    petition: Petition, client: Client
) -> None:
    hers, forged = sign(petition, AMINA), sign(petition, ANOTHER_HOME)

    page = client.post(link(forged)).content.decode()

    assert set(choices(page)) == {"Amina Example", "Rana Forged"}
    assert waiting() == {hers, forged}
    assert tallies.total(petition.pk) == 0


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", "The other one then signs again, and we send a new message."),
        ("ar", "وعلى الشخص الآخر أن يوقّع بعد ذلك من جديد، فنرسل رسالة جديدة."),
        ("cy", "Yna mae’r llall yn llofnodi eto, ac anfonwn neges newydd."),
    ],
)
def test_the_other_person_of_a_household_can_sign_again(
    petition: Petition, client: Client, language: str, says: str
) -> None:
    hers, his = sign(petition, AMINA), sign(petition, BASHIR)

    assert says in client.post(link(hers, language)).content.decode()
    assert confirm(hers) is Outcome.CONFIRMED
    assert confirm(his) is Outcome.GONE
    assert confirm(sign(petition, BASHIR)) is Outcome.CONFIRMED
    assert tallies.total(petition.pk) == 2


def test_the_chosen_person_counts_and_the_other_links_become_invalid(
    petition: Petition, client: Client
) -> None:
    """Pressing a stranger's link also adds the owner, once."""
    hers, forged = sign(petition, WITHOUT_HER_NAME), sign(petition, ONE_LETTER_CHANGED)
    path = choices(client.post(link(forged)).content.decode())["Amina Example"]

    answers = [client.post(path, {"chosen": "yes"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert "Thank you. Your signature is confirmed." in answers[1].content.decode()
    (signature,) = Signature.objects.counted()
    assert (signature.pk, signature.name_use) == (hers, WITHHELD)
    assert tallies.total(petition.pk) == 1
    assert client.post(link(forged)).status_code == 404


def test_several_forms_of_one_person_need_no_choice(petition: Petition) -> None:
    first = sign(petition, AMINA)
    sign(petition, replace(AMINA, name="AMINA  exámple"))

    pressed = confirming.confirm(signature_id=first, epoch=0)

    assert pressed.outcome is Outcome.CONFIRMED


def test_forms_for_other_spellings_of_the_address_are_neither_shown_nor_deleted(
    petition: Petition, client: Client
) -> None:
    """Reading one address does not prove that somebody reads the other."""
    other = sign(petition, replace(BASHIR, email="amina+b@example.org"))

    page = client.post(link(sign(petition, AMINA))).content.decode()

    assert "Thank you. Your signature is confirmed." in page
    assert waiting() == {other}


def test_a_second_person_of_a_mailbox_is_counted_only_after_an_explicit_choice(
    petition: Petition, client: Client
) -> None:
    """Otherwise changing one letter of her own name would count her twice."""
    sign_and_confirm(petition, AMINA)
    path = link(sign(petition, ONE_LETTER_CHANGED))

    page = client.post(path).content.decode()
    assert "Somebody has already signed with this email address" in page
    assert "Amina Example" not in page
    assert tallies.total(petition.pk) == 1

    assert choices(page) == {"Amina Exampel": path}
    assert client.post(path, {"chosen": "yes"}).status_code == 200
    assert tallies.total(petition.pk) == 2


@pytest.mark.parametrize(
    ("standing", "joining"),
    [(WITHOUT_HER_NAME, ONE_LETTER_CHANGED), (ONE_LETTER_CHANGED, WITHOUT_HER_NAME)],
)
def test_the_strictest_name_choice_applies_to_the_whole_mailbox(
    petition: Petition, standing: Attempt, joining: Attempt
) -> None:
    sign_and_confirm(petition, standing)
    sign_and_confirm(petition, joining)
    assert set(Signature.objects.values_list("name_use", flat=True)) == {WITHHELD}


def test_an_unchosen_form_with_a_stricter_name_choice_applies_and_the_page_says_so(
    petition: Petition, client: Client
) -> None:
    hers = sign(petition, replace(AMINA, name_use=PUBLIC))
    sign(petition, replace(BASHIR, name_use=WITHHELD))

    page = client.post(link(hers), {"chosen": "yes"}).content.decode()

    assert Signature.objects.counted().get().name_use == WITHHELD
    assert "Another form that was sent with this email address allows less" in page


def test_an_unchosen_form_from_another_home_does_not_block_a_confirmation(
    petition: Petition,
) -> None:
    sign(petition, ANOTHER_HOME)
    assert confirm(sign(petition, AMINA)) is Outcome.CONFIRMED
    assert tallies.total(petition.pk) == 1


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_the_thank_you_page_names_the_signer_and_has_a_button_to_undo(
    petition: Petition, client: Client, language: str
) -> None:
    """A stranger's form may be the only pending one. After the press the owner sees its name."""
    page = client.post(link(sign(petition, ANOTHER_HOME), language)).content.decode()
    assert "<bdi>Rana Forged</bdi>" in page
    (back,) = re.findall(r'action="(/t/\w+/confirm/[\w.-]+/back/)"', page)

    answer = client.post(back)

    assert answer.status_code == 200
    assert "Rana" not in answer.content.decode()
    assert tallies.total(petition.pk) == 0
    assert Signature.objects.get().state == Signature.State.WITHDRAWN
    # Now her own form, from another home, is not refused.
    assert confirm(sign(petition, AMINA)) is Outcome.CONFIRMED


def test_the_undo_button_does_not_withdraw_an_older_confirmation(
    petition: Petition, client: Client
) -> None:
    signature = sign_and_confirm(petition, AMINA)
    Signature.objects.update(confirmed_at=signature.created_at.replace(year=2020))

    answer = client.post(f"{link(signature.pk)}back/")

    assert answer.status_code == 303
    assert tallies.total(petition.pk) == 1


def test_a_get_request_to_the_confirmation_link_shows_no_names(
    petition: Petition, client: Client
) -> None:
    path = link(sign(petition, AMINA))
    alone = client.get(path).content
    sign(petition, ANOTHER_HOME)
    together = client.get(path).content
    assert b"Rana" not in together
    assert alone == together


def test_a_flood_of_forms_does_not_slow_confirmation(petition: Petition, client: Client) -> None:
    """The question names at most twenty people, including the one of the pressed link."""
    first = sign(petition, AMINA)
    sign(petition, ANOTHER_HOME)
    client.post(link(first))
    with CaptureQueriesContext(connection) as before:
        client.post(link(first))
    for number in range(signing_sql.MAX_ROWS + 5):
        sign(petition, replace(ANOTHER_HOME, name=f"Forged {chr(97 + number)}"))

    with CaptureQueriesContext(connection) as queries:
        page = client.post(link(first)).content.decode()

    found = choices(page)
    assert len(found) == signing_sql.MAX_ROWS
    assert "Amina Example" in found
    assert len(queries) == len(before), [query["sql"][:90] for query in queries]


def test_a_flood_of_forms_for_other_spellings_does_not_suppress_the_choice(
    petition: Petition, client: Client
) -> None:
    """Otherwise pressing a stranger's link would count the owner under that name, unasked."""
    hers, forged = sign(petition, AMINA), sign(petition, ANOTHER_HOME)
    # `now()` is constant in a test's transaction, and the newest forms are read.
    Signature.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    for number in range(signing_sql.MAX_ROWS):
        sign(petition, replace(ANOTHER_HOME, email=f"amina+{number}@example.org"))

    page = client.post(link(forged)).content.decode()

    assert choices(page) == {"Rana Forged": link(forged)}
    assert "Several names were entered with this email address." in page
    assert {hers, forged} <= waiting()
    assert tallies.total(petition.pk) == 0

    client.post(link(hers), {"chosen": "yes"})
    assert tallies.total(petition.pk) == 1
