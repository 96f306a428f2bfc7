"""Petitions, their versioned texts in each language, and their milestones."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext_lazy as _

from petitions.formatting.sanitising import need_few_marks
from petitions.models.base import (
    LONGEST_BODY,
    Publication,
    PublicationQuerySet,
    rank_of,
    with_checked_choices,
)

# Raw SQL, because every page of a petition runs it: compiling it from querysets would take as long
# as the rest of the petition's query.
_MILESTONES_SQL = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', event.id, 'kind', event.kind, 'day', event.day, 'link', event.link,
        'texts', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'language', said.language, 'title', said.title, 'words', said.words
            ) ORDER BY said.language), '[]')
            FROM petitions_milestonetext said WHERE said.milestone_id = event.id
        )
    ) ORDER BY event.day, event.id), '[]')
    FROM petitions_milestone event
    WHERE event.is_public AND event.petition_id = %(expressions)s)
"""


def public_milestones(petition: str) -> models.Func:
    """Annotation: a petition's public milestones with their texts, as one JSON column.

    `petition` is the name of the field that holds the petition's id. The value is a list of dicts,
    ordered by day, each with `id`, `kind`, `day` in ISO form, `link`, and `texts`, a list of dicts
    with `language`, `title` and `words`.
    """
    return models.Func(
        models.F(petition), template=_MILESTONES_SQL, output_field=models.JSONField()
    )


@with_checked_choices
class Milestone(models.Model):
    """A dated public event of a petition. Its kind shows how far the petition has come."""

    class Kind(models.TextChoices):
        HANDED_IN = "handed_in", _("Handed in")
        REPLY = "reply", _("The reply")
        DEBATE = "debate", _("Debate in Parliament")
        OTHER = "other", _("News")

    # A string reference, because petitions query their milestones (circular import).
    petition = models.ForeignKey(
        "petitions.Petition", models.CASCADE, related_name="milestones", verbose_name=_("petition")
    )
    kind = models.CharField(_("what happened"), max_length=9, choices=Kind)
    day = models.DateField(_("day"), help_text=_("A future date is shown as “Announced”."))
    link = models.URLField(
        _("link"), max_length=300, blank=True, help_text=_("To a reply, a record or a report.")
    )
    is_public = models.BooleanField(
        _("shown to the public"),
        default=False,
        help_text=_("On the petition’s page and in the news feed. Nobody gets an email."),
    )

    class Meta:
        verbose_name = _("milestone")
        verbose_name_plural = _("milestones")

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.day}"


@with_checked_choices
class MilestoneText(models.Model):
    """A milestone's text in one language. Without a text, the label of its kind is the title."""

    milestone = models.ForeignKey(Milestone, models.CASCADE, related_name="texts", db_index=False)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES)
    title = models.CharField(_("title"), max_length=150)
    words = models.TextField(_("text"), max_length=1000, blank=True)

    class Meta:
        verbose_name = _("text of a milestone")
        verbose_name_plural = _("texts of milestones")
        constraints = [
            models.UniqueConstraint(fields=["milestone", "language"], name="milestone_text_once"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.language})"


# Grace period: links mailed before the close still confirm for this long after it.
CONFIRMING_AFTER_CLOSE = timedelta(hours=24)
PAST_CLOSE = (
    "This time has passed in London. Choose a later one, and check the year. To close the "
    "petition now, leave the field as it was and use the button “Close”."
)
CLOSE_HAS_PASSED = _(
    "Its close has passed, so nobody could sign. Empty the field, or choose a time to come."
)


