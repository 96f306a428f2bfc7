"""Public pages cost the same at ten million signatures as at ten thousand."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaign.models import Statement, StatementText
from petitions.counting import tallies
from petitions.models import Petition
from tests.benchmarks import seeding


@pytest.fixture
def _statement(petition: Petition) -> None:
    statement = Statement.objects.create(slug="call", petition=petition, is_featured=True)
    StatementText.objects.create(
        statement=statement, language="en", title="A call", body="Now.", published_at=timezone.now()
    )


@pytest.mark.usefixtures("_statement")
@pytest.mark.parametrize(
    "path",
    ["/", "/ar/", "/statements/call/", "/petitions/protect/", "/api/v1/petitions/protect.json"],
)
def test_pages_with_the_count_do_not_query_the_signature_tables(
    petition: Petition, path: str
) -> None:
    seeding.seed(petition=petition, total=100)
    count = tallies.total(petition.pk)

    with CaptureQueriesContext(connection) as queries:
        answer = Client().get(path)

    assert str(count) in answer.content.decode()
    read = " ".join(query["sql"] for query in queries)
    assert "petitions_tally" in read
    assert not re.search(r"\bpetitions_(signature|signer|mail)\b", read)
