"""Former addresses and names that people relied on, and the checks before a petition opens."""

from django.conf import settings
from django.db import models

from petitions.models.base import with_checked_choices
from petitions.models.petition import Petition


class FormerAddress(models.Model):
    """A former slug of a petition. It redirects permanently: it is on posters and in mails."""

    slug = models.SlugField(max_length=80, unique=True)
    petition = models.ForeignKey(Petition, models.CASCADE, related_name="former_addresses")
    until = models.DateField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class FormerName(models.Model):
    """A former name of the organisation, to which people consented, and why it changed."""

    name = models.CharField(max_length=100)
    until = models.DateField(auto_now_add=True)
    reason = models.CharField(max_length=300)

    def __str__(self) -> str:
        return self.name


@with_checked_choices
class ReadinessTick(models.Model):
    """A checklist item that no program can check, and who ticked it."""

    class Item(models.TextChoices):
        MAIL = "mail", "every message arrived, in an inbox and not in spam"
        KEYS = "keys", "the keys are kept away from the server"
        BACKUP = "backup", "a backup was restored once"
        TRUE_TODAY = "true-today", "the text is true today"

    item = models.CharField(max_length=12, choices=Item)
    # Null for items about the whole site.
    petition = models.ForeignKey(
        Petition, models.CASCADE, related_name="readiness_ticks", null=True, db_index=False
    )
    ticked_on = models.DateField(auto_now_add=True)
    ticked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "petition"], nulls_distinct=False, name="readiness_tick_once"
            ),
        ]

    def __str__(self) -> str:
        return self.item


class SenderCheckQuerySet(models.QuerySet["SenderCheck"]):
    """Queries about checks of a sender's domain."""

    def current(self) -> "SenderCheck | None":
        """Return the check of the domain that mail is sent from now."""
        return self.filter(domain=settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]).first()


class SenderCheck(models.Model):
    """The result of the latest DNS check of the sender's domain: SPF, DKIM and DMARC.

    `records` is a list of `petitions.mail.sender.lookup.Record` as dicts.
    """

    domain = models.CharField(max_length=253, unique=True)
    selector = models.CharField(max_length=63, blank=True)
    records = models.JSONField(default=list)
    is_right = models.BooleanField()
    checked_at = models.DateTimeField()

    objects = SenderCheckQuerySet.as_manager()

    class Meta:
        verbose_name = "check of the sender"
        # The text in the menu.
        verbose_name_plural = "Does our mail arrive?"

    def __str__(self) -> str:
        return self.domain
