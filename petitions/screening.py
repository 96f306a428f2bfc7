"""What rules, limits and signals make of an attempt before it is stored."""

from typing import NamedTuple

from petitions.models import Signature


class Screening(NamedTuple):
    """What is to become of an attempt, why, and the network it came from ("" if not known).

    A refused attempt is stored like any other, but of nobody: the sender is told nothing.
    """

    verdict: Signature.Verdict = Signature.Verdict.PASS
    signals: tuple[str, ...] = ()
    network: str = ""
    is_refused: bool = False


UNSUSPICIOUS = Screening()
