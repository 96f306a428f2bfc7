"""What partners show of a petition on their own sites, and the page on which they copy it."""

import re
from http import HTTPStatus

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_http_methods

from petitions.counting import sources, tallies
from petitions.models import PetitionText, Source
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import find_text, standing
from petitions.sharing import frames, oembed, snippets
from petitions.web.cache_headers import open_to_all, public_page, turns_at

_A_MINUTE = 60
_NUMBER = re.compile(r"[0-9]{1,5}")
_AS_MUCH_AS_IT_LIKES = 99_999
# Our own pages may be framed nowhere, and frame nothing but this one's previews.
_PREVIEWS_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@public_page
@xframe_options_exempt
@require_http_methods(["GET", "HEAD"])
def frame(request: HttpRequest, code: str, slug: str) -> HttpResponse:
    """A petition's count and a link to sign, for a frame on a registered partner's site."""
    partner, text = _partner(code), find_text(slug)
    petition = text.petition
    page = standing(petition, tallies.total(petition.pk)) | {
        "text": text,
        "link": sources.address(petition, partner.code),
        "style": frames.style(),
        "oembed": oembed.address_about(frames.address(petition, partner)),
    }
    status = HTTPStatus.GONE if petition.is_removed else HTTPStatus.OK
    response = render(request, "petitions/frame.html", page, status=status)
    response["Content-Security-Policy"] = frames.policy(partner)
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["X-Robots-Tag"] = "noindex"
    return turns_at(page["opens_at"], response)


@public_page
@require_http_methods(["GET", "HEAD"])
def partner_page(request: HttpRequest, code: str) -> HttpResponse:
    """What a partner may copy for each petition that can be signed. Unlisted, but no secret."""
    partner = _partner(code)
    texts = PetitionText.objects.to_sign(get_language() or settings.LANGUAGE_CODE)
    page = {
        "partner": partner,
        "all_snippets": [snippets.snippets(text, partner) for text in texts],
        "width": frames.WIDTH,
        "height": frames.HEIGHT,
    }
    response = render(request, "petitions/partner.html", page)
    response["Content-Security-Policy"] = _PREVIEWS_POLICY
    response["X-Robots-Tag"] = "noindex"
    return response


# Not `public`: the page cache would answer every question as it answered the first.
@cache_control(max_age=_A_MINUTE)
@require_http_methods(["GET", "HEAD"])
def oembed_answer(request: HttpRequest) -> HttpResponse:
    """What other sites' editors ask about an address that somebody pasted. JSON alone."""
    asked = oembed.asked(request.GET.get("url", ""))
    if request.GET.get("format", "json") != "json":
        return open_to_all(HttpResponse(status=HTTPStatus.NOT_IMPLEMENTED))
    if asked is None:
        raise Http404
    with translation.override(asked.language):
        text = find_text(asked.slug, lately=True)
        if text.petition.is_removed:
            raise Http404
        said = oembed.answer(
            text,
            sources.partner(asked.code),
            organisation=organisation().name,
            width=_most(request, "maxwidth"),
            height=_most(request, "maxheight"),
        )
    return open_to_all(JsonResponse(said))


def _partner(code: str) -> Source:
    partner = sources.partner(code)
    if partner is None:
        raise Http404
    return partner


def _most(request: HttpRequest, name: str) -> int:
    """A limit in pixels; what is no number limits nothing."""
    written = request.GET.get(name, "")
    return int(written) if _NUMBER.fullmatch(written) else _AS_MUCH_AS_IT_LIKES
