"""The organisation that runs the petitions (the data controller), as consent and mails name it;
what people relied on before a change, and what organisers ticked before an opening.
"""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.identity.typed_text import has_forbidden_character
from petitions.models.base import with_checked_choices
from petitions.models.petition import Petition


def one_line(text: str) -> None:
    """Validator against header injection (line breaks) and bidirectional control characters."""
    if has_forbidden_character(text):
        raise ValidationError(_("There is a line break or a control character in it."))


class Organisation(models.Model):
    """Singleton row. It is here rather than in `campaign` because consent, mails and the
    privacy notice name it, and `petitions` imports nothing of `campaign`.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(_("name"), max_length=100, validators=[one_line])
    sender_name = models.CharField(
        _("sender name in emails"),
        max_length=60,
        blank=True,
        validators=[one_line],
        help_text=_(
            "People see this name in their inbox and on their lock screen, so it must not mention "
            "a cause or a country. If you leave it empty, only the email address is shown."
        ),
    )
    privacy_email = models.EmailField(_("privacy contact"), blank=True)
    website = models.URLField(_("web site"), blank=True)
    # PNG, re-encoded by `petitions.publishing.logo`; its hash is its address, "" without a logo.
    logo = models.BinaryField(null=True, editable=False)
    logo_hash = models.CharField(max_length=16, blank=True, editable=False)
    logo_width = models.PositiveSmallIntegerField(default=0, editable=False)
    logo_height = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisation")
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="organisation_one_row"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def load(cls) -> "Organisation":
        """The organisation, or an unsaved instance without a name before it is set up.

        Without the bytes of its logo, which one view alone needs.
        """
        return cls.objects.defer("logo").filter(id=1).first() or cls(id=1)


class FormerAddress(models.Model):
    """A slug that a petition had once. It redirects for ever: it stands on posters and in mails."""

    slug = models.SlugField(max_length=80, unique=True)
    petition = models.ForeignKey(Petition, models.CASCADE, related_name="former_addresses")
    until = models.DateField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class FormerName(models.Model):
    """A name that the organisation had when people consented to it, and why it has another."""

    name = models.CharField(max_length=100)
    until = models.DateField(auto_now_add=True)
    reason = models.CharField(max_length=300)

    def __str__(self) -> str:
        return self.name


@with_checked_choices
class ReadinessTick(models.Model):
    """One thing of the checklist that no program can see, and who says that it is done."""

    class Item(models.TextChoices):
        MAIL = "mail", "every message arrived, in an inbox and not in spam"
        KEYS = "keys", "the keys are kept away from the server"
        BACKUP = "backup", "a backup was restored once"
        TRUE_TODAY = "true-today", "the text is true today"

    item = models.CharField(max_length=12, choices=Item)
    # Null for what is true of the whole site.
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
        """The check of the domain that mail is sent from now."""
        return self.filter(domain=settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]).first()


class SenderCheck(models.Model):
    """What DNS said of the sender's domain when it was last asked: SPF, DKIM and DMARC.

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
        # What the menu says.
        verbose_name_plural = "Does our mail arrive?"

    def __str__(self) -> str:
        return self.domain