class PetitionQuerySet(models.QuerySet["Petition"]):
    """Queries about petitions."""

    def published(self) -> "PetitionQuerySet":
        """Return petitions with a public page, including removed ones, whose page says why."""
        return self.exclude(state=Petition.State.DRAFT)

    def over(self, now: datetime) -> "PetitionQuerySet":
        """Return petitions that were closed or removed, or whose closing time has passed."""
        ended = Q(state__in=[Petition.State.CLOSED, Petition.State.REMOVED])
        return self.filter(ended | Q(closes_at__lte=now))

    def running(self, now: datetime) -> "PetitionQuerySet":
        """Return open petitions whose closing time, if any, is in the future."""
        to_come = Q(closes_at=None) | Q(closes_at__gt=now)
        return self.filter(to_come, state=Petition.State.OPEN)

    def readable(self) -> "PetitionQuerySet":
        """Return petitions whose text the public may read."""
        texts = PetitionText.objects.published()
        public = self.published().exclude(state=Petition.State.REMOVED)
        return public.filter(pk__in=texts.values("petition"))

    def titled(self) -> "PetitionQuerySet":
        """Annotate for `__str__`: the newest text's `title`, in English if there is one, and
        whether another petition has the same title.
        """
        texts = PetitionText.objects.filter(petition=OuterRef("pk"))
        titles = texts.order_by(rank_of("en"), "-version").values("title")
        namesakes = PetitionText.objects.filter(title=OuterRef("title")).exclude(
            petition=OuterRef("pk")
        )
        title, shared = {"title": Subquery(titles[:1])}, {"shares_title": Exists(namesakes)}
        return self.annotate(**title).annotate(**shared)

    def with_news(self) -> "PetitionQuerySet":
        """Annotate `readable()` petitions with `public_texts` and `public_milestones`."""
        texts = PetitionText.objects.published()
        columns = {"public_milestones": public_milestones("pk")}
        with_texts = [models.Prefetch("texts", texts, to_attr="public_texts")]
        return self.readable().prefetch_related(*with_texts).annotate(**columns).order_by("id")


