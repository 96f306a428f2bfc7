"""Screening of an attempt before it is stored: rules, rate limits and fraud signals together."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from petitions.identity import email_addresses
from petitions.infra.client_network import NOWHERE, Sender
from petitions.models import Petition, Signature
from petitions.screening import fraud_signals, rate_limits, rules
from petitions.screening.challenge import Offer
from petitions.screening.rate_limits import Act, LimitResult
from petitions.signers.sealing import Attempt

MAILBOX_RATE = "mailbox-rate"
# The signal if a moderator's switch holds all new signatures of a petition.
HELD_PETITION = "held-petition"


class Evidence(NamedTuple):
    """Request data for screening, besides the typed fields.

    `pace` is in milliseconds, or None if no script measured it. `challenge` holds the submitted
    fields named in `challenge.FIELDS`.
    """

    sender: Sender = NOWHERE
    honeypot: str = ""
    pace: int | None = None
    has_origin: bool = True
    challenge: Mapping[str, str] = {}


class TooMany(NamedTuple):
    """A rate limit that is visible to the sender was hit. Trying again later helps."""


class ChallengeRequired(NamedTuple):
    """A challenge must be solved: send the same form again with a solution of `offer`."""

    offer: Offer


class Screening(NamedTuple):
    """Result stored with an attempt: verdict, signals, and network ("" if unknown).

    A refused attempt is stored as a decoy row (`submit._decoy_row`), so the sender does not notice.
    """

    verdict: Signature.Verdict = Signature.Verdict.PASS
    signals: tuple[str, ...] = ()
    network: str = ""
    is_refused: bool = False


UNSUSPICIOUS = Screening()


@dataclass(slots=True)
class Reservation:
    """Result of an attempt's rate limits, and whether its quota is kept or refunded."""

    result: LimitResult
    is_kept: bool = False


@contextmanager
def screen(
    *,
    petition: Petition,
    attempt: Attempt,
    evidence: Evidence,
    suspected: Iterable[str] = (),
) -> Iterator[tuple[Screening, Reservation]]:
    """Screen an attempt, and reserve its mailbox's quota of the rate limit.

    The quota is refunded at the end of the block unless it sets `Reservation.is_kept`. `suspected`
    are the signals of the form that this one corrects, so that a correction does not clear them.
    Constant work: what the sender is told (`Reservation.result`) does not depend on silent
    refusals, and a blocked attempt is counted, challenged and rate-limited like any other.
    Raises `DatabaseError`.
    """
    address, domain = evidence.sender.address, email_addresses.domain_of(attempt.email)
    in_force = rules.in_force()
    refusal = in_force.blocks(address, attempt.email, domain)
    facts = fraud_signals.Facts(
        name=attempt.name,
        domain=domain,
        honeypot=evidence.honeypot,
        pace=evidence.pace,
        has_origin=evidence.has_origin,
    )
    holding = [in_force.holds(address, attempt.email, domain)]
    if petition.is_holding:
        holding.append(HELD_PETITION)
    judged = fraud_signals.judge(facts, [*suspected, *holding])
    is_refused = bool(refusal) or judged.verdict is fraud_signals.Verdict.BLOCK
    result = rate_limits.hit(
        Act.SIGN,
        address=attempt.email,
        petition=petition.pk,
        sender=evidence.sender,
        lifted=in_force.lifts(address, domain),
        already_refused=is_refused,
    )
    judged = fraud_signals.with_burst(judged, result.from_network)
    reservation = Reservation(result)
    try:
        yield _screening(judged, refusal, result, evidence.sender.network), reservation
    finally:
        # Otherwise forms for which no mail is sent could lock out the owner of an address. If
        # nothing was counted, a random mailbox is refunded (constant work).
        if not reservation.is_kept and not result.is_refused:
            is_counted = not (is_refused or result.is_silenced)
            rate_limits.refund(Act.SIGN, address=attempt.email, is_counted=is_counted)


def _screening(
    judged: fraud_signals.Judgement, refusal: str, result: LimitResult, network: str
) -> Screening:
    refusal = refusal or (MAILBOX_RATE if result.is_silenced else "")
    signals = tuple(map(str, judged.signals))
    is_held = judged.verdict is fraud_signals.Verdict.HOLD
    return Screening(
        verdict=Signature.Verdict.HOLD if is_held else Signature.Verdict.PASS,
        signals=(*signals, refusal) if refusal else signals,
        network=network,
        is_refused=bool(refusal) or judged.verdict is fraud_signals.Verdict.BLOCK,
    )


def check_limits(act: Act, *, sender: Sender, address: str = "", petition: int = 0) -> LimitResult:
    """Count an action against its rate limits, except those that a rule lifts for its sender."""
    lifted = rules.in_force().lifts(sender.address, email_addresses.domain_of(address))
    return rate_limits.hit(act, address=address, petition=petition, sender=sender, lifted=lifted)
