"""What search engines, feed readers and browsers ask of a site besides its pages."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import URLPattern, reverse
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods

from campaign import feed as news
from campaign import heads
from campaign.models import StatementText
from petitions.models import Petition
from petitions.publishing.organisation import organisation
from petitions.sharing.heads import absolute, alternates
from petitions.sharing.legible import legible
from petitions.web.cache_headers import A_DAY, public_page

# The tokens of the same names in static/css/site.css.
_PAPER, _PETROL = "#fbf8f3", "#1d4f5c"
_SITEMAP, _XHTML = "http://www.sitemaps.org/schemas/sitemap/0.9", "http://www.w3.org/1999/xhtml"
# At one address each, but nothing to be found by searching.
_NO_PAGES = {"front_page", "feed", "manifest", "find_sent", "contact_sent"}
_LANGUAGES = [code for code, _name in settings.LANGUAGES]

ET.register_namespace("", _SITEMAP)
ET.register_namespace("xhtml", _XHTML)


@require_http_methods(["GET", "HEAD"])
def robots(request: HttpRequest) -> HttpResponse:
    """Search engines may read all but what is behind a token."""
    lines = "User-agent: *", "Disallow: /t/", "Allow: /", "", f"Sitemap: {absolute('/sitemap.xml')}"
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@public_page
@require_http_methods(["GET", "HEAD"])
def sitemap(request: HttpRequest) -> HttpResponse:
    """Every page that is public now, in each language that it has, with the others beside it."""
    root = ET.Element(f"{{{_SITEMAP}}}urlset")
    with translation.override(settings.LANGUAGE_CODE):
        for path in _plain_pages():
            _add(root, path, _LANGUAGES)
        petitions = list(Petition.objects.with_news())
        for path, languages, changed in [*_statements(), *_petitions(petitions)]:
            _add(root, path, languages, changed)
        for path in _courses(petitions):
            _add(root, path, _LANGUAGES)
    body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return HttpResponse(body, content_type="application/xml; charset=utf-8")


@public_page
@require_http_methods(["GET", "HEAD"])
def feed(request: HttpRequest) -> HttpResponse:
    """News in the language of the address."""
    body = news.render(get_language() or settings.LANGUAGE_CODE)
    return HttpResponse(body, content_type="application/atom+xml; charset=utf-8")


@public_page
@require_http_methods(["GET", "HEAD"])
def manifest(request: HttpRequest) -> HttpResponse:
    """How a telephone names and pictures the site on its home screen."""
    home = reverse("campaign:front_page")
    name = legible(organisation().name) or _("Petition")
    sizes = (("192", "any"), ("512", "any"), ("512", "maskable"))
    icons = [
        {
            "src": static(f"img/icon-{size}{'-maskable' if purpose == 'maskable' else ''}.png"),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": purpose,
        }
        for size, purpose in sizes
    ]
    body = {
        "id": home,
        "name": name,
        "short_name": name[:24],
        "lang": get_language(),
        "dir": "rtl" if translation.get_language_bidi() else "ltr",
        "start_url": home,
        "scope": "/",
        # There is nothing to install: it stays a page of the browser.
        "display": "browser",
        "background_color": _PAPER,
        "theme_color": _PETROL,
        "icons": icons,
    }
    return JsonResponse(
        body, content_type="application/manifest+json", json_dumps_params={"ensure_ascii": False}
    )


@cache_control(public=True, max_age=A_DAY)
@require_http_methods(["GET", "HEAD"])
def favicon(request: HttpRequest) -> HttpResponse:
    """For what asks for it here without reading a page first."""
    content = (Path(settings.BASE_DIR) / "static" / "img" / "favicon.ico").read_bytes()
    return HttpResponse(content, content_type="image/vnd.microsoft.icon")


def _plain_pages() -> list[str]:
    """The pages that stand at one address each."""
    # They import these views.
    from campaign import site_urls
    from petitions.web import urls

    return [
        reverse(f"{part.app_name}:{page.name}")
        for part in (site_urls, urls)
        for page in part.urlpatterns
        if isinstance(page, URLPattern)
        and page.name not in _NO_PAGES
        and not page.pattern.converters
    ]


_Page = tuple[str, list[str], datetime | None]


def _statements() -> list[_Page]:
    # Several texts of one statement have one path, and the same languages.
    found: dict[str, _Page] = {}
    for text in StatementText.objects.to_show(settings.LANGUAGE_CODE):
        path, changed = heads.path_of(text.statement), text.published_at
        before = found.get(path)
        if before and before[2] and changed:
            changed = max(before[2], changed)
        found[path] = path, text.languages, changed
    return list(found.values())


def _petitions(petitions: Iterable[Petition]) -> list[_Page]:
    return [
        (
            petition.get_absolute_url(),
            sorted({text.language for text in petition.public_texts}),
            max(text.published_at for text in petition.public_texts if text.published_at),
        )
        for petition in petitions
    ]


def _courses(petitions: Iterable[Petition]) -> list[str]:
    """The pages of how petitions are going: new every day, in every language."""
    return [
        reverse("petitions:progress", args=[petition.slug])
        for petition in petitions
        if not petition.is_announced()
    ]


def _add(
    root: ET.Element, path: str, languages: list[str], changed: datetime | None = None
) -> None:
    others = alternates(path, languages)
    for own in others:
        if own.language == "x-default":
            continue
        url = ET.SubElement(root, f"{{{_SITEMAP}}}url")
        ET.SubElement(url, f"{{{_SITEMAP}}}loc").text = own.address
        if changed:
            ET.SubElement(url, f"{{{_SITEMAP}}}lastmod").text = changed.date().isoformat()
        for other in others:
            attributes = {"rel": "alternate", "hreflang": other.language, "href": other.address}
            ET.SubElement(url, f"{{{_XHTML}}}link", attributes)
