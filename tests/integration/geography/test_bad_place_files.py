"""Files of constituencies and postcodes as people come by them: re-packed, cut, saved by Excel, of
another month, or made to fill the memory.
"""

import json
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from petitions.geography import files
from petitions.models import Place, PlaceFile, Postcode
from tests import published
from tests.published import EDINBURGH, GORTON, ROWS, RUSHOLME, YNYS_MON, Row

NAMES = "PCON24CD,PCON24NM,PCON24NMW,ObjectId"
MONA = f"{YNYS_MON},Ynys Môn,,1"
# Codes from before 2024.
FORMER = {"E14000807": "Manchester, Gorton", "W07000041": "Ynys Môn", "S14000022": "Edinburgh East"}


@pytest.fixture
def constituencies(places: None, tmp_path: Path) -> None:
    """Four constituencies of three nations."""
    published.import_constituencies(tmp_path)


def refusal(command: str, path: Path, **options: Any) -> str:
    """Return the command's one line of error, after checking that nothing has changed."""
    before = stored()
    with pytest.raises(CommandError) as refused:
        call_command(command, path, **options)
    assert "\n" not in str(refused.value)
    assert stored() == before
    return str(refused.value)


def stored() -> tuple[list[Any], list[Any], int]:
    return (
        list(Place.objects.order_by("pk").values()),
        list(Postcode.objects.order_by("pk").values_list()),
        PlaceFile.objects.count(),
    )


def names(folder: Path, *lines: str, encoding: str = "utf-8", name: str = "names.csv") -> Path:
    path = folder / name
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return path


def patched(path: Path, offset: int, value: int) -> Path:
    """Return a zip with one changed byte in its headers, `offset` after "version needed"."""
    whole = bytearray(path.read_bytes())
    for signature, start in ((b"PK\x03\x04", 4), (b"PK\x01\x02", 6)):
        at = whole.find(signature)
        while at >= 0:
            whole[at + start + offset] = value
            at = whole.find(signature, at + 4)
    path.write_bytes(whole)
    return path


FLAGS, METHOD = 2, 4


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        pytest.param(METHOD, 9, id="Deflate64"),
        pytest.param(METHOD, 12, id="bzip2"),
        pytest.param(METHOD, 14, id="LZMA"),
        pytest.param(METHOD, 93, id="Zstandard"),
        pytest.param(FLAGS, 1, id="password"),
    ],
)
def test_a_zip_with_unsupported_compression_or_a_password_is_refused(
    constituencies: None, tmp_path: Path, offset: int, value: int
) -> None:
    path = patched(published.postcodes_zip(tmp_path), offset, value)
    assert "Unpack it first" in refusal("import_postcodes", path)


