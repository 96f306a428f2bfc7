"""Views of robots.txt, the web app manifest and favicon.ico."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods

from petitions.formatting.sanitising import legible
from petitions.publishing.organisation import organisation
from petitions.sharing.heads import absolute
from petitions.web.responses import A_DAY, public_page

# The tokens of the same names in static/css/site.css.
_PAPER, _PETROL = "#fbf8f3", "#1d4f5c"


@require_http_methods(["GET", "HEAD"])
def robots(request: HttpRequest) -> HttpResponse:
    """Serve robots.txt, which excludes pages behind a token."""
    lines = "User-agent: *", "Disallow: /t/", "Allow: /", "", f"Sitemap: {absolute('/sitemap.xml')}"
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@public_page
@require_http_methods(["GET", "HEAD"])
def manifest(request: HttpRequest) -> HttpResponse:
    """Serve the web app manifest: the site's name and icons for a phone's home screen."""
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
        # Not an installable app: it opens in the browser.
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
    """Serve favicon.ico to clients that request it without reading a page first."""
    content = (Path(settings.BASE_DIR) / "static" / "img" / "favicon.ico").read_bytes()
    return HttpResponse(content, content_type="image/vnd.microsoft.icon")
