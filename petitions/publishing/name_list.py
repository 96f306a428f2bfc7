"""The public list of names of a petition that publishes them: made once a day, read page by page.

Listed is who chose it, in a form that offered it, and whose signature counts: from the day after it
was confirmed, in alphabetical order, without place or time. So no order tells who signed when.

A page is stored as ids alone, sealed: a copy of the database does not tell which row a name that
stands on the page belongs to. The names are read from the signers' rows when the page is shown. So
a name is gone at once when it is withdrawn, removed from the count or not to be shown any more.
"""

import logging
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import NamedTuple, cast
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from petitions.crypto import vault
from petitions.identity import names
from petitions.models import NamePage, Petition, Signature, Signer
from petitions.signers import consent, sealing

PER_PAGE = 200
BATCH = 2_000
# In the associated data of sealed pages.
TABLE = "name-page"
_CONDITIONS = {
    "state": Signature.State.CONFIRMED,
    "name_use": Signature.NameUse.PUBLIC,
    "consent_version": consent.PUBLISHING,
}

logger = logging.getLogger(__name__)


class Page(NamedTuple):
    """One page of a list: its names, its number from 1, and how many pages there are."""

    names: list[str]
    number: int
    pages: int

    @property
    def previous(self) -> int:
        return self.number - 1

    @property
    def next(self) -> int:
        return self.number + 1


def page(petition: Petition, number: int) -> Page | None:
    """A page of the list as it is now; None if there is no such page. Three queries.

    The first page is there, and empty, before the first list is made.
    """
    pages = NamePage.objects.filter(petition=petition).order_by("-number")
    last = pages.values_list("number", flat=True).first() or 1
    if not petition.publishes_names or not 1 <= number <= last:
        return None
    stored = pages.filter(number=number).first()
    return Page(_names(_ids(stored)) if stored else [], number, last)


def make_due(now: datetime | None = None) -> None:
    """Make today's lists of the petitions that have none yet."""
    today = timezone.localdate(now or timezone.now())
    due = Petition.objects.filter(publishes_names=True).exclude(names_listed_on=today)
    for petition in due:
        _make(petition, today)


def clear(petition: Petition) -> None:
    """Delete a petition's list, which is made anew once names are published again."""
    NamePage.objects.filter(petition=petition).delete()
    Petition.objects.filter(pk=petition.pk).update(names_listed_on=None)


def _make(petition: Petition, today: date) -> None:
    """Read and sort all names in memory, some 200 bytes each; then exchange the pages at once."""
    listed = sorted(_listed(petition, today))
    pages = [
        _sealed(petition, number, [pk for _name, pk in listed[start : start + PER_PAGE]])
        for number, start in enumerate(range(0, len(listed), PER_PAGE), start=1)
    ]
    with transaction.atomic():
        # Against publication being switched off meanwhile. Signings lock the row less strongly.
        row = Petition.objects.select_for_update(no_key=True).get(pk=petition.pk)
        if row.publishes_names:
            NamePage.objects.filter(petition=petition).delete()
            NamePage.objects.bulk_create(pages)
            row.names_listed_on = today
            row.save(update_fields=["names_listed_on"])


def _listed(petition: Petition, today: date) -> Iterator[tuple[str, UUID]]:
    """The folded name and the id of each signature to list, read by keyset pagination."""
    midnight = timezone.make_aware(datetime.combine(today, time.min))
    rows = Signature.objects.filter(petition=petition, confirmed_at__lt=midnight, **_CONDITIONS)
    rows, after = rows.select_related("signer").order_by("id"), None
    while batch := list((rows.filter(pk__gt=after) if after else rows)[:BATCH]):
        after = batch[-1].pk
        for one in batch:
            if name := _name(one.signer):
                yield names.folded(name), one.pk


def _names(ids: list[UUID]) -> list[str]:
    """The names of those that are still to be shown, in the order of the ids."""
    shown = {f"signature__{name}": value for name, value in _CONDITIONS.items()}
    signers = {row.pk: row for row in Signer.objects.filter(pk__in=ids, **shown)}
    return [name for pk in ids if pk in signers and (name := _name(signers[pk]))]


def _name(signer: Signer) -> str:
    try:
        return sealing.unsealed(signer)["name"]
    except vault.CannotOpen:
        return ""


def _sealed(petition: Petition, number: int, ids: list[UUID]) -> NamePage:
    made = NamePage(petition=petition, number=number)
    value = {"ids": [pk.hex for pk in ids]}
    made.sealed = vault.seal(value, table=TABLE, row_id=made.pk)
    return made


def _ids(stored: NamePage) -> list[UUID]:
    try:
        value = vault.unseal(stored.sealed, table=TABLE, row_id=stored.pk)
    except vault.CannotOpen:
        # Its key is gone: until tomorrow's list.
        return []
    return [UUID(text) for text in cast("list[str]", value["ids"])]
