"""Metadata of a page's head: canonical URL, hreflang, Open Graph and JSON-LD.

Every URL is absolute and begins with SITE_URL, whatever host the request named.
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

# Open Graph locales, as Facebook names them, whom the others follow.
_LOCALES = {"en": "en_GB", "ar": "ar_AR", "cy": "cy_GB"}
# Characters that could end a script element, or begin another, as JSON escapes (XSS).
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
    """The metadata of the page at `path`.

    A page that shows another language's text, for want of its own, names that one as canonical.
    `data` is its JSON-LD but for what every page has.
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
    """The metadata of a page of the site itself, which exists in every language."""
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
    """The URL of a petition's share image in the active language; without one, of the fallback."""
    if petition is None:
        return absolute(static("img/share.png"))
    language = get_language() or settings.LANGUAGE_CODE
    return absolute(in_language(f"/share/{petition.slug}.png", language))


def publisher(organisation: Organisation) -> dict[str, str]:
    """The organisation that runs the site, as JSON-LD."""
    return {
        "@type": "Organization",
        "name": legible(organisation.name),
        "url": organisation.website or absolute("/"),
    }


def _alternates(path: str, languages: Collection[str]) -> list[tuple[str, str]]:
    """Language and URL of the same page in others (hreflang); `x-default` is English if there."""
    there = [code for code, _name in settings.LANGUAGES if code in languages]
    found = [(code, absolute(in_language(path, code))) for code in there]
    return [*found, ("x-default", found[0][1])] if found else []


def _data_block(data: Mapping[str, Any]) -> SafeString:
    """JSON-LD escaped for a script element: a browser takes it for data and runs none of it."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return mark_safe(written.translate(_UNSAFE))  # noqa: S308 - nothing is left that ends the element
