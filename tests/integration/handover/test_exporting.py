"""Exports: the columns the purpose needs, safe in spreadsheets, and on record."""

import csv
import hashlib
import io
import itertools
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.utils import timezone

from campaign.database.timeouts import client_timeout
from petitions.counting import tallies
from petitions.crypto import vault
from petitions.handover import csv_file, exports, reading
from petitions.models import Export, Petition, Signature, Signer
from petitions.signers.sealing import Attempt
from petitions.staff.roles import ORGANISERS
from tests.benchmarks import seeding
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm


def rows_of(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))


def chosen(petition: Petition, **choices: Any) -> Export:
    return Export(petition=petition, **{"purpose": "hand-in", "why": "the hand-in", **choices})


def exported(petition: Petition) -> tuple[Export, bytes]:
    export = exports.start(export=chosen(petition), actor=None, screen="test")
    return export, b"".join(exports.stream(export))


def test_the_hand_in_list_has_names_only_where_allowed_and_nothing_else(petition: Petition) -> None:
    alone = replace(BASHIR, email="bashir@example.net")
    amina, bashir, david = (sign_and_confirm(petition, p) for p in (AMINA, alone, DAVID))
    sign(petition, Attempt(name="Pending Person", email="pending@example.org", name_use="public"))

    _export, raw = exported(petition)

    header, *rows = rows_of(raw)
    *columns, note = header
    assert columns == ["reference", "name", "constituency or country", "day"]
    assert note.startswith("Delete every copy by 20")
    assert {row[4] for row in rows} == {""}
    by_reference = {row[0]: row[1:3] for row in rows}
    assert by_reference == {
        amina.spoken_reference: ["Amina Example", "UK, constituency not known"],
        bashir.spoken_reference: ["", "UK, constituency not known"],
        david.spoken_reference: ["David Sample", "Jordan"],
    }
    for never in ("example.org", "example.net", "M14", "بشير", "Pending"):
        assert never not in raw.decode()


def test_an_export_starts_with_a_utf_8_byte_order_mark(petition: Petition) -> None:
    sign_and_confirm(petition, Attempt(name="ليلى مثال", email="l@example.org", name_use="public"))
    _export, raw = exported(petition)
    assert raw.startswith(b"\xef\xbb\xbf")
    assert "ليلى مثال" in raw.decode()


def test_a_formula_in_a_name_is_escaped_in_an_export(petition: Petition) -> None:
    sign_and_confirm(petition, Attempt(name="=cmd(A)", email="f@example.org", name_use="public"))
    _export, raw = exported(petition)
    assert rows_of(raw)[1][1] == "'=cmd(A)"


def test_the_recorded_digest_of_an_export_cannot_be_used_to_guess_names(petition: Petition) -> None:
    """With a dump, which has all of a row but the name, names could be tried against the digest."""
    sign_and_confirm(petition)
    export, raw = exported(petition)
    export.refresh_from_db()
    header, *rows = rows_of(raw)
    known = exports._note(export)
    guessed = b"".join(csv_file.write(header[:-1], [[tuple(row[:-1]) for row in rows]], known))
    assert len(guessed) == len(raw)
    assert hashlib.sha256(raw).hexdigest() == export.sha256
    assert hashlib.sha256(guessed).hexdigest() != export.sha256


def test_an_export_is_recorded_with_rows_and_the_digest_of_the_file(petition: Petition) -> None:
    sign_and_confirm(petition)
    export, raw = exported(petition)

    export.refresh_from_db()
    assert export.rows == 1
    assert export.sha256 == hashlib.sha256(raw).hexdigest()
    assert export.finished_at
    assert export.delete_by > export.started_at.date()