@with_checked_choices
class Petition(models.Model):
    """A petition without its text: state, opening and closing times, settings, goal."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")
        REMOVED = "removed", _("removed from the site")

    class Challenge(models.TextChoices):
        AUTO = "auto", _("when very many people sign at once")
        ALWAYS = "always", _("always")

    slug = models.SlugField(_("end of the web address"), max_length=80, unique=True)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT)
    goal = models.PositiveIntegerField(
        _("goal"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Leave empty to use the next step: 100, 250, 500, 1,000 …"),
    )
    opens_at = models.DateTimeField(_("opens"), null=True, blank=True)
    closes_at = models.DateTimeField(_("closes"), null=True, blank=True)
    # Set by the program, never typed. Retention of signers' data counts from it.
    closed_at = models.DateTimeField(_("seen to close"), null=True, blank=True, editable=False)
    challenge = models.CharField(
        _("extra check against automated signing"),
        max_length=6,
        choices=Challenge,
        default=Challenge.AUTO,
        # An older release that runs in parallel does not know the column.
        db_default=Challenge.AUTO,
    )
    is_paused = models.BooleanField(
        _("signing is paused"),
        default=False,
        db_default=False,
        help_text=_(
            "Nobody new can sign while this is ticked, and the page says so. Existing signatures "
            "still count, and links already emailed still work."
        ),
    )
    # Shown to the public while signing is paused, by language: see `pause_reason`.
    pause_reasons = models.JSONField(default=dict, blank=True, db_default={}, editable=False)
    is_holding = models.BooleanField(
        "everything new is held", default=False, db_default=False, editable=False
    )
    publishes_names = models.BooleanField(
        "names are published", default=False, db_default=False, editable=False
    )
    # The day of the newest list of names: see `NamePage`.
    names_listed_on = models.DateField(null=True, editable=False)
    removed_reason = models.CharField(
        _("reason for removal, shown to the public"), max_length=300, blank=True
    )

    # Annotations by `titled`, `with_news` and `tallies.as_column`.
    title: str | None = None
    shares_title = False
    total: int
    public_texts: "list[PetitionText]"
    public_milestones: list[dict[str, Any]]

    objects = PetitionQuerySet.as_manager()

    class Meta:
        verbose_name = _("petition")
        verbose_name_plural = _("petitions")
        permissions = [("export_signatures", "Can export signatures")]
        constraints = [
            models.CheckConstraint(
                condition=Q(closes_at__isnull=True)
                | Q(opens_at__isnull=True)
                | Q(closes_at__gt=F("opens_at")),
                name="petition_closes_after_opening",
            ),
        ]

    def __str__(self) -> str:
        """Return its title, with its slug if another petition has the same title."""
        if not self.title:
            return self.slug
        return f"{self.title} ({self.slug})" if self.shares_title else self.title

    def clean(self) -> None:
        """Check what the constraint would refuse, and reject a closing time in the past."""
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise ValidationError(
                {"closes_at": _("The closing time must be after the opening time.")}
            )
        if self.has_closed:
            self._refuse_a_past_close()

    def _refuse_a_past_close(self) -> None:
        """Reject a new closing time in the past. One that was stored earlier may stay."""
        stored = Petition.objects.filter(pk=self.pk).values_list("closes_at", flat=True).first()
        if stored != self.closes_at:
            raise ValidationError({"closes_at": PAST_CLOSE})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save. Closing or removing by hand sets the closing time to now, and `closed_at`."""
        now = timezone.now()
        is_over = self.state in {self.State.CLOSED, self.State.REMOVED}
        if is_over and (self.closes_at is None or self.closes_at > now):
            seen = self.closed_at or now
            self.closes_at = max(seen, (self.opens_at or seen) + timedelta(seconds=1))
        self.closed_at = self._new_closed_at(now, is_over=is_over)
        named = kwargs.get("update_fields")
        if named is not None and not {"state", "closes_at"}.isdisjoint(named):
            kwargs["update_fields"] = {*named, "closes_at", "closed_at"}
        super().save(*args, **kwargs)

    def _new_closed_at(self, now: datetime, *, is_over: bool) -> datetime | None:
        """Return the new `closed_at`. Once set it does not move, but reopening clears it."""
        if is_over or self.has_closed:
            return self.closed_at or now
        return None if self.state == self.State.OPEN else self.closed_at

    def get_absolute_url(self) -> str:
        return reverse("petitions:petition", args=[self.slug])

    def appears_at(self) -> datetime | None:
        """Return when the first embargo of its texts ends, or None if a text has no embargo."""
        waiting = self.texts.embargoed()
        if self.texts.exclude(pk__in=waiting).exists():
            return None
        return waiting.order_by("published_at").values_list("published_at", flat=True).first()

    @property
    def has_opened(self) -> bool:
        """Whether its opening time, if any, has passed, in any state."""
        return self._has_opened(timezone.now())

    @property
    def has_closed(self) -> bool:
        """Whether its closing time has passed, in any state."""
        return self.closes_at is not None and self.closes_at <= timezone.now()

    @property
    def is_public(self) -> bool:
        """Whether it has a public page, even if that only announces when it opens."""
        return self.state != self.State.DRAFT

    @property
    def is_removed(self) -> bool:
        """Whether it was taken off the site, so that its page shows only the reason."""
        return self.state == self.State.REMOVED

    def is_announced(self, now: datetime | None = None) -> bool:
        """Return whether it is published but has not opened yet."""
        return self.state == self.State.OPEN and not self._has_opened(now or timezone.now())

    @property
    def turns_at(self) -> datetime | None:
        """When cached pages about it must expire: the announced opening, if any."""
        return self.opens_at if self.is_announced() else None

    @property
    def is_interrupted(self) -> bool:
        """Whether signing is paused now in a petition that would otherwise accept signatures."""
        return self.is_paused and self._is_running(timezone.now())

    @property
    def pause_reason(self) -> str:
        """Why signing is paused, in the active language or else in English; "" if not given."""
        reasons: dict[str, str] = self.pause_reasons
        return reasons.get(get_language() or "en") or reasons.get("en", "")

    def is_accepting(self, now: datetime | None = None) -> bool:
        """Return whether it accepts signatures at `now`."""
        return not self.is_paused and self._is_running(now or timezone.now())

    def _is_running(self, now: datetime) -> bool:
        still_open = self.closes_at is None or now < self.closes_at
        return self.state == self.State.OPEN and self._has_opened(now) and still_open

    def _has_opened(self, now: datetime) -> bool:
        return self.opens_at is None or self.opens_at <= now

    def is_in_grace(self, now: datetime | None = None) -> bool:
        """Return whether links that were mailed before the close still confirm after it."""
        return (
            self.closes_at is not None
            and (now or timezone.now()) < self.closes_at + CONFIRMING_AFTER_CLOSE
        )

    def is_confirming(self, mailed_at: datetime, now: datetime) -> bool:
        """Return whether a link mailed at `mailed_at` is valid: until a day after the close.

        Links also confirm while signing is paused, so that signers do not miss their deadline.

        Source: the UK Parliament's petitions site confirms such links for a day after the close.
        """
        if self._is_running(now):
            return True
        closed_at = self.closes_at
        return (
            self.state in {self.State.OPEN, self.State.CLOSED}
            and closed_at is not None
            and mailed_at < closed_at
            and self.is_in_grace(now)
        )


