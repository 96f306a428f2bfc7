"""What models share: checks of choices, scheduled publication (embargo), and language fallback."""

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
    """The check that a column has one of its choices; forms validate them by the field itself."""

    def validate(self, *args: Any, **kwargs: Any) -> None:
        pass


def with_checked_choices(model: type[M]) -> type[M]:
    """Class decorator: a check constraint for each column with choices, "" included if blank.

    A decorator, because the body of `Meta` sees neither the fields nor the choices of its model.
    """
    options = model._meta
    options.constraints = [*options.constraints]
    for field in options.local_fields:
        if field.choices:
            values = [str(value) for value, _label in field.flatchoices]
            known = Q(**{f"{field.name}__in": [*values, ""] if field.blank else values})
            name = f"{options.model_name}_{field.name}_known"
            options.constraints.append(ChoicesConstraint(condition=known, name=name))
    # From here migrations take them.
    options.original_attrs["constraints"] = options.constraints
    return model


def array_text(values: Iterable[object]) -> str:
    """A PostgreSQL array of ids, numbers or plain words in its text form, as one parameter.

    psycopg2 adapts each element of a list by itself, which took a tenth of the time of a bulk
    decision. Nothing is quoted: not for what somebody typed.
    """
    return f"{{{','.join(map(str, values))}}}"


def as_array(values: Iterable[UUID | int | str], element: str = "uuid") -> RawSQL:
    """The right side of an `__in` over very many values: one array instead of a parameter for each,
    which took a fifth of the time of a bulk decision. `element` is the PostgreSQL type.
    """
    return RawSQL(f"SELECT unnest(%s::{element}[])", [array_text(values)])  # noqa: S611 - of constants


class PublicationQuerySet(models.QuerySet[M]):
    """Queries by `published_at`: null is a draft, a time in the future an embargo."""

    def published(self) -> Self:
        """Those that are public now. Nothing else decides about it."""
        return self.filter(published_at__lte=timezone.now())

    def embargoed(self) -> Self:
        """Those under an embargo: they become public automatically at a future time."""
        return self.filter(published_at__gt=timezone.now())


# Some thirty pages. Forms and `full_clean` refuse more; a form of three such texts is still read.
LONGEST_BODY = 100_000


class Publication:
    """Mixin for translated texts with a `published_at`. `WORDS` names the fields that are read."""

    WORDS: ClassVar[tuple[str, ...]]

    published_at: datetime | None

    @property
    def words(self) -> dict[str, str | None]:
        """What readers read: the fields of `WORDS`, a date in ISO form."""
        values = {name: getattr(self, name) for name in self.WORDS}
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
        }

    def normalise(self) -> None:
        """Normalise line endings and outer whitespace of the words: browsers send CRLF, files have
        LF, and forms strip. An unchanged form must not seem to change what was signed.
        """
        for name, value in self.words.items():
            if isinstance(getattr(self, name), str) and value is not None:
                setattr(self, name, value.replace("\r\n", "\n").strip())

    @property
    def is_public(self) -> bool:
        """Whether it is public now: `PublicationQuerySet.published` for one instance."""
        return self.published_at is not None and self.published_at <= timezone.now()

    @property
    def public_since(self) -> datetime | None:
        """When readers could first read it; None if they never could."""
        return self.published_at if self.is_public else None

    @property
    def was_public(self) -> bool:
        """Whether readers may have read it."""
        return self.public_since is not None

    @property
    def is_embargoed(self) -> bool:
        """Whether it is under an embargo: public automatically at a future time."""
        return self.published_at is not None and not self.is_public


def rank_of(language: str) -> Case:
    """An `order_by` expression: texts in `language` first, then English, then any other."""
    return Case(When(language=language, then=0), When(language="en", then=1), default=2)
