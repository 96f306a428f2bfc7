"""Saving and ending block and allow rules, on the audit record; `screening.rules` applies them."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from petitions.models import AuditRecord, Rule
from petitions.staff import audit

Action = AuditRecord.Action


@transaction.atomic
def save(*, rule: Rule, actor: User, screen: str) -> None:
    """Save a rule, which names its last editor; the audit record names the earlier ones."""
    rule.actor = actor
    rule.save()
    audit.record(action=Action.RULE_SAVED, screen=screen, actor_id=actor.pk, about=rule)


@transaction.atomic
def end(*, rules: QuerySet[Rule], actor: User, screen: str) -> int:
    """Expire those of `rules` that are still in force; return how many."""
    chosen = Rule.objects.in_force().filter(pk__in=rules.values("pk"))
    ending = list(chosen.select_for_update().order_by("pk"))
    Rule.objects.filter(pk__in=[rule.pk for rule in ending]).update(expires_at=Now())
    audit.record_each(action=Action.RULE_ENDED, screen=screen, actor_id=actor.pk, about=ending)
    return len(ending)
