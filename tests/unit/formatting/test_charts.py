"""Charts: well-formed for any input, true to their numbers, and without inline style."""

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petitions.formatting import charts
from petitions.formatting.charts import Column, Row, Words


def parsed(svg: str) -> ET.Element:
    """Parse a chart. Only our own output is parsed here."""
    return ET.fromstring(svg)  # noqa: S314


WORDS = Words("totals", "All signatures", "From 25 to 100.", is_rtl=False)
ARABIC = Words("totals", "كل التوقيعات", "من 25 إلى 100.", is_rtl=True)


def columns(*values: float, words: Words = WORDS, ends: tuple[str, str] = ("a", "b")) -> ET.Element:
    width = 1 / max(len(values), 1)
    made = [Column(n * width, width, value) for n, value in enumerate(values)]
    return parsed(charts.columns(words, made, written=str, ends=ends))


def part(element: ET.Element, name: str) -> float:
    """Return a percentage attribute as a number."""
    value = element.attrib[name]
    assert value.endswith("%"), (name, value)
    return float(value.removesuffix("%"))


def bars(svg: ET.Element) -> list[ET.Element]:
    return [rect for rect in svg.iter("rect") if rect.get("class") == "bar"]


def texts(svg: ET.Element, kind: str) -> list[ET.Element]:
    return [text for text in svg.iter("text") if text.get("class") == kind]


@given(st.text(), st.lists(st.floats(-1e9, 1e9), max_size=8), st.booleans())
def test_charts_are_well_formed_xml_for_any_input(
    said: str, values: list[float], is_rtl: bool
) -> None:
    words = Words("name", said, said, is_rtl)
    parsed(charts.columns(words, [Column(0, 1, v) for v in values], written=str, ends=(said, said)))
    parsed(charts.rows(words, [Row(said, abs(v), said) for v in values]))


def test_markup_in_chart_labels_is_escaped() -> None:
    hostile = '</title><script>alert("1")</script>&amp;\x00'
    words = Words("name", hostile, hostile, is_rtl=False)
    made = charts.rows(words, [Row(hostile, 1, hostile)])
    svg = parsed(made)

    assert "<script" not in made
    assert svg.findtext("title") == svg.findtext("desc") == hostile.replace("\x00", "")
    assert texts(svg, "label")[0].text == hostile.replace("\x00", "")


@pytest.mark.parametrize("words", [WORDS, ARABIC])
def test_a_chart_is_an_svg_image_with_a_title_and_a_description(words: Words) -> None:
    svg = columns(1, 2, words=words)
    named = svg.attrib["aria-labelledby"].split()
    assert svg.attrib["role"] == "img"
    assert [svg[0].get("id"), svg[1].get("id")] == named
    assert (svg[0].text, svg[1].text) == (words.title, words.description)


def test_charts_contain_no_inline_styles_or_scripts() -> None:
    every = [
        *columns(1, -2, 3).iter(),
        *parsed(charts.rows(WORDS, [Row("a", 1, "1")])).iter(),
    ]
    assert not [element for element in every if {"style", "onload", "href"} & set(element.keys())]
    assert {element.tag for element in every} == {
        "svg", "title", "desc", "line", "rect", "text",
    }  # fmt: skip


def test_chart_columns_start_at_zero_and_are_proportional_to_their_values() -> None:
    low, half, whole = bars(columns(25, 50, 100))
    assert part(half, "height") == pytest.approx(2 * part(low, "height"), abs=0.05)
    assert part(whole, "height") == pytest.approx(4 * part(low, "height"), abs=0.05)
    feet = {round(part(bar, "y") + part(bar, "height"), 1) for bar in (low, half, whole)}
    assert feet == {100.0}


def test_a_negative_column_extends_below_the_zero_line() -> None:
    svg = columns(40, -20)
    (zero,) = [line for line in svg.iter("line") if line.get("class") == "zero"]
    rise, fall = bars(svg)
    assert part(rise, "y") + part(rise, "height") == pytest.approx(part(zero, "y1"))
    assert part(fall, "y") == pytest.approx(part(zero, "y1"))
    assert part(rise, "height") == pytest.approx(2 * part(fall, "height"), abs=0.02)


def test_the_width_of_a_column_is_proportional_to_its_days() -> None:
    one, three = bars(
        parsed(
            charts.columns(
                WORDS, [Column(0, 0.25, 1), Column(0.25, 0.75, 1)], written=str, ends=("a", "b")
            )
        )
    )
    assert part(three, "width") == pytest.approx(3 * part(one, "width"), abs=0.05)
    assert part(one, "x") + part(one, "width") < part(three, "x")


def test_chart_columns_run_right_to_left_in_arabic() -> None:
    left, right = (bars(columns(1, 2, words=words)) for words in (WORDS, ARABIC))
    assert part(left[0], "x") < part(left[1], "x")
    assert part(right[0], "x") > part(right[1], "x")
    assert texts(columns(1, words=ARABIC), "tick")[0].get("x") == "100.00%"


def test_row_bars_start_at_the_right_edge_in_arabic() -> None:
    values = [Row("London", 20, "20"), Row("Wales", 10, "10"), Row("Scotland", 0, "fewer than 5")]
    for words, edge in ((WORDS, 0), (ARABIC, 100)):
        svg = parsed(charts.rows(words, values))
        most, half, none = bars(svg)
        assert [part(bar, "width") for bar in (most, half, none)] == [100, 50, 0]
        assert part(half, "x") + (part(half, "width") if words.is_rtl else 0) == edge
        assert [text.text for text in texts(svg, "value")] == ["20", "10", "fewer than 5"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 0, [0, 1]),
        (0, 1, [0, 1]),
        (0, 3, [0, 1, 2, 3]),
        (25, 97, [0, 50, 100]),
        (0, 1284, [0, 500, 1000, 1500]),
        (-20, 40, [-20, 0, 20, 40]),
        (-3, -1, [-3, -2, -1, 0]),
        (0, 10_000_000, [0, 5_000_000, 10_000_000]),
    ],
)
def test_a_chart_scale_has_round_ticks_and_includes_zero(
    low: float, high: float, ticks: list[int]
) -> None:
    assert charts.scale(low, high) == ticks


@given(*2 * [st.floats(-1e9, 1e9, allow_subnormal=False)])
def test_a_chart_scale_covers_its_values_with_at_most_seven_even_ticks(
    one: float, other: float
) -> None:
    low, high = sorted((one, other))
    ticks = charts.scale(low, high)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 0 in ticks
    assert len(ticks) <= 7
    assert len({after - before for before, after in pairwise(ticks)}) == 1
