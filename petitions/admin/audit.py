"""Admin of the audit log: search by actor, action, object and time; keyset pages; CSV."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.decorators import method_decorator

from petitions.admin.acting import acting, need, password_again, show_refusals
from petitions.admin.base import ReadOnly
from petitions.admin.downloads import download
from petitions.admin.fields import start_of_day
from petitions.admin.keyset import Keyset
from petitions.formatting.languages import moment_of_staff
from petitions.handover import csv_file
from petitions.models import AuditRecord
from petitions.staff import audit

CSV_BATCH = 500
NEWEST = Keyset(("id",))
COLUMNS = ("when", "who", "what", "about", "number", "why", "screen", "network")
# The largest bigint.
_LAST_ID = 2**63 - 1


class SearchForm(forms.Form):
    """The filters of the list, all optional. They hold no personal data."""

    who = forms.ModelChoiceField(
        queryset=User.objects.order_by("username"), required=False, empty_label="anybody"
    )
    what = forms.ChoiceField(
        choices=[("", "anything"), *AuditRecord.Action.choices], required=False
    )
    about = forms.CharField(
        label="about",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "petitions.rule"}),
    )
    number = forms.CharField(label="its number", required=False, max_length=40)
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(
        label="until (including that day)",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def rows(self) -> QuerySet[AuditRecord]:
        """Return the records that match the valid fields, newest first."""
        cleaned: dict[str, Any] = self.cleaned_data
        wanted = {
            "actor": cleaned.get("who"),
            "action": cleaned.get("what"),
            "object_type": cleaned.get("about"),
            "object_id": cleaned.get("number"),
            "created_at__gte": start_of_day(cleaned.get("since")),
            "created_at__lt": start_of_day(cleaned.get("until"), days=1),
        }
        given = {name: value for name, value in wanted.items() if value}
        return AuditRecord.objects.filter(**given).select_related("actor").order_by("-id")


@admin.register(AuditRecord)
class AuditRecordAdmin(ReadOnly):
    def get_urls(self) -> list[URLPattern]:
        """Return URLs for the list and its CSV; a page per record would show nothing more."""
        return [
            self.route("", self.list_view, "changelist"),
            self.route("csv/", self.csv_view, "csv"),
        ]

    def list_view(self, request: HttpRequest) -> HttpResponse:
        form = self._asked(request)
        found = NEWEST.page(form.rows(), request.GET.get("before", ""))
        asked = {name: value for name, value in request.GET.items() if value and name != "before"}
        older = {**asked, "before": found.next} if found.next else {}
        context = {
            "title": "Audit log",
            "form": form,
            "columns": COLUMNS,
            "lines": [_line(record) for record in found.rows],
            "older": urlencode(older),
            "newest": urlencode(asked) if "before" in request.GET else None,
            "csv": urlencode(asked),
        }
        return self.page(request, "admin/petitions/auditrecord/list.html", context)

    @method_decorator(password_again)
    def csv_view(self, request: HttpRequest) -> HttpResponseBase:
        """Download all matching records as CSV. The download is recorded."""
        rows = self._asked(request).rows()

        def begin() -> Iterator[bytes]:
            audit.record(action=AuditRecord.Action.RECORDS_EXPORTED, **acting(request))
            return csv_file.write(COLUMNS, _batches(rows))

        name = f"audit-{timezone.localdate().isoformat()}.csv"
        with show_refusals(request):
            return StreamingHttpResponse(
                download(request, begin),
                content_type="text/csv; charset=utf-8",
                headers={"Content-Disposition": f'attachment; filename="{name}"'},
            )
        return redirect("admin:petitions_auditrecord_changelist")

    def _asked(self, request: HttpRequest) -> SearchForm:
        need(request, "petitions.view_auditrecord")
        form = SearchForm(request.GET)
        # Invalid fields are ignored, and the form shows their errors.
        form.is_valid()
        return form


def _line(record: AuditRecord) -> dict[str, str]:
    who = "no account"
    if record.actor_id:
        user = record.actor
        who = user.get_username() if user else f"account {record.actor_id}, deleted"
    values = (
        moment_of_staff(record.created_at),
        who,
        str(record.get_action_display()),
        record.object_type,
        record.object_id,
        record.why,
        record.screen,
        # A pseudonym: equal networks have equal letters, which reveal nothing else.
        bytes(record.network_ix or b"").hex()[:6],
    )
    return dict(zip(COLUMNS, values, strict=True))


def _batches(rows: QuerySet[AuditRecord]) -> Iterator[list[tuple[str, ...]]]:
    """Yield the file's rows in keyset batches, so that a slow client holds no transaction open."""
    before = _LAST_ID
    while batch := list(rows.filter(id__lt=before)[:CSV_BATCH]):
        yield [tuple(_line(record).values()) for record in batch]
        before = batch[-1].pk
