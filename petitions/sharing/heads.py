"""Metadata of a page's head: canonical URL, hreflang, Open Graph and JSON-LD.

Every URL is absolute and begins with SITE_URL, whatever Host header the request has.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from petitions.formatting.languages import in_language
from petitions.formatting.sanitising import legible
from petitions.models import Organisation, Petition, PetitionText
from petitions.publishing.organisation import organisation
from petitions.sharing import cards

# Template context of `_summary.html`.
Head = dict[str, Any]

# Open Graph locales as Facebook names them. Other sites follow Facebook.
_LOCALES = {"en": "en_GB", "ar": "ar_AR", "cy": "cy_GB"}
# JSON escapes of characters that could end a script element or begin another (XSS).
_UNSAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def absolute(path: str) -> str:
    return settings.SITE_URL + path


def head(
    *,
    path: str,
    title: str,
    summary: str,
    text_language: str,
    languages: Collection[str],
    image: str,
    data: Mapping[str, Any],
    published_at: datetime | None = None,
) -> Head:
    """Return the metadata of the page at `path`.

    A page that falls back to a text in another language names that language's page as canonical.
    `data` is the page's JSON-LD, without the fields that every page has.
    """
    title, summary = legible(title), legible(summary)
    canonical = absolute(in_language(path, text_language))
    about = {
        "@context": "https://schema.org",
        "url": canonical,
        "name": title,
        "description": summary,
        "inLanguage": text_language,
        "image": image,
        **data,
    }
    language = get_language() or settings.LANGUAGE_CODE
    return {
        "title": title,
        "summary": summary,
        "kind": "article" if published_at else "website",
        "canonical": canonical,
        "alternates": _alternates(path, languages),
        "locale": _LOCALES[language],
        "other_locales": [_LOCALES[code] for code in languages if code != language],
        "image": image,
        "image_width": cards.WIDTH,
        "image_height": cards.HEIGHT,
        "data": _data_block(about),
        "published_at": published_at,
    }


def for_petition(text: PetitionText, *, count: int, organisation: Organisation) -> Head:
    petition = text.petition
    since = None if petition.is_announced() else petition.opens_at
    since = since or text.published_at
    return head(
        path=petition.get_absolute_url(),
        title=text.title,
        summary=text.ask,
        text_language=text.language,
        languages=text.languages,
        image=image_of(petition),
        data={
            "@type": "WebPage",
            "datePublished": since.date().isoformat() if since else None,
            "publisher": publisher(organisation),
            "interactionStatistic": {
                "@type": "InteractionCounter",
                "interactionType": "https://schema.org/EndorseAction",
                "userInteractionCount": count,
            },
        },
    )


def for_page(path: str, *, title: str, summary: str) -> Head:
    """Return the metadata of a page of the site itself, which exists in every language."""
    return head(
        path=path,
        title=title,
        summary=summary,
        text_language=get_language() or settings.LANGUAGE_CODE,
        languages=[code for code, _name in settings.LANGUAGES],
        image=image_of(None),
        data={"@type": "WebPage", "publisher": publisher(organisation())},
    )


def image_of(petition: Petition | None) -> str:
    """Return the URL of a petition's share image in the active language, or of the fallback."""
    if petition is None:
        return absolute(static("img/share.png"))
    language = get_language() or settings.LANGUAGE_CODE
    return absolute(in_language(f"/share/{petition.slug}.png", language))


def publisher(organisation: Organisation) -> dict[str, str]:
    """Return the organisation that runs the site, as JSON-LD."""
    return {
        "@type": "Organization",
        "name": legible(organisation.name),
        "url": organisation.website or absolute("/"),
    }


def _alternates(path: str, languages: Collection[str]) -> list[tuple[str, str]]:
    """Return (language, URL) pairs for hreflang, and `x-default`, English if it exists."""
    there = [code for code, _name in settings.LANGUAGES if code in languages]
    found = [(code, absolute(in_language(path, code))) for code in there]
    return [*found, ("x-default", found[0][1])] if found else []


def _data_block(data: Mapping[str, Any]) -> SafeString:
    """Return JSON-LD escaped for a script element, which browsers treat as data and never run."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return mark_safe(written.translate(_UNSAFE))  # noqa: S308 - nothing is left that ends the element