def test_a_truncated_postcode_zip_is_refused(constituencies: None, tmp_path: Path) -> None:
    whole = published.postcodes_zip(tmp_path).read_bytes()
    broken = tmp_path / "NSPL_AUG_2026.zip"
    broken.write_bytes(whole[: len(whole) // 2])
    assert refusal("import_postcodes", broken) == (
        "NSPL_AUG_2026.zip breaks off: download it again."
    )


@pytest.mark.parametrize("inside", ["NSPL_AUG_2026_UK.zip", "xl/worksheets/sheet1.xml"])
def test_a_zip_without_a_csv_file_is_refused(
    constituencies: None, tmp_path: Path, inside: str
) -> None:
    path = tmp_path / "NSPL_AUG_2026.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inside, b"PK\x03\x04")
    assert "holds no CSV file" in refusal("import_postcodes", path)


@pytest.mark.parametrize("blank", ["", ",,,", "  ", " , ,,"])
def test_blank_lines_in_a_table_of_names_are_skipped(
    places: None, tmp_path: Path, blank: str
) -> None:
    call_command("import_constituencies", names(tmp_path, NAMES, blank, MONA, blank))
    assert Place.objects.constituencies().count() == 650


@pytest.mark.parametrize("blank", ["\n", "\r\n", "," * 40 + "\n"])
def test_blank_lines_in_a_table_of_postcodes_are_skipped(
    constituencies: None, tmp_path: Path, blank: str
) -> None:
    call_command(
        "import_postcodes", published.postcodes(tmp_path, published.csv_lines() + blank * 2)
    )
    assert Postcode.objects.count() == 6


@pytest.mark.parametrize("cut", ["W07000112", "W07000112,Ynys M", '"W07000112","Yn', "W070"])
def test_a_truncated_table_of_names_is_refused(places: None, tmp_path: Path, cut: str) -> None:
    assert "breaks off in line 3" in refusal(
        "import_constituencies", names(tmp_path, NAMES, MONA, cut)
    )


@pytest.mark.parametrize("pseudo", ["E99999999", "L99999999", "M99999999", "W99999999 "])
def test_pseudo_areas_are_not_imported_as_constituencies(
    places: None, tmp_path: Path, pseudo: str
) -> None:
    table = names(tmp_path, NAMES, f"{pseudo},(pseudo) none,,1", MONA)
    hexes = {**published.HEXES, pseudo.strip(): {"n": "none", "region": "E12000001"}}

    call_command("import_constituencies", table)
    call_command("import_constituencies", published.hexjson(tmp_path, hexes))

    assert Place.objects.constituencies().count() == 650


@pytest.mark.parametrize("code", ["E06000001", "E12000001", "W92000004", "S12000033", "E05016114"])
def test_codes_of_other_areas_are_refused(places: None, tmp_path: Path, code: str) -> None:
    path = names(tmp_path, NAMES, MONA, f"{code},Elsewhere,,2")
    assert f"'{code}' is not the code of a constituency" in refusal("import_constituencies", path)


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-16", "\t"), ("utf-16", ","), ("utf-8", "\t"), ("utf-8-sig", ";"), ("utf-8", ";")],
)
def test_a_names_table_may_have_the_encodings_and_separators_of_spreadsheets(
    places: None, tmp_path: Path, encoding: str, separator: str
) -> None:
    Place.objects.filter(pk="W07000097").update(name_cy="")
    lines = [NAMES, " W07000097 ,Gower , Gŵyr,1", MONA]
    path = names(tmp_path, *(line.replace(",", separator) for line in lines), encoding=encoding)

    call_command("import_constituencies", path)

    assert Place.objects.get(pk="W07000097").name_in("cy") == "Gŵyr"
    assert Place.objects.get(pk=YNYS_MON).name == "Ynys Môn"


@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "mac_roman"])
def test_a_names_table_in_a_legacy_encoding_is_refused(
    places: None, tmp_path: Path, encoding: str
) -> None:
    path = names(tmp_path, NAMES, MONA, encoding=encoding)
    assert "save it as “CSV UTF-8 (comma delimited)”" in refusal("import_constituencies", path)


def test_the_same_constituency_twice_in_a_file_is_read_once(places: None, tmp_path: Path) -> None:
    call_command("import_constituencies", names(tmp_path, NAMES, MONA, MONA))
    assert Place.objects.constituencies().count() == 650


def test_former_and_present_constituencies_are_not_imported_together(
    places: None, tmp_path: Path
) -> None:
    table = names(tmp_path, NAMES.replace("24", "10"), *(f"{c},{n},,1" for c, n in FORMER.items()))
    told = refusal("import_constituencies", table)
    assert "3 constituencies that are not known here, and 0 of the 650 that are" in told
    assert "--new-boundaries" in told
    hexes = {code: {"n": name, "region": "E12000002"} for code, name in FORMER.items()}
    assert "other boundaries" in refusal(
        "import_constituencies", published.hexjson(tmp_path, hexes)
    )
    # One new constituency among known ones.
    one = {**published.HEXES, "E14001606": {"n": "New Town", "region": "E12000002"}}
    assert "other boundaries" in refusal("import_constituencies", published.hexjson(tmp_path, one))

    call_command("import_constituencies", table, new_boundaries=True)

    assert Place.objects.constituencies().count() == 653


