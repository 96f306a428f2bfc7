"""News to supporters: a message that organisers send once to signers who asked for news."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from petitions.formatting.sanitising import need_few_marks
from petitions.models.base import with_checked_choices
from petitions.models.counts import ANONYMITY_THRESHOLD, in_steps
from petitions.models.geography import Place, Region
from petitions.models.jobs import BatchJob
from petitions.models.petition import Petition


class NewsQuerySet(models.QuerySet["News"]):
    """Queries about news."""

    def sending(self) -> "NewsQuerySet":
        """Return news for the worker to queue or send now.

        News without its recipients in the outbox comes first, paused or not. The rest is in the
        order in which it was started.
        """
        running = self.filter(Q(pause="") | Q(is_queued=False), state=BatchJob.State.RUNNING)
        return running.order_by("is_queued", "started_at", "id")

    def standing_still(self) -> "NewsQuerySet":
        """Return news that waits for approval or is paused, the oldest first."""
        waiting = Q(state=BatchJob.State.AWAITING)
        paused = Q(state=BatchJob.State.RUNNING) & ~Q(pause="")
        return self.filter(waiting | paused).order_by("created_at", "id")

    def with_lists_to_delete(self, before: Any) -> "NewsQuerySet":
        """Return news that ended before a moment and still has its list of recipients."""
        return self.filter(finished_at__lt=before, has_list=True)


@with_checked_choices
class News(BatchJob):
    """One message to the supporters of a petition, or to those in one region or constituency.

    `matching` is how many supporters were chosen at the start, or queued if that is more. `done` is
    how many are queued. `skipped` is how many share a mailbox with another or cannot be unsealed.
    The texts can be edited only while it is a draft.
    """

    class Pause(models.TextChoices):
        BY_HAND = "by-hand", "paused by an organiser"
        COMPLAINTS = "complaints", "stopped by itself: too many reported it as spam"
        RETURNED = "returned", "stopped by itself: too many came back"
        RIGHTS = "rights", "stopped by itself: who sent it may not send news any more"

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
    # Why running news is paused; empty while it is sent.
    pause = models.CharField("paused", max_length=10, choices=Pause, blank=True)
    # Whether it may pause by itself. False once somebody has resumed it after such a pause.
    is_watched = models.BooleanField(default=True)
    # Whether all recipients are in the outbox.
    is_queued = models.BooleanField(default=False)
    # Whether the team must still be mailed that it waits or has paused by itself.
    is_to_tell = models.BooleanField(default=False)
    # Whether the outbox still stores who got it: see retention.
    has_list = models.BooleanField(default=False)

    APPROVAL = "petitions.approve_news"
    FEWEST: ClassVar = ANONYMITY_THRESHOLD

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
        """Return its subject, in English if there is one."""
        texts = sorted(self.texts.all(), key=lambda text: (text.language != "en", text.pk))
        return texts[0].subject if texts else "(no text yet)"

    @property
    def is_of_place(self) -> bool:
        """Whether it goes only to one region or constituency."""
        return bool(self.place_id or self.region)

    @property
    def people(self) -> str:
        """How many people were chosen, in words.

        In steps of `FEWEST` until sending begins. Exact numbers would reveal, to somebody who
        starts and stops it twice, whether a person has signed in between.
        """
        if not self.started_at:
            return self.in_steps(self.matching)
        return f"{self.matching:,} {'person' if self.matching == 1 else 'people'}"

    @classmethod
    def in_steps(cls, people: int) -> str:
        """Return a number of people in words, rounded down."""
        return f"{in_steps(people, cls.FEWEST, about='at least')} people"

    @property
    def is_editable(self) -> bool:
        """Whether its texts and recipients can still be changed."""
        return self.state == self.State.DRAFT


@with_checked_choices
class NewsText(models.Model):
    """The text of a news item in one language: subject, and body in Markdown."""

    news = models.ForeignKey(News, models.CASCADE, related_name="texts", db_index=False)
    language = models.CharField("language", max_length=2, choices=settings.LANGUAGES)
    subject = models.CharField(
        "subject",
        max_length=100,
        help_text=(
            "It may name the petition. Signers who withheld their name get a neutral subject, "
            "unless they allowed news to name it."
        ),
    )
    body = models.TextField(
        "text",
        max_length=20_000,
        help_text="In Markdown. It names nobody, and pictures are left out.",
        validators=[need_few_marks],
    )

    class Meta:
        verbose_name = "text of news"
        verbose_name_plural = "texts of news"
        constraints = [models.UniqueConstraint(fields=["news", "language"], name="news_text_once")]

    def __str__(self) -> str:
        return f"{self.subject} ({self.language})"


class NewsCount(models.Model):
    """The outcomes of a news item at one large mail provider, or at all others together.

    Counted as they happen: the list of recipients is deleted later, and has no providers.
    """

    news = models.ForeignKey(News, models.CASCADE, related_name="counts", db_index=False)
    provider = models.CharField(max_length=20)
    sent = models.PositiveIntegerField(default=0, db_default=0)
    # Not sent, because the supporter withdrew, unsubscribed, objected or bounced in between.
    withheld = models.PositiveIntegerField(default=0, db_default=0)
    refused = models.PositiveIntegerField(default=0, db_default=0)
    returned = models.PositiveIntegerField(default=0, db_default=0)
    unsubscribed = models.PositiveIntegerField(default=0, db_default=0)
    complained = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["news", "provider"], name="news_count_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.news_id}"
