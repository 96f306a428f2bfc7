"""How mail providers read addresses, so that addresses of one mailbox are known for one."""

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _


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

    class Meta:
        verbose_name = _("mail provider")
        verbose_name_plural = _("mail providers")

    def __str__(self) -> str:
        return self.canonical

    def clean(self) -> None:
        """Letters and digits always make a difference."""
        if any(character.isalnum() or character == "@" for character in self.ignores + self.tags):
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
