"""The moderators' list of signatures: filters, ready views, search, and decisions about its rows.

The list opens as fast with ten million signatures as with ten. Search words are posted, so that
they appear in no URL, log or browser history.
"""

from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from petitions.admin import keyset
from petitions.admin.acting import acting, need, show_refusals
from petitions.admin.signatures import decide, filters, search
from petitions.admin.signatures.decide import DecisionForm
from petitions.admin.signatures.filters import Filters
from petitions.admin.signatures.rows import Render, line
from petitions.models import Petition, Signature, Signer
from petitions.moderation import decisions
from petitions.moderation import search as lookup
from petitions.moderation.selection import ANY_SIGNAL, Number, Selection
from petitions.screening import fraud_signals
from petitions.staff import roles

# "All that match" is counted no further.
MAX_COUNTED = 10_000
VIEW = "petitions.view_signature"
_TRUNCATED = (
    "Very many people have this name or postcode: the list shows {:,} of them. To find one "
    "person, search for their email address or reference."
)
_IN_FORM = frozenset({"place", "since", "until", "after"})


class Choice(NamedTuple):
    """A link of the filters; `is_chosen` if the list is filtered by it."""

    label: str
    url: str
    is_chosen: bool


@require_http_methods(["GET", "HEAD", "POST"])
def view(request: HttpRequest, render: Render) -> HttpResponse:
    """Show the list; a POST searches, or decides about ticked rows or about all that match."""
    need(request, VIEW)
    asked = filters.read(request.GET)
    if asked is None:
        return render(request, "no_petition", {"title": "Signatures"})
    if request.method == "POST" and "sought" in request.POST:
        return search.view(request, asked, render)
    if request.method == "POST":
        answer = _post(request, asked)
        if answer is not None:
            return answer
    elif same := _list_of_index(request, asked) or _default_list(request, asked):
        return redirect(same)
    _record_looks(request, asked)
    return render(request, "change_list", _context(request, asked))


def _record_looks(request: HttpRequest, asked: Filters) -> None:
    """Record that somebody reads a list that could reveal whether one person signed.

    Every page is recorded, because a cursor can be typed into the URL.
    """
    for kind in asked.looks:
        lookup.record(petition=asked.petition, kind=kind, **acting(request))


def _post(request: HttpRequest, asked: Filters) -> HttpResponse | None:
    """Decide and redirect; return None if the list must be shown again with the ticked rows."""
    form = DecisionForm(request.POST, states={asked.state} - {""}, user=request.user)
    ids, is_all = _ticked(request), request.POST.get("scope") == decide.ALL
    if not is_all and not decisions.is_large(len(ids)):
        is_done = decide.decide(request, form, petition=asked.petition, ids=ids)
        return redirect(asked.url()) if is_done else None
    if is_all and asked.problems:
        # A condition is left out: whoever withdrew the form that it names would widen the decision.
        messages.error(request, "Nothing was changed. Choose again what you mean.")
        return None
    with show_refusals(request):
        selection = (
            asked.selection()
            if is_all
            else Selection(petition_id=asked.petition.pk, ids=tuple(ids))
        )
        # The preview, or its refusal, reveals as much as the list.
        _record_looks(request, asked)
        return decide.preview(request, form, selection)
    return None


def _context(request: HttpRequest, asked: Filters) -> dict[str, Any]:
    # The form comes first, so that its watermark is older than the rows that are then read.
    form = DecisionForm(request.POST or None, states={asked.state} - {""}, user=request.user)
    found, number = keyset.Page[Signature]([], ""), None
    with show_refusals(request):
        found = _page(asked)
        number = _number(asked) if found.rows else None
        if asked.is_truncated:
            messages.warning(request, _TRUNCATED.format(lookup.MAX_ALIKE))
    return {
        "title": "Signatures",
        "petitions": _petitions(asked),
        "filters": asked,
        "choices": _choices(asked),
        "ready": _ready(asked),
        "lines": [(line(one), asked.url(place=one.place_id, after="")) for one in found.rows],
        "query": asked.query(),
        "begin_url": asked.url(after="") if asked.cursor else "",
        "next_url": asked.url(after=found.next) if found.next else "",
        "is_of_person": asked.is_of_person,
        "search_kinds": search.KINDS,
        # Conditions that the form keeps in hidden fields.
        "kept": [item for item in asked.given.items() if item[0] not in _IN_FORM],
        # A list that is narrowed further says nothing about what else the petition has on hold.
        "is_held": asked.state == Signature.State.HELD and not asked.is_narrowed_beyond_state,
        "number": number,
        # An invalid form comes back with the same signatures selected.
        "is_all": request.POST.get("scope") == decide.ALL,
        "ticked": {str(pk) for pk in _ticked(request)},
        "form": form,
        "may_moderate": request.user.has_perm(roles.MODERATE),
    }


