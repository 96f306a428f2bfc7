"""Rules: in which order they count, and that the blocked learn nothing."""

import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone
from limits import parse

from petitions.infra.client_network import Sender, parsed
from petitions.mail import outbox
from petitions.models import Mail, Petition, Rule, Signature, Signer
from petitions.privacy import retention
from petitions.screening import rules, screen
from petitions.signers import sealing
from tests.people import AMINA, confirm, sign, sign_and_confirm
from tests.rules import SENDER, block_address, make, post


def signals_after(petition: Petition, sender: str = SENDER) -> tuple[str, ...]:
    evidence = screen.Evidence(sender=Sender.at(parsed(sender)))
    with screen.screen(petition=petition, attempt=AMINA, evidence=evidence) as (found, _):
        pass
    assert found.is_refused == bool(found.signals)
    return found.signals


@pytest.fixture
def narrow(settings: Any) -> None:
    """One signing from a network, and no more."""
    settings.LIMITS = {"SIGN_NETWORK": parse("1/hour")}


# --- Which rule counts -------------------------------------------------------------------


def test_block_rules_override_allow_rules_and_apply_in_a_fixed_order(petition: Petition) -> None:
    make("network", "allow", "192.0.2.0/24")
    make("domain", "allow", "example.org")
    assert signals_after(petition) == ()
    address = block_address("amina@example.org")
    assert signals_after(petition) == ("blocked-address",)
    domain = make("domain", "block", "example.org")
    assert signals_after(petition) == ("blocked-domain",)
    network = make("network", "block", "192.0.2.0/24")
    assert signals_after(petition) == ("blocked-network",)
    for rule in (network, domain, address):
        rule.delete()
    rules.invalidate()
    assert signals_after(petition) == ()


@pytest.mark.parametrize("limit", ["SIGN_NETWORK", "SIGN_DOMAIN", "SIGN_PETITION"])
def test_an_allowed_network_is_exempt_from_rate_limits(
    petition: Petition, settings: Any, limit: str
) -> None:
    settings.LIMITS = {limit: parse("1/hour")}
    make("network", "allow", "192.0.2.7/32")
    assert [post(name=f"Person {letter}").status_code for letter in "ABCD"] == [303] * 4
    Rule.objects.all().delete()
    rules.invalidate()
    assert [post(name=f"Person {letter}").status_code for letter in "EF"] == [303, 429]


def allow_address(address: str) -> Rule:
    return make("address", "allow", address_ix=rules.address_index(address))


@pytest.mark.parametrize(
    ("limit", "others"),
    [
        ("SIGN_DOMAIN", 303),
        ("SIGN_DOMAIN_CHALLENGE", 303),
        ("SIGN_NETWORK", 429),
        ("SIGN_NETWORK_CHALLENGE", 403),
        ("SIGN_PETITION", 429),
        ("SIGN_PETITION_CHALLENGE", 403),
    ],
)
def test_an_allowed_domain_is_exempt_only_from_domain_rate_limits(
    petition: Petition, settings: Any, limit: str, others: int
) -> None:
    make("domain", "allow", "example.org")
    settings.LIMITS = {limit: parse("1/hour")}
    answers = [post(name=f"Person {letter}").status_code for letter in "ABC"]
    assert answers == [303, others, others]


@pytest.mark.parametrize(
    ("limit", "others"), [("SIGN_DOMAIN", 429), ("SIGN_DOMAIN_CHALLENGE", 403)]
)
def test_an_allow_rule_for_an_address_lifts_no_rate_limit(
    petition: Petition, settings: Any, limit: str, others: int
) -> None:
    """No such rule can be made now; one that an earlier release made lifts nothing."""
    allow_address("amina@example.org")
    settings.LIMITS = {limit: parse("1/hour")}
    answers = [post(name=f"Person {letter}").status_code for letter in "ABC"]
    assert answers == [303, others, others]


def test_an_allowed_domain_is_not_exempt_from_the_burst_signal(petition: Petition) -> None:
    make("domain", "allow", "example.org")
    for number in range(8):
        post(name=f"Person {chr(65 + number)}")
    assert any("burst:8" in signature.signals for signature in Signature.objects.all())


