"""Sources: referral codes in links, which say the partner or channel that a link came from.

A link carries its code in the query, `?s=whatsapp`. The page cache ignores queries, and the form
posts to the URL that it was read at, so that the code reaches us with the signature alone: no
cookie, no script, and no page cached for each code. It is stored with the pending signature, and
deleted once that is confirmed: only the source's count is left.

A statement leads to the petition, and its links carry the code on. Such pages are cached for each
code, and so for registered ones alone: see `carried` and the page cache.
"""

import re
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Case, F, Sum, When
from django.db.models.functions import Now, TruncDate
from django.http import HttpRequest

from petitions.models import Petition, Source, SourceTally
from petitions.models.counts import CODE_LENGTH

PARAMETER = "s"
# Whoever knows all but one of a step learns of the last; so many less one are hard to fake.
LEAST_SHOWN = 25
_CODE = re.compile(rf"[a-z0-9-]{{1,{CODE_LENGTH}}}")
_IN_QUERY = re.compile(rf"(?:^|&)({PARAMETER})(?:=([^&]*))?(?=&|$)", re.IGNORECASE)
_CARRIED = "undersigned.source"
_SECONDS = 5.0


class _Kept:
    """In-process cache of the registered codes, with the time of the last read."""

    codes: frozenset[str] = frozenset()
    read_at = float("-inf")
    reading = Lock()


def read(query: Mapping[str, str]) -> str:
    """The code in a link's query; "" for a malformed one, which is then ignored."""
    return code_of(query.get(PARAMETER, ""))


def code_in(request: HttpRequest) -> str:
    """The code in the query of a request, or "" if there is none."""
    # Most requests have no query, and Django would parse it all the same.
    return read(request.GET) if request.META.get("QUERY_STRING") else ""


def code_of(written: str) -> str:
    """Normalise and validate a code: "" for a malformed one."""
    code = written.lower() if len(written) <= CODE_LENGTH else ""
    return code if _CODE.fullmatch(code) else ""


def carried(meta: MutableMapping[str, Any]) -> str:
    """The code that a page's links carry on: that of its own URL, if it is registered; or "".

    Memoised for the request, so that a page is cached under the very code that stands in it.
    """
    query = meta.get("QUERY_STRING")
    if not query:
        return ""
    if _CARRIED not in meta:
        code = _unambiguous(query)
        meta[_CARRIED] = code if code and code in _registered() else ""
    return str(meta[_CARRIED])


def _unambiguous(query: str) -> str:
    """The code, unless a cache before us may parse the query otherwise (cache poisoning); or "".

    It keeps the page under the source that it reads. Of two it may take the first or the last, and
    `S` for `s` or for nothing: then readers would get a source that is not theirs.
    """
    found = _IN_QUERY.findall(query)
    return code_of(found[0][1]) if len(found) == 1 and found[0][0] == PARAMETER else ""


def invalidate() -> None:
    _Kept.read_at = float("-inf")


def address(petition: Petition, code: str = "") -> str:
    """The absolute URL of a petition in the active language, with the code of a source if given."""
    query = f"?{PARAMETER}={code}" if code else ""
    return settings.SITE_URL + petition.get_absolute_url() + query


def partner(code: str) -> Source | None:
    """The active partner who is registered under a code, or None. One query, or none."""
    if not code or code_of(code) != code:
        return None
    return Source.objects.partners().filter(code=code).first()


def _registered() -> frozenset[str]:
    """All active codes from a TTL cache; stale ones while the database is away.

    One thread refreshes it, and no other waits for that.
    """
    if time.monotonic() - _Kept.read_at > _SECONDS and _Kept.reading.acquire(blocking=False):
        try:
            active = Source.objects.filter(is_active=True)
            _Kept.codes = frozenset(active.values_list("code", flat=True))
        except (DatabaseError, InterfaceError):
            pass
        finally:
            _Kept.read_at = time.monotonic()
            _Kept.reading.release()
    return _Kept.codes


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
