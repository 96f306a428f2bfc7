"""Scheduled publication (embargo): a text is public from its `published_at` on."""

from datetime import datetime
from typing import Self, TypeVar

from django.db import models
from django.utils import timezone

T = TypeVar("T", bound=models.Model)


class PublicationQuerySet(models.QuerySet[T]):
    """Queries by `published_at`: null is a draft, a time in the future an embargo."""

    def published(self) -> Self:
        """Those that are public now. Nothing else decides about it."""
        return self.filter(published_at__lte=timezone.now())

    def embargoed(self) -> Self:
        """Those under an embargo: they become public automatically at a future time."""
        return self.filter(published_at__gt=timezone.now())


class Publication:
    """Mixin for models with a `published_at`."""

    published_at: datetime | None

    @property
    def is_public(self) -> bool:
        """Whether it is public now: `PublicationQuerySet.published` for one instance."""
        return self.published_at is not None and self.published_at <= timezone.now()

    @property
    def is_embargoed(self) -> bool:
        """Whether it is under an embargo: public automatically at a future time."""
        return self.published_at is not None and not self.is_public
