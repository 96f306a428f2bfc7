"""What may be kept of a page, and who may read it, said in its headers.

The page cache and any CDN obey them.
"""

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.cache import cache_control

A_DAY = 86_400

# A page that is the same for everybody. Stale copies serve while the site is in trouble.
public_page = cache_control(
    public=True,
    max_age=0,
    s_maxage=settings.PAGE_CACHE_SECONDS,
    stale_while_revalidate=10,
    stale_if_error=A_DAY,
)


def open_to_all(response: HttpResponse) -> HttpResponse:
    """Let any other site show it, and let its scripts read it."""
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
