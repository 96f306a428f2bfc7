"""The organisation that runs the petitions (the data controller), named in consent and mails."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.identity.typed_text import has_forbidden_character


def one_line(text: str) -> None:
    """Validator against header injection (line breaks) and bidirectional control characters."""
    if has_forbidden_character(text):
        raise ValidationError(_("There is a line break or a control character in it."))


class Organisation(models.Model):
    """The organisation, a single row. It belongs to `petitions` because consent, mails and the
    privacy notice name it, and `petitions` must not import `campaign`.
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
    # PNG, re-encoded by `petitions.publishing.logo`. Its URL contains the hash; "" means no logo.
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
        """Return the organisation, or an unsaved instance without a name before it is set up.

        The logo is deferred, because only one view needs its bytes.
        """
        return cls.objects.defer("logo").filter(id=1).first() or cls(id=1)
