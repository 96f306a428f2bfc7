"""What rules, limits and signals make of an attempt before it is stored."""

from typing import NamedTuple

from petitions import addresses
from petitions.models import Petition, Signature
from petitions.screening import fraud, limits, networks, rules
from petitions.signers import Attempt

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


UNSUSPICIOUS = Screening()


def screen(
    *,
    petition: Petition,
    attempt: Attempt,
    sender: networks.Sender,
    facts: fraud.Facts | None = None,
) -> Screening:
    """Judge an attempt by rules, limits and, if `facts` are given, by the signs in them.

    What somebody is told never depends on what refuses in silence: a blocked attempt is
    counted, challenged and put off like any other, and takes as long. Raises `DatabaseError`.
    """
    domain = addresses.domain_of(attempt.email)
    in_force = rules.in_force()
    is_expected = in_force.allows_network(sender.address)
    refusal = in_force.blocks(sender.address, attempt.email, domain)
    by_itself = _judge(facts, 0, is_expected=is_expected)
    taken = limits.take(
        limits.Act.SIGN,
        address=attempt.email,
        petition=petition.pk,
        sender=sender,
        lifted=in_force.lifts(sender.address, domain),
        is_lost=bool(refusal) or by_itself.verdict is fraud.Verdict.BLOCK,
    )
    judged = by_itself
    if taken.from_network >= fraud.LEAST_BURST:
        judged = _judge(facts, taken.from_network, is_expected=is_expected)
    refusal = refusal or (MAILBOX_RATE if taken.is_silenced else "")
    signals = tuple(map(str, judged.signals))
    is_held = judged.verdict is fraud.Verdict.HOLD
    return Screening(
        verdict=Signature.Verdict.HOLD if is_held else Signature.Verdict.PASS,
        signals=(*signals, refusal) if refusal else signals,
        network=sender.network,
        is_refused=bool(refusal) or judged.verdict is fraud.Verdict.BLOCK,
        must_wait=taken.is_refused,
        needs_challenge=taken.needs_challenge,
    )


def _judge(facts: fraud.Facts | None, from_network: int, *, is_expected: bool) -> fraud.Judgement:
    if facts is None:
        return fraud.Judgement(fraud.Verdict.PASS, ())
    if is_expected:
        return fraud.judge(facts._replace(names_from_network=0))
    return fraud.judge(facts._replace(from_network=from_network))