class PetitionTextQuerySet(PublicationQuerySet["PetitionText"]):
    """Queries about petition texts."""

    def to_show(self, slug: str, language: str) -> "PetitionText | None":
        """Return the newest text in `language`, else in English, else in any; one query.

        It is annotated with `languages`, in which the petition is published, and `milestones` (see
        `public_milestones`). None if there is no such petition.
        """
        return self.published().filter(petition__slug=slug)._with_related(language).first()

    def to_preview(self, petition: Petition, language: str) -> "PetitionText | None":
        """Like `to_show`, but with drafts and embargoed texts. Never show it to the public."""
        return self.filter(petition=petition)._with_related(language).first()

    def _with_related(self, language: str) -> "PetitionTextQuerySet":
        published = self.model.objects.published().filter(petition=OuterRef("petition"))
        columns = {
            "languages": ArraySubquery(
                published.order_by("language").values("language").distinct()
            ),
            "milestones": public_milestones("petition_id"),
        }
        found = self.select_related("petition").annotate(**columns)
        return found.order_by(rank_of(language), "-version")

    def listed(self, language: str) -> "PetitionTextQuerySet":
        """Return the text to show of every readable petition, the newest first."""
        return (
            self.published()
            .filter(petition__in=Petition.objects.readable())
            .select_related("petition")
            .order_by("-petition_id", rank_of(language), "-version")
            .distinct("petition_id")
        )

    def to_sign(self, language: str) -> "list[PetitionText]":
        """Return the text to show of every petition that accepts signatures now; one query."""
        found = (
            self.published()
            .filter(petition__state=Petition.State.OPEN)
            .select_related("petition")
            .order_by("petition_id", rank_of(language), "-version")
            .distinct("petition_id")
        )
        return [text for text in found if text.petition.is_accepting()]


@with_checked_choices
class PetitionText(Publication, models.Model):
    """A petition's text in one language and version.

    Database triggers ensure that a signed text changes only together with a `TextCorrection`, and
    is never deleted.
    """

    WORDS = ("title", "addressee", "ask", "body")

    petition = models.ForeignKey(Petition, models.CASCADE, related_name="texts")
    version = models.PositiveSmallIntegerField(_("version"), default=1)
    language = models.CharField(
        _("language"),
        max_length=2,
        choices=settings.LANGUAGES,
    )
    title = models.CharField(_("title"), max_length=150)
    addressee = models.CharField(_("addressed to"), max_length=100)
    ask = models.TextField(_("what the petition asks for"), max_length=400)
    body = models.TextField(
        _("body"),
        blank=True,
        max_length=LONGEST_BODY,
        help_text=_("Markdown"),
        validators=[need_few_marks],
    )
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    # Set by a trigger when a public text is hidden or its time is changed.
    first_public_at = models.DateTimeField(null=True, editable=False)

    # Annotations by `to_show`.
    languages: list[str]
    milestones: list[dict[str, Any]]

    objects = PetitionTextQuerySet.as_manager()

    class Meta:
        verbose_name = _("petition text")
        verbose_name_plural = _("petition texts")
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "version", "language"],
                name="petition_text_once_a_version",
            ),
        ]

    def __str__(self) -> str:
        language = get_language_info(self.language)["name"]
        return f"{self.title} ({language}, version {self.version})"

    @property
    def public_since(self) -> datetime | None:
        return self.first_public_at or super().public_since

    @property
    def is_signed(self) -> bool:
        """Whether somebody has signed this version. A text that was never public needs no query."""
        signatures = self.petition.signatures.filter(text_version=self.version)
        return self.was_public and signatures.exists()

    def need_unsigned(self) -> None:
        """Raise `ValidationError` with advice if this version is signed."""
        if self.is_signed:
            raise ValidationError(
                f"“{self.title}” cannot be deleted: version {self.version} has been signed. "
                "Untick “Delete”. To change its words, use the page “Texts”. To hide it, empty "
                "its “published”."
            )

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        self.need_unsigned()
        return super().delete(*args, **kwargs)
