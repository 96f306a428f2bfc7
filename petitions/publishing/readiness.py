"""The checklist before a petition opens: eight items, and what is missing of each.

What the law requires blocks the opening; a reason, on record, overrides everything else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from petitions.formatting.languages import moment_in_london
from petitions.models import (
    AuditRecord,
    Organisation,
    Petition,
    Place,
    PlaceFile,
    ReadinessTick,
)
from petitions.models.petition import CLOSE_HAS_PASSED
from petitions.staff import audit, roles

Tick = ReadinessTick.Item
Words = Promise | str
# Editions appear quarterly; one that is a year old misses hardly any home.
POSTCODES_LAST = timedelta(days=366)
# What a tick by hand promises, and what its absence costs.
_BY_HAND: dict[Tick, tuple[str, str]] = {
    Tick.MAIL: (
        "Mail",
        "Sign yourself at two large providers, and see that each message arrives, not in spam.",
    ),
    Tick.KEYS: (
        "Keys",
        "Have the keys copied off the server: once lost, no name can ever be read again.",
    ),
    Tick.BACKUP: (
        "Backup",
        "Have a backup restored once on another machine. One that was never restored may be none.",
    ),
    Tick.TRUE_TODAY: (
        "True today",
        "Read the texts once more, in every language: is every sentence and figure true today?",
    ),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist: `blocking` must be done before opening, `todo` should be."""

    label: str
    blocking: tuple[Words, ...] = ()
    todo: tuple[Words, ...] = ()
    # Ticked by hand, and by whom; None if the program sees it itself.
    tick: Tick | None = None
    ticked: ReadinessTick | None = None

    @property
    def is_ready(self) -> bool:
        return not self.blocking and not self.todo

    @property
    def missing(self) -> tuple[Words, ...]:
        return self.blocking + self.todo


def checklist(petition: Petition) -> list[Item]:
    """All items for one petition: a query or two each, none of which grows with signatures."""
    return [
        Item("Organisation", blocking=tuple(_of_organisation())),
        Item("Texts", tuple(_of_texts(petition)), tuple(_untranslated(petition))),
        Item("Constituencies and postcodes", todo=tuple(_of_places())),
        Item("A second administrator", todo=tuple(_of_people())),
        *_by_hand(petition),
    ]


def blocking(items: list[Item]) -> list[Words]:
    """What has to be done before the petition can open, a sentence each."""
    return [reason for item in items for reason in item.blocking]


@transaction.atomic
def tick(*, petition: Petition, item: Tick, is_done: bool, actor: User, screen: str) -> None:
    """Tick an item, or take the tick back, on record. All but the texts' are of the whole site."""
    of = petition if item == Tick.TRUE_TODAY else None
    if is_done:
        ReadinessTick.objects.get_or_create(item=item, petition=of, defaults={"ticked_by": actor})
    else:
        ReadinessTick.objects.filter(item=item, petition=of).delete()
    action = AuditRecord.Action
    audit.record(
        action=action.READINESS_TICKED if is_done else action.READINESS_UNTICKED,
        screen=screen,
        actor_id=actor.pk,
        about=petition,
        why=item.label,
    )


def _of_organisation() -> Iterator[Words]:
    organisation = Organisation.load()
    if not organisation.name:
        yield _("Enter the organisation’s name: signers consent to it.")
    if not organisation.privacy_email:
        yield _("Enter the privacy contact: signers have a right to one.")


def _of_texts(petition: Petition) -> Iterator[Words]:
    if petition.state == Petition.State.DRAFT and petition.has_closed:
        yield CLOSE_HAS_PASSED
    elif petition.opens_at and petition.closes_at and petition.closes_at <= petition.opens_at:
        yield "It would close before it opens. Change “closes” on the petition’s page."
    if not petition.texts.exists():
        yield _("Write the petition’s text in at least one language.")
    appears_at = petition.appears_at()
    if appears_at and petition.opens_at and petition.opens_at < appears_at:
        early = _(
            "It would open before its text appears, %(moment)s. Set “opens” to then or later, or "
            "empty “opens”: it then opens with its text."
        )
        yield early % {"moment": moment_in_london(appears_at)}


def _untranslated(petition: Petition) -> Iterator[str]:
    written = set(petition.texts.values_list("language", flat=True))
    for code, _own_name in settings.LANGUAGES:
        if written and code not in written:
            name = get_language_info(code)["name"]
            yield f"There is no text in {name}: readers of it see another language."


def _of_places() -> Iterator[str]:
    if not Place.objects.constituencies().exists():
        yield "No constituencies are loaded. Ask your operator."
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    if newest is None or newest.edition is None:
        yield (
            "No postcodes are imported: signatures from the UK count as “constituency not known”. "
            "Ask your operator to import them."
        )
    elif timezone.localdate() - newest.edition > POSTCODES_LAST:
        yield f"The postcodes are from {newest.edition:%B %Y}. Ask your operator for newer ones."


def _of_people() -> Iterator[str]:
    chiefs = {person.pk for person in roles.people_of([roles.ADMINISTRATORS])}
    superusers = User.objects.filter(is_superuser=True, is_active=True, is_staff=True)
    if len(chiefs | set(superusers.values_list("pk", flat=True))) < 2:
        yield (
            "Give a second person the role “Administrators”: if one loses phone or password, "
            "nobody else can let them in again."
        )


def _by_hand(petition: Petition) -> list[Item]:
    rows = ReadinessTick.objects.select_related("ticked_by").filter(petition__isnull=True)
    own = ReadinessTick.objects.select_related("ticked_by").filter(petition=petition.pk)
    ticked = {row.item: row for row in [*rows, *own]}
    items = []
    for name, (label, todo) in _BY_HAND.items():
        row = ticked.get(name)
        items.append(Item(label, todo=() if row else (todo,), tick=name, ticked=row))
    return items
