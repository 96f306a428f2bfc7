"""Links from a petition to its own statement, if it has one."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from campaign.models import Statement
from petitions.models import Petition
from tests.people import typed

PAGE = "/petitions/protect/"


def ways(page: str) -> list[str]:
    return re.findall(r'class="to-statement" href="([^"]*)"', page)


def read(path: str = PAGE) -> str:
    # A client of its own has a page cache of its own.
    return Client().get(path).content.decode()


def publish(slug: str, petition: Petition | None, *, is_featured: bool = False) -> Statement:
    statement = Statement.objects.create(slug=slug, petition=petition, is_featured=is_featured)
    for language in ("en", "ar"):
        statement.texts.create(
            language=language, title=slug, body="Words.", published_at=timezone.now()
        )
    return statement


def test_a_petition_without_a_public_statement_links_to_none(petition: Petition) -> None:
    publish("of-others", None, is_featured=True)
    draft = publish("draft", petition)
    draft.texts.update(published_at=None)
    assert ways(read()) == []


@pytest.mark.parametrize(
    ("is_featured", "paths"), [(True, ["/", "/ar/"]), (False, ["/statements/own/"] * 2)]
)
def test_a_petition_links_to_its_statements_current_url(
    petition: Petition, is_featured: bool, paths: list[str]
) -> None:
    publish("of-others", None, is_featured=not is_featured)
    publish("own", petition, is_featured=is_featured)
    english, arabic = paths
    assert ways(read()) == [english]
    assert ways(read(f"/ar{PAGE}")) == [arabic if is_featured else f"/ar{arabic}"]


def test_a_form_with_errors_has_no_link_to_the_statement(
    petition: Petition, browser: Client
) -> None:
    publish("own", petition)
    assert ways(browser.post(PAGE, typed(name="")).content.decode()) == []
