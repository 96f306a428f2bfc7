"""Signature counts by source, coarsened for organisers so that they identify nobody."""

from dataclasses import dataclass
from datetime import UTC

from django.db.models import Case, F, Sum, When
from django.db.models.functions import Now, TruncDate

from petitions.models import Petition, Source, SourceTally

# Whoever knows all but one of a step learns of the last; so many less one are hard to fake.
LEAST_SHOWN = 25


@dataclass(frozen=True)
class Count:
    """A source's count as organisers see it, rounded down to steps of `LEAST_SHOWN`.

    0 stands for fewer than that, none among them. `share` is per cent of the largest, 0 to 100.
    """

    source: Source
    at_least: int
    share: int


def counts(petition: Petition) -> list[Count]:
    """Every active source with its count as of midnight in UTC; the largest first.

    Watching the numbers during the day tells nothing: they stand still. A step at midnight tells of
    one person only to somebody who knows all the others in it. Somebody who registers a code,
    confirms 24 signatures of their own through it and sends one person that link would see whether
    that one signed; nothing here can prevent it, but see SECURITY.md.
    """
    today = TruncDate(Now(), tzinfo=UTC)
    shown = Case(When(day__lt=today, then=F("n")), default=F("before"))
    tallies = SourceTally.objects.filter(petition=petition).values("source")
    brought = dict(tallies.annotate(total=Sum(shown)).values_list("source", "total"))
    steps = {
        source: brought.get(source.pk, 0) // LEAST_SHOWN * LEAST_SHOWN
        for source in Source.objects.filter(is_active=True)
    }
    most = max(steps.values(), default=0) or 1
    ranked = sorted(steps.items(), key=lambda item: (-item[1], item[0].name))
    return [Count(source, step, round(100 * step / most)) for source, step in ranked]
