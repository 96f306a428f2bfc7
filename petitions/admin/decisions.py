"""Admin of moderation decisions: read-only for moderators, and each undone as a whole."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from petitions.admin.records import ReadOnly
from petitions.admin.titles import Titled
from petitions.models import Decision
from petitions.moderation import decisions


class UndoForm(forms.Form):
    """The form for the reason of an undo."""

    note = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=300,
        help_text=gettext_lazy(
            "Other moderators can read this. Do not write names or email addresses."
        ),
    )


@admin.register(Decision)
class DecisionAdmin(Titled, ReadOnly):
    list_display = ("created_at", "title", "reason", "actor", "petition", "note")
    list_select_related = ("actor", "undoes__undoes")
    ordering = ("-created_at",)
    change_form_template = "admin/petitions/decision/change_form.html"

    @admin.display(description=gettext_lazy("decision"))
    def title(self, decision: Decision) -> str:
        """What it did; of an undo also what it undid."""
        return decision.title

    def get_urls(self) -> list[URLPattern]:
        undo = self.admin_site.admin_view(require_POST(self.undo_view))
        return [path("<uuid:pk>/undo/", undo, name="petitions_decision_undo"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        decision = self.get_object(request, object_id)
        context = {
            "undo_form": UndoForm(),
            "standing": decisions.standing(decision).count() if decision else 0,
            "may_moderate": request.user.has_perm("petitions.moderate_signature"),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def undo_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Undo a decision: restore the previous states of its signatures."""
        user = request.user
        if not user.has_perm("petitions.moderate_signature"):
            raise PermissionDenied
        decision = get_object_or_404(Decision, pk=pk)
        form = UndoForm(request.POST)
        if form.is_valid():
            assert user.is_authenticated
            done = decisions.undo(decision=decision, note=form.cleaned_data["note"], actor=user)
            (messages.success if done.signatures else messages.warning)(request, done.told())
        else:
            messages.error(request, _("Nothing was undone. Enter a reason first."))
        return redirect("admin:petitions_decision_change", pk)
