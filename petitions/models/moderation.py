"""Moderation: decisions with each signature's previous state (for undo), rules, and alerts."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices
from petitions.models.petition import Petition
from petitions.models.signature import Signature


@with_checked_choices
class Decision(models.Model):
    """One moderation decision about a set of signatures."""

    class Kind(models.TextChoices):
        REMOVE = "remove", _("remove")
        RESTORE = "restore", _("restore")
        HOLD = "hold", _("hold")
        APPROVE = "approve", _("approve")
        ERASE = "erase", _("delete the person’s data")
        UNDO = "undo", _("undo")

    class Reason(models.TextChoices):
        FALSE_NAME = "false-name", _("not a real name")
        DUPLICATE = "duplicate", _("the same person signed more than once")
        AUTOMATED = "automated", _("automated")
        SUSPICIOUS = "suspicious", _("possibly automated, needs checking")
        CHECKED = "checked", _("checked, no problem")
        REQUESTED = "requested", _("the signer asked us")
        MISTAKE = "mistake", _("an earlier decision was a mistake")
        OTHER = "other", _("another reason, given in the note")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.ForeignKey(Petition, models.PROTECT)
    kind = models.CharField(_("decision"), max_length=8, choices=Kind)
    reason = models.CharField(_("reason"), max_length=12, choices=Reason)
    note = models.CharField(
        _("note"),
        max_length=300,
        blank=True,
        help_text=_("Other moderators can read this. Do not write names or email addresses."),
    )
    # Null if a command or a rule of the site decided.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    undoes = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="undone_by", verbose_name=_("undoes")
    )
    created_at = models.DateTimeField(_("decided"), auto_now_add=True)

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        indexes = [models.Index(fields=["created_at", "id"], name="decision_list")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="undo", undoes__isnull=False)
                | (~Q(kind="undo") & Q(undoes__isnull=True)),
                name="decision_undo_names_what_it_undoes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def title(self) -> str:
        """What it did, in words. Undoing an undo does the first decision again."""
        first, undone = self, 0
        while first.undoes is not None:
            first, undone = first.undoes, undone + 1
        values = {"decision": first.get_kind_display()}
        if not undone:
            return values["decision"]
        return (_("undone: %(decision)s") if undone % 2 else _("done again: %(decision)s")) % values


@with_checked_choices
class DecisionItem(models.Model):
    """One signature of a decision, with its previous state. Kept after the signer is erased."""

    decision = models.ForeignKey(
        Decision, models.CASCADE, related_name="items", db_index=False, db_constraint=False
    )
    signature_id = models.UUIDField()
    previous_state = models.CharField(max_length=9, choices=Signature.State)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["signature_id", "decision"], name="decision_item_once"),
        ]
        # For the pages of a decision.
        indexes = [models.Index(fields=["decision", "id"], name="decision_item_list")]

    def __str__(self) -> str:
        return str(self.signature_id)


class RuleQuerySet(models.QuerySet["Rule"]):
    """Queries about rules."""

    def in_force(self) -> "RuleQuerySet":
        """Return rules that have not expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))


@with_checked_choices
class Rule(models.Model):
    """A block, hold or allow rule for a network, a domain or one address, until it expires.

    An address is never stored, only its global blind index `address_ix`. The network of an alert
    is stored only as `network_ix`, its blind index under the key of `network_day`, because nobody
    may read it. For other kinds `pattern` is a network in CIDR notation ("192.0.2.0/24",
    "2001:db8::/48") or a domain ("example.org", or "*.example.org" for its subdomains).
    """

    class Kind(models.TextChoices):
        NETWORK = "network", _("network")
        DOMAIN = "domain", _("email domain")
        ADDRESS = "address", _("one email address")
        # Made from an alert, never typed. In English only, like the rest of the admin.
        ALERT = "alert", "the network of an alert"

    class Action(models.TextChoices):
        BLOCK = "block", _("block")
        HOLD = "hold", _("hold")
        ALLOW = "allow", _("allow")

    kind = models.CharField(_("applies to"), max_length=7, choices=Kind)
    action = models.CharField(_("action"), max_length=5, choices=Action)
    pattern = models.CharField(_("network or domain"), max_length=260, blank=True)
    address_ix = models.BinaryField(max_length=16, null=True)
    network_ix = models.BinaryField(max_length=16, null=True, editable=False)
    network_day = models.DateField(null=True, editable=False)
    note = models.CharField(
        _("note"),
        max_length=300,
        help_text=_("Why, for your colleagues. Do not write names or email addresses."),
    )
    expires_at = models.DateTimeField(_("ends"), null=True, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, db_index=False
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    objects = RuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "action", "pattern", "address_ix", "network_ix"],
                name="rule_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(kind="address", pattern="", address_ix__isnull=False)
                | Q(kind="alert", pattern="", address_ix__isnull=True)
                | (Q(address_ix__isnull=True, kind__in=["network", "domain"]) & ~Q(pattern="")),
                name="rule_says_whom",
            ),
            models.CheckConstraint(
                condition=Q(kind="alert", network_ix__isnull=False, network_day__isnull=False)
                | (Q(network_ix=None, network_day=None) & ~Q(kind="alert")),
                name="rule_names_the_network_of_an_alert",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.pattern or self.pk}"


