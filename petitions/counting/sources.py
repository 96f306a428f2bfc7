"""Sources: referral codes in links, which tell which partner or channel a signer came from.

A link carries its code in the query string, as in `?s=whatsapp`. The page cache ignores query
strings. The form posts to the URL of its page, so the code arrives with the signature only. This
needs no cookie, no script and no cached page for each code. The code is stored with the pending
signature, and deleted once that is confirmed: only the source's count is left.

On a statement's page, links to the petition repeat the code. Such pages are cached once for each
code, and therefore only for registered codes: see `carried` and the page cache.
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

from petitions.crypto import vault
from petitions.models import Petition, Source, SourceTally
from petitions.models.counts import ANONYMITY_THRESHOLD, CODE_LENGTH

PARAMETER = "s"
# Whoever makes all signatures of a step but one must not learn of the last: see `_in_steps`.
LEAST_SHOWN = ANONYMITY_THRESHOLD
# Counts from here on are always shown, in steps; a smaller one may still read as none.
ALWAYS_SHOWN = 2 * LEAST_SHOWN
_CODE = re.compile(rf"[a-z0-9-]{{1,{CODE_LENGTH}}}")
_IN_QUERY = re.compile(rf"(?:^|&)({PARAMETER})(?:=([^&]*))?(?=&|$)", re.IGNORECASE)
_CARRIED = "undersigned.source"
_SECONDS = 5.0


class _Cache:
    """In-process cache of the registered codes, and the time of the last read."""

    codes: frozenset[str] = frozenset()
    read_at = float("-inf")
    reading = Lock()


def read(query: Mapping[str, str]) -> str:
    """Return the code in a parsed query string, or "" if it is missing or malformed."""
    return code_of(query.get(PARAMETER, ""))


def code_in(request: HttpRequest) -> str:
    """Return the code in a request's query string, or "" if it is missing or malformed."""
    # Most requests have no query string, and Django would parse an empty one all the same.
    return read(request.GET) if request.META.get("QUERY_STRING") else ""


def code_of(written: str) -> str:
    """Return a code in lower case, or "" if it is malformed."""
    code = written.lower() if len(written) <= CODE_LENGTH else ""
    return code if _CODE.fullmatch(code) else ""


def carried(meta: MutableMapping[str, Any]) -> str:
    """Return the code that a page's links repeat: the registered code in its own URL, or "".

    The code is stored in the WSGI environ `meta`. So a page is cached under the code in its links.
    """
    query = meta.get("QUERY_STRING")
    if not query:
        return ""
    if _CARRIED not in meta:
        code = _unambiguous(query)
        meta[_CARRIED] = code if code and code in _registered() else ""
    return str(meta[_CARRIED])


def _unambiguous(query: str) -> str:
    """Return the code, or "" if a proxy's cache might read another from this query string.

    Otherwise cache poisoning would be possible: of two codes a cache may use the first or the last,
    and it may treat `S` as `s`. Then readers would get the source of somebody else's link.
    """
    found = _IN_QUERY.findall(query)
    return code_of(found[0][1]) if len(found) == 1 and found[0][0] == PARAMETER else ""


def invalidate() -> None:
    _Cache.read_at = float("-inf")


def address(petition: Petition, code: str = "") -> str:
    """Return a petition's absolute URL in the active language, with a source's code if given."""
    query = f"?{PARAMETER}={code}" if code else ""
    return settings.SITE_URL + petition.get_absolute_url() + query


def partner(code: str) -> Source | None:
    """Return the active partner with this code, or None. At most one query."""
    if not code or code_of(code) != code:
        return None
    return Source.objects.partners().filter(code=code).first()


def _registered() -> frozenset[str]:
    """Return all active codes from a TTL cache, which stays stale while the database is down.

    One thread refreshes it. The others use the old codes and do not wait.
    """
    if time.monotonic() - _Cache.read_at > _SECONDS and _Cache.reading.acquire(blocking=False):
        try:
            active = Source.objects.filter(is_active=True)
            _Cache.codes = frozenset(active.values_list("code", flat=True))
        except (DatabaseError, InterfaceError):
            pass
        finally:
            _Cache.read_at = time.monotonic()
            _Cache.reading.release()
    return _Cache.codes


@dataclass(frozen=True)
class Count:
    """A source's count as organisers see it, in steps of `LEAST_SHOWN`: see `_in_steps`.

    So 0 means fewer than `ALWAYS_SHOWN`. `share` is the percentage of the largest count, 0 to 100.
    """

    source: Source
    at_least: int
    share: int


def counts(petition: Petition) -> list[Count]:
    """Return the counts of all active sources as of midnight UTC, the largest first.

    The counts do not change during the day, so watching them tells nothing. A step at midnight
    reveals one person only to somebody who knows all the others in it, and where the step is shown:
    see `_in_steps`.
    """
    today = TruncDate(Now(), tzinfo=UTC)
    shown = Case(When(day__lt=today, then=F("n")), default=F("before"))
    tallies = SourceTally.objects.filter(petition=petition).values("source")
    brought = dict(tallies.annotate(total=Sum(shown)).values_list("source", "total"))
    steps = {
        source: _in_steps(brought.get(source.pk, 0), f"{petition.pk} {source.pk}")
        for source in Source.objects.filter(is_active=True)
    }
    most = max(steps.values(), default=0) or 1
    ranked = sorted(steps.items(), key=lambda item: (-item[1], item[0].name))
    return [Count(source, step, round(100 * step / most)) for source, step in ranked]


def _in_steps(number: int, counter: str) -> int:
    """Return a count, rounded down to steps of `LEAST_SHOWN`, each shown later by a secret number.

    Counters only grow, so one mailbox can sign, withdraw and sign again through a code of its own.
    Somebody who makes 24 of 25 in this way, and sends the link to one person, would otherwise see
    whether that person signs.
    """
    steps, above = divmod(number, LEAST_SHOWN)
    is_shown = above >= _later_by(counter, steps)
    return max(0, steps - (not is_shown)) * LEAST_SHOWN


def _later_by(counter: str, step: int) -> int:
    """Return the secret of one step of a counter, below `LEAST_SHOWN`."""
    index = vault.blind_index("source-step", counter, str(step))
    return int.from_bytes(index) % LEAST_SHOWN
