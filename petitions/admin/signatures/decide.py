"""The form of a decision on moderators' screens: buttons, each with its possible reasons."""

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from petitions.admin.acting import actor, show_refusals
from petitions.admin.fields import Note
from petitions.models import Decision, Petition
from petitions.moderation import bulk, decisions
from petitions.moderation.selection import Selection
from petitions.signatures import lifecycle

NOTE_HELP = "Other moderators can read this. Do not write names or email addresses."
# The value of `scope` in the list's form that stands for all matching rows, ticked or not.
ALL = "all"


class Button(NamedTuple):
    """A possible decision: its kind, label, effect and style, and the field with its reasons."""

    kind: str
    label: str
    effect: str
    look: str
    reason: forms.BoundField


class DecisionForm(forms.Form):
    """A decision about signatures: the button that was pressed, its reason, and a note.

    `seen` is the `decisions.watermark` read before the signatures.
    """

    kind = forms.ChoiceField(
        widget=forms.HiddenInput,
        choices=[(kind, one.label) for kind, one in lifecycle.DECISIONS.items()],
        error_messages={"required": "Press a button to choose what to do."},
    )
    seen = forms.IntegerField(
        min_value=0,
        max_value=2**63 - 1,
        widget=forms.HiddenInput,
        error_messages={"required": "Load the page again, and decide by what it shows then."},
    )
    note = Note("Note", NOTE_HELP, required=False)

    def __init__(self, data: Any, *, states: Collection[str], user: Any) -> None:
        """Offer the decisions possible from `states`; empty means that any state is possible."""
        super().__init__(data, initial={} if data else {"seen": decisions.watermark()})
        self._kinds = [
            kind
            for kind in lifecycle.possible(*states)
            if user.has_perm(decisions.permission(Decision(kind=kind)))
        ]
        labels = {"": "Choose a reason", **dict(Decision.Reason.choices)}
        for kind in self._kinds:
            reasons = [(one, labels[one]) for one in lifecycle.DECISIONS[kind].reasons]
            self.fields[f"reason_{kind}"] = forms.ChoiceField(
                label=f"Reason to {kind}", choices=reasons, required=False
            )

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        kind = cleaned.get("kind")
        if kind is None:
            return cleaned
        if kind not in self._kinds:
            self.add_error("kind", "This decision is not possible for the signatures on this page.")
            return cleaned
        cleaned["reason"] = cleaned.get(f"reason_{kind}")
        if not cleaned["reason"]:
            self.add_error(f"reason_{kind}", "Choose a reason.")
        if cleaned["reason"] == Decision.Reason.OTHER and not cleaned.get("note"):
            self.add_error("note", "Say in the note what the reason is.")
        return cleaned

    @property
    def buttons(self) -> list[Button]:
        return [
            Button(kind, str(one.label), str(one.effect), one.look, self[f"reason_{kind}"])
            for kind, one in lifecycle.DECISIONS.items()
            if kind in self._kinds
        ]

    @property
    def problems(self) -> list[str]:
        return [str(text) for texts in self.errors.values() for text in texts]


def decide(
    request: HttpRequest, form: DecisionForm, *, petition: Petition, ids: Collection[UUID]
) -> bool:
    """Decide by a valid form and show the result; return False if nothing was tried."""
    if not ids:
        messages.warning(request, "Select at least one signature.")
        return False
    if not _is_valid(request, form):
        return False
    done = decisions.decide(
        kind=form.cleaned_data["kind"],
        petition=petition,
        ids=ids,
        reason=form.cleaned_data["reason"],
        note=form.cleaned_data["note"],
        actor=actor(request),
        seen=form.cleaned_data["seen"],
    )
    show_result(request, done)
    return True


def preview(request: HttpRequest, form: DecisionForm, selection: Selection) -> HttpResponse | None:
    if not _is_valid(request, form):
        return None
    with show_refusals(request):
        drafted = bulk.preview(
            selection=selection,
            kind=form.cleaned_data["kind"],
            reason=form.cleaned_data["reason"],
            note=form.cleaned_data["note"],
            actor=actor(request),
        )
        return redirect("admin:petitions_bulkdecision_change", drafted.job.pk)
    return None


def show_result(request: HttpRequest, done: decisions.Decided) -> None:
    if done.decision is None:
        messages.warning(request, done.summary())
        return
    page = reverse("admin:petitions_decision_change", args=[done.decision.pk])
    message = format_html(
        '{} <a href="{}#undo">Undo</a> · <a href="{}">See the decision</a>',
        done.summary(),
        page,
        page,
    )
    messages.success(request, message)


def _is_valid(request: HttpRequest, form: DecisionForm) -> bool:
    if not form.is_valid():
        message = " ".join(["Nothing was changed.", *form.problems])
        messages.error(request, message)
    return form.is_valid()
