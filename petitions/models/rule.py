"""Block and allow lists: rules of organisers and moderators on networks, domains and addresses."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class RuleQuerySet(models.QuerySet["Rule"]):
    """Queries about rules."""

    def in_force(self) -> "RuleQuerySet":
        """Those that have not expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))


class Rule(models.Model):
    """One block or allow rule for a network, a domain or one address, until it expires.

    An address is never stored: `address_ix` is its global blind index. For the other kinds
    `pattern` holds a network in CIDR notation ("192.0.2.0/24", "2001:db8::/48") or a domain
    ("example.org", or "*.example.org" for its subdomains).
    """

    class Kind(models.TextChoices):
        NETWORK = "network", _("network")
        DOMAIN = "domain", _("email domain")
        ADDRESS = "address", _("one email address")

    class Action(models.TextChoices):
        BLOCK = "block", _("block")
        ALLOW = "allow", _("allow")

    kind = models.CharField(_("applies to"), max_length=7, choices=Kind)
    action = models.CharField(_("action"), max_length=5, choices=Action)
    pattern = models.CharField(_("network or domain"), max_length=260, blank=True)
    address_ix = models.BinaryField(max_length=16, null=True)
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
                fields=["kind", "action", "pattern", "address_ix"],
                name="rule_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(kind="address", pattern="", address_ix__isnull=False)
                | (Q(address_ix__isnull=True) & ~Q(kind="address") & ~Q(pattern="")),
                name="rule_says_whom",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.pattern or self.pk}"
