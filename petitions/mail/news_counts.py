"""The outcomes of each news item, counted by large mail provider.

`claims.settle_news` counts a mail in the statement that settles it. Later bounces, complaints and
unsubscriptions are added here. The counts stay when the list of recipients is deleted.
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
    """Count a mail that bounced, or led to a complaint or unsubscription, if the news exists."""
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
    """Subtract mails that are queued again. Never below 0: an address may have changed provider."""
    for provider, number in numbers.items():
        rows = NewsCount.objects.filter(news=news_id, provider=provider)
        rows.update(**{column: Greatest(0, F(column) - number)})


def fraction(news: News, n: dict[str, int]) -> float:
    """Return how much of a news item is done, from 0 to 1; `n` is its `totals`."""
    dealt_with = n["sent"] + n["refused"] + n["withheld"] + news.skipped
    return min(1.0, dealt_with / max(1, news.matching))


def totals(news: News) -> dict[str, int]:
    rows = NewsCount.objects.filter(news=news)
    sums = rows.aggregate(**{column: Sum(column, default=0) for column in COLUMNS})
    return {column: int(n) for column, n in sums.items()}
