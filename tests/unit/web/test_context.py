"""Links to other languages, and a header and footer that do not need the database."""

import pytest
from django.db import OperationalError
from django.test import RequestFactory
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from campaign.middleware import language_of
from petitions.formatting.languages import in_language
from petitions.models import Organisation
from petitions.publishing import organisation
from petitions.web.context import site


@pytest.mark.parametrize(
    ("path", "code", "other"),
    [
        ("/", "ar", "/ar/"),
        ("/", "en", "/"),
        ("/ar/", "en", "/"),
        ("/ar/", "cy", "/cy/"),
        ("/ar", "en", "/"),
        ("/petitions/idlib/", "ar", "/ar/petitions/idlib/"),
        ("/ar/petitions/idlib/", "en", "/petitions/idlib/"),
        ("/ar/petitions/idlib/", "ar", "/ar/petitions/idlib/"),
        ("/cy/petitions/idlib/", "ar", "/ar/petitions/idlib/"),
        ("/arabic/", "cy", "/cy/arabic/"),
        ("/t/en/confirm/abc/", "ar", "/t/ar/confirm/abc/"),
        ("/t/ar/confirm/abc/", "en", "/t/en/confirm/abc/"),
        ("/t/ar/check/a.b-c_d/", "cy", "/t/cy/check/a.b-c_d/"),
        ("/t", "ar", "/t"),
        ("/t/ar", "cy", "/t/ar"),
    ],
)
def test_in_language_returns_the_path_of_the_page_in_another_language(
    path: str, code: str, other: str
) -> None:
    assert in_language(path, code) == other


@pytest.mark.parametrize(
    "path",
    [
        "/ar//evil.example/",
        "//evil.example/",
        "/ar///evil.example/",
        "/ar/\\evil.example/",
        "/ar/\t/evil.example/",
        "/ar/\n\\evil.example/",
        "/\\evil.example/",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("code", ["en", "ar", "cy"])
def test_language_links_never_lead_to_another_site(path: str, code: str) -> None:
    other = in_language(path, code)

    assert other.startswith("/")
    assert not other.startswith(("//", "/\\"))
    assert not set(other) & set("\\\t\n")


@given(st.text(max_size=30), st.sampled_from(["en", "ar", "cy"]))
def test_in_language_returns_a_safe_ascii_path_for_any_input(path: str, code: str) -> None:
    other = in_language(path, code)

    assert other.startswith("/")
    assert not other.startswith("//")
    assert other.isascii()


def test_language_links_percent_encode_their_path() -> None:
    assert in_language("/ar/a?b#c%20/", "en") == "/a%3Fb%23c%2520/"
    assert in_language("/عريضة/", "cy").startswith("/cy/%D8%B9")


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("/", "en"),
        ("/petitions/idlib/", "en"),
        ("/ar/", "ar"),
        ("/ar", "ar"),
        ("/cy/petitions/idlib/", "cy"),
        ("/arabic/", "en"),
        ("/AR/", "en"),
        ("/t/ar/confirm/abc/", "ar"),
        ("/t/cy", "cy"),
        ("/t/xx/confirm/abc/", "en"),
        ("/t/", "en"),
        ("/t", "en"),
        ("/x/ar/", "en"),
        ("//ar/", "en"),
        ("", "en"),
        ("*", "en"),
        ("ar", "en"),
    ],
)
def test_the_language_is_determined_by_the_path(path: str, language: str) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize("path", ["/", "/petitions/idlib/", "/t/en/confirm/abc/"])
@pytest.mark.parametrize("code", ["en", "ar", "cy"])
def test_a_language_link_leads_to_a_page_in_that_language(path: str, code: str) -> None:
    assert language_of(in_language(path, code)) == code


def test_an_arabic_page_is_right_to_left_and_marks_arabic_as_current() -> None:
    with translation.override("ar"):
        shown = site(RequestFactory().get("/ar/"))

    assert (shown["language"], shown["direction"]) == ("ar", "rtl")
    assert [one["code"] for one in shown["languages"] if one["is_current"]] == ["ar"]
    assert [one["direction"] for one in shown["languages"]] == ["ltr", "rtl", "ltr"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("petitions.infra.ttl_cache.time.monotonic", lambda: now[0])
    return now


def test_the_organisation_is_cached_for_five_seconds(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Organisation] = []

    def load() -> Organisation:
        reads.append(Organisation(id=1, name=f"read {len(reads) + 1}"))
        return reads[-1]

    monkeypatch.setattr(Organisation, "load", load)

    assert [organisation.organisation().name for _ in range(3)] == ["read 1"] * 3
    clock[0] += 5.1
    assert organisation.organisation().name == "read 2"


def test_the_stale_organisation_is_used_while_the_database_is_unavailable(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Organisation, "load", lambda: Organisation(id=1, name="Known"))
    organisation.organisation()
    clock[0] += 60
    monkeypatch.setattr(Organisation, "load", away)

    assert organisation.organisation().name == "Known"


def test_an_empty_organisation_is_used_if_the_database_was_never_available(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Organisation, "load", away)

    assert organisation.organisation().name == ""


def away() -> Organisation:
    raise OperationalError("the database is away")
