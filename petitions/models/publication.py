"""When a text is public: from the moment in its `published_at`, and not before."""

from datetime import datetime
from typing import Self, TypeVar

from django.db import models
from django.utils import timezone

T = TypeVar("T", bound=models.Model)


class PublicationQuerySet(models.QuerySet[T]):
    """Questions about texts with a `published_at`: null is a draft, a time to come an embargo."""

    def published(self) -> Self:
        """Those that the public may read at this moment. Nothing else decides about it."""
        return self.filter(published_at__lte=timezone.now())

    def embargoed(self) -> Self:
        """Those that become public by themselves, at a time to come."""
        return self.filter(published_at__gt=timezone.now())


class Publication:
    """What a model with a `published_at` says about it."""

    published_at: datetime | None

    @property
    def is_public(self) -> bool:
        """Whether the public may read it at this moment, as `published` asks the database."""
        return self.published_at is not None and self.published_at <= timezone.now()

    @property
    def is_embargoed(self) -> bool:
        """Whether it becomes public by itself, at a time to come."""
        return self.published_at is not None and not self.is_public
