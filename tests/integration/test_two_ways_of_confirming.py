"""Who is alone in a mailbox is counted in one round trip, everybody else step by step.

Two ways to one rule: whatever the situation, both must come to the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from petitions.counting import tallies
from petitions.models import Correction, Petition, Signature
from petitions.publishing import warm_cache
from petitions.signatures import confirm, withdraw
from tests.people import AMINA, BASHIR, CARYS, DAVID, sign, sign_and_confirm

Setup = Callable[[Petition, UUID], object]


def nothing(_petition: Petition, _signature: UUID) -> None:
    """As it mostly is."""


def _change(**fields: Any) -> Setup:
    return lambda _petition, signature: Signature.objects.filter(pk=signature).update(**fields)


def _of_petition(**fields: Any) -> Setup:
    return lambda petition, _signature: Petition.objects.filter(pk=petition.pk).update(**fields)


def _correct(_petition: Petition, signature: UUID) -> None:
    Correction.objects.create(attempt_id=signature)


def _withdraw(petition: Petition, _signature: UUID) -> None:
    withdraw.withdraw(signature_id=sign_and_confirm(petition, BASHIR).pk)


def _close_after(petition: Petition, signature: UUID) -> None:
    """Close the petition between signing and confirming."""
    moment = timezone.now()
    Signature.objects.filter(pk=signature).update(created_at=moment - timedelta(hours=2))
    Petition.objects.filter(pk=petition.pk).update(closes_at=moment - timedelta(hours=1))


OF_THE_SIGNATURE: dict[str, Setup] = {
    "pending": nothing,
    "suspicious": _change(verdict="hold", signals=["burst:9"]),
    "public, with news": _change(name_use="public", wants_updates=True),
    "too old": _change(created_at=timezone.now() - timedelta(days=settings.PENDING_DAYS, hours=1)),
    "another link": _change(link_epoch=1),
    "corrected": _correct,
    "refused": _change(state="refused"),
    "withdrawn": _change(state="withdrawn"),
}
OF_THE_PETITION: dict[str, Setup] = {
    "open": nothing,
    "paused": _of_petition(is_paused=True),
    "closed since": _close_after,
    "long closed": _of_petition(closes_at=timezone.now() - timedelta(days=2)),
    "removed": _of_petition(state="removed"),
}
OF_THE_MAILBOX: dict[str, Setup] = {
    "alone": nothing,
    "others elsewhere": lambda petition, _signature: sign_and_confirm(petition, DAVID),
    "another attempt": lambda petition, _signature: sign(petition, AMINA),
    "somebody pending": lambda petition, _signature: sign(petition, BASHIR),
    "the same person": lambda petition, _signature: sign_and_confirm(petition, AMINA),
    "one of the home": lambda petition, _signature: sign_and_confirm(petition, BASHIR),
    "one of another home": lambda petition, _signature: sign_and_confirm(petition, CARYS),
    "one who withdrew": _withdraw,
}
ALONE = {"alone", "others elsewhere", "one who withdrew"}


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    warm_cache.invalidate()


def _comes_to(petition: Petition, *situation: Setup) -> tuple[object, ...]:
    """What pressing the button changes, and what is answered."""
    with _undone():
        signature = sign(petition, AMINA)
        for setup in situation:
            setup(petition, signature)
        warm_cache.invalidate()
        outcome, shown = confirm.confirm(signature_id=signature, epoch=0)
        rows = Signature.objects.order_by("created_at", "id").values_list(
            "state", "verdict", "signals", "name_use", "wants_updates", "signer__slot"
        )
        stored = sorted(map(str, rows))
        mine = Signature.objects.filter(pk=signature).values_list("state", "signer__slot").get()
        answered = shown and (shown.pk == signature, shown.state, shown.wants_updates)
        return outcome, mine, answered, stored, tallies.total(petition.pk)


@pytest.mark.parametrize("mailbox", OF_THE_MAILBOX)
def test_both_ways_come_to_the_same(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, mailbox: str
) -> None:
    at_once, counted = confirm._at_once, 0

    def watched(signature_id: UUID, epoch: int) -> Signature | None:
        nonlocal counted
        found = at_once(signature_id, epoch)
        counted += found is not None
        return found

    for signature, state in product(OF_THE_SIGNATURE, OF_THE_PETITION):
        situation = OF_THE_MAILBOX[mailbox], OF_THE_SIGNATURE[signature], OF_THE_PETITION[state]
        monkeypatch.setattr(confirm, "_at_once", watched)
        quick = _comes_to(petition, *situation)
        monkeypatch.setattr(confirm, "_at_once", lambda *_args: None)
        assert quick == _comes_to(petition, *situation), (signature, state)

    # Or the two would not have been compared.
    assert bool(counted) == (mailbox in ALONE)
