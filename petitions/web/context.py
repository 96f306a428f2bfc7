"""Context processor: variables of every template."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from petitions.formatting.languages import in_language
from petitions.publishing.organisation import organisation


def site(request: HttpRequest) -> dict[str, Any]:
    """Return the organisation, the language, and the page's paths in the other languages."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    return {
        "organisation": organisation,
        "site_url": settings.SITE_URL,
        "language": language,
        "direction": "rtl" if translation.get_language_bidi() else "ltr",
        # Set by pages whose links keep a source: see `petitions.counting.sources`.
        "source_query": "",
        "languages": [
            {
                "code": code,
                "name": translation.get_language_info(code)["name_local"],
                "path": in_language(request.path_info, code),
                "direction": "rtl" if code in settings.LANGUAGES_BIDI else "ltr",
                "is_current": code == language,
            }
            for code, _name in settings.LANGUAGES
        ],
    }
