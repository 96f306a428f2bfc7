"""What became of each news, counted by large mail provider in the statement that settles a mail.

A mail is settled by compare-and-set, and counted only if that wrote its row: so the counts are
exact, whatever crashes, and stay when the list of recipients is deleted.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Sum
from django.db.models.functions import Greatest

from petitions.mail.pace import OTHER
from petitions.models import Mail, News, NewsCount

COLUMNS = ("sent", "withheld", "refused", "returned", "unsubscribed", "complained")
_COLUMN_OF = {
    Mail.State.SENT: "sent",
    Mail.State.REFUSED: "refused",
    Mail.State.FAILED: "refused",
    Mail.State.WITHHELD: "withheld",
    Mail.State.CANCELLED: "withheld",
}


def settle(mails: Sequence[tuple[Mail, str]], state: Mail.State, code: str = "") -> None:
    """Write the outcome of claimed mails of news, each with its provider, and count them.

    As `claims.settle`: not if another worker has taken over, and without `synchronous_commit`.
    """
    if not mails:
        return
    column = _COLUMN_OF[state]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")
        cursor.execute(
            f"""
            WITH settled AS (
                UPDATE petitions_mail m SET state = %s, code = %s
                FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS w (id, attempts, provider)
                WHERE m.id = w.id AND m.attempts = w.attempts AND m.state = 'queued'
                RETURNING m.news_id, w.provider
            )
            INSERT INTO petitions_newscount (news_id, provider, {column})
            SELECT news_id, provider, count(*) FROM settled GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT ON CONSTRAINT news_count_once
            DO UPDATE SET {column} = petitions_newscount.{column} + EXCLUDED.{column}
            """,  # noqa: S608 - one of the columns above
            [
                state,
                code,
                [mail.pk for mail, _provider in mails],
                [mail.attempts for mail, _provider in mails],
                [provider for _mail, provider in mails],
            ],
        )


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
    """The sums over all providers, by column."""
    rows = NewsCount.objects.filter(news=news)
    sums = rows.aggregate(**{column: Sum(column, default=0) for column in COLUMNS})
    return {column: int(n) for column, n in sums.items()}
