"""What rules, limits and signals make of an attempt before it is stored."""

from collections.abc import Iterable
from typing import NamedTuple

from petitions.identity import email_addresses
from petitions.models import Petition, Signature
from petitions.screening import client_network, fraud_signals, rate_limits, rules
from petitions.signers.sealing import Attempt

MAILBOX_RATE = "mailbox-rate"


class Screening(NamedTuple):
    """What is to become of an attempt, why, and the network it came from ("" if not known).

    A refused attempt is stored like any other, but of nobody: the sender is told nothing. Who
    `must_wait` or `needs_challenge` is told, whatever else holds: nothing is stored then.
    """

    verdict: Signature.Verdict = Signature.Verdict.PASS
    signals: tuple[str, ...] = ()
    network: str = ""
    is_refused: bool = False
    must_wait: bool = False
    needs_challenge: bool = False
    uses_mailbox: bool = False  # counted against the mailbox: see `came_to_nothing`


UNSUSPICIOUS = Screening()


def screen(
    *,
    petition: Petition,
    attempt: Attempt,
    sender: client_network.Sender,
    facts: fraud_signals.Facts | None = None,
    suspected: Iterable[str] = (),
) -> Screening:
    """Judge an attempt by rules, limits and, if `facts` are given, by the signs in them.

    `suspected` are the signals of the form that this one corrects, or a correction would wash
    them off.

    What somebody is told never depends on what refuses in silence: a blocked attempt is
    counted, challenged and put off like any other, and takes as long. Raises `DatabaseError`.
    """
    domain = email_addresses.domain_of(attempt.email)
    in_force = rules.in_force()
    is_expected = in_force.allows_network(sender.address)
    refusal = in_force.blocks(sender.address, attempt.email, domain)
    by_itself = _judge(facts, suspected, is_expected=is_expected)
    is_lost = bool(refusal) or by_itself.verdict is fraud_signals.Verdict.BLOCK
    taken = rate_limits.take(
        rate_limits.Act.SIGN,
        address=attempt.email,
        petition=petition.pk,
        sender=sender,
        lifted=in_force.lifts(sender.address, domain),
        is_lost=is_lost,
    )
    judged = by_itself
    if facts and not is_expected:
        judged = fraud_signals.with_burst(by_itself, taken.from_network)
    refusal = refusal or (MAILBOX_RATE if taken.is_silenced else "")
    signals = tuple(map(str, judged.signals))
    is_held = judged.verdict is fraud_signals.Verdict.HOLD
    return Screening(
        verdict=Signature.Verdict.HOLD if is_held else Signature.Verdict.PASS,
        signals=(*signals, refusal) if refusal else signals,
        network=sender.network,
        is_refused=bool(refusal) or judged.verdict is fraud_signals.Verdict.BLOCK,
        must_wait=taken.is_refused,
        needs_challenge=taken.needs_challenge,
        uses_mailbox=not (is_lost or taken.is_refused or taken.is_silenced),
    )


def came_to_nothing(*, attempt: Attempt, uses_mailbox: bool) -> None:
    """Give back what an attempt used up of its mailbox, now that nobody is mailed for it.

    Or whoever sends forms that come to nothing could silence the owner of an address, whom no
    mail has told.
    """
    rate_limits.give_back(rate_limits.Act.SIGN, address=attempt.email, is_counted=uses_mailbox)


def _judge(
    facts: fraud_signals.Facts | None, suspected: Iterable[str], *, is_expected: bool
) -> fraud_signals.Judgement:
    if facts is None:
        return fraud_signals.Judgement(fraud_signals.Verdict.PASS, ())
    if is_expected:
        facts = facts._replace(names_from_network=0)
    return fraud_signals.judge(facts, suspected)
