"""Records that may be read and never changed: exports and the outbox."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

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
class ExportAdmin(ReadOnly):
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
    list_select_related = ("petition",)


@admin.register(Mail)
class MailAdmin(ReadOnly):
    """What was to be sent: never to whom, and never what it said."""

    list_display = ("created_at", "kind", "state", "attempts", "code", "due_at")
    list_filter = ("state",)
    fields = ("kind", "state", "attempts", "code", "created_at", "due_at")
    ordering = ("-created_at",)
