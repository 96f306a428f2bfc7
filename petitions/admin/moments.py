"""Moments in forms: what nobody changes stays exactly as it is stored."""

from datetime import datetime
from typing import Any

from django import forms


class StoredMoment(forms.SplitDateTimeField):
    """A date and time which keeps the stored value while the form brings back what it showed.

    A form shows a clock in London, without fractions of a second: in the hour that comes twice in
    October what it shows could not be read back, and nothing else of the form be saved.
    """

    stored: datetime | None = None

    def clean(self, value: Any) -> Any:
        """The stored moment itself, unless something else was entered."""
        if self.stored and not self.has_changed(self.stored.replace(microsecond=0), value):
            return self.stored
        return super().clean(value)
