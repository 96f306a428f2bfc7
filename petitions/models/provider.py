"""How mail providers read addresses, so that addresses of one mailbox are known for one."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from petitions.identity.email_addresses import ascii_domain


class MailProvider(models.Model):
    """One provider's rules for the part before the @, and the name its domains share.

    Without a provider the rules are: case is ignored, and what follows a "+" is a label.
    """

    canonical = models.CharField(
        _("name"), max_length=253, unique=True, help_text=_("One of its domains.")
    )
    ignores = models.CharField(_("characters that make no difference"), max_length=10, blank=True)
    tags = models.CharField(
        _("characters that start a label"), max_length=10, blank=True, default="+"
    )
    hyphen_is_dot = models.BooleanField(_("a hyphen is the same as a dot"), default=False)
    subdomains = models.BooleanField(
        _("mail to any address below the mailbox’s name reaches it"),
        default=False,
        help_text=_("Such as anything@amina.example.org for amina@example.org."),
    )

    class Meta:
        verbose_name = _("mail provider")
        verbose_name_plural = _("mail providers")

    def __str__(self) -> str:
        return self.canonical

    def clean(self) -> None:
        """Letters and digits always make a difference."""
        self.canonical = ascii_domain(self.canonical.strip())
        if any(character.isalnum() or character in "@ " for character in self.ignores + self.tags):
            raise ValidationError(_("Letters, digits and @ always make a difference."))


class MailDomain(models.Model):
    """One domain of a provider; all of them reach the same mailboxes."""

    provider = models.ForeignKey(MailProvider, models.CASCADE, related_name="domains")
    domain = models.CharField(_("domain"), max_length=253, unique=True)

    class Meta:
        verbose_name = _("domain")
        verbose_name_plural = _("domains")

    def __str__(self) -> str:
        return self.domain

    def clean(self) -> None:
        """Domains are kept as they are compared."""
        self.domain = ascii_domain(self.domain.strip())
        if not self.domain.isascii() or "." not in self.domain or "@" in self.domain:
            raise ValidationError({"domain": _("Give a domain, such as example.org.")})
        elsewhere = MailDomain.objects.filter(domain=self.domain).exclude(pk=self.pk)
        if owner := elsewhere.select_related("provider").first():
            taken = _("%(domain)s belongs to %(provider)s. Take it out there first.")
            names = {"domain": self.domain, "provider": owner.provider}
            raise ValidationError({"domain": ValidationError(taken, params=names)})


class ReindexingQuerySet(models.QuerySet["Reindexing"]):
    """Questions about re-indexing."""

    def unfinished(self) -> "ReindexingQuerySet":
        """What is still to be done, the oldest first."""
        return self.filter(finished_at=None).order_by("asked_at", "id")


class Reindexing(models.Model):
    """One pass over the signers, after the rules or the index key changed.

    It is written in the same commit as the change that asks for it. `cursor` is the last
    signer that was looked at: whoever goes on after a crash begins there.
    """

    # Only addresses in these domains; none: all.
    domains = ArrayField(models.CharField(max_length=253), verbose_name=_("domains"), default=list)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        verbose_name=_("asked by"),
        db_index=False,
    )
    asked_at = models.DateTimeField(_("asked"), db_default=Now())
    cursor = models.UUIDField(null=True)
    looked_at = models.PositiveIntegerField(_("looked at"), default=0)
    moved = models.PositiveIntegerField(_("changed"), default=0)
    held = models.PositiveIntegerField(_("held"), default=0)
    unreadable = models.PositiveIntegerField(_("cannot be opened"), default=0)
    finished_at = models.DateTimeField(_("finished"), null=True)

    objects = ReindexingQuerySet.as_manager()

    class Meta:
        verbose_name = _("comparison of mailboxes")
        verbose_name_plural = _("comparisons of mailboxes")

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def fraction(self) -> float:
        """How much is done, from 0 to 1: ids are random, so the cursor tells."""
        if self.finished_at:
            return 1.0
        return self.cursor.int / 2**128 if self.cursor else 0.0