def test_a_file_with_former_and_all_present_constituencies_is_refused(
    places: None, tmp_path: Path
) -> None:
    present = [f'{one.code},"{one.name}",,1' for one in Place.objects.constituencies()]
    former = [f'{code},"{name}",,1' for code, name in FORMER.items()]

    told = refusal("import_constituencies", names(tmp_path, NAMES, *present, *former))

    assert "3 constituencies that are not known here, and 650 of the 650 that are" in told
    both = names(tmp_path, f"PCON10CD,PCON10NM,{NAMES}", f"W07000041,Ynys Môn,{MONA}")
    assert "side by side" in refusal("import_constituencies", both)


@pytest.mark.parametrize("spoilt", ["Ynys M?n", "Ynys M\ufffdn", "Ynys MÃ´n"])
def test_garbled_names_are_refused(places: None, tmp_path: Path, spoilt: str) -> None:
    for line in (f"{YNYS_MON},{spoilt},,1", f"{YNYS_MON},Ynys Môn,{spoilt},1"):
        told = refusal("import_constituencies", names(tmp_path, NAMES, line))
        assert f"is called '{spoilt}': its letters were lost" in told


def test_a_file_of_one_nation_is_imported_if_its_constituencies_are_known(
    places: None, tmp_path: Path
) -> None:
    call_command("import_constituencies", names(tmp_path, NAMES, MONA))
    assert Place.objects.constituencies().count() == 650


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"hexes":' * 100_000])
def test_a_deeply_nested_map_is_refused(places: None, tmp_path: Path, nested: str) -> None:
    path = tmp_path / "deep.hexjson"
    path.write_text(nested)
    assert "is neither a HexJSON" in refusal("import_constituencies", path)


