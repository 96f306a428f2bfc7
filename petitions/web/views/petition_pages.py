"""Views of a petition's other pages: its progress, its public names, the history of its text."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _

from petitions.counting import breakdowns, tallies
from petitions.counting.breakdowns import Share, Span
from petitions.formatting import charts
from petitions.formatting.charts import Words
from petitions.formatting.languages import day, grouped, short_day
from petitions.models import PetitionText
from petitions.publishing import name_list
from petitions.publishing.visibility import find_text, standing
from petitions.web.guards import View
from petitions.web.responses import public_page, turns_at

P = ParamSpec("P")


def page_of_petition(
    view: Callable[Concatenate[HttpRequest, PetitionText, P], HttpResponse],
) -> View:
    """Decorator: pass the petition's text to the view. Respond 410 if the petition is removed."""

    @public_page
    @wraps(view)
    def found(request: HttpRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        text = find_text(slug)
        if text.petition.is_removed:
            removed = {"petition": text.petition}
            return render(request, "petitions/removed.html", removed, status=HTTPStatus.GONE)
        return view(request, text, *args, **kwargs)

    return found


@page_of_petition
def names(request: HttpRequest, text: PetitionText, number: int = 1) -> HttpResponse:
    """List the public names of signers, one page of the alphabet at a time.

    It is never served stale nor indexed by search engines, so that a removed name is gone at once.
    """
    page = name_list.page(text.petition, number)
    if page is None:
        raise Http404
    renewed = timezone.now() + 2 * timedelta(seconds=settings.PAGE_CACHE_SECONDS)
    response = render(request, "petitions/names.html", {"text": text, "page": page})
    response["X-Robots-Tag"] = "noindex"
    return turns_at(renewed, response)


@page_of_petition
def history(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Show all public versions in the reader's language, newest first, without any names."""
    versions = text.petition.texts.published().filter(language=text.language).order_by("-version")
    shown = {
        "text": text,
        "path": reverse("petitions:petition", args=[text.petition.slug]),
        "versions": versions.prefetch_related("corrections"),
        "is_signed": True,
    }
    return render(request, "petitions/history.html", shown)


@page_of_petition
def progress(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Show a petition's published time series, regional breakdown and milestones."""
    petition = text.petition
    statistics = breakdowns.statistics_of(petition)
    spans = breakdowns.downsample(statistics.spans)
    shown = standing(petition, tallies.total(petition.pk)) | {
        "text": text,
        "statistics": statistics,
        "spans": spans,
        "least": breakdowns.STEP,
        "rounded_to": breakdowns.ROUNDED_TO,
    }
    if spans:
        shown |= {
            "last_day": spans[-1].last,
            "totals": _totals(spans),
            "changes": _changes(spans),
            "states": breakdowns.states_of(petition),
            "regions": _regions(statistics.shares) if statistics.shares else "",
            "fewest": breakdowns.LEAST_SHOWN,
            "fewest_groups": breakdowns.LEAST_GROUPS,
        }
    return turns_at(shown["opens_at"], render(request, "petitions/progress.html", shown))


def _totals(spans: Sequence[Span]) -> SafeString:
    first, last = spans[0], spans[-1]
    summary = _(
        "The count after each day: from %(least)s signatures after %(start)s to %(most)s after"
        " %(end)s. The table below has every figure."
    ) % {
        "least": grouped(first.total),
        "start": day(first.last),
        "most": grouped(last.total),
        "end": day(last.last),
    }
    words = Words("totals", _("All signatures"), summary, get_language_bidi())
    return _columns(words, spans, [span.total for span in spans])


def _changes(spans: Sequence[Span]) -> SafeString:
    best = max(spans, key=lambda span: span.per_day)
    title = _("New signatures each day, minus those withdrawn or removed")
    summary = _(
        "How much the count changed a day, most at %(most)s a day on %(day)s. The table below has"
        " every figure."
    ) % {"most": grouped(round(best.per_day)), "day": day(best.last)}
    words = Words("changes", title, summary, get_language_bidi())
    return _columns(words, spans, [span.per_day for span in spans])


def _columns(words: Words, spans: Sequence[Span], values: Sequence[float]) -> SafeString:
    start, end = spans[0].first, spans[-1].last
    length = (end - start).days + 1
    columns = [
        charts.Column((span.first - start).days / length, span.days / length, value)
        for span, value in zip(spans, values, strict=True)
    ]
    return charts.columns(words, columns, written=grouped, ends=(short_day(start), short_day(end)))


def _regions(shares: Sequence[Share]) -> SafeString:
    summary = _("One bar for each region, the longest first. The table below has every figure.")
    words = Words("regions", _("Signatures by region"), summary, get_language_bidi())
    bars = [
        charts.Row(share.name, share.signatures or 0, breakdowns.format_share(share))
        for share in shares
    ]
    return charts.rows(words, bars)
