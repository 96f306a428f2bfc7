"""Fraud signals: traps, pace, disposable domains and crowds."""

import re
from ipaddress import ip_address

import pytest
from django.contrib.auth.models import User
from django.test import Client

from petitions.counting import tallies
from petitions.infra.client_network import Sender
from petitions.models import Petition, Rule, Signature
from petitions.screening import fraud_signals, rate_limits, rules
from petitions.screening.rate_limits import Act
from petitions.signatures.confirm import Outcome
from tests.held import (
    LIST,
    State,
    states,
)
from tests.people import confirm, typed
from tests.proof import solved, task_in

PAGE = "/petitions/protect/"


def signed_with(browser: Client, **changes: str) -> Signature:
    """Return the signature stored for a form with these changes; all get the same response."""
    answer = browser.post(PAGE, {**typed(), **changes})
    assert answer.status_code == 303
    assert "/t/en/check/" in answer["Location"]
    return Signature.objects.get()


@pytest.mark.parametrize(
    ("changes", "signal"),
    [
        ({"email": "amina@mailinator.com"}, "disposable"),
        ({"feedback": "https://spam.example"}, "honeypot"),
        ({"pace": "12"}, "pace"),
    ],
)
def test_a_disposable_domain_filled_honeypot_or_impossible_pace_holds_a_signature(
    petition: Petition,
    moderator: User,
    browser: Client,
    client: Client,
    changes: dict[str, str],
    signal: str,
) -> None:
    pending = signed_with(browser, **changes)
    assert (pending.state, pending.signals) == (State.PENDING, [signal])

    assert confirm(pending.pk) is Outcome.CONFIRMED

    assert states([pending.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0
    client.force_login(moderator)
    page = client.get(f"{LIST}{pending.pk}/change/").content.decode()
    (sentence,) = fraud_signals.sentences([signal])
    assert sentence in page


@pytest.mark.parametrize(
    "changes",
    [{}, {"feedback": "", "pace": ""}, {"feedback": "", "pace": "2000"}, {"pace": "nonsense"}],
)
def test_missing_or_malformed_honeypot_and_pace_fields_leave_no_signal(
    petition: Petition, browser: Client, changes: dict[str, str]
) -> None:
    pending = signed_with(browser, **changes)
    assert pending.signals == []
    confirm(pending.pk)
    assert tallies.total(petition.pk) == 1


def test_a_request_without_an_origin_header_leaves_a_weak_signal(
    petition: Petition, client: Client
) -> None:
    pending = signed_with(client)
    assert (pending.verdict, pending.signals) == ("pass", ["no-origin"])


def crowd(petition: Petition, number: int) -> None:
    """Simulate this many forms just sent from the network of `browser`."""
    for n in range(number):
        rate_limits.hit(
            Act.SIGN,
            address=f"other{n}@example.net",
            petition=petition.pk,
            sender=Sender.at(ip_address("127.0.0.9")),
        )


@pytest.mark.parametrize(("others", "signals"), [(6, []), (7, ["burst:8"])])
def test_many_forms_from_one_network_leave_a_signal_unless_a_rule_allows_it(
    petition: Petition, browser: Client, others: int, signals: list[str]
) -> None:
    crowd(petition, others)
    pending = signed_with(browser)
    assert (pending.verdict, pending.signals) == ("pass", signals)

    Rule.objects.create(kind="network", action="allow", pattern="127.0.0.0/24", note="an event")
    rules.invalidate()
    pending.delete()
    assert signed_with(browser).signals == []


def test_a_signer_on_a_crowded_network_counts_after_solving_a_challenge(
    petition: Petition, browser: Client
) -> None:
    """120 ordinary signings from one network in two minutes must not fill the moderators' queue."""
    crowd(petition, 120)
    asked = browser.post(PAGE, typed())
    assert asked.status_code == 403

    pending = signed_with(browser, altcha=solved(task_in(asked.content.decode())))

    assert (pending.verdict, pending.signals) == ("pass", ["burst:40"])
    confirm(pending.pk)
    assert tallies.total(petition.pk) == 1


def test_a_crowded_network_with_an_allow_rule_gets_no_challenge(
    petition: Petition, browser: Client
) -> None:
    crowd(petition, 120)
    Rule.objects.create(kind="network", action="allow", pattern="127.0.0.0/24", note="an event")
    rules.invalidate()
    assert signed_with(browser).signals == []


def test_a_random_name_from_a_crowded_network_is_held(petition: Petition, browser: Client) -> None:
    crowd(petition, 60)
    asked = browser.post(PAGE, typed(name="Hvnkjdsft Bcdfghjkl"))
    proof = solved(task_in(asked.content.decode()))
    pending = signed_with(browser, name="Hvnkjdsft Bcdfghjkl", altcha=proof)
    assert (pending.verdict, pending.signals) == ("hold", ["burst:40", "name-random"])


def test_the_honeypot_name_matches_no_autofill_field() -> None:
    """What browsers, phones and password managers look for (HTML's autofill names, vCard)."""
    filled_in = "name|mail|phone|tel|url|web|home|page|addr|street|city|state|zip|post|country|"
    filled_in += "company|org|job|title|birth|bday|sex|note|nick|user|login|pass|card|cc|photo|impp"

    assert not re.search(filled_in, fraud_signals.HONEYPOT)


def test_the_honeypot_is_hidden_from_people_and_comes_back_empty(
    petition: Petition, client: Client
) -> None:
    page = client.get(PAGE).content.decode()
    (trap,) = re.findall(r'<input[^>]*name="feedback"[^>]*>', page)
    assert 'type="text"' in trap
    assert 'tabindex="-1"' in trap
    assert 'autocomplete="off"' in trap
    assert 'value=""' in trap
    before = page[: page.index(trap)]
    assert 'class="for-nobody" aria-hidden="true"' in before[-250:]
    assert '<label for="id_feedback">Leave this field empty</label>' in before[-250:]
    assert page.count('name="pace" value=""') == 1
    # What a machine wrote does not come back to warn it.
    again = client.post(PAGE, {**typed(consent=""), "feedback": "x", "pace": "3"})
    assert again.status_code == 422
    assert trap in again.content.decode()
