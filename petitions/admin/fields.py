"""Form fields, a validator against addresses, and a form that asks for confirmation."""

import hashlib
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime, AdminTextareaWidget
from django.db import models
from django.utils import timezone

from petitions.identity import email_addresses
from petitions.web.fields import LongTextField

M = TypeVar("M", bound=models.Model)


def refuse_address(note: str) -> None:
    """Validator that refuses e-mail addresses in notes, which colleagues and the audit log see."""
    if "@" in note:
        raise forms.ValidationError("Do not write an email address here.")


class Note(forms.CharField):
    """A note for colleagues, which may stay in the audit log. It refuses e-mail addresses."""

    def __init__(self, label: str, help_text: str, **options: Any) -> None:
        super().__init__(
            label=label, help_text=help_text, max_length=300, validators=[refuse_address], **options
        )


def start_of_day(day: date | None, days: int = 0) -> datetime | None:
    """Return midnight in London, `days` after a day; None without a day or if out of range."""
    try:
        moment = datetime.combine(day + timedelta(days=days), time()) if day else None
        return timezone.make_aware(moment) if moment else None
    except (OverflowError, ValueError):
        return None


class LondonMoment(forms.SplitDateTimeField):
    """A date and time field in London time.

    Around a change of the clocks, its errors say whether a time does not exist or comes twice.
    """

    widget = forms.SplitDateTimeWidget(
        date_attrs={"type": "date", "aria-label": "Date"},
        time_attrs={"type": "time", "aria-label": "Time"},
    )

    def compress(self, data_list: Any) -> datetime | None:
        try:
            return super().compress(data_list)
        except forms.ValidationError as error:
            if error.code != "ambiguous_timezone":
                raise
        day, time = data_list
        typed = datetime.combine(day, time, timezone.get_default_timezone())
        # The hour is repeated in autumn, when it is summer time before the change.
        words = "comes twice" if typed.dst() else "does not exist"
        raise forms.ValidationError(
            f"The clocks in London change on {typed:%-d %B %Y}: {typed:%H:%M} {words} on that "
            "night. Choose another time.",
            code="ambiguous_timezone",
        )


class StoredMoment(LondonMoment):
    """A date and time field that returns the stored value if it was not changed.

    The form shows London time without fractions of a second. In October's ambiguous hour, Django
    could not parse the value that it showed, and would refuse the whole form.
    """

    stored: datetime | None = None

    def clean(self, value: Any) -> Any:
        """Return the stored value unless something else was entered."""
        if self.stored and not self.has_changed(self.stored.replace(microsecond=0), value):
            return self.stored
        return super().clean(value)


class Lines(LongTextField):
    """Multi-line text with LF line endings. Browsers send CRLF, which would count as a change."""

    def to_python(self, value: Any) -> Any:
        is_text = isinstance(value, str)
        value = value.replace("\r\n", "\n").replace("\r", "\n") if is_text else value
        return super().to_python(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.to_python(initial), self.to_python(data))


# `formfield_overrides` for every admin whose model has such columns.
FIELDS: dict[Any, dict[str, Any]] = {
    models.DateTimeField: {"form_class": StoredMoment, "widget": AdminSplitDateTime},
    models.TextField: {"form_class": Lines, "widget": AdminTextareaWidget},
    # The scheme of URLs typed without one. Django's default changes in version 6.
    models.URLField: {"assume_scheme": "https"},
}


class Tick(forms.CheckboxInput):
    """A checkbox whose value identifies the question. It is unticked for any other question."""

    def __init__(self, value: str) -> None:
        super().__init__(check_test=lambda given: given == value)
        self._value = value

    def format_value(self, value: Any) -> str:
        return self._value


class CarefulForm(forms.ModelForm[M], Generic[M]):
    """A form that refuses impossible changes and asks for confirmation of irreversible ones.

    Subclasses define them in `refusals` and `consequences`, which see the instance with its new
    values, and list `sure` and `seen` among their fields. `seen` has the value of `state_now` when
    the form was loaded; if that has changed since, nothing is saved.
    """

    sure = forms.CharField(required=False, widget=forms.HiddenInput, label="Yes, change it")
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = self.state_now()
        for name, field in self.fields.items():
            if isinstance(field, StoredMoment):
                field.stored = getattr(self.instance, name)

    def state_now(self) -> str:
        return ""

    def refusals(self) -> dict[str, str]:
        return {}

    def consequences(self) -> list[str]:
        return []

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in {"sure", "seen"}]

    def _post_clean(self) -> None:
        """Check the instance after Django has given it its new values."""
        super()._post_clean()  # type: ignore[misc]
        seen = self.cleaned_data.get("seen")
        if seen and seen != self.initial["seen"]:
            words = (
                "Nothing was saved. Somebody else changed it in the meantime. Load the page again."
            )
            self.add_error(None, words)
        for name, words in ({} if self.errors else self.refusals()).items():
            self.add_error(name if name in self.fields else None, words)
        if not self.errors and (asked := self.consequences()):
            self._ask(asked)

    def _ask(self, asked: list[str]) -> None:
        token = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]
        if self.cleaned_data.get("sure") != token:
            self.fields["sure"].widget = Tick(token)
            self.add_error("sure", [*asked, "If you mean that, tick the box and save again."])


class PastedAddressField(forms.EmailField):
    """An email address field that strips what was copied too: a name, brackets, invisible marks."""

    def to_python(self, value: Any) -> str:
        return email_addresses.as_read(super().to_python(value) or "")
