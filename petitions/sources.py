"""Sources: which partner or channel a link came from, and how many signatures each has brought.

A link says its source in its query, `?s=whatsapp`. Kept pages ignore queries, and the form is
sent back to the very address that it was read at, so that the code reaches us with the
signature alone: no cookie, no script, and no page kept for each code. It stays with what is
pending, and is gone once that is confirmed: only the source's count is left.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from django.conf import settings
from django.db.models import Case, F, Sum, When
from django.db.models.functions import Now, TruncDate

from petitions.models import Petition, Source, SourceTally
from petitions.models.source import CODE_LENGTH

PARAMETER = "s"
# Whoever knows all but one of a step learns of that one: this many less one are hard to make.
LEAST_SHOWN = 25
_CODE = re.compile(rf"[a-z0-9-]{{1,{CODE_LENGTH}}}")


def read(query: Mapping[str, str]) -> str:
    """The code that a link says, or "" for what cannot be one, which is then ignored."""
    return code_of(query.get(PARAMETER, ""))


def code_of(written: str) -> str:
    """What was written as a code, or "" for what cannot be one."""
    code = written.lower() if len(written) <= CODE_LENGTH else ""
    return code if _CODE.fullmatch(code) else ""


def address(petition: Petition, code: str = "") -> str:
    """The absolute address of a petition in the active language, for links of one source."""
    query = f"?{PARAMETER}={code}" if code else ""
    return settings.SITE_URL + petition.get_absolute_url() + query


def partner(code: str) -> Source | None:
    """The partner who is registered under a code, unless switched off. One query, or none."""
    if not code or code_of(code) != code:
        return None
    return Source.objects.partners().filter(code=code).first()


@dataclass(frozen=True)
class Count:
    """What organisers may know of a source: how many it brought, in steps of `LEAST_SHOWN`.

    0 stands for fewer than that, none among them. `share` is of the largest, from 0 to 100.
    """

    source: Source
    at_least: int
    share: int


def counts(petition: Petition) -> list[Count]:
    """Every active source, and what it had brought when today began in UTC; the largest first.

    Watching the numbers during the day tells nothing: they stand still. A step at midnight tells
    of one person only whoever knows all the others in it. Somebody who registers a code, confirms
    24 signatures of their own through it and sends one person that link would see whether that
    one signed; nothing here can prevent it, but see SECURITY.md.
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
