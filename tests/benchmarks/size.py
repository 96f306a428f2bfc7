"""Scalability of pages: the largest petition beside a small one."""

from collections.abc import Callable

from campaign.models import Statement
from petitions.models import Petition
from tests.benchmarks import seeding
from tests.benchmarks.measures import Bench, Measure, _get

FEW = 10_000


def petition_of_many(bench: Bench) -> Measure:
    """The petition's page, uncached, with all seeded signatures and with a few."""
    return _beside_few(bench, "petition", bench.petition.get_absolute_url(), _few)


def statement_of_many(bench: Bench) -> Measure:
    """Pages, uncached, of a statement of the largest petition, and of a small one."""
    return _beside_few(bench, "statement", "/", _statement_of_few)


def _beside_few(
    bench: Bench, page: str, path: str, make: Callable[[Bench], Petition | Statement]
) -> Measure:
    few = make(bench).get_absolute_url()
    return Measure(
        title=f"GET {page}, cold, {bench.rows:,} signed",
        floor_title=f"the same, {FEW:,} signed",
        floor=lambda: bench.load("cold", _get(few), 200, connections=1).rate,
        value=lambda: bench.load("cold", _get(path), 200, connections=1).rate,
        least_ratio=0.9,
    )


def _few(bench: Bench) -> Petition:
    """A copy of the bench's petition with another slug and few signatures."""
    few, is_new = Petition.objects.get_or_create(
        slug="few",
        defaults={
            name: getattr(bench.petition, name)
            for name in ("state", "opens_at", "closes_at", "goal")
        },
    )
    if is_new:
        for text in bench.petition.texts.all():
            text.pk, text.petition = None, few
            text.save()
        seeding.seed(petition=few, total=FEW)
    return few


def _statement_of_few(bench: Bench) -> Statement:
    featured = Statement.objects.get(is_featured=True)
    few, is_new = Statement.objects.get_or_create(slug="few", defaults={"petition": _few(bench)})
    if is_new:
        for text in featured.texts.all():
            text.pk, text.statement = None, few
            text.save()
    return few


MEASURES = {"petition-size": petition_of_many, "statement-size": statement_of_many}
