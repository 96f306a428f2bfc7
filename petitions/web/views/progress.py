"""View of a petition's progress: time series, regional breakdown and milestones."""

from collections.abc import Sequence
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _

from petitions.counting import breakdowns, disclosure, states, tallies
from petitions.counting.breakdowns import Share, Span
from petitions.formatting import charts
from petitions.formatting.charts import Words
from petitions.formatting.languages import day, grouped, short_day
from petitions.publishing.visibility import find_text, standing
from petitions.web.responses import public_page, turns_at


@public_page
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a petition's progress, as far as it is published."""
    text = find_text(slug)
    petition = text.petition
    if petition.is_removed:
        removed = {"petition": petition}
        return render(request, "petitions/removed.html", removed, status=HTTPStatus.GONE)
    course = breakdowns.course_of(petition)
    spans = breakdowns.merged(course.spans)
    shown = standing(petition, tallies.total(petition.pk)) | {
        "text": text,
        "course": course,
        "spans": spans,
        "least": disclosure.STEP,
        "rounded_to": disclosure.ROUNDED_TO,
    }
    if spans:
        shown |= {
            "last_day": spans[-1].last,
            "totals": _totals(spans),
            "changes": _changes(spans),
            "states": states.published(petition),
            "regions": _regions(course.shares) if course.shares else "",
            "fewest": disclosure.FEWEST,
            "fewest_groups": breakdowns.FEWEST_GROUPS,
        }
    return turns_at(shown["opens_at"], render(request, "petitions/progress.html", shown))


def _totals(spans: Sequence[Span]) -> SafeString:
    first, last = spans[0], spans[-1]
    said = _(
        "The count after each day: from %(least)s signatures after %(start)s to %(most)s after"
        " %(end)s. The table below has every figure."
    ) % {
        "least": grouped(first.total),
        "start": day(first.last),
        "most": grouped(last.total),
        "end": day(last.last),
    }
    words = Words("totals", _("All signatures"), said, get_language_bidi())
    return _columns(words, spans, [span.total for span in spans])


def _changes(spans: Sequence[Span]) -> SafeString:
    best = max(spans, key=lambda span: span.per_day)
    title = _("New signatures each day, minus those withdrawn or removed")
    said = _(
        "How much the count changed a day, most at %(most)s a day on %(day)s. The table below has"
        " every figure."
    ) % {"most": grouped(round(best.per_day)), "day": day(best.last)}
    words = Words("changes", title, said, get_language_bidi())
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
    said = _("One bar for each region, the longest first. The table below has every figure.")
    words = Words("regions", _("Signatures by region"), said, get_language_bidi())
    bars = [
        charts.Row(share.name, share.signatures or 0, breakdowns.written(share)) for share in shares
    ]
    return charts.rows(words, bars)
