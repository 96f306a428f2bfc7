"""Notices to staff: that a closed petition's signers will be erased (retention), of alerts, and of
messages that wait for an answer. `team` sends each, and what it was about is then marked as told.
"""

from collections import Counter, defaultdict
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from petitions.formatting.languages import day
from petitions.mail import team
from petitions.models import Alert, AlertMail, AuditRecord, Enquiry, Erasure, Organisation
from petitions.models.enquiries import KINDS
from petitions.staff import audit

ALERTS_APART = timedelta(hours=1)
MODERATE = "petitions.moderate_signature"
ENQUIRIES_APART = timedelta(hours=1)
REMIND_BEFORE = timedelta(days=7)
Notice = Enquiry.Notice
_SAID = {
    Notice.ARRIVED: "New: {} ({}), answer by {}",
    Notice.NEAR: "Due soon: {} ({}), answer by {}",
    Notice.MISSED: "Overdue: {} ({}), was to be answered by {}",
}


def send() -> int:
    """Mail the organisation about each scheduled erasure of which it was not told; return how many.

    What fails is retried by the next sweep. Erasing does not wait for it: signers were promised a
    day, and the admin's home page tells organisers as well.
    """
    organisation = Organisation.load()
    if not organisation.privacy_email:
        return 0
    sent = 0
    for erasure in Erasure.objects.standing().filter(mailed_at=None):
        # It names no petition, as no mail does: phones show its beginning when locked.
        if team.send(
            "admin/petitions/erasure/mail.txt",
            {"day": timezone.localdate(erasure.erasure_due_at)},
            to=organisation.privacy_email,
            message_id=str(erasure.pk),
            date=erasure.scheduled_at,
        ):
            unmailed = Erasure.objects.filter(pk=erasure.pk, mailed_at=None)
            sent += unmailed.update(mailed_at=timezone.now())
    return sent


def send_alerts() -> int:
    """Mail alerts to the moderators who want them, at most one mail an hour a cause; return how
    many were sent.

    Told is what is new since a person's last mail of that cause. What fails is tried again by the
    next sweep.
    """
    now, sent = timezone.now(), 0
    due = Q(mailed_at=None) | Q(mailed_at__lte=now - ALERTS_APART)
    wishes = AlertMail.objects.filter(due).select_related("user").order_by("pk")
    for wish in wishes.filter(Exists(Alert.objects.filter(kind=OuterRef("kind"), seen_at=None))):
        new = Alert.objects.filter(kind=wish.kind, seen_at=None)
        if wish.mailed_at:
            new = new.filter(created_at__gt=wish.mailed_at)
        user = wish.user
        if not (user.is_active and user.email and user.has_perm(MODERATE) and new.exists()):
            continue
        if not team.send(
            "admin/petitions/alert/mail.txt",
            {"cause": Alert.Kind(wish.kind).label, "number": new.count()},
            to=user.email,
            message_id=f"{wish.kind}.{user.pk}.{now:%Y%m%d%H%M}",
            date=now,
        ):
            break
        AlertMail.objects.filter(pk=wish.pk).update(mailed_at=now)
        sent += 1
    return sent


def send_enquiries() -> int:
    """Mail the organisation about enquiries that wait: once when each has come, once when its day
    is near, once when it is over; at most one mail an hour. Returns about how many it was.

    What fails is tried again by the next sweep.
    """
    organisation, now = Organisation.load(), timezone.now()
    lately = AuditRecord.objects.lately(AuditRecord.Action.ENQUIRIES_MAILED, ENQUIRIES_APART)
    untold = _untold_enquiries()
    if not organisation.privacy_email or not untold or lately.exists():
        return 0
    if not team.send(
        "admin/petitions/enquiry/mail.txt",
        {"lines": _lines(untold)},
        to=organisation.privacy_email,
        message_id=f"messages.{now:%Y%m%d%H%M}",
        date=now,
    ):
        return 0
    for notice, enquiries in untold.items():
        told = Enquiry.objects.filter(pk__in=[enquiry.pk for enquiry in enquiries])
        told.update(notice=notice)
    audit.record(action=AuditRecord.Action.ENQUIRIES_MAILED, screen="give_notice")
    return sum(map(len, untold.values()))


def _untold_enquiries() -> dict[Notice, list[Enquiry]]:
    """Enquiries that wait, by what the organisation was not told about them yet."""
    today, untold = timezone.localdate(), defaultdict[Notice, list[Enquiry]](list)
    waiting = Enquiry.objects.waiting().filter(notice__lt=Notice.MISSED)
    for enquiry in waiting.only("kind", "due_on", "notice"):
        is_near = enquiry.due_on <= today + REMIND_BEFORE
        notice = Notice.NEAR if is_near else Notice.ARRIVED
        notice = Notice.MISSED if enquiry.due_on < today else notice
        if notice > enquiry.notice:
            untold[notice].append(enquiry)
    return dict(untold)


def _lines(untold: dict[Notice, list[Enquiry]]) -> list[str]:
    """How many of each kind and by when; nothing of who wrote, or what."""
    lines = []
    for notice in sorted(untold, reverse=True):
        for kind, number in Counter(enquiry.kind for enquiry in untold[notice]).items():
            first = min(one.due_on for one in untold[notice] if one.kind == kind)
            lines.append(_SAID[notice].format(KINDS[kind].lower(), number, day(first)))
    return lines
