"""Django's history of admin forms, copied to the append-only audit log."""

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry

from petitions.models import AuditRecord
from petitions.staff import audit

_ACTIONS = {
    ADDITION: AuditRecord.Action.ADDED,
    CHANGE: AuditRecord.Action.CHANGED,
    DELETION: AuditRecord.Action.DELETED,
}
# Their use cases record more than Django's history has, but for deletions.
_RECORDED_ELSEWHERE = {("petitions", "rule"), ("auth", "user")}
_LONGEST = 300
_NOTHING = {"", "[]"}


def record(instance: LogEntry, created: bool, **_kwargs: Any) -> None:
    """`post_save` receiver for `LogEntry`: one audit record, with the names of changed fields.

    Django's own table can be changed and deleted; it stays for the "History" pages.
    """
    if instance.action_flag == CHANGE and instance.change_message in _NOTHING:
        # Django notes every press of "Save"; a history tells what has changed.
        LogEntry.objects.filter(pk=instance.pk).delete()
        return
    kind = instance.content_type
    if not created or kind is None:
        return
    if instance.action_flag != DELETION and kind.natural_key() in _RECORDED_ELSEWHERE:
        return
    model = kind.model_class()
    audit.record(
        action=_ACTIONS[instance.action_flag],
        screen="admin",
        actor_id=instance.user_id,
        about=model(pk=instance.object_id) if model else None,
        # What is deleted can be looked up nowhere else.
        why=(instance.get_change_message() or instance.object_repr)[:_LONGEST],
    )
