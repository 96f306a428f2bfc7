"""Raise and close alerts; the worker runs this every half minute.

Alerts about bursts stay. All others belong to a condition: the alert exists while the condition
holds, and is deleted with it, whether or not somebody has marked it as checked.
"""

from collections.abc import Mapping
from datetime import UTC, timedelta

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from petitions.identity import providers
from petitions.infra import sweeps
from petitions.mail import monitoring, replies
from petitions.models import Alert, Mail, Petition, Rule, Signature
from petitions.models.counts import round_down
from petitions.signers import sealing

Kind = Alert.Kind
State = Signature.State
# So many signings within `WITHIN` alert moderators. Carriers and events put many people behind one
# IP address: 300 an hour, which must not alert, are ten in two minutes.
BURST = 20
WITHIN = timedelta(minutes=2)
# So many signings of one e-mail domain, unless many people share it, alert moderators too. A
# script can spread over networks and time, but domains cost it money.
DOMAIN_BURST = 50
DOMAIN_WITHIN = timedelta(hours=1)
MAX_HELD_FOR = timedelta(hours=48)
MAIL_LATE_AFTER = timedelta(minutes=10)
# An alert needs this share of failing mails to the newest signers, and this many failing mails.
REFUSED_SHARE, MIN_REFUSED = 0.05, 10
MAX_COUNTED = 10_000
# What an alert of one kind is about: a petition's id, if any, and the name of a sweep or "".
Subject = tuple[int | None, str]


def raise_and_close() -> None:
    """Raise new alerts, and close those whose cause is gone. Idempotent."""
    raise_burst_alerts()
    close_decided()
    _synchronise(Kind.HELD, _held_for_long())
    _synchronise(Kind.MAIL, _waiting_mail())
    _synchronise(Kind.BOUNCES, _refused_mail())
    _synchronise(Kind.STILL, {(None, name): 1 for name in sweeps.overdue(sweeps.ages())})


def raise_tally(petition: Petition) -> None:
    """Raise an alert about a count that did not match. It stays until somebody has seen it."""
    values = {"number": 1, "seen_at": None, "created_at": timezone.now()}
    Alert.objects.update_or_create(petition=petition, kind=Kind.TALLY, defaults=values)


def raise_burst_alerts() -> int:
    """Raise alerts for networks and domains with a burst of signings of one petition.

    Return how many alerts were raised, reopened or grew. Idempotent: a network or domain has one
    alert per petition and day. Once seen, it is reopened if its number doubles, or by any burst if
    it closed by itself. Signatures with a decision do not count.
    Numbers are stored in steps of a burst. Exact ones would show staff who send the other forms
    whether the owner of a domain signed within the hour. Only recent rows are read, by an index.
    """
    now = timezone.now()
    days = {moment.astimezone(UTC).date() for moment in (now, now - DOMAIN_WITHIN)}
    large = list(sealing.domains_by_index(providers.SHARED, days))
    return _raise_alerts(Alert.Kind.BURST, "network_ix", BURST, WITHIN, []) + _raise_alerts(
        Alert.Kind.DOMAIN, "domain_ix", DOMAIN_BURST, DOMAIN_WITHIN, large
    )


def _raise_alerts(
    kind: Alert.Kind, column: str, burst: int, within: timedelta, unsuspicious: list[bytes]
) -> int:
    """Raise alerts of one kind, by a `column` of the signer. `unsuspicious` values are skipped."""
    states = [Signature.State.PENDING, Signature.State.CONFIRMED, Signature.State.HELD]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO petitions_alert (petition_id, kind, {column}, number, created_at)
            SELECT recent.petition_id, %(kind)s, recent.shared,
                   count(*) / %(burst)s * %(burst)s, now()
            FROM (
                SELECT s.petition_id, g.{column} AS shared
                FROM petitions_signature s JOIN petitions_signer g ON g.signature_id = s.id
                WHERE s.petition_id = ANY(ARRAY(
                          SELECT id FROM petitions_petition WHERE state = %(open)s))
                      AND s.state = ANY(%(states)s) AND s.decision_id IS NULL
                      AND s.created_at > now() - make_interval(secs => %(seconds)s)
                      AND g.{column} IS NOT NULL
            ) recent
            GROUP BY recent.petition_id, recent.shared
            HAVING count(*) >= %(burst)s AND recent.shared <> ALL(%(unsuspicious)s::bytea[])
            ORDER BY recent.petition_id, recent.shared
            ON CONFLICT (petition_id, kind, network_ix, domain_ix, about) DO UPDATE SET
                number = EXCLUDED.number, seen_at = NULL, is_decided = false,
                created_at = CASE WHEN petitions_alert.seen_at IS NULL
                                  THEN petitions_alert.created_at ELSE now() END
            WHERE EXCLUDED.number >= CASE
                WHEN petitions_alert.seen_at IS NULL THEN petitions_alert.number + 1
                WHEN petitions_alert.is_decided THEN 0 ELSE petitions_alert.number * 2 END
            """,  # noqa: S608 - the column is ours
            {
                "kind": kind,
                "open": Petition.State.OPEN,
                "states": states,
                "seconds": within.total_seconds(),
                "burst": burst,
                "unsuspicious": unsuspicious,
            },
        )
        return int(cursor.rowcount)


def close_decided() -> int:
    """Close burst alerts whose signatures are all decided; return how many were closed.

    A pending signature is decided when it is removed, or when a rule made from an alert covers its
    network. The query stops at the first undecided signature: see the indexes of `Signer`.
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


def _synchronise(kind: Alert.Kind, found: Mapping[Subject, int]) -> None:
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
    held = Signature.objects.filter(state=State.HELD, confirmed_at__lt=Now() - MAX_HELD_FOR)
    found = {
        (pk, ""): held.filter(petition=pk).order_by()[:MAX_COUNTED].count()
        for pk in Petition.objects.values_list("pk", flat=True)
    }
    return {subject: number for subject, number in found.items() if number}


def _waiting_mail() -> dict[Subject, int]:
    """Count late mail, only of kinds that are queued whatever an address has done.

    Rounded down, as in the cockpit: an exact number would reveal what an address has done.
    """
    late = Mail.objects.late(replies.UNWANTED).filter(
        kind__in=monitoring.SHOWN, created_at__lt=Now() - MAIL_LATE_AFTER
    )
    number = late.order_by()[:MAX_COUNTED].count()
    return {(None, ""): round_down(number)} if number else {}


def _refused_mail() -> dict[Subject, int]:
    """Count mail that fails for reasons other than its address; `mail.monitoring` says why."""
    failing, _sent, asked = Mail.objects.outcomes_lately()
    is_too_much = failing >= MIN_REFUSED and failing > REFUSED_SHARE * asked
    return {(None, ""): round_down(failing, MIN_REFUSED)} if is_too_much else {}
