"""What raises an alert, and what closes it: run by the worker every half minute.

Bursts are found by `screening.screen`. All other causes are conditions: an alert stands for as long
as its condition holds, and goes with it, whether or not somebody has marked it as checked.
"""

from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from petitions.infra import sweeps
from petitions.mail import monitoring, replies
from petitions.models import Alert, Mail, Petition, Rule, Signature
from petitions.screening import screen

Kind = Alert.Kind
State = Signature.State
HELD_FOR = timedelta(hours=48)
MAIL_WAITS = timedelta(minutes=10)
# Of the mails to the newest signers: so large a share, and at least so many.
REFUSED_SHARE, FEWEST_REFUSED = 0.05, 10
# Steps of the number of mails, as in the cockpit: one more would tell what an address has done.
STEP = 25
# Alerts say how many, but count no further.
MOST = 10_000
# What an alert is about, besides its kind: a petition's id, and the name of a part.
Subject = tuple[int | None, str]


def raise_and_close() -> None:
    """Raise what is new, and close what is over. Idempotent."""
    screen.raise_burst_alerts()
    close_decided()
    _keep(Kind.HELD, _held_for_long())
    _keep(Kind.MAIL, _waiting_mail())
    _keep(Kind.BOUNCES, _refused_mail())
    _keep(Kind.STILL, {(None, name): 1 for name in sweeps.overdue(sweeps.ages())})


def raise_tally(petition: Petition) -> None:
    """Raise an alert about a count that did not match; it stays until somebody has seen it."""
    values = {"number": 1, "seen_at": None, "created_at": timezone.now()}
    Alert.objects.update_or_create(petition=petition, kind=Kind.TALLY, defaults=values)


def close_decided() -> int:
    """Close the alerts about bursts of which every signature is decided; return how many.

    What still waits for confirmation is decided by its removal, or by a rule of an alert that
    holds or blocks its network. The look ends at the first that is not: see the indexes of
    `Signer`.
    """
    rules = Rule.objects.in_force().filter(network_ix=OuterRef("signer__network_ix"))
    undecided = Q(state__in=[State.CONFIRMED, State.HELD], decision=None) | (
        Q(state=State.PENDING) & ~Exists(rules)
    )
    closed = 0
    for kind, column in ((Kind.BURST, "network_ix"), (Kind.DOMAIN, "domain_ix")):
        theirs = Signature.objects.filter(
            undecided, petition=OuterRef("petition"), **{f"signer__{column}": OuterRef(column)}
        )
        bursts = Alert.objects.filter(~Exists(theirs), kind=kind, seen_at=None)
        closed += bursts.update(seen_at=Now(), is_decided=True)
    return closed


def _keep(kind: Alert.Kind, found: Mapping[Subject, int]) -> None:
    known = {(one.petition_id, one.about): one for one in Alert.objects.filter(kind=kind)}
    for subject, number in found.items():
        if subject not in known:
            petition_id, about = subject
            Alert.objects.create(kind=kind, petition_id=petition_id, about=about, number=number)
        elif known[subject].number != number:
            Alert.objects.filter(pk=known[subject].pk).update(number=number)
    over = [one.pk for subject, one in known.items() if subject not in found]
    Alert.objects.filter(pk__in=over).delete()


def _held_for_long() -> dict[Subject, int]:
    held = Signature.objects.filter(state=State.HELD, confirmed_at__lt=Now() - HELD_FOR)
    found = {
        (pk, ""): held.filter(petition=pk).order_by()[:MOST].count()
        for pk in Petition.objects.values_list("pk", flat=True)
    }
    return {subject: number for subject, number in found.items() if number}


def _waiting_mail() -> dict[Subject, int]:
    """Late mail, of the kinds that there are whatever an address has done."""
    late = Mail.objects.late(replies.UNWANTED).filter(
        kind__in=monitoring.SHOWN, created_at__lt=Now() - MAIL_WAITS
    )
    number = late.order_by()[:MOST].count()
    return {(None, ""): number // STEP * STEP} if number else {}


def _refused_mail() -> dict[Subject, int]:
    """Mail that fails through no fault of its address: see `mail.monitoring` why no other."""
    failing, _sent, asked = Mail.objects.outcomes_lately()
    is_too_much = failing >= FEWEST_REFUSED and failing > REFUSED_SHARE * asked
    return {(None, ""): failing // FEWEST_REFUSED * FEWEST_REFUSED} if is_too_much else {}
