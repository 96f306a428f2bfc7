"""Messages to the organisation from the contact form, and its answers."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from petitions.formatting.languages import day
from petitions.models.base import with_checked_choices


class EnquiryQuerySet(models.QuerySet["Enquiry"]):
    """Queries about enquiries."""

    def waiting(self) -> "EnquiryQuerySet":
        """Return enquiries that are new or being answered, ordered by due date."""
        return self.filter(state__in=Enquiry.WAITING).order_by("due_on", "id")

    def finished(self) -> "EnquiryQuerySet":
        """Return enquiries that are answered or closed."""
        return self.exclude(state__in=Enquiry.WAITING)


@with_checked_choices
class Enquiry(models.Model):
    """One message to the organisation, with its sender and text sealed."""

    class Kind(models.TextChoices):
        QUESTION = "question", _("A question")
        DATA = "data", _("My data: to see, correct or delete it")
        COMPLAINT = "complaint", _("A complaint about what is done with my data")
        ACCESSIBILITY = "access", _("Something on this site that I cannot use")
        OTHER = "other", _("Something else")

    class State(models.TextChoices):
        NEW = "new", "new"
        STARTED = "started", "being answered"
        ANSWERED = "answered", "answered"
        CLOSED = "closed", "closed"

    class Notice(models.IntegerChoices):
        """The latest stage of an enquiry that the organisation was mailed about."""

        NONE = 0, "nothing yet"
        ARRIVED = 1, "that it arrived"
        NEAR = 2, "that its day is near"
        MISSED = 3, "that its day is over"

    WAITING = (State.NEW, State.STARTED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("subject"), max_length=9, choices=Kind)
    state = models.CharField("state", max_length=8, choices=State, default=State.NEW)
    # Name, address, language and message. `petitions.mail.enquiries` opens it.
    sealed = models.BinaryField()
    looks_automatic = models.BooleanField(_("possibly spam"), default=False)
    # Dates, not times: then knowing when somebody was online does not identify their message.
    received_on = models.DateField("received")
    due_on = models.DateField("answer by")
    acknowledged_on = models.DateField("first reply", null=True, blank=True)
    answered_on = models.DateField("answered or closed", null=True, blank=True)
    # A `Notice`. It has no `choices`, because nobody selects it in a form.
    notice = models.PositiveSmallIntegerField(default=Notice.NONE)
    outcome = models.CharField(
        _("outcome"),
        max_length=300,
        blank=True,
        help_text=_("What was done about it. Other organisers read it. Write nobody’s name."),
    )

    objects = EnquiryQuerySet.as_manager()

    class Meta:
        verbose_name = "message to us"
        verbose_name_plural = "messages to us"
        ordering = ("due_on", "id")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["new", "started"], answered_on=None)
                | Q(state__in=["answered", "closed"], answered_on__isnull=False),
                name="enquiry_answered_on_a_day",
            ),
            models.CheckConstraint(
                condition=Q(notice__in=[0, 1, 2, 3]), name="enquiry_notice_is_one"
            ),
        ]

    def __str__(self) -> str:
        """Return kind and date: "Complaint, 29 November 2026"."""
        return f"{KINDS[self.kind]}, {day(self.received_on)}"

    @property
    def is_waiting(self) -> bool:
        return self.state in self.WAITING

    @property
    def is_overdue(self) -> bool:
        """Whether it still waits although its due date has passed."""
        return self.is_waiting and self.due_on < timezone.localdate()


# The name of each kind in the admin, which is in English.
KINDS: dict[str, str] = {
    Enquiry.Kind.QUESTION: "Question",
    Enquiry.Kind.DATA: "Request about data",
    Enquiry.Kind.COMPLAINT: "Complaint",
    Enquiry.Kind.ACCESSIBILITY: "Accessibility",
    Enquiry.Kind.OTHER: "Message",
}


class Answer(models.Model):
    """One answer to an enquiry, with its text sealed. Its outbox row has the outcome.

    `number` counts the answers to one enquiry. Two answers with one number are a form that was
    submitted twice, or were written without knowledge of each other.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    enquiry = models.ForeignKey(
        Enquiry, models.CASCADE, related_name="answers", db_index=False, verbose_name="message"
    )
    number = models.PositiveSmallIntegerField("number")
    sealed = models.BinaryField()
    written_on = models.DateField("written")
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="written by"
    )

    class Meta:
        verbose_name = "answer"
        verbose_name_plural = "answers"
        ordering = ("number",)
        constraints = [
            models.UniqueConstraint(fields=["enquiry", "number"], name="answer_once_a_number"),
        ]

    def __str__(self) -> str:
        return f"Answer {self.number}"