def test_an_export_that_breaks_off_records_the_rows_that_were_sent(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FIRST_BATCH", 2)
    monkeypatch.setattr(reading, "BATCH", 2)
    for number in range(7):
        sign_and_confirm(
            petition, Attempt(name="A B", email=f"p{number}@example.org", name_use="public")
        )
    chunks = exports.stream(exports.start(export=chosen(petition), actor=None, screen="test"))
    left = b"".join(itertools.islice(chunks, 3))
    chunks.close()

    export = Export.objects.get()
    assert len(rows_of(left)) - 1 == export.rows == 4
    assert (export.finished_at, export.sha256) == (None, "")
    assert export.state == Export.State.BROKEN


def test_an_export_ends_when_its_account_is_deactivated(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "NOTED_EVERY", 0)
    monkeypatch.setattr(reading, "FIRST_BATCH", 1)
    monkeypatch.setattr(reading, "BATCH", 1)
    for number in range(3):
        sign_and_confirm(petition, Attempt(name="A B", email=f"p{number}@a.org", name_use="public"))
    omar = User.objects.create_user("omar", is_staff=True)
    omar.groups.set(Group.objects.filter(name=ORGANISERS))
    chunks = exports.stream(exports.start(export=chosen(petition), actor=omar, screen="test"))
    next(chunks), next(chunks)
    User.objects.filter(pk=omar.pk).update(is_active=False)

    with pytest.raises(PermissionDenied):
        next(chunks)
    assert Export.objects.get().state == Export.State.BROKEN


def test_an_export_whose_process_was_killed_counts_as_broken_off_after_a_while(
    petition: Petition,
) -> None:
    killed, running = (
        exports.start(export=chosen(petition), actor=None, screen="test") for _ in range(2)
    )
    killed.moved_at = killed.started_at = timezone.now() - timedelta(minutes=2)
    assert running.state == Export.State.RUNNING
    assert killed.state == Export.State.BROKEN


def test_a_running_export_records_its_progress(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "NOTED_EVERY", 0)
    sign_and_confirm(petition)
    chunks = exports.stream(exports.start(export=chosen(petition), actor=None, screen="test"))
    next(chunks), next(chunks)

    assert Export.objects.get().rows == 1
    assert Export.objects.get().state == Export.State.RUNNING


def test_api_export_and_tally_have_the_same_count(petition: Petition, client: Client) -> None:
    for person in (AMINA, BASHIR, DAVID):
        sign_and_confirm(petition, person)
    _export, raw = exported(petition)
    told = client.get("/api/v1/petitions/protect.json").json()["signature_count"]
    assert len(rows_of(raw)) - 1 == told == tallies.total(petition.pk) == 3


def test_an_export_in_many_batches_contains_every_signature_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FIRST_BATCH", 2)
    monkeypatch.setattr(reading, "BATCH", 3)
    for number in range(11):
        sign_and_confirm(
            petition, Attempt(name="A B", email=f"p{number}@example.org", name_use="public")
        )
    # As after three days: many signatures bear one and the same time.
    moment = Signature.objects.order_by("created_at")[0].created_at
    Signature.objects.update(created_at=moment)

    _export, raw = exported(petition)

    references = [row[0] for row in rows_of(raw)[1:]]
    assert sorted(references) == sorted(s.spoken_reference for s in Signature.objects.all())


def test_a_signature_whose_signer_is_erased_keeps_its_row(petition: Petition) -> None:
    signature = sign_and_confirm(petition)
    signature.signer.delete()
    _export, raw = exported(petition)
    (row,) = rows_of(raw)[1:]
    assert row[:3] == [signature.spoken_reference, "", "UK, constituency not known"]


@pytest.mark.django_db(transaction=True)
def test_an_export_is_recorded_as_broken_if_a_signer_cannot_be_unsealed(
    petition: Petition,
) -> None:
    seeding.seed(petition=petition, total=2_000)
    told = Signature.objects.counted().exclude(name_use="withheld").order_by("id")
    Signer.objects.filter(pk=told[10].pk).update(sealed=b"damaged")

    with pytest.raises(vault.CannotOpen):
        exported(petition)
    assert Export.objects.get().state == Export.State.BROKEN
    assert Export.objects.get().rows == 0


def test_an_export_works_on_a_connection_with_a_client_side_timeout(
    petition: Petition,
) -> None:
    """There COPY does not work."""
    sign_and_confirm(petition)
    client_timeout.limit(30)
    try:
        _export, raw = exported(petition)
    finally:
        client_timeout.remove()
    assert len(rows_of(raw)) == 2


def test_export_signatures_writes_a_file_readable_only_by_its_owner(
    petition: Petition, tmp_path: Path
) -> None:
    sign_and_confirm(petition)
    target = tmp_path / "list.csv"

    call_command("export_signatures", "protect", purpose="hand-in", output=target)

    assert len(rows_of(target.read_bytes())) == 2
    assert target.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_signatures", "protect", purpose="hand-in", output=target)


def test_export_signatures_lists_the_petitions_for_an_unknown_slug(petition: Petition) -> None:
    with pytest.raises(CommandError, match="There are: protect"):
        call_command("export_signatures", "nonesuch", purpose="hand-in")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipient": "age1nonsense"}, "no public key of age or SSH"),
        ({"first_day": date(2026, 3, 2), "last_day": date(2026, 3, 1)}, "last day comes before"),
        ({"why": "x" * 301}, "at most 300 characters"),
    ],
)
def test_export_signatures_refuses_invalid_options_and_records_nothing(
    petition: Petition, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    target = tmp_path / "list.csv"
    with pytest.raises(CommandError, match=message):
        call_command("export_signatures", "protect", purpose="hand-in", output=target, **options)
    assert not target.exists()
    assert not Export.objects.exists()


def test_an_export_reads_only_signers_with_a_name_or_country_in_it_and_each_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 100)
    seeding.seed(petition=petition, total=5_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_signer")
    before = signers_read()

    export, _raw = exported(petition)

    untold = Q(name_use="withheld") & ~Q(place="abroad")
    told = Signature.objects.counted().exclude(untold).count()
    assert export.rows > 1.1 * told
    assert told <= signers_read() - before <= 1.1 * told


def signers_read() -> int:
    """Return how many rows of signers this transaction has read, by PostgreSQL's statistics."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
            WHERE relname = 'petitions_signer'
            """
        )
        return int(cursor.fetchone()[0])
