"""The checklist before a petition opens: eight items, and what is missing for each.

Legal requirements block the opening. A reason, on record, overrides everything else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from petitions.formatting.languages import day, moment_in_london
from petitions.models import (
    AuditRecord,
    Organisation,
    Petition,
    Place,
    PlaceFile,
    ReadinessTick,
    SenderCheck,
)
from petitions.models.petition import CLOSE_HAS_PASSED
from petitions.publishing import life
from petitions.staff import audit, roles

Tick = ReadinessTick.Item
# Editions appear quarterly. In one year, few homes get new postcodes.
POSTCODES_VALID_FOR = timedelta(days=366)
# A text about a war may be out of date after a week.
TEXTS_VALID_FOR = timedelta(days=7)
# Keys and mail servers change, so DNS must be checked again after this time.
DNS_VALID_FOR = timedelta(days=90)
_NO_PETITION = "Add the petition, then write its text in at least one language."
# The label of each item that is ticked by hand, and what to do while it is not ticked.
_MANUAL: dict[Tick, tuple[str, str]] = {
    Tick.MAIL: (
        "Mail",
        "Send yourself every message, at two large providers, and check that none is in spam.",
    ),
    Tick.KEYS: (
        "Keys",
        "Have the keys copied off the server. If they are lost, no name can ever be read again.",
    ),
    Tick.BACKUP: (
        "Backup",
        "Have a backup restored once on another machine. One that was never restored may not work.",
    ),
    Tick.TRUE_TODAY: (
        "True today",
        "Read every text once more. Is all of it true today? Your answer counts for seven days.",
    ),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist. `blocking` must be done before opening, `todo` should be done.

    facts: what is known, ready or not. screen: the URL name of the admin page to fix it on, if any,
    and petition: that URL's argument, unless the page is for the whole site.
    """

    label: str
    blocking: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    screen: str = ""
    petition: Petition | None = None
    # The tick and who made it, if it is ticked by hand; None if the program checks it.
    tick: Tick | None = None
    ticked: ReadinessTick | None = None

    @property
    def is_ready(self) -> bool:
        return not self.blocking and not self.todo

    @property
    def url(self) -> str:
        """The path of the page to fix it on; "" if there is none."""
        of = [self.petition.pk] if self.petition else []
        return reverse(self.screen, args=of) if self.screen else ""

    @property
    def missing(self) -> tuple[str, ...]:
        return self.blocking + self.todo


def checklist(petition: Petition | None) -> list[Item]:
    """Return all items for one petition, or for the first one before it exists. Each takes a query
    or two, none of which grows with the number of signatures.
    """
    return [
        _organisation_item(),
        _texts_item(petition),
        _places_item(),
        Item("A second administrator", todo=tuple(_administrator_problems())),
        *_manual_items(petition),
    ]


def blocking(items: list[Item]) -> list[str]:
    """Return a sentence for each thing that must be done before the petition can open."""
    return [reason for item in items for reason in item.blocking]


@transaction.atomic
def tick(*, petition: Petition, item: Tick, is_done: bool, actor: User, screen: str) -> None:
    """Tick or untick an item, on record. All but the one about texts are for the whole site."""
    roles.require(actor, life.PERMISSION)
    of = petition if item == Tick.TRUE_TODAY else None
    if is_done:
        now = {"ticked_by": actor, "ticked_on": timezone.localdate()}
        ReadinessTick.objects.update_or_create(item=item, petition=of, defaults=now)
    else:
        ReadinessTick.objects.filter(item=item, petition=of).delete()
    action = AuditRecord.Action
    audit.record(
        action=action.READINESS_TICKED if is_done else action.READINESS_UNTICKED,
        screen=screen,
        actor=actor,
        about=petition,
        why=item.label,
    )


def _organisation_item() -> Item:
    organisation = Organisation.load()
    blocking = []
    if not organisation.name:
        blocking.append("Enter the organisation’s name: signers consent to it.")
    if not organisation.privacy_email:
        blocking.append("Enter the privacy contact: signers have a right to one.")
    todo = []
    if not organisation.logo_hash:
        todo.append("Upload a logo: people look for it to see whether a page is yours.")
    if not organisation.sender_name:
        todo.append("Enter the sender name in emails: without it, people see only the address.")
    return Item(
        "Organisation",
        tuple(blocking),
        tuple(todo),
        screen="admin:petitions_organisation_changelist",
    )


