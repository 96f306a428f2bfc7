"""Shared parts of models: constraints on choices, scheduled publication, language fallback."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Case, Q, When
from django.db.models.expressions import RawSQL
from django.utils import timezone

M = TypeVar("M", bound=models.Model)


class ChoicesConstraint(models.CheckConstraint):
    """A check that a column holds one of its choices. Forms leave this check to the field."""

    def validate(self, *args: Any, **kwargs: Any) -> None:
        pass


def with_checked_choices(model: type[M]) -> type[M]:
    """Class decorator that adds a check constraint for each column with choices; "" if blank.

    It is a decorator because the body of `Meta` sees neither fields nor choices of the model.
    """
    options = model._meta
    options.constraints = [*options.constraints]
    for field in options.local_fields:
        if field.choices:
            values = [str(value) for value, _label in field.flatchoices]
            known = Q(**{f"{field.name}__in": [*values, ""] if field.blank else values})
            name = f"{options.model_name}_{field.name}_known"
            options.constraints.append(ChoicesConstraint(condition=known, name=name))
    # Migrations read the constraints from here.
    options.original_attrs["constraints"] = options.constraints
    return model


def array_text(values: Iterable[object]) -> str:
    """Return ids, numbers or plain words as a PostgreSQL array in text form, for one parameter.

    psycopg2 adapts each element of a list separately, which took a tenth of the time of a bulk
    decision. Nothing is quoted, so never pass text that somebody typed.
    """
    return f"{{{','.join(map(str, values))}}}"


def as_array(values: Iterable[UUID | int | str], element: str = "uuid") -> RawSQL:
    """Return the right side of an `__in` over very many values, as one array parameter. Separate
    parameters took a fifth of the time of a bulk decision. `element` is the PostgreSQL type.
    """
    return RawSQL(f"SELECT unnest(%s::{element}[])", [array_text(values)])  # noqa: S611 - of constants


class PublicationQuerySet(models.QuerySet[M]):
    """Queries by `published_at`: null means draft, a time in the future means embargo."""

    def published(self) -> Self:
        """Return the rows that are public now. Nothing else decides what is public."""
        return self.filter(published_at__lte=timezone.now())

    def embargoed(self) -> Self:
        """Return the rows under an embargo, which become public at a future time."""
        return self.filter(published_at__gt=timezone.now())


# About thirty pages. Forms and `full_clean` refuse more. A form with three such texts still fits.
LONGEST_BODY = 100_000


class Publication:
    """Mixin for translated texts with `published_at`. `WORDS` names the fields that readers see."""

    WORDS: ClassVar[tuple[str, ...]]

    published_at: datetime | None

    @property
    def words(self) -> dict[str, str | None]:
        """The values of the fields in `WORDS`, with dates in ISO form."""
        values = {name: getattr(self, name) for name in self.WORDS}
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
        }

    def normalise(self) -> None:
        """Normalise line endings and outer whitespace of the `WORDS` fields. Browsers send CRLF,
        files have LF, and forms strip. An unchanged form must not appear to change a signed text.
        """
        for name, value in self.words.items():
            if isinstance(getattr(self, name), str) and value is not None:
                setattr(self, name, value.replace("\r\n", "\n").strip())

    @property
    def is_public(self) -> bool:
        """Whether it is public now (see `PublicationQuerySet.published`)."""
        return self.published_at is not None and self.published_at <= timezone.now()

    @property
    def public_since(self) -> datetime | None:
        """When readers could first read it; None if they never could."""
        return self.published_at if self.is_public else None

    @property
    def was_public(self) -> bool:
        """Whether readers may have seen it."""
        return self.public_since is not None

    @property
    def is_embargoed(self) -> bool:
        """Whether it is under an embargo, until a time in the future."""
        return self.published_at is not None and not self.is_public


def rank_of(language: str) -> Case:
    """Return an `order_by` expression: texts in `language` first, then English, then others."""
    return Case(When(language=language, then=0), When(language="en", then=1), default=2)
