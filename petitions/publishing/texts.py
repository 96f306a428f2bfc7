"""Texts of petitions: save drafts, correct typing errors, begin and publish new versions.

A text changes freely until people can sign it. After that a change is either a typing error, which
is corrected in place and on record, or a change of meaning, which needs a new version in every
language. Signatures keep the version that their signers read.
"""

from collections.abc import Collection, Iterable
from copy import copy
from datetime import timedelta
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from petitions.models import AuditRecord, Petition, PetitionText, Signature
from petitions.models.corrections import digest
from petitions.publishing.life import PUBLIC, Phase, phase_of
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

PERMISSION = "petitions.change_petitiontext"
Action = AuditRecord.Action
T = TypeVar("T", bound=Any)
# Numbers above are shown as "more than", so that counting stays cheap with ten million signatures.
MAX_COUNTED = 10_000


class Meaning(models.TextChoices):
    """What a change of a text that people could sign means."""

    TYPING_ERROR = (
        "typing-error",
        (
            "A typing error: nobody would have decided differently. It is corrected in place at "
            "once. The public history shows it with today’s date."
        ),
    )
    NEW_DRAFT = (
        "new-draft",
        (
            "The meaning, and there is more to change: start a new version in every language "
            "from this one. Nobody sees it until you publish it."
        ),
    )
    NEW_VERSION = (
        "new-version",
        (
            "The meaning: publish a new version now, in every language. People who sign from now "
            "on sign that one."
        ),
    )


def changed(texts: Iterable[T]) -> list[tuple[T, T | None]]:
    """Return the texts whose words have changed, each with the stored text, or None if it is new.

    It also normalises the given texts.
    """
    pairs = []
    for text in texts:
        text.normalise()
        stored = type(text).objects.filter(pk=text.pk).first() if text.pk else None
        before = copy(stored)
        if before is not None:
            before.normalise()
        if before is None or before.words != text.words:
            pairs.append((text, stored))
    return pairs


def needs_meaning(petition: Petition, texts: Iterable[PetitionText]) -> bool:
    """Return whether saving these texts changes words that people could sign."""
    can_be_signed = phase_of(petition) not in {Phase.DRAFT, Phase.ANNOUNCED}
    return can_be_signed and any(
        stored is not None and stored.was_public for _text, stored in changed(texts)
    )


@transaction.atomic
def save(
    *,
    petition: Petition,
    texts: Collection[PetitionText],
    meaning: Meaning | None,
    actor: User | None,
    screen: str,
) -> int:
    """Save the texts of one version that have changed; return the version with the new words.

    Raises `Refused` if `needs_meaning` and no `meaning` is given, and if the meaning of an earlier
    version would change.
    """
    roles.require(actor, PERMISSION)
    # This waits for signings in progress, and blocks later ones until the commit.
    row = Petition.objects.select_for_update().get(pk=petition.pk)
    version = max((text.version for text in texts), default=1)
    is_asked = needs_meaning(row, texts)
    if is_asked and meaning is None:
        raise Refused("Nothing was saved. Say whether it is a typing error or a change of meaning.")
    if is_asked and meaning != Meaning.TYPING_ERROR:
        return _begin_version(row, version, texts, meaning, actor=actor, screen=screen)
    unread = []
    for text, stored in changed(texts):
        if is_asked and stored is not None and stored.was_public:
            correct(text, stored, actor=actor, screen=screen)
        else:
            text.save()
            unread.append(text)
    _record(Action.TEXTS_SAVED, row, version, unread, actor, screen)
    return version


def correct(text: T, stored: T, *, actor: User | None, screen: str) -> None:
    """Save a public text with a correction that holds both wordings, and record their digests."""
    text.corrections.create(before=stored.words, after=text.words, made_by=actor)
    audit.record(
        action=Action.TEXT_CORRECTED,
        screen=screen,
        actor=actor,
        about=text,
        why=f"{text.language}: SHA-256 {digest(stored.words)} became {digest(text.words)}",
    )
    text.save()


