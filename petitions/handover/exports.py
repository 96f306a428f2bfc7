"""Exports for organisers: check the right, record the export, stream the file, mail a reminder.

A file is streamed while it is made, in constant memory, and recorded before its first byte is sent.
`purposes` says what it contains, `reading` reads the rows, and `csv_file`, `xlsx_file` and
`encryption` write it.
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
from petitions.models.counts import in_steps
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

# Seconds between two writes of a running export's progress.
NOTED_EVERY = 1.0
# Single people whom one member of staff may look up in an hour: each look may be a test of whether
# somebody signed.
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

    `export` is unsaved and holds the choices. Raises `PermissionDenied`, and `Refused` if its
    purpose does not allow a part, or the actor has looked up `LOOKS_AN_HOUR` people.
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
    """Return the purpose. Raises `PermissionDenied`, and `Refused` if it does not allow a part."""
    purpose = purposes.of(export)
    roles.require(actor, purpose.permission)
    if not purpose.has_parts and (export.place_id or export.first_day or export.last_day):
        raise Refused("This list is always of a whole petition. Do not choose a place or days.")
    return purpose


@transaction.atomic
def about(*, export: Export, actor: User, screen: str) -> str:
    """Return in words about how many rows an unsaved export would have. Recorded like a search.

    Rounding alone hides nobody: somebody can choose days so that a place is one below a step, and
    sees by the next answer that differs that a person of that place has just signed.
    """
    purpose = _purpose_of(export, actor)
    audit.record(
        action=AuditRecord.Action.SEARCHED,
        screen=screen,
        actor=actor,
        about=export.petition,
        why=f"how many rows: {purpose.name}",
    )
    return in_steps(purpose.about(), purposes.RARE, about="about")


def stream(
    export: Export, *, subject: str = "", progress: Progress = lambda _rows: None
) -> Generator[bytes, None, None]:
    """Stream the file of a started export. `subject` is the address in an export of one person.

    The record is updated each second with the number of rows sent, and at the end with SHA-256 and
    time. If the download breaks off, it has the rows until then, at most a batch too many. Raises
    `PermissionDenied` soon after its account has lost the right.
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
    """Return in words how long copies of the file may be kept, and what it may be used for."""
    allowed = purposes.PURPOSES[export.purpose].allowed
    return f"Delete every copy by {export.delete_by:%Y-%m-%d}. {allowed}"


def _note(export: Export) -> str:
    """Return the note in the file: its `allowance`, and a random mark of this copy.

    The mark is stored nowhere else. Without it, somebody with a dump of the database could test a
    name or an address against the SHA-256 of a file of few rows: the dump has all the rest of it.
    """
    return f"{allowance(export)} Mark of this copy: {secrets.token_hex(16)}."


def file_name(export: Export) -> str:
    """Return the file name: petition, purpose, day, and the day by which to delete copies."""
    petition = export.petition.slug if export.petition else "all"
    days = f"{timezone.localdate(export.started_at)}-delete-by-{export.delete_by}"
    suffix = f"{export.file_format}.age" if export.recipient else export.file_format
    return f"{petition}-{export.purpose}-{days}.{suffix}"


def content_type(export: Export) -> str:
    if export.recipient:
        return "application/octet-stream"
    return CONTENT_TYPES[Export.Format(export.file_format)]


def send_reminders() -> int:
    """Mail a reminder for each export whose copies must be deleted by today; return how many.

    It goes to the account that made the export, or to the organisation if that has no address. The
    next sweep retries failures, with the same Message-ID.
    """
    to = Organisation.load().privacy_email
    return sum(
        _sent(export, to) for export in Export.objects.to_remind_of().select_related("actor")
    )


def _sent(export: Export, organisation: str) -> bool:
    address = (export.actor and export.actor.email) or organisation
    # The mail names no petition and no purpose, because a locked phone shows its beginning.
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
    """Raise `Refused` if the account has used up its look-ups of single people."""
    # Without the lock, two concurrent exports could both take the last look-up.
    User.objects.select_for_update().get(pk=actor.pk)
    looks = Export.objects.filter(
        actor=actor,
        purpose__in=[one.name for one in purposes.PURPOSES.values() if one.is_of_one_person],
        started_at__gt=timezone.now() - timedelta(hours=1),
    )
    if looks.count() >= LOOKS_AN_HOUR:
        raise Refused(
            f"You have looked up {LOOKS_AN_HOUR} people within an hour. Wait, or ask another "
            "organiser. Each look-up is recorded, because it tells who signed."
        )


class _Record:
    """The progress and outcome of a running export, written to its row."""

    def __init__(self, export: Export, progress: Progress) -> None:
        self.export = export
        self.progress = progress
        self.digest = hashlib.sha256()
        self._noted = time.monotonic()

    def counted(self, batches: Iterator[list[Cells]]) -> Iterator[list[Cells]]:
        """Pass batches on. Count each before it is written, so that no row leaves uncounted."""
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
        """Write the number of rows so far, and the columns of the outcome."""
        self._noted = time.monotonic()
        values = {"rows": self.export.rows, "moved_at": timezone.now(), **outcome}
        for name, value in values.items():
            setattr(self.export, name, value)
        Export.objects.filter(pk=self.export.pk).update(**values)
