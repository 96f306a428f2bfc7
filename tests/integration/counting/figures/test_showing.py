"""The page of figures, only for organisers: tables, a map and files."""

import csv
import io
import re
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from petitions.counting import figures
from petitions.geography import hexagons
from petitions.models import Figures, Petition, Place, Source
from petitions.signatures import withdraw
from tests.held import hold_one
from tests.integration.counting.figures.test_counting import ALDERSHOT, CARDIFF, at
from tests.people import sign_and_confirm, somebody


@pytest.fixture
def page(petition: Petition) -> str:
    """The address of the page of a petition with two in Aldershot and one in Cardiff."""
    signed = [sign_and_confirm(petition, somebody(n)) for n in range(3)]
    at(ALDERSHOT, *signed[:2])
    at(CARDIFF, signed[2])
    figures.count_due()
    return f"/admin/petitions/petition/{petition.pk}/figures/"


def read(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == HTTPStatus.OK
    return response.content.decode()


def rows(shown: str) -> list[str]:
    return re.findall(r'<tr id="([^"]+)"', shown)


def test_only_organisers_can_open_the_figures(
    client: Client, page: str, organiser: User, moderator: User
) -> None:
    for path in (page, page + "constituencies.csv"):
        client.logout()
        assert client.get(path).status_code == HTTPStatus.FOUND
        client.force_login(moderator)
        assert client.get(path).status_code == HTTPStatus.FORBIDDEN
        client.force_login(organiser)
        assert client.get(path).status_code == HTTPStatus.OK


def test_the_figures_do_not_reveal_that_a_held_address_confirmed(
    petition: Petition, client: Client, organiser: User
) -> None:
    """Organisers can make a rule that holds one address."""
    client.force_login(organiser)
    path = f"/admin/petitions/petition/{petition.pk}/figures/"
    sign_and_confirm(petition, somebody(1))

    def read_now() -> list[str]:
        Figures.objects.all().delete()
        figures.count_due()
        page, file = read(client, path), read(client, path + "states.csv")
        return [re.sub(r'csrf\S+ value="[^"]*"', "", page), file]

    before = read_now()
    held = hold_one(petition)
    assert read_now() == before
    withdraw.withdraw(signature_id=held.pk)
    assert read_now() == before, "the public total tells nothing of its withdrawal either"


def test_the_choices_for_the_name_fit_every_addressee(
    client: Client, page: str, organiser: User
) -> None:
    """Regression test: they named the Government, to whom a petition need not be addressed."""
    client.force_login(organiser)
    choices = read(client, page + "name-use.csv")
    assert "Give my name to the petition’s addressee only" in choices
    assert "Government" not in choices


def test_no_response_may_be_cached(client: Client, page: str, organiser: User) -> None:
    client.force_login(organiser)
    for path in (page, page + "regions.csv"):
        assert "no-store" in client.get(path)["Cache-Control"]


def test_every_constituency_has_a_row_and_a_hexagon_that_leads_to_it(
    client: Client, page: str, organiser: User
) -> None:
    client.force_login(organiser)
    shown = read(client, page)

    seat = r'<a href="#([^"]+)" class="seat level-(\d)">.*?<text[^>]*>(.+?)</tspan></text>'
    linked = [
        (code, level, re.sub(r"<tspan.*?>", "", label))
        for code, level, label in re.findall(seat, shown)
    ]
    assert len(linked) == 650
    assert {code for code, _level, _label in linked} == set(rows(shown))
    by_code = {code: (level, label) for code, level, label in linked}
    assert by_code[ALDERSHOT] == ("5", "Aldershot: 2, rank 1")
    assert by_code[CARDIFF] == ("3", "Cardiff East: 1, rank 2")
    assert [level for level, _label in by_code.values()].count("0") == 648


def test_the_table_sorts_by_each_column_both_ways(
    client: Client, page: str, organiser: User
) -> None:
    client.force_login(organiser)
    assert rows(read(client, page))[:2] == [ALDERSHOT, CARDIFF]
    for column in ("rank", "constituency", "region", "nation", "code", "signatures"):
        up, down = (rows(read(client, f"{page}?sort={sign}{column}")) for sign in ("", "-"))
        assert up[0] != down[0]
        assert sorted(up) == sorted(down)
    assert rows(read(client, page + "?sort=-signatures"))[:2] == [ALDERSHOT, CARDIFF]
    assert rows(read(client, page + "?sort=nonsense"))[:2] == [ALDERSHOT, CARDIFF]


def test_each_table_is_a_csv_and_an_xlsx_file(client: Client, page: str, organiser: User) -> None:
    client.force_login(organiser)
    names = set(re.findall(r"figures/([a-z-]+)\.csv", read(client, page)))
    assert {"constituencies", "regions", "nations", "days", "states", "sources"} <= names
    for name in names:
        answer = client.get(f"{page}{name}.csv")
        assert answer.content.startswith(b"\xef\xbb\xbf")
        lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        sheet = load_workbook(io.BytesIO(client.get(f"{page}{name}.xlsx").content)).active
        assert sheet is not None
        assert [[str(cell) for cell in row] for row in sheet.values] == lines
    seats = read(client, page + "constituencies.csv").splitlines()
    assert seats[1] == "1,Aldershot,South East,England,E14001063,2"
    assert len(seats) == 651


def test_formulas_in_names_are_escaped_in_csv_and_xlsx(
    client: Client, page: str, organiser: User
) -> None:
    Source.objects.create(code="evil", name="=HYPERLINK(A1)")
    client.force_login(organiser)

    assert "'=HYPERLINK(A1)" in read(client, page + "sources.csv")
    book = load_workbook(io.BytesIO(client.get(page + "sources.xlsx").content))
    sheet = book.active
    assert sheet is not None
    cells = [cell for row in sheet.iter_rows() for cell in row if "HYPERLINK" in str(cell.value)]
    assert [(cell.value, cell.data_type) for cell in cells] == [("=HYPERLINK(A1)", "s")]


def test_an_unknown_table_is_a_404(client: Client, page: str, organiser: User) -> None:
    client.force_login(organiser)
    for path in ("nothing.csv", "regions.pdf"):
        assert client.get(page + path).status_code == HTTPStatus.NOT_FOUND


def test_before_the_first_count_the_page_says_when_it_will_be(
    client: Client, page: str, organiser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Figures.objects.all().delete()
    client.force_login(organiser)
    now = datetime(2026, 9, 15, 8, 20, tzinfo=UTC)
    monkeypatch.setattr("petitions.counting.figures.timezone.now", lambda: now)
    assert "counted every hour on the hour, next at 10:00." in read(client, page)


def test_the_number_of_queries_of_a_page_does_not_grow_with_the_signatures(
    client: Client, page: str, organiser: User, petition: Petition
) -> None:
    def queries() -> int:
        Figures.objects.all().delete()
        figures.count_due()
        with CaptureQueriesContext(connection) as asked:
            read(client, page)
        return len(asked)

    client.force_login(organiser)
    few = queries()
    for number in range(10, 16):
        at(ALDERSHOT, sign_and_confirm(petition, somebody(number)))
    assert queries() == few


def test_a_place_without_a_hexagon_is_listed_in_the_table_only(
    client: Client, page: str, organiser: User
) -> None:
    Place.objects.create(code="E14009999", name="Newtown", region="E12000007")
    client.force_login(organiser)
    shown = read(client, page)
    assert "E14009999" in rows(shown)
    assert 'href="#E14009999"' not in shown


def test_hexagons_do_not_overlap_and_the_south_is_at_the_bottom() -> None:
    layout = hexagons.layout()
    places = list(layout.hexagons.values())
    assert len(set(places)) == len(places) == 650
    nearest = min(
        (one.x - other.x) ** 2 + (one.y - other.y) ** 2
        for number, one in enumerate(places)
        for other in places[:number]
    )
    assert nearest >= (2 * hexagons.SIZE * 0.866 - 0.2) ** 2
    assert all(0 < x < layout.width and 0 < y < layout.height for x, y in places)
    orkney, truro = layout.hexagons["S14000051"], layout.hexagons["E14001560"]
    assert orkney.y < truro.y