def test_an_oversized_map_is_refused_without_being_read(places: None, tmp_path: Path) -> None:
    path = tmp_path / "enormous.hexjson"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    assert "larger than" in refusal("import_constituencies", path)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("begin", "filler", "told"),
    [
        pytest.param(published.NSPL + "\n", b"A" * (1 << 20), "Line 2", id="a line without end"),
        pytest.param("", b"A" * (1 << 20), "Line 1", id="a header without end"),
        pytest.param(published.NSPL + "\n", b"," * (1 << 20), "Line 2", id="columns without end"),
        pytest.param(
            published.NSPL + "\n", b'"A\n","A\n",' * (1 << 17), "breaks off in line 2",
            id="a row over lines without end",
        ),
        pytest.param(
            published.NSPL + '\n"', b"A\n" * (1 << 19), "breaks off in line 2",
            id="a quotation without end",
        ),
    ],
)  # fmt: skip
def test_a_file_with_endless_lines_is_refused_with_bounded_memory(
    constituencies: None, tmp_path: Path, begin: str, filler: bytes, told: str
) -> None:
    path = tmp_path / "NSPL_AUG_2026.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("NSPL_AUG_2026_UK.csv", "w", force_zip64=True) as member,
    ):
        member.write(begin.encode())
        for _ in range(64):
            member.write(filler)
    tracemalloc.start()
    assert told in refusal("import_postcodes", path)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "start",
    [b"\x1f\x8b\x08\x00", b"BZh91AY", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"],
)
def test_an_unsupported_archive_format_is_refused(
    constituencies: None, tmp_path: Path, start: bytes
) -> None:
    path = tmp_path / "NSPL_AUG_2026_UK.csv.gz"
    path.write_bytes(start + bytes(range(256)))
    assert "Unpack it first" in refusal("import_postcodes", path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_postcodes_in_an_undeclared_encoding_are_refused(
    constituencies: None, tmp_path: Path, encoding: str
) -> None:
    path = published.postcodes(tmp_path)
    path.write_bytes(published.csv_lines().encode(encoding))
    assert "save it as “CSV UTF-8 (comma delimited)”" in refusal("import_postcodes", path)


@pytest.mark.parametrize(
    "above", ["\n", "sep=,\n", "National Statistics Postcode Lookup\r\n\r\n", '"Table 1","",""\n']
)
def test_lines_above_the_header_are_skipped(
    constituencies: None, tmp_path: Path, above: str
) -> None:
    lines = published.csv_lines().replace("LL65 1AA", "ll65 1aa").replace(GORTON, GORTON.lower())
    call_command("import_postcodes", published.postcodes(tmp_path, above + lines))
    assert Postcode.objects.count() == 6

    table = names(tmp_path, *above.splitlines(), NAMES, MONA, "Source: ONS")
    lines_above = len(above.splitlines())
    assert f"breaks off in line {lines_above + 3}. " in refusal("import_constituencies", table)


def test_a_zip_bomb_is_not_unpacked(
    constituencies: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RATIO_CHECKED_ABOVE", 1 << 20)
    path = tmp_path / "NSPL_AUG_2026.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("NSPL_AUG_2026_UK.csv", published.csv_lines(ROWS * 2_000))
    assert "would unpack to" in refusal("import_postcodes", path)


def test_an_older_edition_is_refused_until_it_is_accepted(
    constituencies: None, tmp_path: Path
) -> None:
    call_command("import_postcodes", published.postcodes(tmp_path))
    older = published.postcodes(tmp_path, name="NSPL_MAY_2026_UK.csv")

    told = refusal("import_postcodes", older)

    assert "August 2026 are in use, which are newer than those of May 2026" in told
    assert "--accept older" in told
    call_command("import_postcodes", str(older), "--accept", "older")
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    assert newest is not None
    assert str(newest.edition) == "2026-05-01"


def test_an_edition_of_a_future_month_is_refused_until_it_is_accepted(
    constituencies: None, tmp_path: Path
) -> None:
    year = timezone.localdate().year + 1
    path = published.postcodes(tmp_path, name=f"NSPL_FEB_{year}_UK.csv")

    assert f"February {year} has not begun" in refusal("import_postcodes", path)

    call_command("import_postcodes", str(path), "--accept", "future")
    assert Postcode.objects.count() == 6


def test_the_edition_in_use_can_be_imported_again(constituencies: None, tmp_path: Path) -> None:
    for _ in range(2):
        call_command("import_postcodes", published.postcodes(tmp_path))
    assert Postcode.objects.count() == 6


def many(code: str, number: int = 1_100) -> list[Row]:
    """So many postcodes of one constituency."""
    letters = "ABCDEFGHJK"
    return [
        (f"M{10 + n // 1000} {n // 100 % 10}{letters[n // 10 % 10]}{letters[n % 10]}", "", code)
        for n in range(number)
    ]


def edition(folder: Path, rows: Iterable[Row], name: str = "NSPL_AUG_2026_UK.csv") -> Path:
    return published.postcodes(folder, published.csv_lines([*ROWS[1:], *rows]), name)


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(many(""), id="no constituency"),
        pytest.param(many("E99999999"), id="a pseudo area"),
        pytest.param(many("")[:50], id="cut between two lines"),
    ],
)
def test_an_edition_that_loses_many_postcodes_is_refused_until_the_loss_is_accepted(
    constituencies: None, tmp_path: Path, lost: list[Row]
) -> None:
    whole = ("M14 5RX", "", RUSHOLME)
    call_command("import_postcodes", edition(tmp_path, [whole, *many(GORTON)]))
    worse = edition(tmp_path, [whole, *lost], "NSPL_NOV_2026_UK.csv")

    told = refusal("import_postcodes", worse)

    assert "1,100 of the 1,106 postcodes in use would lose their constituency" in told
    assert "--accept loss" in told
    call_command("import_postcodes", str(worse), "--accept", "loss")
    assert Postcode.objects.count() == 6


