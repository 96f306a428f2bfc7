"""The buttons of a petition (open, pause, close ...), their confirmation pages, the checklist."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from django.views.decorators.http import require_POST

from petitions.admin.acting import acting, need, show_refusals
from petitions.admin.base import WithPages
from petitions.admin.fields import Lines, LondonMoment
from petitions.models import Petition, ReadinessTick
from petitions.publishing import changes, life, opening, readiness


class ActForm(forms.Form):
    """The form of an act: a reason, a tick, and a new closing time for reopening, as it needs."""

    closes_at = LondonMoment(
        label="Closes",
        required=False,
        help_text=(
            "Date and time in London, such as 2026-12-24 and 18:00. If you leave it empty, there "
            "is no closing time."
        ),
    )
    reason = Lines(label="Why", max_length=300, widget=forms.Textarea(attrs={"rows": 3}))
    sure = forms.BooleanField()

    def __init__(self, name: str, *args: Any, unready: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        act = life.ACTS[name]
        if name != life.REOPEN:
            del self.fields["closes_at"]
        if not (act.reason or unready):
            del self.fields["reason"]
        else:
            self.fields["reason"].help_text = act.reason or (
                "Why it opens before everything on the checklist is ready. It is kept in the "
                "audit log, with what was missing. Do not write a signer’s name."
            )
        if act.tick:
            self.fields["sure"].label = act.tick
        else:
            del self.fields["sure"]


class PetitionLife(WithPages):
    """Mixin for the petition admin that moves a petition from phase to phase."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("<int:pk>/act/<str:name>/", self.act_view, "act"),
            self.route("<int:pk>/ready/", self.checklist_view, "checklist"),
            self.route("<int:pk>/tick/", require_POST(self.tick_view), "tick"),
            *super().get_urls(),
        ]

    @admin.display(description="now")
    def phase(self, petition: Petition) -> str:
        """Return the phase, which includes clock and pause, unlike the stored state."""
        return life.phase_of(petition).label

    @admin.display(description="now")
    def now(self, petition: Petition) -> str:
        """Return the stored petition's phase, because a refused form has changed the object."""
        stored = changes.stored(petition)
        return life.phase_of(stored or petition).label

    def act_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        petition = self._petition(request, pk)
        if name not in life.ACTS:
            raise Http404
        if name not in life.possible(petition):
            phase, label = life.phase_of(petition).label, life.ACTS[name].label
            words = f"{petition} is “{phase}”, so “{label}” is not possible."
            messages.warning(request, f"Nothing was done: {words}")
            return redirect("admin:petitions_petition_change", pk)
        items = readiness.checklist(petition) if name == life.OPEN else []
        unready = any(item.todo for item in items)
        form = ActForm(name, request.POST or None, unready=unready)
        if request.method == "POST" and form.is_valid():
            with show_refusals(request, form.add_error):
                self._do(request, petition, name, form.cleaned_data)
                self._show_result(request, Petition.objects.titled().get(pk=pk), name)
                return redirect("admin:petitions_petition_change", pk)
        context = {
            "act": life.ACTS[name],
            "form": form,
            "items": [item for item in items if not item.is_ready],
            "blocked": bool(readiness.blocking(items)),
        }
        return self._page_of(request, petition, "act", life.ACTS[name].label, context)

    def checklist_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        petition = self._petition(request, pk)
        items = readiness.checklist(petition)
        ready = sum(item.is_ready for item in items)
        context = {"items": items, "acts": life.possible(petition)}
        title = f"Checklist: {ready} of {len(items)} ready"
        return self._page_of(request, petition, "checklist", title, context)

    def tick_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        petition = self._petition(request, pk)
        try:
            item = ReadinessTick.Item(request.POST.get("item", ""))
        except ValueError:
            raise Http404 from None
        is_done = request.POST.get("done") == "1"
        readiness.tick(petition=petition, item=item, is_done=is_done, **acting(request))
        return redirect("admin:petitions_petition_checklist", pk)

    def _petition(self, request: HttpRequest, pk: int) -> Petition:
        need(request, life.PERMISSION)
        return get_object_or_404(Petition.objects.titled(), pk=pk)

    def _do(self, request: HttpRequest, petition: Petition, name: str, cleaned: Any) -> None:
        reason = cleaned.get("reason", "")
        if name == life.OPEN:
            opening.open_petition(petition=petition, override=reason, **acting(request))
            return
        closes_at = cleaned.get("closes_at")
        life.perform(
            petition=petition, name=name, reason=reason, closes_at=closes_at, **acting(request)
        )

    def _show_result(self, request: HttpRequest, petition: Petition, name: str) -> None:
        if name in {life.SHOW_NAMES, life.HIDE_NAMES}:
            shown = "published from tomorrow on" if petition.publishes_names else "not published"
            words = f"{petition}: names are {shown}."
        elif name == life.OPEN:
            has_text = petition.texts.published().exists()
            words = f"{petition} is published{'' if has_text else ' with its text'}."
        else:
            words = f"{petition} is now “{life.phase_of(petition).label}”."
        messages.success(request, f"{words} Nobody was emailed.")

    def _page_of(
        self, request: HttpRequest, petition: Petition, name: str, title: str, context: Any
    ) -> HttpResponse:
        shared = {"title": title, "subtitle": petition, "petition": petition}
        template = f"admin/petitions/petition/{name}.html"
        return self.page(request, template, {**shared, **context})
