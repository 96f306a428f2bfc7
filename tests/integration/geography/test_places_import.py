"""Constituencies and postcodes are imported from published files, completely or not at all."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from petitions.geography import constituencies as constituency_files
from petitions.geography import postcodes
from petitions.infra.locks import lease
from petitions.models import UNKNOWN, Petition, Place, PlaceFile, Postcode, Region, Signature
from tests import published
from tests.people import AMINA, sign
from tests.published import EDINBURGH, GORTON, ROWS, RUSHOLME, YNYS_MON

AUGUST = date(2026, 8, 1)
SHIPPED = Path(constituency_files.__file__).with_name("constituencies-2024.csv")
T = TypeVar("T")


@pytest.fixture
def constituencies(places: None, tmp_path: Path) -> None:
    """Four constituencies of three nations."""
    published.import_constituencies(tmp_path)


def stored() -> dict[str, str]:
    return dict(Postcode.objects.values_list("postcode", "place_id"))


def refusal(command: str, path: Path, **options: Any) -> str:
    """The one line that the command ends with."""
    with pytest.raises(CommandError) as refused:
        call_command(command, path, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_hexjson_map_imports_constituencies_with_names_and_regions(
    places: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Place.objects.constituencies().delete()
    call_command("import_constituencies", published.hexjson(tmp_path))

    mona = Place.objects.get(pk=YNYS_MON)
    assert (mona.name, mona.region) == ("Ynys Môn", Region.WALES)
    assert mona.kind == Place.Kind.CONSTITUENCY
    assert Place.objects.get(pk=GORTON).get_region_display() == "North West"
    assert "4 constituencies, 4 of them new" in capsys.readouterr().out


def test_a_names_table_adds_welsh_names_and_keeps_regions(places: None, tmp_path: Path) -> None:
    Place.objects.update(name_cy="")
    table = tmp_path / "names.csv"
    table.write_text(
        "\ufeffPCON24CD,PCON24NM,PCON24NMW,ObjectId\n"
        f"{YNYS_MON},Ynys Môn, ,1\n"
        "W07000093,Ceredigion Preseli,Ceredigion Preseli,2\n"
        "W07000110,Vale of Glamorgan,Bro Morgannwg,3\n"
        f"{GORTON},Gorton and Denton,,4\n",
        encoding="utf-8",
    )

    call_command("import_constituencies", table)

    glamorgan = Place.objects.get(name="Vale of Glamorgan")
    assert [glamorgan.name_in(language) for language in ("en", "ar", "cy")] == [
        "Vale of Glamorgan", "Vale of Glamorgan", "Bro Morgannwg",
    ]  # fmt: skip
    assert glamorgan.region == Region.WALES
    assert Place.objects.get(pk=YNYS_MON).name_in("cy") == "Ynys Môn"
    assert Place.objects.get(pk=GORTON).region == Region.NORTH_WEST


def test_a_new_site_has_the_650_constituencies_with_regions_and_welsh_names(db: None) -> None:
    shipped = Place.objects.constituencies()
    assert shipped.count() == 650
    nations = Counter(code[:3] for code in shipped.values_list("code", flat=True))
    assert nations == {"E14": 543, "S14": 57, "W07": 32, "N05": 18}
    assert not shipped.exclude(region__in=Region.values).exists()
    assert shipped.exclude(name_cy="").count() == 23
    assert not shipped.exclude(name_cy="").exclude(region=Region.WALES).exists()
    assert Place.objects.get(pk="W07000097").name_in("cy") == "Gŵyr"
    record = PlaceFile.objects.get()
    assert (record.kind, record.rows) == (PlaceFile.Kind.CONSTITUENCIES, 650)


def test_the_shipped_constituency_file_has_source_licence_and_map_positions() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    notes = " ".join(line for line in lines if line.startswith("#"))
    assert "Office for National Statistics" in notes
    assert "Open Government Licence v3.0" in notes
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len({(row["q"], row["r"]) for row in rows}) == len(rows) == 650


def test_the_data_migration_keeps_imported_constituencies(
    constituencies: None,
) -> None:
    migration = import_module("petitions.migrations.0002_data")
    migration.add_constituencies(apps, None)
    assert Place.objects.constituencies().count() == 4

    Place.objects.constituencies().delete()
    for _ in range(2):
        migration.add_constituencies(apps, None)
    assert Place.objects.constituencies().count() == 650


def test_importing_constituencies_again_changes_only_the_import_record(
    constituencies: None, tmp_path: Path
) -> None:
    before = list(Place.objects.order_by("pk").values())

    call_command("import_constituencies", published.hexjson(tmp_path))

    assert list(Place.objects.order_by("pk").values()) == before
    assert PlaceFile.objects.filter(kind=PlaceFile.Kind.CONSTITUENCIES).count() == 2


def _hexes(code: str = GORTON, **changes: str) -> str:
    return json.dumps({"hexes": {code: {**published.HEXES[GORTON], **changes}}})


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ("no JSON", "is neither a HexJSON"),
        ("[]", "is neither a HexJSON"),
        (json.dumps({"hexes": {}}), "holds no constituency"),
        (json.dumps({"hexes": {"E14": {}}}), "is neither a HexJSON"),
        (
            json.dumps({"hexes": {"unknown": {**published.HEXES[GORTON]}}}),
            "'unknown' is not the code",
        ),
        (
            json.dumps({"hexes": {GORTON: {**published.HEXES[GORTON], "region": "E1"}}}),
            "not a region",
        ),
        (json.dumps({"hexes": {GORTON: {**published.HEXES[GORTON], "n": " "}}}), "has no name"),
        (
            json.dumps({"hexes": {GORTON: {**published.HEXES[GORTON], "n": "x" * 101}}}),
            "has no name",
        ),
    ],
)
def test_an_invalid_map_is_refused_with_a_one_line_error_and_changes_nothing(
    constituencies: None, tmp_path: Path, spoilt: str, told: str
) -> None:
    path = tmp_path / "spoilt.hexjson"
    path.write_text(spoilt)
    before = list(Place.objects.order_by("pk").values())

    assert told in refusal("import_constituencies", path)

    assert list(Place.objects.order_by("pk").values()) == before
    assert PlaceFile.objects.count() == 1


def test_a_table_without_codes_and_names_is_refused(constituencies: None, tmp_path: Path) -> None:
    table = published.postcodes(tmp_path, "LAD24CD,LAD24NM\nE06000001,Hartlepool\n", "names.csv")
    assert "PCON24CD" in refusal("import_constituencies", table)


@pytest.mark.parametrize("header", [published.NSPL, published.ONSPD], ids=["NSPL", "ONSPD"])
def test_postcodes_are_imported_from_nspl_and_onspd_including_terminated_ones(
    constituencies: None, tmp_path: Path, header: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = published.postcodes(tmp_path, published.csv_lines(header=header))

    call_command("import_postcodes", path)

    assert stored() == {
        "M145RX": RUSHOLME, "M187AA": GORTON, "M188AA": GORTON, "LL651AA": YNYS_MON,
        "EH88DX": EDINBURGH, "NPT0AA": YNYS_MON,
    }  # fmt: skip
    assert capsys.readouterr().out.endswith(
        "Postcodes of August 2026: 6, 2 of them no longer in use. 3 lie in no constituency. "
        "New or moved: 6; gone: 0.\n"
    )


def test_postcodes_are_imported_from_the_downloaded_zip(
    constituencies: None, tmp_path: Path
) -> None:
    path = published.postcodes_zip(tmp_path)

    call_command("import_postcodes", path)

    assert len(stored()) == 6
    record = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    assert record is not None
    assert (record.edition, record.rows, record.file_name) == (AUGUST, 6, path.name)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_importing_the_same_postcodes_again_writes_no_row(
    constituencies: None, tmp_path: Path
) -> None:
    path = published.postcodes(tmp_path)
    first, again = (postcodes.import_file(path) for _ in range(2))
    assert (first.changed, first.gone) == (6, 0)
    assert (again.changed, again.gone) == (0, 0)


def test_a_newer_edition_updates_adds_and_deletes_postcodes(
    constituencies: None, tmp_path: Path
) -> None:
    call_command("import_postcodes", published.postcodes(tmp_path))
    moved, added = ("M14 5RX", "", GORTON), ("M14 5RY", "", RUSHOLME)
    newer = [moved, added, *ROWS[1:2], *ROWS[3:6]]
    path = published.postcodes(tmp_path, published.csv_lines(newer), "NSPL_NOV_2026_UK.csv")

    imported = postcodes.import_file(path)

    assert (imported.changed, imported.gone) == (2, 1)
    assert stored() == {
        "M145RX": GORTON, "M145RY": RUSHOLME, "M187AA": GORTON, "LL651AA": YNYS_MON,
        "EH88DX": EDINBURGH, "NPT0AA": YNYS_MON,
    }  # fmt: skip


def _without(column: str) -> str:
    return published.csv_lines(header=published.NSPL.replace(column, "renamed"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(_without("pcon24cd"), "has no columns pcds and pcon", id="no constituency"),
        pytest.param(
            published.csv_lines(header="pcon24cd,doterm"), "has no columns pcds", id="no postcode"
        ),
        pytest.param(
            "AB101AB,10,394235,806529,S92000003,,S08000020,,S12000033,S13002842\n",
            "Code-Point Open has no constituencies", id="Code-Point Open, which has no header",
        ),
        pytest.param("", "has no columns pcds", id="empty"),
        pytest.param(
            published.csv_lines([*ROWS, ("M1 1AA", "", "E14000807")]),
            "Line 11: constituency 'E14000807' is not known here", id="the boundaries of before",
        ),
        pytest.param(
            published.csv_lines([("M1 1A\\N", "", GORTON), *ROWS]),
            r"Line 2: 'M11A\\N' is not a postcode", id="no postcode in the column",
        ),
        pytest.param(
            published.csv_lines([*ROWS, ROWS[0]]), "stands in the file twice", id="twice"
        ),
        pytest.param(published.csv_lines(ROWS[:3]), "only a part", id="a part of the country"),
        pytest.param(published.csv_lines()[:-120], "breaks off in line 10", id="broken off"),
    ],
)  # fmt: skip
def test_an_unusable_postcode_table_is_refused_with_a_one_line_error(
    constituencies: None, tmp_path: Path, text: str, told: str
) -> None:
    call_command("import_postcodes", published.postcodes(tmp_path))
    before = stored()

    assert told in refusal("import_postcodes", published.postcodes(tmp_path, text))

    assert stored() == before
    assert PlaceFile.objects.filter(kind=PlaceFile.Kind.POSTCODES).count() == 1


def test_a_missing_damaged_or_binary_postcode_file_is_refused(
    constituencies: None, tmp_path: Path
) -> None:
    assert "cannot be read" in refusal("import_postcodes", tmp_path / "NSPL_AUG_2026.zip")
    damaged = published.postcodes_zip(tmp_path, published.csv_lines(ROWS * 500))
    whole = damaged.read_bytes()
    middle = whole.index(b"Data/NSPL_AUG_2026_UK.csv") + 2_000
    damaged.write_bytes(whole[:middle] + bytes(50) + whole[middle + 50 :])
    assert "is damaged" in refusal("import_postcodes", damaged)
    binary = tmp_path / "NSPL_AUG_2026.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is not text in UTF-8" in refusal("import_postcodes", binary)
    assert not stored()


def test_importing_postcodes_requires_constituencies_first(places: None, tmp_path: Path) -> None:
    Place.objects.constituencies().delete()
    path = published.postcodes(tmp_path)
    assert "run import_constituencies first" in refusal("import_postcodes", path)


def test_a_file_name_without_an_edition_requires_the_edition_option(
    constituencies: None, tmp_path: Path
) -> None:
    path = published.postcodes(tmp_path, name="postcodes.csv")
    assert "give --edition" in refusal("import_postcodes", path)

    call_command("import_postcodes", path, edition=date(2026, 5, 20))

    record = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    assert record is not None
    assert record.edition == date(2026, 5, 1)


@pytest.mark.parametrize("said", ["2026", "2026-13", "May", "2026-05-01"])
def test_the_edition_option_must_be_a_month(
    constituencies: None, tmp_path: Path, said: str
) -> None:
    path = str(published.postcodes(tmp_path))
    with pytest.raises(CommandError, match="a month, such as 2026-08"):
        call_command("import_postcodes", path, f"--edition={said}")


@pytest.mark.parametrize(
    ("edition", "told"),
    [
        (None, "No postcodes are imported"),
        (timedelta(days=30), ""),
        (timedelta(days=360), ""),
        (timedelta(days=400), "The postcode list is from"),
    ],
)
def test_organisers_are_warned_of_missing_and_of_old_postcodes(
    organiser: User, client: Client, edition: timedelta | None, told: str
) -> None:
    if edition:
        of = timezone.localdate() - edition
        PlaceFile.objects.create(kind=PlaceFile.Kind.POSTCODES, edition=of, rows=1)
    client.force_login(organiser)

    page = client.get("/admin/").content.decode()

    assert ("postcodes-heading" in page) is bool(told)
    assert told in page


def test_moderators_are_not_asked_to_import_postcodes(moderator: User, client: Client) -> None:
    client.force_login(moderator)
    assert "postcodes-heading" not in client.get("/admin/").content.decode()


def _elsewhere(act: Callable[[], T]) -> T:
    """What an act comes to on a connection of its own, within seconds."""

    def run() -> T:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result(timeout=20)


@pytest.mark.django_db(transaction=True)
def test_two_imports_cannot_run_at_the_same_time(constituencies: None, tmp_path: Path) -> None:
    path = published.postcodes(tmp_path)
    with lease("import postcodes"):
        told = _elsewhere(lambda: refusal("import_postcodes", path))
    assert "are already being imported" in told


@pytest.mark.django_db(transaction=True)
def test_people_sign_while_postcodes_are_imported(
    petition: Petition, constituencies: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits, not even for the last step before the commit, or sees half of an edition."""
    found: list[str] = []

    def somebody_signs(*_args: object) -> None:
        signature_id = _elsewhere(lambda: sign(petition, AMINA))
        found.append(Signature.objects.get(pk=signature_id).place_id)

    monkeypatch.setattr(postcodes, "_record", somebody_signs)
    postcodes.import_file(published.postcodes(tmp_path), progress=somebody_signs)
    somebody_signs()

    assert found == [UNKNOWN, UNKNOWN, RUSHOLME]
