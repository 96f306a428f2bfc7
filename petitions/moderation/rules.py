"""Previewing, saving and ending rules, on the audit record; `screening.rules` applies them."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from petitions.identity import providers
from petitions.models import AuditRecord, Rule, Signature
from petitions.screening import rules
from petitions.signers import sealing
from petitions.staff import audit, roles

PERMISSION = "petitions.change_rule"
HOLD = "petitions.moderate_signature"
Action = AuditRecord.Action
LASTS = timedelta(days=7)
LOOKS_BACK = timedelta(hours=24)
MOST_COUNTED = 10_000
# A smaller number could tell whether the one person of a domain has signed.
LEAST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would have met in the last 24 hours, had it stood then.

    `states` counts by state those who signed, at most `MOST_COUNTED`; None where that cannot be
    known, for the reason that `unknown` gives. `large` are large mail providers that it covers.
    """

    states: Counter[str] | None
    unknown: str = ""
    large: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        total = self.states.total() if self.states else 0
        if total < LEAST_SHOWN:
            return f"fewer than {LEAST_SHOWN}"
        return f"{total:,}" if total < MOST_COUNTED else f"{MOST_COUNTED:,} or more"

    @property
    def shown_by_state(self) -> list[tuple[str, int]]:
        """How many of them are in each state now; empty where they are too few to be told."""
        if self.states is None or self.states.total() < LEAST_SHOWN:
            return []
        return [(str(Signature.State(state).label), n) for state, n in self.states.most_common()]


@transaction.atomic
def preview(*, rule: Rule, actor: User, screen: str) -> Preview:
    """Look what an unsaved rule would have met: one bounded query by an index.

    On record like a search, wherever it tells a number: with four forms of their own for a domain
    of one person, or from their network, somebody could see whether that person is the fifth.
    """
    roles.require(actor, PERMISSION)
    seen = _look(rule)
    if seen.states is not None:
        record_look(kind=rule.kind, actor=actor, screen=screen)
    return seen


def record_look(*, kind: str, actor: User, screen: str) -> None:
    """Record that somebody was told something of a network, a domain or an address, like a search;
    its kind alone.
    """
    audit.record(action=Action.SEARCHED, screen=screen, actor=actor, why=kind)


def _look(rule: Rule) -> Preview:
    if rule.kind == Rule.Kind.ADDRESS:
        return Preview(None, "Not counted: the number would tell whether this address has signed.")
    since = timezone.now() - LOOKS_BACK
    days = [since.astimezone(UTC).date(), datetime.now(UTC).date()]
    if rule.kind == Rule.Kind.NETWORK:
        parts = {index for day in days for index in rules.network_indexes(rule.pattern, day)}
        if not parts:
            return Preview(
                None,
                "Not counted: networks are known by their /24 (or /64) alone, and only "
                f"{rules.MOST_INDEXES} of them are looked for. The rule works for new attempts, "
                "but cannot hold what already waits for confirmation.",
            )
        return Preview(_states(since, signer__network_ix__in=parts))
    large = _large_domains(rule.pattern)
    if rule.pattern.startswith("*."):
        return Preview(None, "Not counted: which domains lie below this one is not known.", large)
    domains = [sealing.domain_index(f"@{rule.pattern}", day) for day in days]
    return Preview(_states(since, signer__domain_ix__in=domains), large=large)


def _states(since: datetime, **origin: Any) -> Counter[str]:
    rows = Signature.objects.filter(created_at__gt=since, **origin).order_by()
    return Counter(rows.values_list("state", flat=True)[:MOST_COUNTED])


def _large_domains(pattern: str) -> tuple[str, ...]:
    """The large mail providers whose domain a pattern covers."""
    listed = rules.Listed()
    listed.add({"kind": Rule.Kind.DOMAIN, "pattern": pattern})
    return tuple(domain for domain in sorted(providers.OF_MANY) if listed.has_domain(domain))


@transaction.atomic
def save(*, rule: Rule, actor: User, screen: str) -> None:
    """Save a rule, which names its last editor; the audit record names the earlier ones, and what
    the rule said: else somebody could turn a domain away, and then write another into the rule.

    Only moderators, who see all that is held, make one that holds. By the public total, which rises
    when such a signature is approved, and the confirmations of that minute, which do not, an
    organiser would see whether the person that it names has signed. Nor does anybody else change,
    end or delete one of theirs.
    """
    roles.require(actor, PERMISSION)
    stored = Rule.objects.filter(pk=rule.pk).values_list("action", flat=True).first()
    if Rule.Action.HOLD in {rule.action, stored}:
        roles.require(actor, HOLD)
    rule.actor = actor
    rule.save()
    audit.record(action=Action.RULE_SAVED, screen=screen, actor=actor, about=rule, why=str(rule))


@transaction.atomic
def end(*, rules: QuerySet[Rule], actor: User, screen: str) -> int:
    """Expire those of `rules` that are still in force; return how many."""
    roles.require(actor, PERMISSION)
    chosen = Rule.objects.in_force().filter(pk__in=rules.values("pk"))
    ending = list(chosen.select_for_update().order_by("pk"))
    if any(rule.action == Rule.Action.HOLD for rule in ending):
        roles.require(actor, HOLD)
    Rule.objects.filter(pk__in=[rule.pk for rule in ending]).update(expires_at=Now())
    audit.record_each(action=Action.RULE_ENDED, screen=screen, actor=actor, about=ending)
    return len(ending)