def _texts_item(petition: Petition | None) -> Item:
    if petition is None:
        return Item("Texts", (_NO_PETITION,), screen="admin:petitions_petition_add")
    return Item(
        "Texts",
        tuple(_text_problems(petition)),
        tuple(_untranslated(petition)),
        screen="admin:petitions_petition_texts",
        petition=petition,
    )


def _text_problems(petition: Petition) -> Iterator[str]:
    if petition.state == Petition.State.DRAFT and petition.has_closed:
        yield str(CLOSE_HAS_PASSED)
    elif petition.opens_at and petition.closes_at and petition.closes_at <= petition.opens_at:
        yield "It would close before it opens. Change “closes” on the petition’s page."
    if not petition.texts.exists():
        yield "Write the petition’s text in at least one language."
    appears_at = petition.appears_at()
    if appears_at and petition.opens_at and petition.opens_at < appears_at:
        yield (
            f"It would open before its text appears, {moment_in_london(appears_at)}. Set “opens” "
            "to that time or later. If you leave it empty, the petition opens with its text."
        )


def _untranslated(petition: Petition) -> Iterator[str]:
    written = set(petition.texts.values_list("language", flat=True))
    for code, name in settings.LANGUAGES:
        if written and code not in written:
            yield f"There is no text in {name}: its readers see another language."


def _places_item() -> Item:
    number = Place.objects.constituencies().count()
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    edition = newest.edition if newest else None
    todo = []
    if not number:
        todo.append("No constituencies are loaded. Ask your operator.")
    if edition is None:
        todo.append(
            "No postcodes are imported: signatures from the UK count as “constituency not known”. "
            "Ask your operator to import them."
        )
    elif timezone.localdate() - edition > POSTCODES_VALID_FOR:
        todo.append(f"The postcodes are from {edition:%B %Y}. Ask your operator for newer ones.")
    known = [f"{number} constituencies are loaded." if number else ""]
    known.append(f"Postcodes of {edition:%B %Y}." if edition else "")
    facts = tuple(filter(None, known))
    return Item("Constituencies and postcodes", todo=tuple(todo), facts=facts)


def _administrator_problems() -> Iterator[str]:
    """Ask for a second administrator, by name of who can appoint one: organisers cannot."""
    superusers = User.objects.filter(is_superuser=True, is_active=True, is_staff=True)
    chiefs = {*roles.people_of([roles.ADMINISTRATORS]), *superusers}
    if len(chiefs) < 2:
        who = next((person.get_full_name() or str(person) for person in chiefs), "your operator")
        yield (
            f"Ask {who} to give a second person the role “Administrators”, under People: if the "
            "only one loses phone or password, nobody can let them in again."
        )


def _manual_items(petition: Petition | None) -> list[Item]:
    rows = ReadinessTick.objects.select_related("ticked_by").filter(petition__isnull=True)
    own = ReadinessTick.objects.select_related("ticked_by").filter(petition=petition)
    ticked = {row.item: row for row in [*rows, *own]}
    return [_manual_item(name, ticked.get(name)) for name in _MANUAL]


def _manual_item(name: Tick, row: ReadinessTick | None) -> Item:
    """Return an item that is ticked by hand; the one about mail includes the DNS check."""
    label, todo = _MANUAL[name]
    missing = () if row else (todo,)
    facts: tuple[str, ...] = ()
    if row:
        facts = (f"{row.ticked_by} ticked this on {day(row.ticked_on)}.",)
    if row and name == Tick.TRUE_TODAY and timezone.localdate() - row.ticked_on > TEXTS_VALID_FOR:
        missing, row = (todo,), None
    if name != Tick.MAIL:
        return Item(label, todo=missing, facts=facts, tick=name, ticked=row)
    dns = tuple(_dns_problems())
    screen = "admin:petitions_sendercheck_changelist"
    return Item(label, todo=(*missing, *dns), facts=facts, screen=screen, tick=name, ticked=row)


def _dns_problems() -> Iterator[str]:
    check = SenderCheck.objects.current()
    if check is None:
        yield "Check the DNS records of the sender: without them, large providers refuse mail."
    elif not check.is_right:
        yield f"The DNS records of {check.domain} were not right on {day(check.checked_at)}."
    elif timezone.now() - check.checked_at > DNS_VALID_FOR:
        yield f"Check the DNS records of {check.domain} again: the last check is too old."
