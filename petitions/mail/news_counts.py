"""What became of each news, counted by large mail provider.

`claims.settle_news` counts a mail in the statement that settles it; what comes back later is added
here. The counts stay when the list of recipients is deleted.
"""

from collections.abc import Mapping
from uuid import UUID

from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Greatest

from petitions.mail.pace import OTHER
from petitions.models import News, NewsCount

COLUMNS = ("sent", "withheld", "refused", "returned", "unsubscribed", "complained")


def add(news_id: UUID, column: str, provider: str = OTHER) -> None:
    """Count one that came back, unsubscribed or complained; nothing if the news is gone."""
    assert column in COLUMNS
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO petitions_newscount (news_id, provider, {column})
            SELECT id, %s, 1 FROM petitions_news WHERE id = %s
            ON CONFLICT ON CONSTRAINT news_count_once
            DO UPDATE SET {column} = petitions_newscount.{column} + 1
            """,  # noqa: S608 - one of the columns above
            [provider, news_id],
        )


def take_back(news_id: UUID, column: str, numbers: Mapping[str, int]) -> None:
    """Subtract, by provider, what is queued again; not below 0, for an address may have changed."""
    for provider, number in numbers.items():
        rows = NewsCount.objects.filter(news=news_id, provider=provider)
        rows.update(**{column: Greatest(0, F(column) - number)})


def fraction(news: News, n: dict[str, int]) -> float:
    """How much of it is dealt with, from 0 to 1, by its `totals`."""
    dealt_with = n["sent"] + n["refused"] + n["withheld"] + news.skipped
    return min(1.0, dealt_with / max(1, news.matching))


def totals(news: News) -> dict[str, int]:
    rows = NewsCount.objects.filter(news=news)
    sums = rows.aggregate(**{column: Sum(column, default=0) for column in COLUMNS})
    return {column: int(n) for column, n in sums.items()}
