"""News to supporters: a message that organisers send once to those who asked for it."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from petitions.formatting.sanitising import need_few_marks
from petitions.models.base import with_checked_choices
from petitions.models.geography import Place, Region
from petitions.models.jobs import BatchJob
from petitions.models.petition import Petition


class NewsQuerySet(models.QuerySet["News"]):
    """Queries about news."""

    def sending(self) -> "NewsQuerySet":
        """Those that the worker has to send now, in the order in which they began."""
        running = self.filter(state=BatchJob.State.RUNNING, pause="")
        return running.order_by("started_at", "id")

    def with_lists_to_delete(self, before: Any) -> "NewsQuerySet":
        """Those that ended before a moment, and whose list of recipients is still there."""
        return self.filter(finished_at__lt=before, has_list=True)


@with_checked_choices
class News(BatchJob):
    """One message to the supporters of a petition, or to those of a region or constituency.

    `matching` is how many were chosen at the start, or queued since; `done` how many are queued,
    `skipped` how many share the mailbox of another or cannot be unsealed. The texts can be edited
    while it is a draft.
    """

    class Pause(models.TextChoices):
        BY_HAND = "by-hand", "paused by an organiser"
        COMPLAINTS = "complaints", "stopped by itself: too many reported it as spam"
        RETURNED = "returned", "stopped by itself: too many came back"

    petition = models.ForeignKey(Petition, models.PROTECT, related_name="+")
    region = models.CharField("region", max_length=9, choices=Region, blank=True)
    place = models.ForeignKey(
        Place,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name="constituency",
    )
    # Of a news that runs: why it stands still; empty while it is sent.
    pause = models.CharField("paused", max_length=10, choices=Pause, blank=True)
    # Whether it stops by itself; not after somebody has resumed one that did.
    is_watched = models.BooleanField(default=True)
    # Whether all recipients are in the outbox.
    is_queued = models.BooleanField(default=False)
    # Whether the team has yet to be mailed that it waits, or has stopped by itself.
    is_to_tell = models.BooleanField(default=False)
    # Whether the outbox still says who got it: see retention.
    has_list = models.BooleanField(default=False)

    APPROVAL = "petitions.approve_news"
    # A smaller group may point at somebody.
    FEWEST: ClassVar = 25

    objects = NewsQuerySet.as_manager()

    class Meta(BatchJob.Meta):
        verbose_name = "news"
        verbose_name_plural = "news to supporters"
        permissions = [
            ("send_news", "Can send news to supporters"),
            ("approve_news", "Can approve news of others"),
        ]
        constraints = [
            *BatchJob.Meta.constraints,
            models.CheckConstraint(
                condition=Q(region="") | Q(place=None), name="news_region_or_place"
            ),
            models.CheckConstraint(
                condition=Q(pause="") | ~Q(state__in=["draft", "awaiting"]),
                name="news_paused_once_begun",
            ),
        ]

    def __str__(self) -> str:
        """Its subject, in English if it has one."""
        texts = sorted(self.texts.all(), key=lambda text: (text.language != "en", text.pk))
        return texts[0].subject if texts else "(no text yet)"

    @property
    def is_of_place(self) -> bool:
        """Whether it goes to those of one region or constituency alone."""
        return bool(self.place_id or self.region)

    @property
    def people(self) -> str:
        """How many people were chosen, in words.

        In steps of `FEWEST` until sending begins: whoever starts and stops it twice would read in
        two exact numbers whether somebody has signed in between.
        """
        if not self.started_at:
            return self.in_steps(self.matching)
        return f"{self.matching:,} {'person' if self.matching == 1 else 'people'}"

    @classmethod
    def in_steps(cls, people: int) -> str:
        """A number of people in words, rounded down."""
        if people < cls.FEWEST:
            return f"fewer than {cls.FEWEST} people"
        return f"at least {people // cls.FEWEST * cls.FEWEST:,} people"

    @property
    def is_editable(self) -> bool:
        """Whether its texts and recipients can still be changed."""
        return self.state == self.State.DRAFT


@with_checked_choices
class NewsText(models.Model):
    """A news in one language: subject, and body in Markdown."""

    news = models.ForeignKey(News, models.CASCADE, related_name="texts", db_index=False)
    language = models.CharField("language", max_length=2, choices=settings.LANGUAGES)
    subject = models.CharField(
        "subject",
        max_length=100,
        help_text=(
            "It may name the petition. Signers who withheld their name get a neutral one, unless "
            "they allowed news to name it."
        ),
    )
    body = models.TextField(
        "text",
        max_length=20_000,
        help_text="In Markdown. Nobody is named, no picture is loaded.",
        validators=[need_few_marks],
    )

    class Meta:
        verbose_name = "text of news"
        verbose_name_plural = "texts of news"
        constraints = [models.UniqueConstraint(fields=["news", "language"], name="news_text_once")]

    def __str__(self) -> str:
        return f"{self.subject} ({self.language})"


class NewsCount(models.Model):
    """What became of a news at one large mail provider, or at all others together.

    Counted as it happens, because the list of recipients is deleted, and says no provider.
    """

    news = models.ForeignKey(News, models.CASCADE, related_name="counts", db_index=False)
    provider = models.CharField(max_length=20)
    sent = models.PositiveIntegerField(default=0, db_default=0)
    # Not sent, because they withdrew, unsubscribed, objected or bounced in the meantime.
    withheld = models.PositiveIntegerField(default=0, db_default=0)
    refused = models.PositiveIntegerField(default=0, db_default=0)
    returned = models.PositiveIntegerField(default=0, db_default=0)
    unsubscribed = models.PositiveIntegerField(default=0, db_default=0)
    complained = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["news", "provider"], name="news_count_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.news_id}"
