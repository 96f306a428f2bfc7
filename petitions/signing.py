"""What the public does with signatures: sign, confirm, and withdraw.

A form submission is an attempt. It is stored as a pending signature of its own, whoever
else has typed the same address: anybody can type anybody's, so a pending signature
reserves nothing, and no later attempt can change what an earlier one's link will confirm.
Only confirmation takes one of the two slots of a mailbox.
"""

import uuid
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from petitions import addresses, consent, names, tallies, vault
from petitions.models import ABROAD, UNKNOWN, Mail, Petition, Signature, Signer
from petitions.models.signature import new_reference
from petitions.nudge import nudge

SIGNER_TABLE = "signer"
SLOTS = (1, 2)
# From the widest use of a name to the narrowest.
_NAME_USES = [
    Signature.NameUse.PUBLIC,
    Signature.NameUse.GOVERNMENT,
    Signature.NameUse.WITHHELD,
]


class NotAccepting(Exception):
    """The petition takes no signatures now: closed, paused or not yet open. Trying again
    helps only once it opens."""


class StateChanged(Exception):
    """Somebody else changed the signature's state at the same moment. Trying again helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What somebody typed, validated and tidied. `country` is set for signers abroad only."""

    name: str
    email: str
    postcode: str = ""
    country: str = ""
    language: str = "en"
    name_use: str
    wants_updates: bool = False
    text_version: int = 1
    consent_version: int = consent.CURRENT

    def sealable(self) -> dict[str, str]:
        """The personal part, as the signer's row keeps it."""
        return {
            "name": self.name,
            "email": self.email,
            "postcode": self.postcode,
            "country": self.country,
            "language": self.language,
        }


class Indexes(NamedTuple):
    """The blind indexes of one signer, 16 bytes each; `mail` spans all petitions."""

    mailbox: bytes
    person: bytes
    home: bytes
    mail: bytes


class Outcome(Enum):
    """What pressing the button came to. Every value but `GONE` is shown kindly."""

    CONFIRMED = "confirmed"
    ALREADY = "already"  # the same person's signature already stands: the same success
    OTHER_HOME = "other-home"  # somebody from another postcode signed with this mailbox
    MAILBOX_FULL = "mailbox-full"  # two people have signed with this mailbox
    REMOVED = "removed"
    CLOSED = "closed"
    GONE = "gone"


class Verdict(NamedTuple):
    """What is to become of a signature at confirmation, and whose signature stands instead."""

    outcome: Outcome
    slot: int = 0
    standing: UUID | None = None


def indexes(petition_id: int, attempt: Attempt) -> Indexes:
    """The blind indexes under which this person is looked up for this petition."""
    petition, mailbox = str(petition_id), addresses.canonical(attempt.email)
    return Indexes(
        mailbox=vault.blind_index("mailbox", petition, mailbox),
        person=vault.blind_index("person", petition, mailbox, names.folded(attempt.name)),
        home=vault.blind_index(
            "home", petition, mailbox, attempt.postcode, attempt.country or "GB"
        ),
        mail=vault.blind_index("mail", mailbox),
    )


def mailbox_index(petition_id: int, address: str) -> bytes:
    """The blind index of a mailbox within one petition; `address` as typed."""
    return vault.blind_index("mailbox", str(petition_id), addresses.canonical(address))


def sign(*, petition: Petition, attempt: Attempt) -> UUID:
    """Store an attempt as a pending signature and queue its mail; return the signature's id.

    Four statements, BEGIN and COMMIT included, whatever the address has done before: new,
    repeated, confirmed and over-limit attempts do the same work. Raises `NotAccepting`.
    """
    if not petition.is_accepting():
        raise NotAccepting
    row = _new_row(petition, attempt)
    with transaction.atomic():
        row["place"], row["mail_state"] = _look_up(attempt, row["mail_ix"])
        _insert(row)
    nudge()
    signature_id: UUID = row["id"]
    return signature_id


def confirm(*, signature_id: UUID, epoch: int) -> tuple[Outcome, Signature | None]:
    """Count a pending signature, once, whoever presses how often. At most 7 statements.

    A moderator may decide about it at the same moment: then it is judged again as it stands.
    Raises `StateChanged` only if that happens twice running.
    """
    try:
        return _confirm(signature_id, epoch)
    except StateChanged:
        return _confirm(signature_id, epoch)


