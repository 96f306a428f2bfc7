"""Records that may be read and never changed: exports, and the outbox, which may be tried again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from petitions.admin import outcomes
from petitions.admin.titles import Titled
from petitions.mail import outbox
from petitions.models import Export, Mail


class ReadOnly(admin.ModelAdmin[Any]):
    """An admin in which nothing can be added, changed or deleted."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Export)
class ExportAdmin(Titled, ReadOnly):
    list_display = (
        "started_at",
        "petition",
        "purpose",
        "actor_name",
        "why",
        "rows",
        "delete_by",
        "finished_at",
    )


@admin.register(Mail)
class MailAdmin(ReadOnly):
    """What was to be sent: never to whom, and never what it said."""

    list_display = ("created_at", "kind", "state", "attempts", "outcome", "due_at")
    list_filter = ("state", "kind")
    fields = ("kind", "state", "attempts", "outcome", "created_at", "due_at")
    readonly_fields = ("outcome",)
    ordering = ("-created_at",)
    actions = ("requeue",)

    @admin.display(description=_("outcome"), ordering="code")
    def outcome(self, mail: Mail) -> str:
        return outcomes.explained(mail.code)

    @admin.action(
        permissions=["requeue"], description=_("Try again: queue the chosen mails that failed")
    )
    def requeue(self, request: HttpRequest, mails: QuerySet[Mail]) -> None:
        queued = outbox.requeue(mails.values_list("id", flat=True))
        said = _("%(n)d mails are queued again. What had not failed stays as it is.")
        self.message_user(request, said % {"n": queued}, messages.SUCCESS)

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        """Nobody may write mails; who may "change" them may have them tried again."""
        return request.user.has_perm("petitions.change_mail")
