"""Admin of scheduled erasures: organisers stop one, with a reason, and release it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.views.decorators.http import require_POST

from petitions.admin.acting import acting
from petitions.admin.base import ReadOnly, Titled
from petitions.admin.fields import Note
from petitions.models import Erasure, ErasureStop
from petitions.privacy import erasure_notice

STOP, RELEASE = "stop", "release"
_USE_CASES = {STOP: erasure_notice.stop, RELEASE: erasure_notice.release}
_REFUSED = {
    erasure_notice.Outcome.DONE_BEFORE: "Nothing was changed. Somebody else has already done it.",
    erasure_notice.Outcome.OVER: (
        "Nothing was changed. This erasure is over: its data is erased, it has a new date, or "
        "the petition was opened again."
    ),
}
_DONE = {
    STOP: "The erasure is stopped. The data that is still there is kept. Nobody was emailed.",
    RELEASE: "The erasure goes on, and can be stopped again for seven days.",
}


class WhyForm(forms.Form):
    reason = Note("Why", "Other organisers can read this. Do not write a signer’s name.")
    sure = forms.BooleanField(
        label="I have talked about it with the person who is responsible for the data."
    )


@admin.register(Erasure)
class ErasureAdmin(Titled, ReadOnly):
    when_empty = (
        "Nothing waits for you. This page lists petitions whose signers’ data is erased within a "
        "week, half a year after they closed. The privacy contact gets an email before."
    )
    list_display = ("petition", "erasure_due_at", "scheduled_at", "mailed_at")
    fields = ("petition", "erasure_due_at", "scheduled_at", "mailed_at")
    change_form_template = "admin/petitions/erasure/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = require_POST(self.decide_view)
        return [self.route("<uuid:pk>/<str:way>/decide/", view, "decide"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        # If there is none, Django says so after it has checked the permission.
        erasure = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if erasure is not None:
            stopped = Erasure.objects.stopped().filter(pk=erasure.pk).exists()
            way = RELEASE if stopped else STOP
            context = {
                "stopped": stopped,
                "decide_form": WhyForm(),
                "decide_url": reverse("admin:petitions_erasure_decide", args=[erasure.pk, way]),
                "may_decide": request.user.has_perm(erasure_notice.PERMISSION),
            }
        return super().change_view(request, object_id, extra_context=context)

    def decide_view(self, request: HttpRequest, pk: str, way: str) -> HttpResponse:
        if way not in _USE_CASES:
            raise Http404
        erasure = Erasure.objects.filter(pk=pk).first()
        if erasure is None:
            messages.warning(request, _REFUSED[erasure_notice.Outcome.OVER])
            return redirect("admin:index")
        form = WhyForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Nothing was changed yet. Say why, and tick the box.")
            return redirect("admin:petitions_erasure_change", pk)
        reason = form.cleaned_data["reason"]
        outcome = _USE_CASES[way](erasure=erasure, reason=reason, **acting(request))
        if outcome is erasure_notice.Outcome.DONE:
            messages.success(request, _DONE[way])
        else:
            messages.warning(request, _REFUSED[outcome])
        return redirect("admin:index")


@admin.register(ErasureStop)
class ErasureStopAdmin(Titled, ReadOnly):
    when_empty = "Nobody has stopped an erasure. This page lists who did, and why."
    list_display = (
        "petition", "stopped_at", "stopped_by", "reason", "released_at", "released_by",
        "release_reason",
    )  # fmt: skip
    list_select_related = ("stopped_by", "released_by")
