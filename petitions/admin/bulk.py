"""Admin of bulk decisions: preview, approval, progress and result of each."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from petitions.admin.acting import acting, actor, need, show_refusals
from petitions.admin.base import ReadOnly
from petitions.admin.signatures.filters import conditions_in_words
from petitions.admin.signatures.rows import line
from petitions.models import BulkDecision, Petition
from petitions.moderation import bulk
from petitions.moderation.selection import Selection
from petitions.staff import roles
from petitions.staff.refusal import Refused

VIEW = "petitions.view_bulkdecision"
# The page that lists them.
DECISIONS = "admin:petitions_decision_changelist"
State = BulkDecision.State


@admin.register(BulkDecision)
class BulkDecisionAdmin(ReadOnly):
    """A page for each bulk decision. The page of decisions lists those that wait or run."""

    when_empty = (
        "There are no bulk decisions yet. To decide about many signatures at once, choose “all "
        "that match” in the list of signatures. This page will then show the progress."
    )

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        return {}

    def get_urls(self) -> list[URLPattern]:
        methods = require_http_methods(["GET", "HEAD", "POST"])
        return [
            self.route("", lambda _request: redirect(DECISIONS), "changelist"),
            self.route("<uuid:pk>/change/", methods(self.page_view), "change"),
            self.route("<uuid:pk>/progress/", self.progress_view, "progress"),
        ]

    def page_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show a bulk decision; a POST starts, approves or cancels it."""
        job = _find(request, pk)
        if request.method == "POST":
            with show_refusals(request):
                _act(request, job)
            return redirect(request.path)
        context = {
            "title": f"{job.get_state_display()}: {job.title}".capitalize(),
            "job": job,
            "petition": Petition.objects.titled().get(pk=job.petition_id),
            "conditions": conditions_in_words(job.conditions),
            "summary": bulk.summary(job),
            "meanwhile": bulk.meanwhile(job),
            "is_open": job.state in {State.DRAFT, State.AWAITING, State.RUNNING},
            "is_of_alerts": not job.conditions.keys().isdisjoint({"alerts", "networks_of_alerts"}),
            "is_own": job.actor_id == actor(request).pk,
            **_waiting(request, job),
        }
        return self.page(request, "admin/petitions/bulkdecision/change_form.html", context)

    def progress_view(self, request: HttpRequest, pk: UUID) -> JsonResponse:
        """Return the progress as JSON for the page's script."""
        job = _find(request, pk)
        words = f"{job.get_state_display()}: {bulk.summary(job)}"
        progress = {"state": job.state, "fraction": job.fraction, "words": words}
        return JsonResponse(progress, headers={"Cache-Control": "no-store"})


def _waiting(request: HttpRequest, job: BulkDecision) -> dict[str, Any]:
    """Return the context for a decision that has not started: its preview and who may approve."""
    if job.state not in {State.DRAFT, State.AWAITING}:
        return {}
    others = roles.others_who_approve(job)
    shown: dict[str, Any] = {
        "needs_approval": bulk.needs_approval(job),
        "others": others,
        "may_approve": actor(request) in others,
        "minutes": bulk.APPROVAL.minutes_alone,
        "starts_alone_at": (job.awaiting_since or timezone.now()) + bulk.APPROVAL.alone_waits,
    }
    try:
        preview = bulk.preview_of(job)
        is_total = Selection.from_conditions(job.conditions).is_total
    except Refused as refusal:
        return {**shown, "problem": str(refusal)}
    bulk.record_look(job=job, **acting(request))
    sample = [line(one) for one in preview.sample]
    return {**shown, "preview": preview, "sample": sample, "is_total": is_total}


def _act(request: HttpRequest, job: BulkDecision) -> None:
    act = request.POST.get("act")
    if act == "start":
        typed = request.POST.get("typed", "")[:20].replace(",", "").strip()
        number = int(typed) if typed.isascii() and typed.isdecimal() else None
        if bulk.start(job=job, typed=number, **acting(request)):
            messages.success(request, "It runs now. You can leave this page.")
        else:
            messages.info(request, "It is waiting, and the team gets an email.")
    elif act == "approve":
        bulk.approve(job=job, **acting(request))
        messages.success(request, "Approved. It runs now.")
    elif act == "cancel":
        bulk.cancel(job=job, **acting(request))
        undo = " What it had changed by then can be undone." if job.done else ""
        messages.success(request, f"Cancelled.{undo or ' Nothing was changed.'}")


def _find(request: HttpRequest, pk: UUID) -> BulkDecision:
    need(request, VIEW)
    rows = BulkDecision.objects.select_related("actor", "approver", "decision", "undoes__undoes")
    return get_object_or_404(rows, pk=pk)
