"""What pages of the admin have in common, and a read-only one: figures of the outbox."""

from datetime import UTC
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from petitions.admin import outcomes
from petitions.admin.acting import acting
from petitions.mail import monitoring, outbox
from petitions.models import Mail


class WithActions(admin.ModelAdmin[Any]):
    """A ModelAdmin whose actions answer ids that are none with 400: Django's own fail with 500."""

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(text)
            except ValidationError:
                raise BadRequest("an id that is none") from None
        return super().response_action(request, *args, **kwargs)


class ReadOnly(WithActions):
    """A read-only ModelAdmin: no add, change or delete permission."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class RequeueForm(forms.Form):
    """The form to requeue all failed mails of one kind and one hour of creation."""

    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in monitoring.SHOWN])
    hour = forms.DateTimeField()


@admin.register(Mail)
class MailAdmin(ReadOnly):
    """Figures of the outbox: no single mail is shown, and none can be searched for."""

    def get_urls(self) -> list[URLPattern]:
        """One page only: without object URLs, nobody can look up a single mail."""
        view = self.admin_site.admin_view(self.numbers_view)
        return [path("", view, name="petitions_mail_changelist")]

    def numbers_view(self, request: HttpRequest) -> HttpResponse:
        """Show how many mails wait, failed and were requested; requeue failed ones (POST)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._requeue(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Outbox"),
            "opts": self.opts,
            "may_requeue": request.user.has_perm("petitions.change_mail"),
            "waiting": [_in_words(line) for line in monitoring.waiting()],
            "failed": _with_buttons(monitoring.failed()),
            "lately": [_in_words(line) for line in monitoring.by_hour()],
        }
        return render(request, "admin/petitions/mail/numbers.html", context)

    def _requeue(self, request: HttpRequest) -> HttpResponse:
        form = RequeueForm(request.POST)
        if not request.user.has_perm("petitions.change_mail") or not form.is_valid():
            raise PermissionDenied
        kind = Mail.Kind(form.cleaned_data["kind"])
        queued = outbox.requeue(kind=kind, hour=form.cleaned_data["hour"], **acting(request))
        said = _("%(n)d mails are queued again. What had not failed stays as it is.")
        self.message_user(request, said % {"n": queued}, messages.SUCCESS)
        return redirect("admin:petitions_mail_changelist")


def _in_words(line: NamedTuple) -> dict[str, Any]:
    """A row of figures as a dict, with labels for its kind and outcome."""
    values = line._asdict()
    return {
        **values,
        "kind": Mail.Kind(values["kind"]).label,
        "value": values["kind"],
        "outcome": outcomes.explained(values.get("code", "")),
    }


def _with_buttons(failed: list[monitoring.Failure]) -> list[dict[str, Any]]:
    """Rows as dicts; the first of each kind and hour has the requeue button for all of them."""
    lines, seen = [], set()
    for line in failed:
        group = (line.kind, line.start)
        hour = line.start.astimezone(UTC).isoformat()
        lines.append({**_in_words(line), "hour": hour, "is_first": group not in seen})
        seen.add(group)
    return lines
