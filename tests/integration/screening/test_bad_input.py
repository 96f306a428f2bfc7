"""What nobody types by mistake: forged hosts, doubled fields, look-alikes, floods of networks."""

import re
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.infra.client_network import Sender
from petitions.models import Petition, PetitionText, Signature, Signer
from petitions.screening import rate_limits
from petitions.screening.rate_limits import Act
from petitions.signers import sealing
from tests.checking import (
    CORRECTION,
    PAGE,
    correct_path,
    link_in,
    mailed,
    page_at,
    signed,
)
from tests.people import AMINA, typed

CYRILLIC_A = "\u0430"


# --- Hosts -------------------------------------------------------------------------------


def test_a_forged_host_header_is_refused_with_400(petition: Petition, browser: Client) -> None:
    for host in ("evil.example", "evil.example:80", "testserver.evil.example", "a b", "["):
        assert browser.post(PAGE, typed(), headers={"Host": host}).status_code == 400
    assert not Signature.objects.exists()


@pytest.mark.parametrize(
    "name", ["X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "Forwarded", "X-Original-URL"]
)
def test_forwarded_host_headers_reach_no_response_or_mail(
    petition: Petition, browser: Client, name: str
) -> None:
    value = "host=evil.example" if name == "Forwarded" else "evil.example"
    answer = browser.post(PAGE, typed(), headers={name: value})
    page = browser.get(answer["Location"], headers={name: value})
    (message,) = mailed()

    assert answer["Location"].startswith("/t/en/check/")
    assert settings.SITE_URL in message.body
    for text in (str(answer.headers), page.content.decode(), str(message.message())):
        assert "evil.example" not in text


# --- Doubled fields and arrays -----------------------------------------------------------


@pytest.mark.parametrize("name", sorted(typed()))
def test_any_form_field_sent_twice_is_refused(
    petition: Petition, browser: Client, name: str
) -> None:
    value = typed()[name]
    assert browser.post(PAGE, {**typed(), name: [value, value]}).status_code == 422
    assert not Signature.objects.exists()


@pytest.mark.parametrize("name", ["email[]", "email[0]", "email.0", "Email", "email "])
def test_an_array_or_another_spelling_of_a_field_is_refused(
    petition: Petition, browser: Client, name: str
) -> None:
    assert browser.post(PAGE, {**typed(), name: "victim@example.net"}).status_code == 422
    assert not Signature.objects.exists()


def test_form_fields_in_the_query_string_are_ignored(petition: Petition, browser: Client) -> None:
    answer = browser.post(PAGE + "?email=victim@example.net&name=a&name=b", typed())
    assert answer.status_code == 303
    assert sealing.unsealed(Signer.objects.get())["email"] == AMINA.email


def test_a_correction_with_a_field_sent_twice_is_refused(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    doubled: dict[str, Any] = {**CORRECTION, "email": ["a@example.org", "b@example.org"]}
    assert browser.post(correct_path(check), doubled).status_code == 422
    assert Signature.objects.count() == 1


# --- Tick boxes --------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "1", "true", "ON", "on ", "false", "no", "0", "yes"])
def test_consent_with_any_value_but_on_is_refused(
    petition: Petition, browser: Client, value: str
) -> None:
    answer = browser.post(PAGE, {**typed(), "consent": value})
    page = answer.content.decode()

    assert answer.status_code == 422
    assert "Tick the box to agree; without it we may not keep your signature." in page
    (box,) = re.findall(r'<input[^>]*name="consent"[^>]*>', page)
    assert "checked" not in box  # consent is never ticked beforehand
    assert not Signature.objects.exists()


@pytest.mark.parametrize("value", ["1", "no", "yes"])
def test_optional_tick_boxes_with_any_value_but_on_are_ignored(
    petition: Petition, browser: Client, value: str
) -> None:
    untold = browser.post(PAGE, typed(postcode="", postcode_unsaid=value))
    browser.post(PAGE, typed(updates=value))

    assert untold.status_code == 422
    assert not Signature.objects.get().wants_updates


# --- Look-alikes -------------------------------------------------------------------------


def test_a_lookalike_domain_is_a_separate_mailbox_and_mailed_in_punycode(
    petition: Petition, browser: Client
) -> None:
    lookalike = f"amina@ex{CYRILLIC_A}mple.org"
    signed(browser)
    signed(browser, email=lookalike)

    letters = mailed()
    assert Signer.objects.values("petition_mailbox_ix").distinct().count() == 2
    written = sorted(message.message()["To"] for message in letters)
    assert written == ["amina@example.org", "amina@xn--exmple-4nf.org"]


def test_a_lookalike_local_part_is_refused(petition: Petition, browser: Client) -> None:
    answer = browser.post(PAGE, typed(email=f"{CYRILLIC_A}mina@example.org"))
    assert answer.status_code == 422
    assert not Signature.objects.exists()


def test_a_lookalike_name_counts_separately_but_gets_no_third_household_slot(
    petition: Petition, browser: Client
) -> None:
    """Spelt in another script it is another name; a mailbox still has two places."""
    for name in ("Amina Example", f"{CYRILLIC_A}mina Example", f"Amin{CYRILLIC_A} Example"):
        signed(browser, name=name)
        (message,) = mailed()
        browser.post(link_in(message), {"chosen": "yes"})
    assert tallies.total(petition.pk) == 2


# --- Long addresses ----------------------------------------------------------------------


def test_a_local_part_of_64_characters_is_accepted_and_of_65_refused(
    petition: Petition, browser: Client
) -> None:
    longest = "a" * 64 + "@example.org"
    signed(browser, email=longest)
    (message,) = mailed()
    assert message.message()["To"] == longest
    assert browser.post(link_in(message)).status_code == 200
    assert tallies.total(petition.pk) == 1
    assert browser.post(PAGE, typed(email="a" + longest)).status_code == 422


# --- Other petitions ---------------------------------------------------------------------


def test_check_pages_and_links_of_one_petition_do_not_affect_another(
    petition: Petition, browser: Client
) -> None:
    other = Petition.objects.create(
        slug="other", state=Petition.State.OPEN, opens_at=petition.opens_at
    )
    PetitionText.objects.create(
        petition=other, language="en", title="Other", addressee="x", ask="x", body="x",
        published_at=timezone.now(),
    )  # fmt: skip
    check = signed(browser)
    for path in (check, correct_path(check)):
        answer = browser.post(path + "?petition=other", {**CORRECTION, "petition": "other"})
        assert answer.status_code in {405, 422}
    corrected = browser.post(correct_path(check), CORRECTION)["Location"]
    (message,) = mailed()
    browser.post(link_in(message) + "?petition=other", {"petition": str(other.pk)})

    assert page_at(corrected).petition == petition.slug
    assert (tallies.total(petition.pk), tallies.total(other.pk)) == (1, 0)
    assert not Signature.objects.filter(petition=other).exists()


# --- A flood from one network ------------------------------------------------------------


# A tenth of them is in every run: see the limits' own tests.
@pytest.mark.endurance
@pytest.mark.timeout(600)
def test_100_000_signings_from_one_ipv6_48_are_limited_and_use_bounded_memory() -> None:
    """Each from a /64 and for a mailbox of its own."""
    rate = settings.LIMITS["SIGN_NETWORK"]
    assert rate
    most = rate_limits.PREFIX_FACTOR * rate.amount
    taken, sizes = 0, []
    for n in range(100_000):
        verdict = rate_limits.hit(
            Act.SIGN,
            address=f"p{n}@d{n % 50}.example",
            petition=1,
            sender=Sender(network=f"2001:db8:7:{n % 65536:x}::/64", prefix="2001:db8:7::/48"),
        )
        taken += not verdict.is_refused
        if n in {most, 99_999}:
            sizes.append(_size())
    assert taken == most
    # One key for each mailbox, network and burst that was taken, and a few more; then no more.
    assert sizes[0] == sizes[1] <= 3 * most + 200


def _size() -> int:
    """How many counters there are."""
    with redis.Redis.from_url(settings.REDIS_URL) as counters:
        return int(counters.dbsize())
