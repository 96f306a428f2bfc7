"""The public list of names of a petition that publishes them, made once a day.

A signature is listed from the day after its confirmation, if its signer chose it in a form that
offered it, and while it counts. The order is alphabetical, without place or time, so that it does
not reveal who signed when.

A page is stored as a sealed list of ids, so that a copy of the database does not show which row a
published name belongs to. Names are read from the signers' rows when the page is shown. A name
therefore disappears at once when it is withdrawn, removed from the count or no longer public.
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
# Part of the associated data of sealed pages.
TABLE = "name-page"
_CONDITIONS = {
    "state": Signature.State.CONFIRMED,
    "name_use": Signature.NameUse.PUBLIC,
    "consent_version": consent.PUBLISHING,
}

logger = logging.getLogger(__name__)


class Page(NamedTuple):
    """One page of the list: its names, its number from 1, and the number of pages."""

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
    """Return a page of the list as it is now, or None if it does not exist. Three queries.

    While names are published the first page exists, empty until the first list is made.
    """
    pages = NamePage.objects.filter(petition=petition).order_by("-number")
    last = pages.values_list("number", flat=True).first() or 1
    if not petition.publishes_names or not 1 <= number <= last:
        return None
    stored = pages.filter(number=number).first()
    return Page(_names(_ids(stored)) if stored else [], number, last)


def make_due(now: datetime | None = None) -> None:
    """Make today's lists for petitions that have none yet."""
    today = timezone.localdate(now or timezone.now())
    due = Petition.objects.filter(publishes_names=True).exclude(names_listed_on=today)
    for petition in due:
        _make(petition, today)


def clear(petition: Petition) -> None:
    """Delete a petition's list. It is made again once names are published again."""
    NamePage.objects.filter(petition=petition).delete()
    Petition.objects.filter(pk=petition.pk).update(names_listed_on=None)


def _make(petition: Petition, today: date) -> None:
    """Read and sort all names in memory (about 200 bytes each), then replace all pages at once."""
    listed = sorted(_listed(petition, today))
    pages = [
        _sealed(petition, number, [pk for _name, pk in listed[start : start + PER_PAGE]])
        for number, start in enumerate(range(0, len(listed), PER_PAGE), start=1)
    ]
    with transaction.atomic():
        # Somebody may switch publication off meanwhile. Signing takes a weaker lock on this row.
        row = Petition.objects.select_for_update(no_key=True).get(pk=petition.pk)
        if row.publishes_names:
            NamePage.objects.filter(petition=petition).delete()
            NamePage.objects.bulk_create(pages)
            row.names_listed_on = today
            row.save(update_fields=["names_listed_on"])


def _listed(petition: Petition, today: date) -> Iterator[tuple[str, UUID]]:
    """Yield folded name and id of each signature to list, read by keyset pagination."""
    midnight = timezone.make_aware(datetime.combine(today, time.min))
    rows = Signature.objects.filter(petition=petition, confirmed_at__lt=midnight, **_CONDITIONS)
    rows, after = rows.select_related("signer").order_by("id"), None
    while batch := list((rows.filter(pk__gt=after) if after else rows)[:BATCH]):
        after = batch[-1].pk
        for one in batch:
            if name := _name(one.signer):
                yield names.folded(name), one.pk


def _names(ids: list[UUID]) -> list[str]:
    """Return the names that may still be shown, in the order of the ids."""
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
        # The key is missing: the page stays empty until tomorrow's list.
        return []
    return [UUID(text) for text in cast("list[str]", value["ids"])]