@transaction.atomic
def publish(*, petition: Petition, actor: User | None, screen: str) -> list[PetitionText]:
    """Publish and return the drafts of a public petition's newest version.

    Raises `Refused` if the petition is a draft, because opening it publishes its texts.
    """
    roles.require(actor, PERMISSION)
    row = Petition.objects.select_for_update().get(pk=petition.pk)
    if phase_of(row) not in PUBLIC:
        raise Refused("The petition is a draft. “Open” publishes it with its texts.")
    version = newest_version(row)
    drafts = list(row.texts.filter(version=version, published_at=None))
    row.texts.filter(pk__in=[text.pk for text in drafts]).update(published_at=timezone.now())
    _record(Action.TEXTS_PUBLISHED, row, version, drafts, actor, screen)
    return drafts


def need_newest(petition: Petition, version: int | None) -> None:
    """Raise `Refused` unless the version is the newest, whose drafts `publish` publishes.

    Somebody who reads one version would publish the drafts of another that a colleague has begun.
    """
    if version != (newest := newest_version(petition)):
        raise Refused(
            f"Nothing was saved or published. There is now a version {newest}, whose drafts would "
            "be published instead. Open that version and read it first."
        )


def newest_version(petition: Petition) -> int:
    """Return the number of the newest version, drafts included; 1 if there is no text."""
    newest = petition.texts.aggregate(newest=models.Max("version"))["newest"]
    return newest or 1


def signed(petition: Petition, version: int) -> int:
    """Return how many confirmed signatures this version has; `MAX_COUNTED` + 1 means more.

    Only signatures from the time when it was the newest version are read, plus two days for pages
    that stayed open and because times are cut to the day.
    """
    public = [(text.version, text.public_since) for text in petition.texts.all()]
    since = [at for number, at in public if at and number == version]
    until = [at for number, at in public if at and number > version]
    rows = petition.signatures.filter(state=Signature.State.CONFIRMED, text_version=version)
    if since and version > 1:
        rows = rows.filter(created_at__gte=min(since) - timedelta(days=1))
    if until:
        rows = rows.filter(created_at__lt=min(until) + timedelta(days=2))
    return rows.order_by("created_at", "id")[: MAX_COUNTED + 1].count()


def _begin_version(
    petition: Petition,
    version: int,
    texts: Collection[PetitionText],
    meaning: Meaning | None,
    *,
    actor: User | None,
    screen: str,
) -> int:
    """Copy every text of the newest version, with the new words, to the next version."""
    newest = newest_version(petition)
    if version != newest:
        raise Refused(
            f"Nothing was saved. There is now a version {newest}. In an earlier version you can "
            "correct only typing errors. Change the meaning in the newest one."
        )
    is_public, now = meaning == Meaning.NEW_VERSION, timezone.now()
    rewritten = {text.language: text for text, _stored in changed(texts)}
    earlier = {text.language: text for text in petition.texts.filter(version=version)}
    begun = []
    for language, text in {**earlier, **rewritten}.items():
        shown = language in rewritten or text.is_public
        new = PetitionText(petition=petition, version=newest + 1, language=language, **text.words)
        new.published_at = (now if shown else text.published_at) if is_public else None
        new.save()
        begun.append(new)
    _record(Action.VERSION_BEGUN, petition, newest + 1, begun, actor, screen)
    if is_public:
        _record(Action.TEXTS_PUBLISHED, petition, newest + 1, begun, actor, screen)
    return newest + 1


def _record(
    action: AuditRecord.Action,
    petition: Petition,
    version: int,
    texts: Iterable[PetitionText],
    actor: User | None,
    screen: str,
) -> None:
    """Append an audit record about the petition, unless there are no texts."""
    languages = ", ".join(sorted(text.language for text in texts))
    if languages:
        audit.record(
            action=action,
            screen=screen,
            actor=actor,
            about=petition,
            why=f"version {version}: {languages}",
        )
