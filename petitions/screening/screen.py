"""Screening an attempt before it is stored: rules, rate limits and fraud signals together."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from petitions.identity import email_addresses
from petitions.infra.client_network import NOWHERE, Sender
from petitions.models import Petition, Signature
from petitions.screening import fraud_signals, rate_limits, rules
from petitions.screening.rate_limits import Act, Reservation, Taken
from petitions.signers.sealing import Attempt

MAILBOX_RATE = "mailbox-rate"


class Evidence(NamedTuple):
    """Request data for screening, besides what was typed.

    `pace` is in milliseconds, None where no script measured it. `challenge` holds the fields of
    `challenge.FIELDS` as they were sent.
    """

    sender: Sender = NOWHERE
    honeypot: str = ""
    pace: int | None = None
    says_origin: bool = True
    challenge: Mapping[str, str] = {}


class Screening(NamedTuple):
    """Result stored with an attempt: the verdict, its signals, and its network ("" if unknown).

    A refused attempt is stored as a decoy row (`submit._of_nobody`): the sender is told nothing.
    """

    verdict: Signature.Verdict = Signature.Verdict.PASS
    signals: tuple[str, ...] = ()
    network: str = ""
    is_refused: bool = False


UNSUSPICIOUS = Screening()


@contextmanager
def screen(
    *,
    petition: Petition,
    attempt: Attempt,
    evidence: Evidence,
    suspected: Iterable[str] = (),
) -> Iterator[tuple[Screening, Reservation]]:
    """Screen an attempt, reserving its mailbox's rate-limit quota until the block ends.

    `suspected` are the signals of the form that this one corrects, or a correction would clear
    them. Constant work: what the sender is told (`Reservation.taken`) never depends on what
    refuses silently, and a blocked attempt is counted, challenged and rate-limited like any
    other. Raises `DatabaseError`.
    """
    address, domain = evidence.sender.address, email_addresses.domain_of(attempt.email)
    in_force = rules.in_force()
    refusal = in_force.blocks(address, attempt.email, domain)
    by_itself = fraud_signals.judge(_facts(attempt, domain, evidence), suspected)
    with rate_limits.reserve(
        Act.SIGN,
        address=attempt.email,
        petition=petition.pk,
        sender=evidence.sender,
        lifted=in_force.lifts(address, domain),
        already_refused=bool(refusal) or by_itself.verdict is fraud_signals.Verdict.BLOCK,
    ) as reservation:
        taken = reservation.taken
        judged = by_itself
        if not in_force.allows_network(address):
            judged = fraud_signals.with_burst(by_itself, taken.from_network)
        yield _screening(judged, refusal, taken, evidence.sender.network), reservation


def _facts(attempt: Attempt, domain: str, evidence: Evidence) -> fraud_signals.Facts:
    return fraud_signals.Facts(
        name=attempt.name,
        domain=domain,
        honeypot=evidence.honeypot,
        pace=evidence.pace,
        says_origin=evidence.says_origin,
    )


def _screening(
    judged: fraud_signals.Judgement, refusal: str, taken: Taken, network: str
) -> Screening:
    refusal = refusal or (MAILBOX_RATE if taken.is_silenced else "")
    signals = tuple(map(str, judged.signals))
    is_held = judged.verdict is fraud_signals.Verdict.HOLD
    return Screening(
        verdict=Signature.Verdict.HOLD if is_held else Signature.Verdict.PASS,
        signals=(*signals, refusal) if refusal else signals,
        network=network,
        is_refused=bool(refusal) or judged.verdict is fraud_signals.Verdict.BLOCK,
    )
