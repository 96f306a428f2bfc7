"""Admin page that publishes a statement together with its petition, now or at a time in London."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from campaign import publishing
from campaign.models import Statement
from petitions.admin.acting import acting, need, show_refusals
from petitions.admin.fields import Lines, LondonMoment
from petitions.admin.texts import shown
from petitions.formatting.languages import moment_in_london
from petitions.models import Petition
from petitions.publishing import life, readiness
from petitions.publishing.life import Phase

NOW, AT = "now", "at"
SURE = life.ACTS[life.OPEN].tick


class TogetherForm(forms.Form):
    """When both become public, and the reason if the checklist is not complete."""

    when = forms.ChoiceField(
        label="When",
        choices=[(NOW, "Now"), (AT, "At a later time, in London")],
        widget=forms.RadioSelect,
    )
    at = LondonMoment(label="Date and time in London", required=False)
    reason = Lines(
        label="Why, before everything on the checklist is ready",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=(
            "It is kept in the audit log, with what was missing. Do not write a signer’s name."
        ),
    )
    sure = forms.BooleanField(label=SURE)

    def __init__(self, *args: Any, unready: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not unready:
            del self.fields["reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("when") == AT and not cleaned.get("at") and "at" not in self.errors:
            self.add_error("at", "Enter the date and the time at which both become public.")
        return cleaned


def view(request: HttpRequest, pk: int, site: admin.AdminSite) -> HttpResponse:
    """Show the form or what is planned (GET). Publish both, plan that, or take it back (POST)."""
    for permission in (publishing.PERMISSION, life.PERMISSION):
        need(request, permission)
    statement = get_object_or_404(Statement.objects.titled(), pk=pk)
    planned = publishing.planned_for(statement)
    if request.method == "POST" and "take_back" in request.POST:
        return _take_back(request, statement)
    petition = statement.petition
    is_draft = petition is not None and life.phase_of(petition) == Phase.DRAFT
    items = readiness.checklist(petition) if petition and is_draft else []
    form = TogetherForm(request.POST or None, unready=any(item.todo for item in items))
    if request.method == "POST" and form.is_valid():
        with show_refusals(request, form.add_error):
            _publish(request, statement, form.cleaned_data)
            return redirect("admin:campaign_statement_change", pk)
    context = {
        **site.each_context(request),
        "title": "Publish together",
        "statement": statement,
        "petition": Petition.objects.titled().get(pk=petition.pk) if petition else None,
        "texts": [(of, text, shown(text)) for of, text in _texts(statement)],
        "planned": moment_in_london(planned) if planned else "",
        "is_draft": is_draft,
        "items": [item for item in items if not item.is_ready],
        "blocked": bool(readiness.blocking(items)),
        "form": form,
    }
    return render(request, "admin/campaign/statement/together.html", context)


def _texts(statement: Statement) -> list[tuple[str, Any]]:
    texts: list[tuple[str, Any]] = [("Statement", one) for one in statement.texts.order_by("id")]
    if statement.petition:
        texts += [("Petition", one) for one in statement.petition.texts.order_by("id")]
    return texts


def _publish(request: HttpRequest, statement: Statement, typed: dict[str, Any]) -> None:
    at = typed["at"] if typed["when"] == AT else None
    publishing.publish_together(
        statement=statement, at=at, override=typed.get("reason", ""), **acting(request)
    )
    when = f"become public {moment_in_london(at)}" if at else "are public now"
    messages.success(request, f"Statement and petition {when}. Nobody was emailed.")


def _take_back(request: HttpRequest, statement: Statement) -> HttpResponse:
    with show_refusals(request):
        publishing.take_back(statement=statement, **acting(request))
        messages.success(request, "Taken back: both are drafts again. Nobody was emailed.")
    return redirect("admin:campaign_statement_together", statement.pk)
