"""CSRF guards: unsafe requests only from our own pages, or with a token."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from campaign.middleware import security_headers
from petitions.web import guards
from petitions.web.guards import Origin, origin_of

SITE = "https://petition.example.org"


@pytest.fixture(autouse=True)
def _site(settings: Settings) -> None:
    settings.SITE_URL = SITE


def post(**headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestFactory().post("/petitions/x/", headers=named)


@pytest.mark.parametrize(
    ("site", "verdict"),
    [
        ("same-origin", Origin.OURS),
        ("none", Origin.OURS),
        ("same-site", Origin.FOREIGN),
        ("cross-site", Origin.FOREIGN),
        ("", Origin.FOREIGN),
        ("Same-Origin", Origin.FOREIGN),
        ("same-origin, cross-site", Origin.FOREIGN),
        ("something-new", Origin.FOREIGN),
    ],
)
def test_the_origin_of_a_request_is_determined_by_sec_fetch_site(
    site: str, verdict: Origin
) -> None:
    assert origin_of(post(Sec_Fetch_Site=site)) is verdict


@pytest.mark.parametrize("origin", [SITE, "https://evil.example", "null"])
def test_sec_fetch_site_takes_precedence_over_origin(origin: str) -> None:
    assert origin_of(post(Sec_Fetch_Site="cross-site", Origin=origin)) is Origin.FOREIGN
    assert origin_of(post(Sec_Fetch_Site="same-origin", Origin=origin)) is Origin.OURS


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://petition.example.org",
        "http://petition.example.org:443",
        "https://petition.example.org:8443",
        "https://example.org",
        "https://petition.example.org.evil.example",
        "https://petition.example.org@evil.example",
        "https://evil.example/https://petition.example.org",
        "//petition.example.org",
        "petition.example.org",
        "https://[::1",
        "https://[petition.example.org]",
        "https://petition.example.org:port",
        "https://petition.example.org https://evil.example",
        "\N{FULLWIDTH LATIN SMALL LETTER H}ttps://petition.example.org",
        "https://petition。example.org",
        "https://petition\u2024example.org",
        "https://petition.example.org\u2100",
    ],
)
def test_without_sec_fetch_site_another_or_invalid_origin_is_foreign(origin: str) -> None:
    assert origin_of(post(Origin=origin)) is Origin.FOREIGN


@given(st.text(max_size=60))
def test_any_origin_header_is_handled_without_an_error(origin: str) -> None:
    request = RequestFactory().post("/petitions/x/")
    request.META["HTTP_ORIGIN"] = origin

    assert origin_of(request) in {Origin.FOREIGN, Origin.OURS}


@pytest.mark.parametrize(
    ("site", "origin"),
    [
        (SITE, SITE),
        (SITE, "https://petition.example.org:443"),
        ("https://petition.example.org:443", SITE),
        ("https://Petition.Example.org", SITE),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_without_sec_fetch_site_the_sites_own_origin_is_ours(
    settings: Settings, site: str, origin: str
) -> None:
    settings.SITE_URL = site

    assert origin_of(post(Origin=origin)) is Origin.OURS


def test_a_request_without_origin_headers_is_missing_its_origin() -> None:
    assert origin_of(post()) is Origin.MISSING


def takes(request: HttpRequest) -> HttpResponse:
    return HttpResponse("taken")


def refuses(request: HttpRequest) -> HttpResponse:
    return HttpResponse("press again", status=403)


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, b"taken"),
        ({"Origin": SITE}, b"taken"),
        ({}, b"taken"),
        ({"Sec_Fetch_Site": "cross-site"}, b"press again"),
        ({"Origin": "null"}, b"press again"),
    ],
)
def test_the_same_origin_guard_refuses_foreign_posts(
    headers: dict[str, str], answer: bytes
) -> None:
    guarded = guards.same_origin(refused=refuses)(takes)

    assert guarded(post(**headers)).content == answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_the_same_origin_guard_allows_safe_methods_from_any_site(method: str) -> None:
    guarded = guards.same_origin(refused=refuses)(takes)
    request = RequestFactory().generic(method, "/", headers={"Sec-Fetch-Site": "cross-site"})

    assert guarded(request).content == b"taken"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW", "get"])
def test_the_same_origin_guard_checks_every_unsafe_method(method: str) -> None:
    guarded = guards.same_origin(refused=refuses)(takes)
    request = RequestFactory().generic(method, "/", headers={"Sec-Fetch-Site": "cross-site"})
    request.method = method

    assert guarded(request).content == b"press again"


def test_token_pages_are_not_cached_not_indexed_and_send_no_referrer() -> None:
    response = security_headers(takes)(RequestFactory().get("/t/en/confirm/x/"))

    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert response["Cache-Control"] == "no-store"
