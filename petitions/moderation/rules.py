"""Preview, save and end rules, and record it. `screening.rules` applies the rules."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from petitions.identity import providers
from petitions.models import AuditRecord, Rule, Signature
from petitions.models.counts import in_steps
from petitions.screening import rules
from petitions.signers import sealing
from petitions.staff import audit, roles

PERMISSION = "petitions.change_rule"
Action = AuditRecord.Action
DEFAULT_DURATION = timedelta(days=7)
PREVIEW_PERIOD = timedelta(hours=24)
MAX_COUNTED = 10_000
# A smaller number could reveal whether the only person of a domain has signed.
LEAST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would have matched in the last 24 hours.

    `states` counts at most `MAX_COUNTED` signatures by state. It is None if they cannot be counted,
    and `unknown` says why. `large` has the large mail providers that the rule covers. `is_exact`:
    the numbers are for a moderator.
    """

    states: Counter[str] | None
    unknown: str = ""
    large: tuple[str, ...] = ()
    is_exact: bool = True

    @property
    def number(self) -> str:
        total = self.states.total() if self.states else 0
        if not self.is_exact:
            # Organisers, who may not search, see it in steps, and none by state: by five forms to
            # made-up addresses of a domain they could see when another one is confirmed or held.
            return in_steps(total, about="at least")
        if total < LEAST_SHOWN:
            return f"fewer than {LEAST_SHOWN}"
        return f"{total:,}" if total < MAX_COUNTED else f"{MAX_COUNTED:,} or more"

    @property
    def shown_by_state(self) -> list[tuple[str, int]]:
        """Return the counts by the label of a state; empty if they are too few to be shown."""
        if self.states is None or self.states.total() < LEAST_SHOWN or not self.is_exact:
            return []
        return [(str(Signature.State(state).label), n) for state, n in self.states.most_common()]


@transaction.atomic
def preview(*, rule: Rule, actor: User, screen: str) -> Preview:
    """Return what an unsaved rule would have matched: one bounded query by an index.

    A preview with a number is recorded like a search: by sending four forms with one person's
    domain, or from their network, somebody could see whether that person is the fifth.
    """
    roles.require(actor, PERMISSION)
    seen = _preview(rule)
    if seen.states is not None:
        record_look(kind=rule.kind, actor=actor, screen=screen)
    return replace(seen, is_exact=actor.has_perm(roles.MODERATE))


def record_look(*, kind: str, actor: User, screen: str) -> None:
    """Record, like a search, that somebody saw something of a network, a domain or an address.

    Only the kind is recorded.
    """
    audit.record(action=Action.SEARCHED, screen=screen, actor=actor, why=kind)


def _preview(rule: Rule) -> Preview:
    if rule.kind == Rule.Kind.ADDRESS:
        return Preview(None, "Not counted: the number would tell whether this address has signed.")
    since = timezone.now() - PREVIEW_PERIOD
    days = [since.astimezone(UTC).date(), datetime.now(UTC).date()]
    if rule.kind == Rule.Kind.NETWORK:
        parts = {index for day in days for index in rules.network_indexes(rule.pattern, day)}
        if not parts:
            return Preview(
                None,
                "Not counted: signatures keep only the /24 (or /64) of their network, and only "
                f"{rules.MAX_INDEXES} of these can be searched at once. The rule works for new "
                "attempts, but cannot hold what already waits for confirmation.",
            )
        return Preview(_states(since, signer__network_ix__in=parts))
    large = _large_domains(rule.pattern)
    if rule.pattern.startswith("*."):
        return Preview(
            None, "Not counted: the site does not know which domains are below this one.", large
        )
    domains = [sealing.domain_index(f"@{rule.pattern}", day) for day in days]
    return Preview(_states(since, signer__domain_ix__in=domains), large=large)


def _states(since: datetime, **origin: Any) -> Counter[str]:
    rows = Signature.objects.filter(created_at__gt=since, **origin).order_by()
    return Counter(rows.values_list("state", flat=True)[:MAX_COUNTED])


def _large_domains(pattern: str) -> tuple[str, ...]:
    """Return the large mail providers whose domain a pattern covers."""
    listed = rules.Listed()
    listed.add({"kind": Rule.Kind.DOMAIN, "pattern": pattern})
    return tuple(domain for domain in sorted(providers.SHARED) if listed.has_domain(domain))


@transaction.atomic
def save(*, rule: Rule, actor: User, screen: str) -> None:
    """Save a rule, and record its text, so that an earlier pattern stays known after an edit.

    The rule names its last editor; the audit record names the earlier ones. Only moderators, who
    see all held signatures, may save, change, end or delete a rule that holds. When such a
    signature is approved, the public total rises but that minute's confirmations do not. From that
    an organiser could see whether the person whom the rule names has signed.
    """
    roles.require(actor, PERMISSION)
    stored = Rule.objects.filter(pk=rule.pk).values_list("action", flat=True).first()
    if Rule.Action.HOLD in {rule.action, stored}:
        roles.require(actor, roles.MODERATE)
    rule.actor = actor
    rule.save()
    audit.record(action=Action.RULE_SAVED, screen=screen, actor=actor, about=rule, why=str(rule))


@transaction.atomic
def end(*, rules: QuerySet[Rule], actor: User, screen: str) -> int:
    """Expire the rules that are still in force; return how many."""
    roles.require(actor, PERMISSION)
    chosen = Rule.objects.in_force().filter(pk__in=rules.values("pk"))
    ending = list(chosen.select_for_update().order_by("pk"))
    if any(rule.action == Rule.Action.HOLD for rule in ending):
        roles.require(actor, roles.MODERATE)
    Rule.objects.filter(pk__in=[rule.pk for rule in ending]).update(expires_at=Now())
    audit.record_each(action=Action.RULE_ENDED, screen=screen, actor=actor, about=ending)
    return len(ending)
