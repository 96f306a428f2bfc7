"""Sources: which partner or channel a link came from.

A link says its source in its query, `?s=whatsapp`. Kept pages ignore queries, and the form is
sent back to the very address that it was read at, so that the code reaches us with the
signature alone: no cookie, no script, and no page kept for each code. It stays with what is
pending, and is gone once that is confirmed: only the source's count is left.

A statement leads to the petition, and its links carry the code on. They are kept once for each
code, and so for registered ones alone: see `carried` and the page cache.
"""

import re
import time
from collections.abc import Mapping, MutableMapping
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

from petitions.models import Petition, Source
from petitions.models.source import CODE_LENGTH

PARAMETER = "s"
_CODE = re.compile(rf"[a-z0-9-]{{1,{CODE_LENGTH}}}")
_IN_QUERY = re.compile(rf"(?:^|&)({PARAMETER})(?:=([^&]*))?(?=&|$)", re.IGNORECASE)
_CARRIED = "undersigned.source"
_SECONDS = 5.0


class _Kept:
    """The registered codes as this process last read them, and when."""

    codes: frozenset[str] = frozenset()
    read_at = float("-inf")
    reading = Lock()


def read(query: Mapping[str, str]) -> str:
    """The code that a link says, or "" for what cannot be one, which is then ignored."""
    return code_of(query.get(PARAMETER, ""))


def said_by(request: HttpRequest) -> str:
    """The code in a request's address, or ""."""
    # Most have no query, and Django would take one apart all the same.
    return read(request.GET) if request.META.get("QUERY_STRING") else ""


def code_of(written: str) -> str:
    """What was written as a code, or "" for what cannot be one."""
    code = written.lower() if len(written) <= CODE_LENGTH else ""
    return code if _CODE.fullmatch(code) else ""


def carried(meta: MutableMapping[str, Any]) -> str:
    """The code that the links of a page carry on: that of its own address, if it is registered.

    Found out once a request, so that a page is kept under the very code that stands in it.
    """
    query = meta.get("QUERY_STRING")
    if not query:
        return ""
    if _CARRIED not in meta:
        code = _said_once(query)
        meta[_CARRIED] = code if code and code in _registered() else ""
    return str(meta[_CARRIED])


def _said_once(query: str) -> str:
    """The code, unless a cache before us may read the query otherwise than we do.

    It keeps the page under the source that it reads. Of two it may take the first or the last,
    and `S` for `s` or for nothing: then readers would get a source that is not theirs.
    """
    said = _IN_QUERY.findall(query)
    return code_of(said[0][1]) if len(said) == 1 and said[0][0] == PARAMETER else ""


def forget() -> None:
    """Read the registered codes afresh next time."""
    _Kept.read_at = float("-inf")


def address(petition: Petition, code: str = "") -> str:
    """The absolute address of a petition in the active language, for links of one source."""
    query = f"?{PARAMETER}={code}" if code else ""
    return settings.SITE_URL + petition.get_absolute_url() + query


def partner(code: str) -> Source | None:
    """The partner who is registered under a code, unless switched off. One query, or none."""
    if not code or code_of(code) != code:
        return None
    return Source.objects.partners().filter(code=code).first()


def _registered() -> frozenset[str]:
    """All codes that count, as they were a moment ago, or as last known: the database may be away.

    One reader asks for all, and nobody waits for that one.
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
