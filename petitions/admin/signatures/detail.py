"""The page of a signature: its history, similar signatures, decisions, erasure, and the reveal."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from petitions.admin.acting import acting, actor, need, password_again, show_refusals
from petitions.admin.fields import Note
from petitions.admin.signatures import decide, filters
from petitions.admin.signatures.changelist import VIEW
from petitions.admin.signatures.decide import DecisionForm
from petitions.admin.signatures.filters import Filters
from petitions.admin.signatures.rows import Render, line
from petitions.formatting.languages import minutes
from petitions.models import Decision, DecisionItem, Mail, Petition, Signature
from petitions.moderation import decisions, reveal, search
from petitions.staff import roles
from petitions.staff.refusal import Refused

ERASE = "erase"
# The parameter with the query of the list that the user came from.
CAME_FROM = "list"
# Similar signatures are counted no further.
MAX_COUNTED = 1_000
_ERASED = (
    "This person’s data is deleted and their signature no longer counts. Nobody gets an email."
)
# Constant, whatever the address has done, because anybody can send a form with any address.
_FORM_ERASED = (
    "This form is deleted. If the same person has confirmed a signature, that stays: search for "
    "their address to find it. Nobody gets an email."
)
_NEIGHBOURS = {
    "network_of": "From the same network that day",
    "domain_of": "From the same email domain that day",
    "minute_of": "Signed in the same minute",
}
_MAILED = {Mail.Kind.CONFIRM: "Email to confirm", Mail.Kind.REMIND: "Reminder to confirm"}
# Whether its mailbox kept a mail back is not shown. A confirmed signature's mails no longer count
# for the limit of its mailbox, so moderators could see by forms of their own when its owner signs.
_DONE = "sent, unless its mailbox wants none, had enough for the day, or cannot take it now"
_OUTCOMES = {
    Mail.State.QUEUED: "waits to be sent",
    Mail.State.REFUSED: "not sent",
    Mail.State.FAILED: "not sent",
}


class RevealForm(forms.Form):
    reason = Note(
        "Why you need it",
        "It is recorded under your name. Do not write names or email addresses.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
def view(request: HttpRequest, object_id: str, render: Render) -> HttpResponse:
    """Show a signature; a POST decides about it, or erases its signer's data."""
    need(request, VIEW)
    signature = _find(object_id)
    if request.method == "POST" and ERASE in request.POST:
        return _erase(request, signature)
    form = DecisionForm(request.POST or None, states=[signature.state], user=request.user)
    if request.method == "POST" and decide.decide(
        request, form, petition=signature.petition, ids=[signature.pk]
    ):
        return redirect(request.get_full_path())
    return render(request, "change_form", _context(request, signature, form))


def _context(request: HttpRequest, signature: Signature, form: DecisionForm) -> dict[str, Any]:
    came_from = _came_from(request, signature)
    return {
        "title": f"Signature {signature.spoken_reference}",
        "line": line(signature),
        "events": timeline(signature),
        "neighbours": _neighbours(signature),
        "before": _beside(came_from, signature, is_before=True),
        "after": _beside(came_from, signature, is_before=False),
        "list_url": came_from.url(),
        "form": form,
        "may_moderate": request.user.has_perm(roles.MODERATE),
        "may_erase": request.user.has_perm(decisions.permission(Decision(kind=ERASE))),
        "may_reveal": request.user.has_perm(reveal.PERMISSION),
    }


def _came_from(request: HttpRequest, signature: Signature) -> Filters:
    """Return the list that the user came from, or else the petition's whole list."""
    asked = filters.read(QueryDict(request.GET.get(CAME_FROM, "")))
    return asked if asked and asked.petition == signature.petition else Filters(signature.petition)


def _beside(came_from: Filters, signature: Signature, *, is_before: bool) -> str:
    """Return the URL of the previous or next signature in the list, even if this one has left it.

    Return "" if there is none, or if reading the list must be recorded.
    """
    if came_from.looks:
        return ""
    keyset = came_from.keyset.reversed() if is_before else came_from.keyset
    try:
        row = came_from.first(keyset, keyset.cursor_of(signature), 1).first()
    except Refused:
        return ""
    came = QueryDict.fromkeys([CAME_FROM], came_from.query()).urlencode()
    return f"{_url(row.pk)}?{came}" if row else ""


