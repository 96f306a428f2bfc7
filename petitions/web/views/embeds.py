"""Views of embeds: the frame for partners' sites, their page of snippets, and oEmbed."""

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
# CSP: our pages cannot be framed, and frame nothing; this one may frame its previews.
_PREVIEWS_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@public_page
@xframe_options_exempt
@require_http_methods(["GET", "HEAD"])
def frame(request: HttpRequest, code: str, slug: str) -> HttpResponse:
    """The iframe for a registered partner's site: a petition's count and a link to sign."""
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
    """Embed snippets of a partner for each petition open to signing. Unlisted, but no secret."""
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


# Not `public`: the page cache ignores the query string, and would serve one answer for all.
@cache_control(max_age=_A_MINUTE)
@require_http_methods(["GET", "HEAD"])
def oembed_answer(request: HttpRequest) -> HttpResponse:
    """The oEmbed endpoint. JSON only: 501 for another format, 404 for a URL that is not ours."""
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
    """Parse a limit in pixels; an invalid one is no limit."""
    written = request.GET.get(name, "")
    return int(written) if _NUMBER.fullmatch(written) else _AS_MUCH_AS_IT_LIKES