@transaction.atomic
def _confirm(signature_id: UUID, epoch: int) -> tuple[Outcome, Signature | None]:
    signature = find(signature_id, epoch)
    if signature is None:
        return Outcome.GONE, None
    if signature.state == Signature.State.PENDING and not signature.petition.is_confirming(
        signature.created_at, timezone.now()
    ):
        return Outcome.CLOSED, signature
    _lock_mailbox(signature.signer.mailbox_ix)
    verdict = _judge(signature)
    if verdict.outcome is Outcome.CONFIRMED:
        _take_slot(signature, verdict.slot)
        key = tallies.key_of(signature.place_id, signature.pk)
        tallies.move(signature.petition_id, {key: 1})
    elif verdict.standing and verdict.standing != signature.pk:
        _narrow_name_use(verdict.standing, signature.name_use)
    return verdict.outcome, signature


@transaction.atomic
def withdraw(*, signature_id: UUID) -> bool:
    """Erase the person behind a signature and take it out of the count; False if nobody is left.

    The signer's row and mails are deleted at once; what stays is never personal. Source: UK
    GDPR Articles 7(3) and 17. Copies that were exported before are out of our reach.
    """
    signature = Signature.objects.select_for_update().filter(pk=signature_id).first()
    if signature is None or signature.state == Signature.State.WITHDRAWN:
        return False
    was_counted = signature.state == Signature.State.CONFIRMED
    Mail.objects.filter(signature=signature).delete()
    Signer.objects.filter(signature=signature).delete()
    Signature.objects.filter(pk=signature.pk).update(
        state=Signature.State.WITHDRAWN, wants_updates=False
    )
    if was_counted:
        key = tallies.key_of(signature.place_id, signature.pk)
        tallies.move(signature.petition_id, {key: -1})
    return True


def find(signature_id: UUID, epoch: int) -> Signature | None:
    """The signature that a mailed link speaks of, with its signer and petition; else None."""
    return (
        Signature.objects.select_related("signer", "petition")
        .filter(pk=signature_id, link_epoch=epoch, signer__isnull=False)
        .exclude(state=Signature.State.WITHDRAWN)
        .first()
    )


def unsealed(signer: Signer) -> dict[str, str]:
    """What a signer's row keeps sealed: name, email, postcode, country, language."""
    value = vault.unseal(signer.sealed, table=SIGNER_TABLE, row_id=signer.signature_id)
    return {key: str(text) for key, text in value.items()}


def _look_up(attempt: Attempt, mail_ix: bytes) -> tuple[str, Mail.State]:
    """The place of the attempt, and whether its mailbox gets another mail now or none.

    Up to the daily limit, then one an hour. It is counted in PostgreSQL, for a limit that
    protects strangers must not fail open when Redis is away.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT place_id FROM petitions_postcode WHERE postcode = %s),
                   count(*), coalesce(max(created_at) < now() - interval '1 hour', true)
            FROM petitions_mail
            WHERE mailbox_ix = %s AND kind = %s AND state <> %s
                  AND created_at > now() - interval '1 day'
            """,
            [attempt.postcode, mail_ix, Mail.Kind.CONFIRM, Mail.State.WITHHELD],
        )
        place_id, mailed, hour_passed = cursor.fetchone()
    may_mail = mailed < settings.MAILS_PER_MAILBOX_AND_DAY or hour_passed
    place = ABROAD if attempt.country else place_id or UNKNOWN
    return place, Mail.State.QUEUED if may_mail else Mail.State.WITHHELD


