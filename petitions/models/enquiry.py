"""Messages from the contact form, encrypted at rest; `petitions.privacy.retention` deletes them."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class EnquiryQuerySet(models.QuerySet["Enquiry"]):
    """Queries about enquiries."""

    def waiting(self) -> "EnquiryQuerySet":
        """Open and not acknowledged, the first due first."""
        return self.filter(acknowledged_on=None, state=Enquiry.State.OPEN).order_by("due_on", "id")


class Enquiry(models.Model):
    """One message to the organisation, its sender and text sealed (encrypted)."""

    class Kind(models.TextChoices):
        QUESTION = "question", _("A question")
        COMPLAINT = "complaint", _("A complaint about what is done with my data")
        ACCESSIBILITY = "access", _("Something on this site that I cannot use")
        OTHER = "other", _("Something else")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ANSWERED = "answered", _("answered")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("subject"), max_length=9, choices=Kind)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    # Name, address, language and message: `petitions.privacy.enquiries` opens it.
    sealed = models.BinaryField()
    looks_automatic = models.BooleanField(_("possibly spam"), default=False)
    # Dates, not times: knowing when somebody was at their computer does not find their message.
    received_on = models.DateField(_("received"))
    due_on = models.DateField(_("acknowledge by"))
    acknowledged_on = models.DateField(_("acknowledged"), null=True, blank=True)
    answered_on = models.DateField(_("answered"), null=True, blank=True)
    outcome = models.CharField(
        _("outcome"),
        max_length=300,
        blank=True,
        help_text=_("What was done about it. Other organisers read it. Write nobody’s name."),
    )

    objects = EnquiryQuerySet.as_manager()

    class Meta:
        verbose_name = _("enquiry")
        verbose_name_plural = _("enquiries")
        ordering = ("due_on", "id")
        constraints = [
            models.CheckConstraint(
                condition=Q(state="open", answered_on=None)
                | Q(state="answered", answered_on__isnull=False),
                name="enquiry_answered_on_a_day",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
