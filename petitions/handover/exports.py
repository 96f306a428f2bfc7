"""Exports for organisers: who may, the record, the stream of the file, the reminder to delete it.

A file streams while it is made, in constant memory, and is on record from before its first byte.
`purposes` says what is in it, `reading` reads it; `csv_file`, `xlsx_file` and `encryption` write
it.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from petitions.handover import csv_file, encryption, purposes, xlsx_file
from petitions.handover.purposes import Cells
from petitions.mail import team
from petitions.models import AuditRecord, Export, Organisation
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

# How often, in seconds, a running export writes how far it is.
NOTED_EVERY = 1.0
# How many single people one member of staff may look up in an hour: each look may be a test of
# whether somebody signed.
LOOKS_AN_HOUR = 10
CONTENT_TYPES = {
    Export.Format.CSV: "text/csv; charset=utf-8",
    Export.Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_WRITERS: dict[str, Callable[..., Iterator[bytes]]] = {
    Export.Format.CSV: csv_file.write,
    Export.Format.XLSX: xlsx_file.write,
}

Progress = Callable[[int], object]


@transaction.atomic
def start(*, export: Export, actor: User | None, screen: str) -> Export:
    """Record an export (who, what, why, of which signatures) before its first byte is sent.

    `export` is unsaved and says what was chosen. Raises `PermissionDenied`, and `Refused` where its
    purpose is not of a part, or the actor's look-ups of single people are used up.
    """
    purpose = _purpose_of(export, actor)
    if actor and purpose.is_of_one_person:
        _need_a_look(actor)
    export.actor, export.actor_name = actor, actor.get_username() if actor else "command line"
    export.has_people = purpose.has_people
    export.delete_by = timezone.localdate() + purpose.kept_for
    export.expected = purpose.about()
    export.save(force_insert=True)
    audit.record(
        action=AuditRecord.Action.EXPORTED,
        screen=screen,
        actor=actor,
        about=export,
        why=export.why,
    )
    return export


def _purpose_of(export: Export, actor: User | None) -> purposes.Purpose:
    """What an export is for, if the actor may have it, of the part that was chosen."""
    purpose = purposes.of(export)
    roles.require(actor, purpose.permission)
    if not purpose.has_parts and (export.place_id or export.first_day or export.last_day):
        raise Refused("This list is of a whole petition: choose no place and no days.")
    return purpose


@transaction.atomic
def about(*, export: Export, actor: User, screen: str) -> str:
    """About how many rows an unsaved export would have, in words. On record, like a search.

    Steps alone hide nobody: days can be chosen so that a place stands one below a step, and then
    the next answer that differs tells that somebody of that place has just signed.
    """
    purpose = _purpose_of(export, actor)
    audit.record(
        action=AuditRecord.Action.SEARCHED,
        screen=screen,
        actor=actor,
        about=export.petition,
        why=f"how many rows: {purpose.name}",
    )
    return purposes.in_steps(purpose.about())


def stream(
    export: Export, *, subject: str = "", progress: Progress = lambda _rows: None
) -> Generator[bytes, None, None]:
    """Stream the file of a started export. `subject` is the address that one person's data is of.

    The record gets the rows that left each second, and at the end SHA-256 and time. If the reader
    stops, it keeps the rows that had been handed to it, at most a batch too many.
    """
    purpose, record = purposes.of(export, subject), _Record(export, progress)
    chunks = _WRITERS[export.file_format](
        purpose.columns, record.counted(purpose.batches()), _note(export)
    )
    if export.recipient:
        chunks = encryption.encrypted(chunks, export.recipient)
    try:
        for chunk in chunks:
            if chunk:
                record.digest.update(chunk)
                yield chunk
    except BaseException:
        record.write(broken_at=timezone.now())
        raise
    record.write(finished_at=timezone.now(), sha256=record.digest.hexdigest())


def allowance(export: Export) -> str:
    """Until when copies of the file may be kept, and what it may be used for."""
    allowed = purposes.PURPOSES[export.purpose].allowed
    return f"Delete every copy by {export.delete_by:%Y-%m-%d}. {allowed}"


def _note(export: Export) -> str:
    """The note that travels in the file: its `allowance`, and a random mark of this copy.

    The mark is stored nowhere else. Without it, whoever has a dump could test a name or an
    address against the SHA-256 of a file of few rows, for all else of them is in the dump.
    """
    return f"{allowance(export)} Mark of this copy: {secrets.token_hex(16)}."


def file_name(export: Export) -> str:
    """The file name: petition, purpose, day, and the day by which copies are to be deleted."""
    petition = export.petition.slug if export.petition else "all"
    days = f"{timezone.localdate(export.started_at)}-delete-by-{export.delete_by}"
    suffix = f"{export.file_format}.age" if export.recipient else export.file_format
    return f"{petition}-{export.purpose}-{days}.{suffix}"


def content_type(export: Export) -> str:
    if export.recipient:
        return "application/octet-stream"
    return CONTENT_TYPES[Export.Format(export.file_format)]


def send_reminders() -> int:
    """Mail a reminder of each export whose copies are to be deleted by today; return how many.

    It goes to the address of the account that took the export, or else to the organisation. What
    fails is tried again by the next sweep, under the same Message-ID.
    """
    to = Organisation.load().privacy_email
    return sum(
        _sent(export, to) for export in Export.objects.to_remind_of().select_related("actor")
    )


def _sent(export: Export, organisation: str) -> bool:
    address = (export.actor and export.actor.email) or organisation
    # It names no petition and no purpose: phones show its beginning when locked.
    if not address or not team.send(
        "admin/petitions/export/mail.txt",
        {"export": export},
        to=address,
        message_id=str(export.pk),
        date=timezone.now(),
    ):
        return False
    unreminded = Export.objects.filter(pk=export.pk, reminded_at=None)
    return bool(unreminded.update(reminded_at=timezone.now()))


def _need_a_look(actor: User) -> None:
    """Lock the account's row, so that looks at once do not each find the last one free."""
    User.objects.select_for_update().get(pk=actor.pk)
    looks = Export.objects.filter(
        actor=actor,
        purpose__in=[one.name for one in purposes.PURPOSES.values() if one.is_of_one_person],
        started_at__gt=timezone.now() - timedelta(hours=1),
    )
    if looks.count() >= LOOKS_AN_HOUR:
        raise Refused(
            f"You have looked up {LOOKS_AN_HOUR} people within an hour. Wait, or ask another "
            "organiser: each look is on record, because it tells who signed."
        )


class _Record:
    """The progress and outcome of a running export, written to its row."""

    def __init__(self, export: Export, progress: Progress) -> None:
        self.export = export
        self.progress = progress
        self.digest = hashlib.sha256()
        self._noted = time.monotonic()

    def counted(self, batches: Iterator[list[Cells]]) -> Iterator[list[Cells]]:
        """Count the rows of a batch before it is written, so that none leaves uncounted."""
        for batch in batches:
            self.export.rows += len(batch)
            self.progress(len(batch))
            if time.monotonic() - self._noted > NOTED_EVERY:
                self.write()
                self._require_actor()
            yield batch

    def _require_actor(self) -> None:
        """Raise `PermissionDenied` once the account is deactivated or has lost the permission."""
        if self.export.actor_id:
            actor = User.objects.get(pk=self.export.actor_id)
            roles.require(actor, purposes.PURPOSES[self.export.purpose].permission)

    def write(self, **outcome: Any) -> None:
        """Write the rows so far, and how it ended."""
        self._noted = time.monotonic()
        values = {"rows": self.export.rows, "moved_at": timezone.now(), **outcome}
        for name, value in values.items():
            setattr(self.export, name, value)
        Export.objects.filter(pk=self.export.pk).update(**values)