def _new_row(petition: Petition, attempt: Attempt) -> dict[str, Any]:
    """The columns of a pending signature, its signer and its mail, but for what is looked up."""
    signature_id = uuid.uuid4()
    index = indexes(petition.pk, attempt)
    return {
        "id": signature_id,
        "reference": new_reference(),
        "petition": petition.pk,
        "text_version": attempt.text_version,
        "state": Signature.State.PENDING,
        "name_use": attempt.name_use,
        "wants_updates": attempt.wants_updates,
        "consent": attempt.consent_version,
        "sealed": vault.seal(attempt.sealable(), table=SIGNER_TABLE, row_id=signature_id),
        "mailbox_ix": index.mailbox,
        "person_ix": index.person,
        "home_ix": index.home,
        "mail_id": uuid.uuid4(),
        "mail_kind": Mail.Kind.CONFIRM,
        "mail_ix": index.mail,
    }


def _insert(row: dict[str, Any]) -> None:
    """Signature, signer and mail in one statement: three would be three round trips."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH new_signature AS (
                INSERT INTO petitions_signature (
                    id, reference, petition_id, text_version, place_id, state, name_use,
                    wants_updates, consent_version, link_epoch, created_at)
                VALUES (%(id)s, %(reference)s, %(petition)s, %(text_version)s, %(place)s,
                    %(state)s, %(name_use)s, %(wants_updates)s, %(consent)s, 0, now())
            ), new_signer AS (
                INSERT INTO petitions_signer (
                    signature_id, petition_id, sealed, mailbox_ix, person_ix, home_ix)
                VALUES (%(id)s, %(petition)s, %(sealed)s, %(mailbox_ix)s, %(person_ix)s,
                    %(home_ix)s)
            )
            INSERT INTO petitions_mail (
                id, signature_id, kind, mailbox_ix, state, due_at, attempts, code, created_at)
            VALUES (%(mail_id)s, %(id)s, %(mail_kind)s, %(mail_ix)s, %(mail_state)s, now(), 0,
                '', now())
            """,
            row,
        )


def _lock_mailbox(mailbox_ix: bytes | memoryview) -> None:
    """Wait until nobody else confirms for this mailbox.

    A statement of its own: one that both locked and read would read as of before the wait.
    """
    with connection.cursor() as cursor:
        number = int.from_bytes(bytes(mailbox_ix)[:8], "big", signed=True)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _judge(signature: Signature) -> Verdict:
    """Whether the signature may be counted, read under the lock of its mailbox."""
    me = signature.signer
    rows = list(
        Signer.objects.filter(petition_id=me.petition_id, mailbox_ix=me.mailbox_ix, slot__gte=1)
        .select_related("signature")
        .only("person_ix", "home_ix", "slot", "signature__state")
    )
    for row in rows:
        if bytes(row.person_ix) == bytes(me.person_ix):
            removed = row.signature.state == Signature.State.REMOVED
            outcome = Outcome.REMOVED if removed else Outcome.ALREADY
            return Verdict(outcome, standing=row.signature_id)
    if signature.state == Signature.State.REMOVED:
        return Verdict(Outcome.REMOVED)
    if len(rows) == len(SLOTS):
        return Verdict(Outcome.MAILBOX_FULL)
    if rows and bytes(rows[0].home_ix) != bytes(me.home_ix):
        return Verdict(Outcome.OTHER_HOME)
    taken = {row.slot for row in rows}
    return Verdict(Outcome.CONFIRMED, slot=next(slot for slot in SLOTS if slot not in taken))


def _narrow_name_use(signature_id: UUID, wanted: str) -> None:
    """Somebody who signs again and now wants their name kept back gets that at once.

    Only ever towards less: whoever can read this mailbox by chance must not be able to make
    a withheld name public by signing again.
    """
    wider = _NAME_USES[: _NAME_USES.index(Signature.NameUse(wanted))]
    Signature.objects.filter(pk=signature_id, name_use__in=wider).update(name_use=wanted)


def _take_slot(signature: Signature, slot: int) -> None:
    """Compare-and-set from pending to confirmed, with the slot, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH moved AS (
                UPDATE petitions_signature SET state = %s, confirmed_at = now()
                WHERE id = %s AND state = %s RETURNING id
            )
            UPDATE petitions_signer SET slot = %s FROM moved WHERE signature_id = moved.id
            """,
            [Signature.State.CONFIRMED, signature.pk, Signature.State.PENDING, slot],
        )
        if cursor.rowcount != 1:
            raise StateChanged
    signature.state = Signature.State.CONFIRMED
