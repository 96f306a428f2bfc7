"""Views for sharing a petition: share image (Open Graph), badge, poster, leaflets, the frame for
partners' sites, the page of embed codes, and oEmbed.
"""

import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from petitions.counting import sources, tallies
from petitions.models import PetitionText, Source
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import find_text, standing
from petitions.sharing import cards, embeds
from petitions.web.guards import View
from petitions.web.responses import allow_any_origin, public_page, turns_at

_NUMBER = re.compile(r"[0-9]{1,5}")
_NO_LIMIT = 99_999
# Unlike our other pages, the page of embed codes may frame its previews.
_PREVIEWS_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def of_petition(view: Callable[[HttpRequest, PetitionText], HttpResponse]) -> View:
    """Decorator: pass the petition's text to a view that any site may use. 410 if removed.

    The reason is only on the petition's own page, for people.
    """

    @public_page
    @wraps(view)
    def found(request: HttpRequest, slug: str) -> HttpResponse:
        text = find_text(slug)
        if text.petition.is_removed:
            return allow_any_origin(HttpResponse(status=HTTPStatus.GONE))
        return allow_any_origin(view(request, text))

    return found


@of_petition
def image(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Return the share image (Open Graph), with the same count as the page."""
    opens_at = text.petition.turns_at
    count = tallies.total(text.petition_id)
    content = cards.card(text, count=count, organisation=organisation().name)
    return turns_at(opens_at, HttpResponse(content, content_type="image/png"))


@of_petition
def badge(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Return the badge: the count as a small image that any site may embed."""
    opens_at = text.petition.turns_at
    made = cards.badge(text, count=tallies.total(text.petition_id))
    response = render(request, "petitions/badge.svg", {"badge": made}, content_type="image/svg+xml")
    return turns_at(opens_at, response)


@of_petition
def poster(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Return the poster as a PDF."""
    return _paper(cards.poster(text, organisation=organisation().name))


@of_petition
def leaflets(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Return the leaflets to cut out, as a PDF."""
    return _paper(cards.leaflets(text, organisation=organisation().name))


def _paper(content: bytes) -> HttpResponse:
    # The browser's viewer opens it, and can print it.
    inline = {"Content-Disposition": "inline"}
    return HttpResponse(content, content_type="application/pdf", headers=inline)


@public_page
@xframe_options_exempt
def frame(request: HttpRequest, code: str, slug: str) -> HttpResponse:
    """Show the iframe for a registered partner's site: a petition's count and a link to sign."""
    partner, text = _partner(code), find_text(slug)
    petition = text.petition
    page = standing(petition, tallies.total(petition.pk)) | {
        "text": text,
        "link": sources.address(petition, partner.code),
        "style": embeds.style(),
        "oembed": embeds.oembed_url(embeds.frame_url(petition, partner)),
    }
    status = HTTPStatus.GONE if petition.is_removed else HTTPStatus.OK
    response = render(request, "petitions/frame.html", page, status=status)
    response["Content-Security-Policy"] = embeds.frame_policy(partner)
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["X-Robots-Tag"] = "noindex"
    return turns_at(page["opens_at"], response)


@public_page
def partner_page(request: HttpRequest, code: str) -> HttpResponse:
    """Show a partner's embed codes for all petitions open to signing. Unlisted, not secret."""
    partner = _partner(code)
    texts = PetitionText.objects.to_sign(get_language() or settings.LANGUAGE_CODE)
    page = {
        "partner": partner,
        "all_snippets": [embeds.snippets(text, partner) for text in texts],
        "width": embeds.WIDTH,
        "height": embeds.HEIGHT,
    }
    response = render(request, "petitions/partner.html", page)
    response["Content-Security-Policy"] = _PREVIEWS_POLICY
    response["X-Robots-Tag"] = "noindex"
    return response


# Not `public`, because the page cache ignores the query string, and would mix up responses.
@cache_control(max_age=60)
@require_safe
def oembed(request: HttpRequest) -> HttpResponse:
    """Respond as oEmbed endpoint, JSON only: 501 for other formats, 404 for other sites' URLs."""
    asked = embeds.parse_url(request.GET.get("url", ""))
    if request.GET.get("format", "json") != "json":
        return allow_any_origin(HttpResponse(status=HTTPStatus.NOT_IMPLEMENTED))
    if asked is None:
        raise Http404
    with translation.override(asked.language):
        text = find_text(asked.slug, lately=True)
        if text.petition.is_removed:
            raise Http404
        answer = embeds.oembed(
            text,
            sources.partner(asked.code),
            organisation=organisation().name,
            width=_limit(request, "maxwidth"),
            height=_limit(request, "maxheight"),
        )
    return allow_any_origin(JsonResponse(answer))


def _partner(code: str) -> Source:
    partner = sources.partner(code)
    if partner is None:
        raise Http404
    return partner


def _limit(request: HttpRequest, name: str) -> int:
    """Parse a limit in pixels. An invalid one means no limit."""
    written = request.GET.get(name, "")
    return int(written) if _NUMBER.fullmatch(written) else _NO_LIMIT
