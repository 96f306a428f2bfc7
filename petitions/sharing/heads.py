"""Metadata of a page's head: canonical URL, hreflang, Open Graph and JSON-LD.

Every URL is absolute and begins with SITE_URL, whatever host the request named.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from petitions.formatting.languages import in_language
from petitions.models import Organisation, Petition, PetitionText
from petitions.publishing.organisation import organisation
from petitions.sharing import cards
from petitions.sharing.legible import legible

# Open Graph locales, as Facebook names them, whom the others follow.
_LOCALES = {"en": "en_GB", "ar": "ar_AR", "cy": "cy_GB"}
# Characters that could end a script element, or begin another, as JSON escapes (XSS).
_UNSAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Alternate:
    """The same page in another language (hreflang)."""

    language: str
    address: str


@dataclass(frozen=True)
class Head:
    """Metadata of a page, ready for the template of its head."""

    title: str
    summary: str
    kind: str
    canonical: str
    alternates: tuple[Alternate, ...]
    locale: str
    other_locales: tuple[str, ...]
    image: str
    image_width: int
    image_height: int
    data: SafeString
    published_at: datetime | None


def absolute(path: str) -> str:
    """The absolute URL of a path on this site."""
    return settings.SITE_URL + path


def alternates(path: str, languages: Iterable[str]) -> tuple[Alternate, ...]:
    """The hreflang alternates of a page; `x-default` is English if it has it."""
    there = [code for code, _name in settings.LANGUAGES if code in set(languages)]
    found = [Alternate(code, absolute(in_language(path, code))) for code in there]
    return (*found, Alternate("x-default", found[0].address)) if found else ()


def head(
    *,
    path: str,
    title: str,
    summary: str,
    text_language: str,
    languages: Iterable[str],
    image: str,
    data: Mapping[str, Any],
    published_at: datetime | None = None,
) -> Head:
    """The metadata of the page at `path`.

    A page that shows another language's text, for want of its own, names that one as canonical.
    `data` is its JSON-LD but for what every page has.
    """
    language = get_language() or settings.LANGUAGE_CODE
    title, summary = legible(title), legible(summary)
    canonical = absolute(in_language(path, text_language))
    others = [code for code in languages if code != language]
    about = {
        "@context": "https://schema.org",
        "url": canonical,
        "name": title,
        "description": summary,
        "inLanguage": text_language,
        "image": image,
        **data,
    }
    return Head(
        title=title,
        summary=summary,
        kind="article" if published_at else "website",
        canonical=canonical,
        alternates=alternates(path, languages),
        locale=_LOCALES[language],
        other_locales=tuple(_LOCALES[code] for code in others),
        image=image,
        image_width=cards.WIDTH,
        image_height=cards.HEIGHT,
        data=data_block(about),
        published_at=published_at,
    )


def for_petition(text: PetitionText, *, count: int, organisation: Organisation) -> Head:
    """The metadata of a petition's page."""
    return head(
        path=text.petition.get_absolute_url(),
        title=text.title,
        summary=text.ask,
        text_language=text.language,
        languages=text.languages,
        image=image_of(text.petition),
        data={
            "@type": "WebPage",
            "datePublished": _day(_public_since(text)),
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


def data_block(data: Mapping[str, Any]) -> SafeString:
    """JSON-LD escaped for a script element: a browser takes it for data and runs none of it."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return mark_safe(written.translate(_UNSAFE))  # noqa: S308 - nothing is left that ends the element


def _public_since(text: PetitionText) -> datetime | None:
    petition = text.petition
    return text.published_at if petition.is_announced() else petition.opens_at or text.published_at


def _day(moment: datetime | None) -> str | None:
    return moment.date().isoformat() if moment else None