def test_an_allow_rule_for_a_network_ends_when_it_expires(petition: Petition, narrow: None) -> None:
    rule = make("network", "allow", "192.0.2.0/24", expires_at=timezone.now() + timedelta(hours=3))
    assert [post().status_code for _ in range(3)] == [303, 303, 303]
    Rule.objects.filter(pk=rule.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    rules.invalidate()
    assert [post().status_code for _ in range(2)] == [303, 429]


def test_a_blocked_address_is_blocked_in_every_spelling(petition: Petition) -> None:
    block_address("Amina.Example@GoogleMail.com")
    post(email="aminaexample+petition@gmail.com")
    assert Signature.objects.get().state == Signature.State.REFUSED


def test_an_ipv6_network_is_blocked_by_its_prefix(petition: Petition) -> None:
    make("network", "block", "2001:db8:1:2::/64")
    assert signals_after(petition, "2001:db8:1:2:ffff::1") == ("blocked-network",)
    assert signals_after(petition, "2001:db8:1:3::1") == ()


def test_an_ipv4_mapped_ipv6_address_is_blocked(petition: Petition) -> None:
    make("network", "block", "192.0.2.0/24")
    assert signals_after(petition, "::ffff:192.0.2.7") == ("blocked-network",)


def test_rule_changes_take_effect_once_the_cache_expires(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules.SECONDS <= 2
    monkeypatch.setattr(rules, "SECONDS", 0.05)
    rules.invalidate()
    assert signals_after(petition) == ()

    rule = Rule.objects.create(kind="network", action="block", pattern="192.0.2.0/24", note="-")
    time.sleep(0.06)
    assert signals_after(petition) == ("blocked-network",)
    Rule.objects.filter(pk=rule.pk).update(pattern="192.0.3.0/24")
    time.sleep(0.06)
    assert signals_after(petition) == ()
    Rule.objects.filter(pk=rule.pk).update(pattern="192.0.2.0/24")
    time.sleep(0.06)
    assert signals_after(petition) == ("blocked-network",)
    Rule.objects.filter(pk=rule.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    time.sleep(0.06)
    assert signals_after(petition) == ()


def test_cached_rules_need_no_query(
    petition: Petition,
    django_assert_num_queries: Callable[..., Any],
) -> None:
    make("network", "block", "192.0.2.0/24")
    rules.in_force()
    with django_assert_num_queries(0):
        rules.in_force()


# --- What the blocked see, and what stays of them ----------------------------------------


def test_a_blocked_attempt_gets_the_same_response_as_an_accepted_one(petition: Petition) -> None:
    usual = post()
    make("network", "block", "192.0.2.0/24")
    blocked = post()
    assert blocked.status_code == usual.status_code
    assert len(blocked["Location"]) == len(usual["Location"])
    assert {k: v for k, v in blocked.items() if k != "Location"} == {
        k: v for k, v in usual.items() if k != "Location"
    }
    pages = [
        Client().get(answer["Location"]).content.decode().replace(answer["Location"], "")
        for answer in (usual, blocked)
    ]
    # What the page carries for its own buttons is sealed, and differs every time.
    alike = [re.sub(r"[\w:-]{40,}", "(sealed)", page) for page in pages]
    assert alike[0] == alike[1]


def test_a_blocked_attempt_gets_no_mail_and_leaves_no_personal_data(
    petition: Petition, caplog: pytest.LogCaptureFixture
) -> None:
    make("domain", "block", "*.example.org")
    with caplog.at_level(logging.DEBUG):
        post(email="amina@mail.example.org")
    outbox.deliver()
    assert mail.outbox == []

    refused = Signature.objects.get()
    assert (refused.state, refused.signals[-1]) == ("refused", "blocked-domain")
    assert (refused.name_use, refused.wants_updates, refused.place_id) == (
        "withheld",
        False,
        "unknown",
    )
    known = Signature.objects.get(pk=sign(petition))
    for name in ("petition_mailbox_ix", "person_ix", "home_ix", "domain_ix"):
        assert bytes(getattr(refused.signer, name)) != bytes(getattr(known.signer, name))
    assert "amina" not in caplog.text.lower()


def test_a_blocked_attempt_is_rate_limited_like_any_other(petition: Petition, narrow: None) -> None:
    make("network", "block", "192.0.2.0/24")
    assert [post().status_code for _ in range(2)] == [303, 429]


# --- What is forgotten -------------------------------------------------------------------


def age(signature: Signature, **ago: int) -> None:
    Signature.objects.filter(pk=signature.pk).update(created_at=timezone.now() - timedelta(**ago))


def test_a_refused_attempt_loses_its_signer_in_an_hour_and_is_deleted_in_a_month(
    petition: Petition,
) -> None:
    block_address("amina@example.org")
    post()
    refused = Signature.objects.get()
    retention.apply()
    assert Signer.objects.filter(signature=refused).exists()

    age(refused, minutes=61)
    retention.apply()
    assert not Signer.objects.exists()
    # Mails stay for a week, of nobody, for the numbers that staff see.
    assert not Mail.objects.exclude(signature=None, sealed=None).exists()
    assert Signature.objects.get().signals[-1] == "blocked-address"

    age(refused, days=31)
    retention.apply()
    assert not Signature.objects.exists()


def test_network_and_domain_indexes_are_erased_after_thirty_days(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    old = []
    for n in range(5):
        post(email=f"old{n}@example.org")
        old.append(Signature.objects.latest("created_at"))
        age(old[-1], days=31)
    # Confirmed ones stay as signatures, and lose their origin too.
    Signature.objects.filter(pk=old[0].pk).update(state="confirmed", confirmed_at=timezone.now())
    post(email="new@example.org")

    assert retention.erase_origins() == 5
    assert retention.erase_origins() == 0

    assert Signer.objects.filter(network_ix=None, domain_ix=None).count() == 5
    new = Signer.objects.exclude(domain_ix=None).get()
    assert new.network_ix is not None


def test_signers_with_an_origin_can_be_found_by_partial_indexes(petition: Petition) -> None:
    sign_and_confirm(petition)
    with connection.cursor() as cursor:
        # Of what the planner may choose, show that the indexes are among it.
        for way in ("seqscan", "indexscan", "indexonlyscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(
            """
            EXPLAIN SELECT signature_id FROM petitions_signer
            WHERE network_ix IS NOT NULL OR domain_ix IS NOT NULL
            """
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "signer_network" in plan
    assert "signer_domain" in plan


# --- Rules that hold, and rules at confirming --------------------------------------------


@pytest.mark.parametrize(
    ("kind", "pattern"), [("network", "192.0.2.0/24"), ("domain", "example.org"), ("address", "")]
)
def test_a_hold_rule_accepts_a_signature_and_holds_it_on_confirmation(
    petition: Petition, kind: str, pattern: str
) -> None:
    index = {} if pattern else {"address_ix": rules.address_index("amina@example.org")}
    make(kind, "hold", pattern, **index)
    post()
    signature = Signature.objects.get()
    assert (signature.state, signature.signals) == ("pending", [f"held-{kind}"])
    confirm(signature.pk)
    signature.refresh_from_db()
    assert signature.state == Signature.State.HELD


def test_block_rules_override_hold_rules_and_hold_rules_override_allow_rules(
    petition: Petition,
) -> None:
    make("network", "hold", "192.0.2.0/24")
    make("network", "allow", "192.0.2.0/24")
    post()
    assert Signature.objects.get().verdict == Signature.Verdict.HOLD
    Signature.objects.all().delete()
    make("domain", "block", "example.org")
    post()
    assert Signature.objects.get().state == Signature.State.REFUSED


def test_a_hold_rule_adds_no_weight_to_fraud_signals(petition: Petition) -> None:
    make("network", "hold", "192.0.2.0/24")
    post(feedback="https://spam.example", name="asdfghj aaaaa")
    assert Signature.objects.get().state == Signature.State.REFUSED
    Signature.objects.all().delete()
    post(feedback="https://spam.example", name="Person aaaaa")
    assert Signature.objects.get().state == Signature.State.PENDING


@pytest.mark.parametrize("action", ["block", "hold"])
@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("network", "192.0.2.0/24"),
        ("network", "192.0.0.0/16"),
        ("domain", "example.org"),
        ("domain", "*.org"),
        ("address", ""),
    ],
)
def test_a_pending_signature_is_held_on_confirmation_by_a_newer_rule(
    petition: Petition, action: str, kind: str, pattern: str
) -> None:
    post()
    index = {} if pattern else {"address_ix": rules.address_index("amina@example.org")}
    make(kind, action, pattern, **index)
    signature = Signature.objects.get()
    confirm(signature.pk)
    signature.refresh_from_db()
    prefix = {"block": "blocked", "hold": "held"}[action]
    assert (signature.state, signature.verdict) == ("held", "hold")
    assert signature.signals == [f"{prefix}-{kind}"]


@pytest.mark.parametrize("pattern", ["192.0.3.0/24", "192.0.2.7/32", "192.0.0.0/8"])
def test_rules_for_indistinguishable_networks_hold_no_pending_signature(
    petition: Petition, pattern: str
) -> None:
    """A single address shares its index with its neighbours; a /8 has 65,536 of them."""
    post()
    make("network", "block", pattern)
    signature = Signature.objects.get()
    confirm(signature.pk)
    signature.refresh_from_db()
    assert signature.state == Signature.State.CONFIRMED


def test_expired_rules_and_allow_rules_hold_no_pending_signature(petition: Petition) -> None:
    post()
    make("network", "allow", "192.0.2.0/24")
    make("network", "block", "192.0.2.0/24", expires_at=timezone.now())
    confirm(Signature.objects.get().pk)
    assert Signature.objects.get().state == Signature.State.CONFIRMED


def test_a_second_form_from_a_blocked_network_releases_no_held_signature(
    petition: Petition,
) -> None:
    post()
    post()
    make("network", "block", "192.0.2.0/24")
    first, second = Signature.objects.order_by("created_at")
    confirm(first.pk)
    confirm(second.pk)
    assert Signature.objects.filter(state=Signature.State.CONFIRMED).count() == 0
    assert Signature.objects.get(pk=first.pk).state == Signature.State.HELD


def test_a_network_rule_matches_the_index_of_the_day_of_signing(petition: Petition) -> None:
    """Indexes of networks are of a day in UTC; of old rows only London's day is known."""
    signed = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    cut = datetime(2026, 7, 1, 23, 0, tzinfo=UTC)  # midnight of the second in London
    make("network", "block", "192.0.2.0/24")
    index = sealing.network_index("192.0.2.0/24", signed.date())
    later = sealing.network_index("192.0.2.0/24", date(2026, 7, 2))
    assert index
    assert later
    listed = rules.in_force().block
    assert listed.has_origin(index, signed)
    assert listed.has_origin(later, cut)
    assert not listed.has_origin(index, datetime(2026, 6, 29, 12, tzinfo=UTC))
