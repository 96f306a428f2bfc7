"""Form field for date and time that does not alter an unchanged stored value."""

from datetime import datetime
from typing import Any

from django import forms


class StoredMoment(forms.SplitDateTimeField):
    """A date and time field that returns the stored value if the form posts what it showed.

    A form shows local time in London, without fractions of a second: in October's ambiguous hour
    (the end of summer time) Django could not parse that back, and refused the whole form.
    """

    stored: datetime | None = None

    def clean(self, value: Any) -> Any:
        """The stored value, unless something else was entered."""
        if self.stored and not self.has_changed(self.stored.replace(microsecond=0), value):
            return self.stored
        return super().clean(value)