class AlertQuerySet(models.QuerySet["Alert"]):
    """Queries about alerts."""

    def open_bursts(self) -> "AlertQuerySet":
        """Return unchecked alerts about signatures of one petition."""
        return self.filter(kind__in=Alert.BURSTS, seen_at=None, petition__isnull=False)

    def open_on_home(self) -> "AlertQuerySet":
        """Return unchecked alerts for the admin's home page: about mail and counts, then bursts,
        the newest first. Held signatures and stalled parts have their own entries on that page.
        """
        told = [Alert.Kind.HELD, Alert.Kind.STILL]
        is_open = self.filter(seen_at=None).exclude(kind__in=told)
        return is_open.alias(is_last=Q(kind__in=Alert.BURSTS)).order_by("is_last", "-created_at")

    def of_one_attack(self, petition_id: int) -> "AlertQuerySet":
        """Return open bursts of a petition, and those of the last day that closed by themselves.
        Signatures from their networks may belong to the same attack.
        """
        is_open, is_lately = Q(seen_at=None), Q(created_at__gt=Now() - timedelta(days=1))
        bursts = self.filter(kind__in=Alert.BURSTS, petition=petition_id)
        return bursts.filter(is_open | (Q(is_decided=True) & is_lately))


@with_checked_choices
class Alert(models.Model):
    """An alert with one cause, open until a moderator dismisses it or the cause ends (`seen_at`).

    A burst is about one petition and one network, or one email domain that is no large provider's.
    `about` is the name of the part that has stalled.
    """

    class Kind(models.TextChoices):
        BURST = "burst", _("many signatures from one network")
        # In English only from here on, like the rest of the admin.
        DOMAIN = "domain", "many signatures from one email domain"
        HELD = "held", "signatures on hold for more than 48 hours"
        MAIL = "mail", "mail that waits for more than 10 minutes"
        BOUNCES = "bounces", "more than 5% of mail refused by servers"
        TALLY = "tally", "a count that did not match its signatures"
        STILL = "still", "a part of the site that has stopped"

    BURSTS = (Kind.BURST, Kind.DOMAIN)
    # Kinds whose number is stored in steps, so that it never reveals a single address.
    STEPPED = (*BURSTS, Kind.MAIL, Kind.BOUNCES)

    petition = models.ForeignKey(Petition, models.CASCADE, null=True, blank=True)
    kind = models.CharField(_("type"), max_length=10, choices=Kind)
    about = models.CharField(max_length=40, blank=True, default="", db_default="")
    # Blind index of the network or domain under a daily key. It finds the signatures, and a
    # repeated alert.
    network_ix = models.BinaryField(max_length=16, null=True)
    domain_ix = models.BinaryField(max_length=16, null=True)
    # Rounded down if the kind is in `STEPPED`.
    number = models.PositiveIntegerField(_("signatures"))
    created_at = models.DateTimeField(_("first noticed"), auto_now_add=True)
    seen_at = models.DateTimeField(_("checked"), null=True, blank=True)
    # Closed because all of its signatures were decided. A new burst opens it again.
    is_decided = models.BooleanField(default=False, db_default=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        indexes = [
            models.Index(fields=["created_at"], condition=Q(seen_at=None), name="alert_open"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "kind", "network_ix", "domain_ix", "about"],
                name="alert_once_a_cause_and_day",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=~Q(kind="burst") | Q(petition__isnull=False, network_ix__isnull=False),
                name="alert_of_a_burst_names_its_network",
            ),
            models.CheckConstraint(
                condition=~Q(kind="domain") | Q(petition__isnull=False, domain_ix__isnull=False),
                name="alert_of_a_domain_names_it",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_burst(self) -> bool:
        """Whether it is about many signatures from one network or one domain."""
        return self.kind in self.BURSTS

    @property
    def number_in_words(self) -> str:
        """Its number in words: "40 or more" if it is stored in steps."""
        if self.kind not in self.STEPPED:
            return f"{self.number:,}"
        return f"{self.number:,} or more" if self.number else "a few"


@with_checked_choices
class AlertMail(models.Model):
    """A user who wants alerts of one kind by mail, and when they were last mailed about it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Alert.Kind)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="alert_mail_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id}"