def _page(asked: Filters) -> keyset.Page[Signature]:
    size = keyset.PER_PAGE
    found = list(asked.first(asked.keyset, asked.cursor, size + 1))
    more = asked.keyset.cursor_of(found[size - 1]) if len(found) > size else ""
    return keyset.Page(found[:size], more)


def _number(asked: Filters) -> Number | None:
    """Return how many match, up to a bound; None if the list is not filtered or of a search."""
    if not asked.is_narrowed or asked.is_of_person:
        return None
    return asked.selection().count(MAX_COUNTED)


def _default_list(request: HttpRequest, asked: Filters) -> str:
    """Return the URL of the held signatures, oldest first, if there are any and no query."""
    held = asked.petition.signatures.filter(state=Signature.State.HELD)
    if request.GET or not held.exists():
        return ""
    return asked.url(state=Signature.State.HELD, order=filters.OLDEST)


def _list_of_index(request: HttpRequest, asked: Filters) -> str:
    """Return the list's URL for a link with the blind index of a network or domain.

    The list is given by a signature from there. The look is recorded here already, because the
    redirect reveals whether anybody signed from there, even without reading the list: an alert's
    link can be opened for another petition.
    """
    for name in ("network", "domain"):
        try:
            index = bytes.fromhex(request.GET.get(name, ""))
        except ValueError:
            continue
        if not index:
            continue
        lookup.record(petition=asked.petition, kind=name, **acting(request))
        theirs = Signer.objects.filter(petition=asked.petition, **{f"{name}_ix": index})
        one = theirs.first()
        if one is None:
            messages.warning(
                request, f"That {name} is no longer known: it is erased after 30 days."
            )
        return asked.url(**{f"{name}_of": str(one.pk) if one else ""})
    return ""


def _ready(asked: Filters) -> list[Choice]:
    State = Signature.State  # noqa: N806 - a class
    today = timezone.localdate().isoformat()
    views: list[tuple[str, dict[str, str]]] = [
        ("On hold", {"state": State.HELD, "order": filters.OLDEST}),
        ("Counted, with warning signs", {"state": State.CONFIRMED, "signal": ANY_SIGNAL}),
        ("Signed today", {"since": today}),
        ("Removed", {"state": State.REMOVED}),
        ("Everything", {"order": "newest"}),
    ]
    here = {name: text for name, text in asked.given.items() if name != "after"}
    return [
        Choice(label, Filters(asked.petition, given).url(), given == here) for label, given in views
    ]


def _choices(asked: Filters) -> list[tuple[str, list[Choice]]]:

    def links(name: str, options: list[tuple[str, str]]) -> list[Choice]:
        return [
            Choice(
                label, asked.url(**{name: value, "after": ""}), asked.given.get(name, "") == value
            )
            for value, label in [("", "All"), *options]
        ]

    signals = [(code, fraud_signals.sentences([code])[0]) for code in fraud_signals.CODES]
    order = asked.given.get("order") or "newest"
    return [
        ("Status", links("state", [(v, str(label)) for v, label in Signature.State.choices])),
        ("Warning sign", links("signal", [(ANY_SIGNAL, "Any"), *signals])),
        ("From", links("abroad", [("no", "The UK"), ("yes", "Abroad")])),
        (
            "Order",
            [
                Choice(label, asked.url(order=value, after=""), order == value)
                for value, label in (("newest", "Newest first"), (filters.OLDEST, "Oldest first"))
            ],
        ),
    ]


def _petitions(asked: Filters) -> list[Choice]:
    rows = Petition.objects.titled().order_by("-id")
    return [Choice(str(one), Filters(one).url(), one == asked.petition) for one in rows]


def _ticked(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("chosen")]
    except ValueError:
        return []
