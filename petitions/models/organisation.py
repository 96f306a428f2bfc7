"""The organisation that runs the petitions: the name that consent and mails give."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.identity.names import has_forbidden_character


def one_line(text: str) -> None:
    """Refuse what would break a mail's header, or turn a page's text around."""
    if has_forbidden_character(text):
        raise ValidationError(_("There is a line break or a control character in it."))


class Organisation(models.Model):
    """One row. It stands here rather than in `campaign` because consent, mails and the
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
        """The organisation, or an unsaved nameless one before anybody has entered it."""
        return cls.objects.filter(id=1).first() or cls(id=1)
