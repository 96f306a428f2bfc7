"""The sitemap: all pages that are public now, in each of their languages."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sitemaps import Sitemap, views
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from campaign import site_urls
from campaign.models import StatementText
from petitions.formatting.languages import in_language
from petitions.models import Petition
from petitions.web import urls
from petitions.web.responses import public_page

# URL names without parameters that do not belong in the sitemap, or are listed as a statement.
_NO_PAGES = {"front_page", "feed", "manifest", "find_sent", "contact_sent"}
_LANGUAGES = [code for code, _name in settings.LANGUAGES]


class Page(NamedTuple):
    """A page: its path in English, its languages, and when it last changed."""

    path: str
    languages: Sequence[str] = _LANGUAGES
    changed: datetime | None = None


class PublicPages(Sitemap[Page]):
    """Sitemap of each page in each of its languages, with hreflang alternates."""

    i18n = alternates = True

    def items(self) -> list[Page]:
        return [*_plain_pages(), *_statements(), *_petitions()]

    def location(self, item: Page) -> str:
        return in_language(item.path, get_language() or settings.LANGUAGE_CODE)

    def lastmod(self, item: Page) -> datetime | None:
        return item.changed

    def get_languages_for_item(self, item: Page) -> list[str]:
        return [code for code in _LANGUAGES if code in item.languages]

    def get_protocol(self, protocol: str | None = None) -> str:
        """Return the scheme of SITE_URL, regardless of the request."""
        return urlsplit(settings.SITE_URL).scheme

    def get_domain(self, site: Any = None) -> str:
        return urlsplit(settings.SITE_URL).netloc

    def get_urls(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Add the page's first language as the x-default alternate. Django would use English."""
        found = super().get_urls(*args, **kwargs)
        for page in found:
            page["alternates"].append({**page["alternates"][0], "lang_code": "x-default"})
        return found


@public_page
@require_http_methods(["GET", "HEAD"])
def sitemap(request: HttpRequest) -> HttpResponse:
    return views.sitemap(request, {"pages": PublicPages()}).render()


def _plain_pages() -> Iterator[Page]:
    """Yield the pages whose URLs have no parameters, in every language."""
    for part in (site_urls, urls):
        for page in part.urlpatterns:
            is_plain = isinstance(page, URLPattern) and not page.pattern.converters
            if is_plain and page.name not in _NO_PAGES:
                yield Page(reverse(f"{part.app_name}:{page.name}"))


def _statements() -> Iterable[Page]:
    # All texts of one statement have the same path and the same languages.
    found: dict[str, Page] = {}
    for text in StatementText.objects.to_show(settings.LANGUAGE_CODE):
        path, changed = text.statement.get_absolute_url(), text.published_at
        before = found.get(path)
        if before and before.changed and changed:
            changed = max(before.changed, changed)
        found[path] = Page(path, text.languages, changed)
    return found.values()


def _petitions() -> Iterator[Page]:
    """Yield pages of petitions, and their progress pages, which change every day."""
    for petition in Petition.objects.with_news():
        texts = petition.public_texts
        changed = max(text.published_at for text in texts if text.published_at)
        yield Page(petition.get_absolute_url(), [text.language for text in texts], changed)
        if not petition.is_announced():
            yield Page(reverse("petitions:progress", args=[petition.slug]))
