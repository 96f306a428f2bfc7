"""Keyset pagination for the admin's long lists, without OFFSET and COUNT."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

PER_PAGE = 50
# Years that a cursor may have; every time zone can represent them.
_YEARS = range(2000, 2100)
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """The rows of a page, and the cursor of the next page, or ""."""

    rows: list[M]
    next: str


@dataclass(frozen=True, slots=True)
class Keyset:
    """The order of a list: one or two columns, unique together, in one direction.

    A cursor is the text of their values in the last row of a page. Invalid cursors are ignored.
    """

    columns: tuple[str, ...]
    is_ascending: bool = False

    def page(self, rows: QuerySet[M], cursor: str, size: int = PER_PAGE) -> Page[M]:
        """Return the page after a cursor. One query reads it and one row more."""
        found = list(self.first(rows, cursor, size + 1))
        return Page(found[:size], self.cursor_of(found[size - 1]) if len(found) > size else "")

    def first(self, rows: QuerySet[M], cursor: str, number: int) -> QuerySet[M]:
        return self.ordered(self.past(rows, cursor))[:number]

    def ordered(self, rows: QuerySet[M]) -> QuerySet[M]:
        return rows.order_by(*[c if self.is_ascending else f"-{c}" for c in self.columns])

    def past(self, rows: QuerySet[M], cursor: str) -> QuerySet[M]:
        values = self._values(rows.model, cursor)
        if not values:
            return rows
        beyond = "gt" if self.is_ascending else "lt"
        if len(values) == 1:
            return rows.filter(**{f"{self.columns[0]}__{beyond}": values[0]})
        first, last = self.columns
        behind = Q(**{f"{first}__{beyond}": values[0]})
        beside = Q(**{first: values[0], f"{last}__{beyond}": values[1]})
        # The second condition is implied by the first; it bounds the index scan.
        return rows.filter(behind | beside, **{f"{first}__{beyond}e": values[0]})

    def reversed(self) -> "Keyset":
        return Keyset(self.columns, not self.is_ascending)

    def cursor_of(self, row: Model) -> str:
        values = [getattr(row, column) for column in self.columns]
        return "_".join(v.isoformat() if isinstance(v, datetime) else str(v) for v in values)

    def _values(self, model: type[Model], cursor: str) -> list[Any]:
        """Return a cursor's values by column; empty if the cursor is invalid."""
        texts = cursor.split("_")
        if len(texts) != len(self.columns):
            return []
        fields = [model._meta.get_field(column) for column in self.columns]
        try:
            read = zip(fields, texts, strict=True)
            values = [field.to_python(text) for field, text in read]  # type: ignore[union-attr]
        except (ValidationError, ValueError, OverflowError):
            return []
        return values if all(map(_is_sensible, values)) else []


def _is_sensible(value: Any) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is not None and value.year in _YEARS
    if isinstance(value, int):
        return 0 <= value < 2**63
    return value is not None
