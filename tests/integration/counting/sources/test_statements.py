"""Codes in the links of a statement: they lead on to the petition, and to the cached page."""

import re
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from petitions.counting import sources
from petitions.models import Petition, Source
from tests.integration.counting.sources.conftest import (
    PAGE,
    counted,
    page_of,
)
from tests.pages import Visitor
from tests.people import confirm


@pytest.fixture
def statement(petition: Petition) -> Petition:
    sources.invalidate()
    Visitor(petition, "en").publish_statement()
    return petition


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", PAGE),
        ("/ar/", f"/ar{PAGE}"),
        ("/statements/urgent/", PAGE),
        ("/cy/statements/urgent/", f"/cy{PAGE}"),
    ],
)
def test_a_statement_carries_a_registered_code_on_to_the_petition(
    statement: Petition, client: Client, path: str, page: str
) -> None:
    told = client.get(f"{path}?s=mosque").content.decode()
    assert told.count(f'href="{page}?s=mosque#sign"') == 2
    assert f'href="{page}#sign"' not in told
    # The code is also kept when the language changes.
    others = re.findall(r'<a href="([^"]*)"[^>]* hreflang', told)
    assert len(others) == 2
    assert all(other.endswith("/?s=mosque") for other in others)
    # The canonical URL and the link preview have no code.
    assert "?s=" not in told.partition("</head>")[0]


@pytest.mark.parametrize(
    "query", ["", "s=unknown", "s=switched-off", "s=%3Cscript%3E", "s=mosque%27--", "x=mosque"]
)
def test_an_unregistered_source_is_not_added_to_links(
    statement: Petition, client: Client, query: str
) -> None:
    Source.objects.create(code="switched-off", name="Gone", is_active=False)
    sources.invalidate()
    told = client.get(f"/?{query}").content.decode()
    assert f'href="{PAGE}#sign"' in told
    assert "?s=" not in told


@pytest.mark.parametrize(
    "query",
    [
        "S=mosque",
        "s=&s=mosque",
        "s&s=mosque",
        "s=unknown&s=mosque",
        "s=mosque&s=unknown",
        "s=%3Cscript%3E&s=mosque",
        "S=whatsapp&s=mosque",
        "%73=mosque",
    ],
)
def test_an_ambiguous_query_string_has_no_source(query: str) -> None:
    """Otherwise such a cache would serve the page with its code to other readers."""
    assert sources.carried({"QUERY_STRING": "a=1&s=Mosque&b"}) == "mosque"
    assert sources.carried({"QUERY_STRING": query}) == ""


def test_each_source_has_its_own_cached_page(
    statement: Petition, client: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    Source.objects.create(code="church", name="Church")
    for code in ("mosque", "church", "", "unknown", "mosque", "church", ""):
        told = client.get(f"/?s={code}" if code else "/").content.decode()
        carried = set(re.findall(r"\?s=([a-z-]+)", told))
        assert carried == {code} - {"", "unknown"}


def test_while_the_database_is_down_codes_come_from_the_stale_cache(
    statement: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sources.carried({"QUERY_STRING": "s=mosque"}) == "mosque"

    def away(*args: object, **kwargs: object) -> None:
        raise OperationalError

    sources.invalidate()
    monkeypatch.setattr(Source.objects, "filter", away)
    assert sources.carried({"QUERY_STRING": "s=mosque"}) == "mosque"
    assert sources.carried({"QUERY_STRING": "s=unknown"}) == ""


def test_many_codes_cost_one_query_per_cache_lifetime(statement: Petition) -> None:
    with CaptureQueriesContext(connection) as queries:
        for i in range(20):
            sources.carried({"QUERY_STRING": f"s=made-up-{i}"})
    assert len(queries) == 1


def test_a_source_is_carried_through_the_statement_to_the_signature(
    statement: Petition, browser: Client
) -> None:
    told = browser.get("/?s=mosque").content.decode()
    (address,) = set(re.findall(rf'href="({PAGE}[^"#]*)#sign"', told))
    confirm(page_of(browser, address).attempt_id)
    assert counted("mosque") == 1
