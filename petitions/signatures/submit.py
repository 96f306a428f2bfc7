"""Submission of the form: screen the attempt, require a challenge, store it, queue its e-mail.

`submit` is the one use case for a submitted form, new or corrected. If it stores nothing, it
releases what it reserved: the mailbox's quota, a solved challenge, the single-use right to correct.

Each attempt is stored as a pending signature of its own, even if the address was typed before.
Anybody can type anybody's address, so a pending signature reserves nothing, and no later attempt
changes what an earlier link confirms. Only confirmation takes one of a mailbox's two slots.
"""

import os
import secrets
import uuid
from contextlib import nullcontext
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from petitions.crypto import tokens
from petitions.mail.wake_worker import nudge
from petitions.models import ABROAD, UNKNOWN, Mail, Petition, Signature
from petitions.models.signature import new_reference
from petitions.screening import challenge
from petitions.screening.screen import (
    UNSUSPICIOUS,
    ChallengeRequired,
    Evidence,
    Screening,
    TooMany,
    screen,
)
from petitions.signatures import signing_sql
from petitions.signatures.check_email import Page, record_correction
from petitions.signers import sealing
from petitions.signers.sealing import Attempt


class Accepted(NamedTuple):
    """Stored. `page` is "check your e-mail", the same whatever happens to it (constant work)."""

    page: Page


class NotOpen(NamedTuple):
    """The petition takes no signatures now: closed, paused or not yet open."""


class AlreadyCorrected(NamedTuple):
    """The page was already used for a correction, or for too many mails. Sign anew."""


Outcome = Accepted | TooMany | ChallengeRequired | NotOpen | AlreadyCorrected


def submit(
    *, petition: Petition, attempt: Attempt, evidence: Evidence, corrects: Page | None = None
) -> Outcome:
    """Submit a signature, or the correction of a pending one.

    A correction is a signing: rate limits count it, and it needs its own challenge if one is
    required. Otherwise one solution would allow as many signings as a page may request mails.
    Raises `DatabaseError` and `InterfaceError`; then nothing is stored or used up.
    """
    if not petition.is_accepting():
        return NotOpen()
    if corrects and not corrects.has_mails_left:
        return AlreadyCorrected()
    suspected = corrects.signals if corrects else ()
    screened = screen(petition=petition, attempt=attempt, evidence=evidence, suspected=suspected)
    with screened as (screening, reservation):
        limits = reservation.result
        if limits.is_refused:
            return TooMany()
        is_challenged = limits.needs_challenge or petition.challenge == Petition.Challenge.ALWAYS
        # A rollback frees the single-use nonces if the attempt is not stored.
        with transaction.atomic() if is_challenged or corrects else nullcontext():
            if is_challenged and (
                offer := challenge.demand(evidence.challenge, petition.slug, screening.network)
            ):
                return ChallengeRequired(offer)
            if corrects and not _may_correct(corrects):
                return AlreadyCorrected()
            attempt_id = store(petition=petition, attempt=attempt, screening=screening)
        # A mail is sent for it.
        reservation.is_kept = True
    nudge()
    page = Page(attempt_id, petition.slug, attempt, signals=screening.signals)
    return Accepted(page.following(corrects) if corrects else page)


def _may_correct(page: Page) -> bool:
    """Consume the single-use right to correct an attempt and mark it as corrected.

    Return False if the right was used before.
    """
    if not challenge.consume_nonce("correction", str(page.attempt_id), tokens.ATTEMPT_SECONDS):
        return False
    record_correction(page.attempt_id)
    return True


def store(*, petition: Petition, attempt: Attempt, screening: Screening = UNSUSPICIOUS) -> UUID:
    """Store an attempt as a pending signature and queue its mail. Return the signature's id.

    Constant work (docs/architecture.md): one statement, which is its own transaction, and no
    lookup of the address. The outbox applies the mailbox's mail limit. The same statement stores a
    refused attempt as a decoy row with a withheld mail, which is never sent.
    """
    signature_id = uuid.uuid4()
    row = _new_row(signature_id, petition, attempt, screening)
    with connection.cursor() as cursor:
        signing_sql.run(cursor, row, signing_sql.INSERT)
    return signature_id


def _new_row(
    signature_id: UUID, petition: Petition, attempt: Attempt, screening: Screening
) -> dict[str, Any]:
    """Return the parameters of `signing_sql.INSERT`."""
    person = sealing.person_of(attempt)
    index = sealing.indexes_of(petition.pk, person, is_pending=True)
    search = sealing.search_indexes(petition.pk, signature_id, person, is_pending=True)
    row = {
        "id": signature_id,
        "reference": new_reference(),
        "petition": petition.pk,
        "text_version": attempt.text_version,
        "state": Signature.State.PENDING,
        "name_use": attempt.name_use,
        "wants_updates": attempt.wants_updates,
        "news_may_name": attempt.news_may_name,
        "consent": attempt.consent_version,
        "sealed": sealing.seal(person, signature_id),
        "petition_mailbox_ix": index.petition_mailbox,
        "person_ix": index.person,
        "home_ix": index.home,
        "name_ix": search.name,
        "postcode_ix": search.postcode,
        "verdict": screening.verdict,
        "signals": list(screening.signals),
        "network_ix": sealing.network_index(screening.network),
        "domain_ix": sealing.domain_index(attempt.email),
        "mail_id": uuid.uuid4(),
        "mail_kind": Mail.Kind.CONFIRM,
        "global_mailbox_ix": index.global_mailbox,
        # The form leaves the postcode of signers abroad empty.
        "postcode": attempt.postcode,
        "elsewhere": ABROAD if attempt.country else UNKNOWN,
        "mail_state": Mail.State.QUEUED,
        "source": attempt.source,
    }
    return _decoy_row(row) if screening.is_refused else row


# Columns that could identify a person or their home.
_PERSONAL = (
    "sealed", "petition_mailbox_ix", "person_ix", "home_ix", "global_mailbox_ix", "network_ix",
    "domain_ix",
)  # fmt: skip


def _decoy_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return the decoy row of a refused attempt: same size, random bytes for personal data."""
    noise = {name: row[name] and os.urandom(len(row[name])) for name in _PERSONAL}
    return {
        **row,
        **noise,
        "name_ix": secrets.randbits(64) - 2**63,
        "postcode_ix": secrets.randbits(64) - 2**63,
        "postcode": "",
        "elsewhere": UNKNOWN,
        "state": Signature.State.REFUSED,
        "name_use": Signature.NameUse.WITHHELD,
        **Signature.NO_NEWS,
        "mail_state": Mail.State.WITHHELD,
        "source": "",
    }
