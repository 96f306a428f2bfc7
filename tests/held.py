"""Helpers for moderation: held signatures, and the forms of a moderator."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from petitions.crypto import tokens
from petitions.models import Petition, Signature
from petitions.moderation import decisions
from petitions.screening.screen import Screening
from petitions.signatures import submit
from petitions.signatures.confirm import Outcome
from petitions.signers.sealing import Attempt
from tests.people import AMINA, confirm

LIST = "/admin/petitions/signature/"
SUSPICIOUS = Screening(
    verdict=Signature.Verdict.HOLD, signals=("honeypot", "burst:9"), network="192.0.2.0/24"
)
CHECKED: dict[str, Any] = {"reason": "checked", "note": ""}
State = Signature.State


def suspect(petition: Petition, attempt: Attempt = AMINA) -> UUID:
    """Make a pending signature with fraud signals, which confirming will hold."""
    return submit.store(petition=petition, attempt=attempt, screening=SUSPICIOUS)


def hold_one(petition: Petition, attempt: Attempt = AMINA) -> Signature:
    """A held signature."""
    signature_id = suspect(petition, attempt)
    assert confirm(signature_id) is Outcome.CONFIRMED
    return Signature.objects.get(pk=signature_id)


def button(kind: str, reason: str, note: str = "") -> dict[str, str]:
    """What the form of a decision posts, by somebody who sees all that is decided by now."""
    seen = str(decisions.watermark())
    return {"kind": kind, f"reason_{kind}": reason, "note": note, "seen": seen}


def states(ids: Iterable[UUID]) -> set[str]:
    return set(Signature.objects.filter(pk__in=list(ids)).values_list("state", flat=True))


def link(signature_id: UUID) -> str:
    return f"/t/en/confirm/{tokens.link(tokens.CONFIRM, signature_id, 0)}/"
