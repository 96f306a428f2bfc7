"""Revealing an address: it needs a reason, has an hourly budget, and is recorded."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from petitions.models import AuditRecord, Petition, Signature
from petitions.moderation.reveal import BudgetSpent, NobodyThere, Revealed, reveal
from petitions.signatures import withdraw
from tests.at_once import at_once
from tests.people import AMINA, sign_and_confirm

Action = AuditRecord.Action
WHY = "She wrote that she never signed"


@pytest.fixture
def amina(petition: Petition) -> Signature:
    return sign_and_confirm(petition, AMINA)


def look(actor: User, signature: Signature, reason: str = WHY) -> object:
    actor = User.objects.get(pk=actor.pk)
    return reveal(actor=actor, signature_id=signature.pk, reason=reason, screen="x")


def test_revealing_an_address_is_audited_with_its_reason(
    moderator: User, amina: Signature, settings: Any
) -> None:
    settings.REVEALS_PER_HOUR = 5
    assert look(moderator, amina) == Revealed(AMINA.email, left=4)

    record = AuditRecord.objects.get()
    assert (record.action, record.actor_id, record.why) == (
        Action.ADDRESS_REVEALED,
        moderator.pk,
        WHY,
    )
    assert (record.object_type, record.object_id) == ("petitions.signature", str(amina.pk))
    assert AMINA.email not in str(list(AuditRecord.objects.values()))


def test_reveals_beyond_the_hourly_budget_are_refused_and_audited_once(
    moderator: User, both: User, amina: Signature, settings: Any
) -> None:
    settings.REVEALS_PER_HOUR = 2
    assert isinstance(look(moderator, amina), Revealed)
    assert isinstance(look(moderator, amina), Revealed)

    spent = look(moderator, amina)
    assert isinstance(spent, BudgetSpent)
    assert timedelta(minutes=59) < spent.wait <= timedelta(hours=1)
    assert isinstance(look(moderator, amina), BudgetSpent)
    refusals = AuditRecord.objects.filter(action=Action.REVEAL_REFUSED)
    assert refusals.count() == 1
    assert look(both, amina) == Revealed(AMINA.email, left=1)


def test_the_reveal_budget_is_renewed_after_an_hour(
    moderator: User, amina: Signature, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REVEALS_PER_HOUR = 1
    look(moderator, amina)
    later = timezone.now() + timedelta(minutes=61)
    monkeypatch.setattr("petitions.moderation.reveal.timezone.now", lambda: later)

    assert isinstance(look(moderator, amina), Revealed)


def test_concurrent_reveals_cannot_exceed_the_budget(
    transactional_db: None, petition: Petition, moderator: User, settings: Any
) -> None:
    settings.REVEALS_PER_HOUR = 3
    amina = sign_and_confirm(petition, AMINA)
    found: list[Any] = at_once(*[lambda: type(look(moderator, amina)).__name__] * 8)

    assert sorted(found) == ["BudgetSpent"] * 5 + ["Revealed"] * 3


def test_revealing_an_address_requires_the_permission(organiser: User, amina: Signature) -> None:
    with pytest.raises(PermissionDenied):
        look(organiser, amina)
    assert not AuditRecord.objects.filter(action=Action.ADDRESS_REVEALED).exists()


@pytest.mark.parametrize("reason", ["", "  ", "is it amina@example.org?"])
def test_revealing_requires_a_reason_without_an_email_address(
    moderator: User, amina: Signature, reason: str
) -> None:
    with pytest.raises(ValueError, match="reason"):
        look(moderator, amina, reason)


def test_revealing_a_withdrawn_signature_finds_nobody_and_is_audited(
    moderator: User, amina: Signature
) -> None:
    withdraw.withdraw(signature_id=amina.pk)

    assert look(moderator, amina) == NobodyThere()
    assert AuditRecord.objects.filter(action=Action.ADDRESS_REVEALED).count() == 1


def test_revealing_without_the_sealing_key_finds_nobody(
    moderator: User, amina: Signature, settings: Any
) -> None:
    settings.SEALING_KEYS = {9: bytes(32)}

    assert look(moderator, amina) == NobodyThere()