def test_an_edition_that_moves_many_postcodes_is_refused_until_that_is_accepted(
    constituencies: None, tmp_path: Path
) -> None:
    """For example, a spreadsheet sorted one column and not the other."""
    whole = ("M14 5RX", "", RUSHOLME)
    call_command("import_postcodes", edition(tmp_path, [whole, *many(GORTON)]))
    moved = edition(tmp_path, [whole, *many(RUSHOLME)], "NSPL_NOV_2026_UK.csv")

    told = refusal("import_postcodes", moved)

    assert "1,100 of the 1,106 postcodes in use would move to another constituency" in told
    call_command("import_postcodes", str(moved), "--accept", "moves")
    assert Postcode.objects.filter(place_id=RUSHOLME).count() == 1_101


def test_postcodes_with_the_constituencies_of_two_years_are_refused(
    constituencies: None, tmp_path: Path
) -> None:
    lines = published.csv_lines().replace("rgn26cd", "pcon10cd")
    told = refusal("import_postcodes", published.postcodes(tmp_path, lines))
    assert "the constituencies of several years: pcon10cd, pcon24cd" in told


def test_losing_up_to_1000_postcodes_needs_no_acceptance(
    constituencies: None, tmp_path: Path
) -> None:
    whole = ("M14 5RX", "", RUSHOLME)
    call_command("import_postcodes", edition(tmp_path, [whole, *many(GORTON, 1_000)]))
    call_command("import_postcodes", edition(tmp_path, [whole], "NSPL_NOV_2026_UK.csv"))
    assert Postcode.objects.count() == 6


def test_a_first_edition_that_lacks_the_constituency_of_many_postcodes_is_refused(
    constituencies: None, tmp_path: Path
) -> None:
    islands = [(f"JE{n // 100} {n // 10 % 10}A{'ABCDEFGHJK'[n % 10]}", "", "L99999999")
               for n in range(100, 1_200)]  # fmt: skip
    ended = [(code, "199606", "") for code, _end, _place in many("")]
    call_command("import_postcodes", edition(tmp_path, [ROWS[0], *islands, *ended]))
    Postcode.objects.all().delete()

    told = refusal("import_postcodes", edition(tmp_path, [ROWS[0], *many("")]))

    assert "1,101 postcodes that are in use have no constituency" in told


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("padding", [" ", "\u00a0", "  "])
def test_spaces_around_values_and_other_separators_are_read(
    constituencies: None, tmp_path: Path, separator: str, padding: str
) -> None:
    header = separator.join(f"{name}{padding}" for name in ("pcds", "doterm", "pcon24cd"))
    rows = [separator.join(f"{padding}{value}{padding}" for value in row) for row in ROWS]
    path = published.postcodes(tmp_path, "\n".join([header, *rows, ""]))

    call_command("import_postcodes", path)

    assert dict(Postcode.objects.values_list("postcode", "place_id")) == {
        "M145RX": RUSHOLME, "M187AA": GORTON, "M188AA": GORTON, "LL651AA": YNYS_MON,
        "EH88DX": EDINBURGH, "NPT0AA": YNYS_MON,
    }  # fmt: skip


def test_a_table_separated_by_spaces_is_refused(constituencies: None, tmp_path: Path) -> None:
    path = published.postcodes(tmp_path, published.csv_lines().replace(",", " "))
    assert "has no columns pcds and pcon" in refusal("import_postcodes", path)


def test_a_map_with_an_empty_name_and_a_non_text_region_is_refused(
    places: None, tmp_path: Path
) -> None:
    path = tmp_path / "odd.hexjson"
    path.write_text(json.dumps({"hexes": {GORTON: {"n": "", "region": ["E12000002"]}}}))
    assert "has no name" in refusal("import_constituencies", path)
