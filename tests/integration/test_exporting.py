"""Exports: the columns the purpose needs, safe in spreadsheets, and on record."""

import csv
import hashlib
import io
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from petitions.counting import tallies
from petitions.handover import exports
from petitions.models import Export, Petition, Signature
from petitions.signers.sealing import Attempt
from tests.benchmarks import seeding
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm


def rows_of(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))


def exported(petition: Petition) -> tuple[Export, bytes]:
    export = exports.start(petition=petition, purpose=Export.Purpose.HAND_IN, why="the hand-in")
    return export, b"".join(exports.stream(export))


def test_the_hand_in_list_has_names_only_where_allowed_and_nothing_else(petition: Petition) -> None:
    amina, bashir, david = (sign_and_confirm(petition, p) for p in (AMINA, BASHIR, DAVID))
    sign(petition, Attempt(name="Pending Person", email="pending@example.org", name_use="public"))

    _export, raw = exported(petition)

    header, *rows = rows_of(raw)
    assert header == ["reference", "name", "constituency or country", "day"]
    by_reference = {row[0]: row[1:3] for row in rows}
    assert by_reference == {
        amina.spoken_reference: ["Amina Example", "UK, constituency not known"],
        bashir.spoken_reference: ["", "UK, constituency not known"],
        david.spoken_reference: ["David Sample", "Jordan"],
    }
    for never in ("example.org", "example.net", "M14", "بشير", "Pending"):
        assert never not in raw.decode()


def test_an_export_starts_with_the_mark_that_excel_needs_for_arabic(petition: Petition) -> None:
    sign_and_confirm(petition, Attempt(name="ليلى مثال", email="l@example.org", name_use="public"))
    _export, raw = exported(petition)
    assert raw.startswith(b"\xef\xbb\xbf")
    assert "ليلى مثال" in raw.decode()


def test_a_name_that_is_a_formula_is_harmless(petition: Petition) -> None:
    sign_and_confirm(petition, Attempt(name="=cmd(A)", email="f@example.org", name_use="public"))
    _export, raw = exported(petition)
    assert rows_of(raw)[1][1] == "'=cmd(A)"


def test_an_export_is_recorded_with_rows_and_the_digest_of_the_file(petition: Petition) -> None:
    sign_and_confirm(petition)
    export, raw = exported(petition)

    export.refresh_from_db()
    assert export.rows == 1
    assert export.sha256 == hashlib.sha256(raw).hexdigest()
    assert export.finished_at
    assert export.delete_by > export.started_at.date()


def test_an_export_that_breaks_off_stays_on_record_as_unfinished(petition: Petition) -> None:
    sign_and_confirm(petition)
    export = exports.start(petition=petition, purpose=Export.Purpose.HAND_IN, why="x")
    chunks = exports.stream(export)
    next(chunks)
    del chunks

    export.refresh_from_db()
    assert export.finished_at is None


def test_page_api_and_export_agree(petition: Petition, client: Client) -> None:
    for person in (AMINA, BASHIR, DAVID):
        sign_and_confirm(petition, person)
    _export, raw = exported(petition)
    told = client.get("/api/v1/petitions/protect.json").json()["signature_count"]
    assert len(rows_of(raw)) - 1 == told == tallies.total(petition.pk) == 3


def test_many_batches_hold_every_signature_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 3)
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


def test_an_organiser_exports_from_the_petitions_page(
    petition: Petition, organiser: User, client: Client
) -> None:
    sign_and_confirm(petition)
    client.force_login(organiser)
    page = f"/admin/petitions/petition/{petition.pk}/export/"
    assert client.get(page).status_code == 200

    response = client.post(page, {"purpose": "hand-in", "why": "Downing Street, 1 December"})
    raw = response.getvalue()

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "protect-hand-in-" in response["Content-Disposition"]
    assert len(rows_of(raw)) == 2
    assert Export.objects.get().actor == organiser


def test_an_export_without_a_reason_is_refused(
    petition: Petition, organiser: User, client: Client
) -> None:
    client.force_login(organiser)
    client.post(f"/admin/petitions/petition/{petition.pk}/export/", {"purpose": "hand-in"})
    assert not Export.objects.exists()


def test_a_moderator_may_not_export(petition: Petition, moderator: User, client: Client) -> None:
    client.force_login(moderator)
    page = f"/admin/petitions/petition/{petition.pk}/export/"
    assert client.get(page).status_code == 403
    assert client.post(page, {"purpose": "hand-in", "why": "x"}).status_code == 403
    assert not Export.objects.exists()


def test_the_command_writes_a_file_that_only_its_owner_reads(
    petition: Petition, tmp_path: Path
) -> None:
    sign_and_confirm(petition)
    target = tmp_path / "list.csv"

    call_command("export_signatures", "protect", purpose="hand-in", output=target)

    assert len(rows_of(target.read_bytes())) == 2
    assert target.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_signatures", "protect", purpose="hand-in", output=target)


def test_the_command_names_the_petitions_there_are(petition: Petition) -> None:
    with pytest.raises(CommandError, match="There are: protect"):
        call_command("export_signatures", "nonesuch", purpose="hand-in")


def test_every_signer_is_read_once_however_many_batches_there_are(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 100)
    seeding.seed(petition=petition, total=5_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_signer")
    before = signers_read()

    export, _raw = exported(petition)

    assert export.rows is not None
    assert export.rows <= signers_read() - before <= 1.2 * export.rows


def signers_read() -> int:
    """Rows of signers that this transaction has read so far, as PostgreSQL counts them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
            WHERE relname = 'petitions_signer'
            """
        )
        return int(cursor.fetchone()[0])
