"""Admin of moderation decisions: the list with open bulk decisions, and a page with the undo."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Func, IntegerField, OuterRef, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import pluralize
from django.urls import URLPattern
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from petitions.admin.acting import actor, need, show_refusals
from petitions.admin.base import ReadOnly
from petitions.admin.fields import Note
from petitions.admin.keyset import Keyset
from petitions.admin.signatures.decide import NOTE_HELP, show_result
from petitions.admin.signatures.filters import Filters, conditions_in_words
from petitions.models import BulkDecision, Decision, DecisionItem, Petition, Signature
from petitions.moderation import bulk, decisions
from petitions.moderation.selection import bounded

VIEW = "petitions.view_decision"
# Bounds: counted signatures of a decision, on its page and in the list; listed open decisions.
MAX_COUNTED, MAX_COUNTED_IN_LIST, MAX_OPEN = 10_000, 500, 20
NEWEST = Keyset(("created_at", "id"))
ITEMS = Keyset(("id",), is_ascending=True)
_ITEMS = DecisionItem.objects.filter(decision=OuterRef("pk")).order_by().values("pk")
_NUMBER = Func(
    ArraySubquery(_ITEMS[: MAX_COUNTED_IN_LIST + 1]),
    function="cardinality",
    output_field=IntegerField(),
)


class SearchForm(forms.Form):
    petition = forms.ModelChoiceField(
        queryset=Petition.objects.titled().order_by("-pk"), required=False, empty_label="any"
    )
    kind = forms.ChoiceField(
        label="Decision", choices=[("", "any"), *Decision.Kind.choices], required=False
    )
    reason = forms.ChoiceField(choices=[("", "any"), *Decision.Reason.choices], required=False)
    actor = forms.ModelChoiceField(
        label="By",
        queryset=User.objects.order_by("username"),
        required=False,
        empty_label="anybody",
    )

    def rows(self) -> QuerySet[Decision]:
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return Decision.objects.filter(**given)


class UndoForm(forms.Form):
    note = Note("Why", NOTE_HELP, required=False)


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    when_empty = (
        "Nobody has decided about a signature yet. This page will list all decisions, and you "
        "can undo each one there. To decide, open the list of signatures."
    )

    def get_urls(self) -> list[URLPattern]:
        undo = self.route("<uuid:pk>/undo/", require_POST(self.undo_view), "undo")
        return [undo, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        need(request, VIEW)
        form = SearchForm(request.GET)
        rows = _with_related(form.rows()).annotate(number=_NUMBER)
        found = NEWEST.page(rows, request.GET.get("after", ""))
        context = {
            "title": "Decisions",
            "form": form,
            "open": _open() if not request.GET.get("after") else [],
            "decisions": found.rows,
            "counted": MAX_COUNTED_IN_LIST,
            "next": _query(request, found.next) if found.next else "",
            "begin": _query(request, "") if request.GET.get("after") else None,
        }
        return self.page(request, "admin/petitions/decision/change_list.html", context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        need(request, VIEW)
        decision = _find(object_id)
        job = BulkDecision.objects.filter(decision=decision).first()
        items = ITEMS.page(decision.items.all(), request.GET.get("after", ""))
        standing = bounded(decisions.standing(decision), MAX_COUNTED)
        may_undo = request.user.has_perm(decisions.permission(decision))
        number = bounded(decision.items.order_by(), MAX_COUNTED)
        context = {
            "title": f"{capfirst(decision.title)}: {number} signature{pluralize(number.n)}",
            "decision": decision,
            "job": job,
            "conditions": conditions_in_words(job.conditions) if job else [],
            "number": number,
            "standing": standing,
            "standing_url": Filters(decision.petition).url(decision=str(decision.pk)),
            "undo_form": UndoForm() if may_undo and standing.n else None,
            "signatures": _signatures(items.rows),
            "next": _query(request, items.next) if items.next else "",
            "begin": _query(request, "") if request.GET.get("after") else None,
        }
        return self.page(request, "admin/petitions/decision/change_form.html", context)

    def undo_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Undo a decision, or redirect to the preview of the undo if it is large."""
        decision = _find(str(pk))
        form = UndoForm(request.POST)
        if not form.is_valid():
            messages.error(request, " ".join(["Nothing was undone.", *form.errors["note"]]))
            return redirect("admin:petitions_decision_change", pk)
        note = form.cleaned_data["note"]
        number = bounded(decisions.standing(decision), bulk.MAX_COUNTED)
        with show_refusals(request):
            if decisions.is_large(number.n):
                drafted = bulk.preview_undo(decision=decision, note=note, actor=actor(request))
                return redirect("admin:petitions_bulkdecision_change", drafted.job.pk)
            done = decisions.undo(decision=decision, note=note, actor=actor(request))
            show_result(request, done)
        return redirect("admin:petitions_decision_change", pk)


def _with_related(rows: QuerySet[Decision]) -> QuerySet[Decision]:
    """Prefetch the relations that a line of the list shows."""
    return rows.select_related("actor", "undoes__undoes").prefetch_related(
        "undone_by", "bulk", Prefetch("petition", Petition.objects.titled())
    )


def _open() -> list[BulkDecision]:
    jobs = BulkDecision.objects.select_related("actor", "undoes__undoes")
    return [*jobs.waiting()[:MAX_OPEN], *jobs.running()[:MAX_OPEN]]


def _signatures(items: list[DecisionItem]) -> list[dict[str, Any]]:
    """Return the signature of each item, None if it is deleted, and its state before."""
    known = Signature.objects.in_bulk([item.signature_id for item in items])
    return [
        {"signature": known.get(item.signature_id), "before": item.get_previous_state_display()}
        for item in items
    ]


def _query(request: HttpRequest, after: str) -> str:
    asked = request.GET.copy()
    asked["after"] = after
    return asked.urlencode()


def _find(object_id: str) -> Decision:
    try:
        wanted = UUID(object_id)
    except ValueError:
        raise Http404 from None
    return get_object_or_404(_with_related(Decision.objects.all()), pk=wanted)