def _neighbours(signature: Signature) -> list[dict[str, Any]]:
    """Count the signatures that share a network, domain or minute with this one, with their lists.

    For an unconfirmed form, only the list shows the number of a network or domain, and records it:
    staff could send a form with any domain themselves, to count the signatures of one person's.
    """
    found: list[dict[str, Any]] = []
    for name, label in _NEIGHBOURS.items():
        theirs = Filters(signature.petition, {name: str(signature.pk)}, {name: signature})
        is_shown = name == "minute_of" or signature.confirmed_at is not None
        try:
            number = theirs.selection().count(MAX_COUNTED) if is_shown else None
        except Refused:
            number = None
        url = theirs.url()
        found.append({"label": label, "number": number, "url": url, "is_shown": is_shown})
    return found


def _erase(request: HttpRequest, signature: Signature) -> HttpResponse:
    """Erase the signer's data if the signature's reference was typed."""
    here = request.get_full_path()
    if search.as_reference(request.POST[ERASE]) != signature.reference:
        messages.warning(
            request,
            "Nothing was deleted. To delete this signer’s data, type the reference of the "
            "signature. This cannot be undone.",
        )
        return redirect(here)
    with show_refusals(request):
        if decisions.erase(signature=signature, actor=actor(request)):
            messages.success(request, _ERASED if signature.confirmed_at else _FORM_ERASED)
    # An unconfirmed attempt is deleted completely, so it has no page any more.
    remains = Signature.objects.filter(pk=signature.pk).exists()
    return redirect(here if remains else _came_from(request, signature).url())


@require_http_methods(["GET", "HEAD", "POST"])
@password_again
def reveal_view(request: HttpRequest, object_id: str, render: Render) -> HttpResponse:
    """Ask for a reason, and show the address only in the response to that POST."""
    need(request, reveal.PERMISSION)
    signature = _find(object_id)
    form = RevealForm(request.POST or None)
    context: dict[str, Any] = {
        "title": f"Email address of {signature.spoken_reference}",
        "form": form,
        "back_url": _url(signature.pk),
        "reference": signature.spoken_reference,
    }
    if request.method == "POST" and form.is_valid():
        outcome = reveal.reveal(
            signature_id=signature.pk, reason=form.cleaned_data["reason"], **acting(request)
        )
        context |= {"outcome": outcome, "kind": type(outcome).__name__}
        if isinstance(outcome, reveal.BudgetSpent):
            context["wait"] = minutes(outcome.wait)
    return render(request, "reveal", context)


def _url(pk: UUID) -> str:
    return reverse("admin:petitions_signature_change", args=[pk])


def _find(object_id: str) -> Signature:
    try:
        wanted = UUID(object_id)
    except ValueError:
        raise Http404 from None
    named = Prefetch("petition", Petition.objects.titled())
    rows = Signature.objects.select_related("place", "signer").prefetch_related(named)
    return get_object_or_404(rows, pk=wanted)


class Event(NamedTuple):
    """An event in a signature's history; `decision` caused it."""

    at: datetime
    text: str
    decision: Decision | None = None
    # The state before a decision, and the decision that undid it.
    before: str = ""
    undone_by: Decision | None = None


def timeline(signature: Signature) -> list[Event]:
    """Return the history of a signature, oldest first, in three queries."""
    if signature.state == Signature.State.REFUSED:
        # Its mail is a decoy, which nobody gets (constant work, docs/architecture.md).
        return [Event(signature.created_at, "Refused when it was signed: nobody gets an email")]
    events = [Event(signature.created_at, "Signed")]
    mails = Mail.objects.filter(signature=signature, kind__in=_MAILED).order_by("created_at", "id")
    for mail in mails:
        if mail.kind == Mail.Kind.REMIND and not signature.confirmed_at:
            # Only a form whose first mail was sent has one.
            continue
        outcome = _OUTCOMES.get(Mail.State(mail.state), _DONE)
        if mail.is_put_off:
            outcome = _DONE
        events.append(Event(mail.created_at, f"{_MAILED[Mail.Kind(mail.kind)]}: {outcome}"))
    if signature.confirmed_at:
        events.append(Event(signature.confirmed_at, "Confirmed by its signer"))
    events += _decisions(signature)
    # The sort is stable: events with only a day, as retention truncates them, keep this order.
    return sorted(events, key=lambda event: event.at)


def _decisions(signature: Signature) -> list[Event]:
    items = DecisionItem.objects.filter(signature_id=signature.pk).select_related(
        "decision__actor", "decision__undoes__undoes"
    )
    rows = list(items.order_by("id"))
    undone = {one.decision.undoes_id: one.decision for one in rows if one.decision.undoes_id}
    return [
        Event(
            one.decision.created_at,
            one.decision.title,
            one.decision,
            str(one.get_previous_state_display()),
            undone.get(one.decision_id),
        )
        for one in rows
    ]
