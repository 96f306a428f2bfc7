"""Trials: send every message that the public gets, in every language, to an organiser.

They go through the outbox like all mail, so that they arrive as signers' mail does, from the same
server and sender and with the same headers. Only the subject says that it is a trial. They are
about nobody, and their links open nothing.
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from petitions.mail import messages
from petitions.mail.wake_worker import nudge
from petitions.models import AuditRecord, Mail
from petitions.signers import sealing
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

# How often one person can get them within a day.
ROUNDS_A_DAY = 5
# `FIND_OTHER` has the same text as `FIND`, so it is left out.
KINDS = [kind for kind in messages.TEXTS if kind != Mail.Kind.FIND_OTHER]


def send(*, actor: User, screen: str) -> int:
    """Queue every message in every language to the actor's own address; return how many.

    Raises `Refused` without an address, and above `ROUNDS_A_DAY`.
    """
    roles.require(actor, "petitions.change_sendercheck")
    if not actor.email:
        raise Refused("Your account has no email address. Ask an administrator to enter it.")
    with transaction.atomic():
        # One round after the other: two at once would be counted as one.
        User.objects.select_for_update().get(pk=actor.pk)
        lately = AuditRecord.objects.lately(AuditRecord.Action.MAIL_TRIED, timedelta(days=1))
        if lately.filter(actor=actor).count() >= ROUNDS_A_DAY:
            raise Refused(
                f"You have sent yourself every message {ROUNDS_A_DAY} times within a day. Try "
                "again tomorrow."
            )
        mails = [_trial(kind, lang, actor) for lang, _name in settings.LANGUAGES for kind in KINDS]
        Mail.objects.bulk_create(mails)
        audit.record(action=AuditRecord.Action.MAIL_TRIED, screen=screen, actor=actor, about=actor)
    nudge()
    return len(mails)


def _trial(kind: str, language: str, actor: User) -> Mail:
    # A random index: trials do not count towards the rate limits of a mailbox.
    mail = Mail(
        kind=Mail.Kind.TRIAL,
        global_mailbox_ix=secrets.token_bytes(16),
        due_at=Now(),
        created_at=Now(),
    )
    mail.sealed = sealing.seal_addressee(
        mail.pk, address=actor.email, language=language, trial_of=kind
    )
    return mail
