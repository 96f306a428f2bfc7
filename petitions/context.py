"""What every template may use."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils import translation
from django.utils.encoding import escape_uri_path

from petitions.kept import Kept
from petitions.models import Organisation

_SECONDS = 5.0
_known: Kept[None, Organisation] = Kept()


def organisation() -> Organisation:
    """The organisation as it was at most five seconds ago, or as last known.

    Error pages show it too, and must not fail again while the database is away.
    """
    return _known.get(None, _SECONDS, _read)


def _read() -> Organisation:
    try:
        return Organisation.load()
    except (DatabaseError, InterfaceError):
        # Kept as well: every name on a page would wait for the database anew.
        return _known.last(None) or Organisation(id=1)


def forget() -> None:
    """Read the organisation afresh next time."""
    _known.forget()


def site(request: HttpRequest) -> dict[str, Any]:
    """The organisation, the language and the same page in the other languages."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    return {
        "organisation": organisation,
        "site_url": settings.SITE_URL,
        "language": language,
        "direction": "rtl" if translation.get_language_bidi() else "ltr",
        "languages": [
            {
                "code": code,
                "name": name,
                "path": in_language(request.path_info, code),
                "direction": "rtl" if code in settings.LANGUAGES_BIDI else "ltr",
                "is_current": code == language,
            }
            for code, name in settings.LANGUAGES
        ],
    }


def in_language(path: str, code: str) -> str:
    """The address of the same page in another language.

    English pages have no prefix, others `/ar/` or `/cy/`; pages behind a token say the
    language after `/t/`, so that one prefix names them all to proxies.
    """
    codes = {language for language, _name in settings.LANGUAGES}
    parts = path.lstrip("/").split("/")
    if parts[0] == "t":
        parts[1:2] = [code] if len(parts) > 2 else parts[1:2]
    else:
        rest = parts[1:] if parts[0] in codes - {settings.LANGUAGE_CODE} else parts
        parts = rest if code == settings.LANGUAGE_CODE else [code, *rest]
    # One slash, and everything odd escaped: "/ar//evil.example/" must not become a link
    # to another site.
    return "/" + escape_uri_path("/".join(parts)).lstrip("/")
