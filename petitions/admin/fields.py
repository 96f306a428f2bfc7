"""Form fields that leave unchanged values alone, a validator, and a form that asks twice."""

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
    """Validator: no e-mail address in what colleagues read, or stays in the audit log."""
    if "@" in note:
        raise forms.ValidationError("Do not write an email address here.")


class Note(forms.CharField):
    """A sentence for colleagues, which may stay in the audit log: no email address in it."""

    def __init__(self, label: str, help_text: str, **options: Any) -> None:
        super().__init__(
            label=label, help_text=help_text, max_length=300, validators=[refuse_address], **options
        )


def start_of_day(day: date | None, days: int = 0) -> datetime | None:
    """The beginning of a day in London, or of one some days later; None beyond all calendars."""
    try:
        moment = datetime.combine(day + timedelta(days=days), time()) if day else None
        return timezone.make_aware(moment) if moment else None
    except (OverflowError, ValueError):
        return None


class LondonMoment(forms.SplitDateTimeField):
    """A date and time field in London time, which tells a time that a change of the clocks skips
    from one that comes twice.
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
        # Before the change it is summer time in autumn alone, when the hour is repeated.
        words = "comes twice" if typed.dst() else "does not exist"
        raise forms.ValidationError(
            f"The clocks in London change on {typed:%-d %B %Y}: {typed:%H:%M} {words} on that "
            "night. Choose another time.",
            code="ambiguous_timezone",
        )


class StoredMoment(LondonMoment):
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


class Lines(LongTextField):
    """Text of several lines, with LF at their ends as files have it. Browsers send CRLF, and
    Django's field would call that a change.
    """

    def to_python(self, value: Any) -> Any:
        is_text = isinstance(value, str)
        value = value.replace("\r\n", "\n").replace("\r", "\n") if is_text else value
        return super().to_python(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.to_python(initial), self.to_python(data))


# `formfield_overrides` of every admin whose model has such columns.
FIELDS: dict[Any, dict[str, Any]] = {
    models.DateTimeField: {"form_class": StoredMoment, "widget": AdminSplitDateTime},
    models.TextField: {"form_class": Lines, "widget": AdminTextareaWidget},
    # For a URL without a scheme; Django's default changes in version 6.
    models.URLField: {"assume_scheme": "https"},
}


class Tick(forms.CheckboxInput):
    """A checkbox whose value says what was agreed to: of anything else it comes unticked."""

    def __init__(self, value: str) -> None:
        super().__init__(check_test=lambda given: given == value)
        self._value = value

    def format_value(self, value: Any) -> str:
        return self._value


class CarefulForm(forms.ModelForm[M], Generic[M]):
    """A form that refuses what cannot change now, and asks once more about what is for good.

    Subclasses say both by `refusals` and `consequences`, of the instance with its new values, and
    name `sure` and `seen` among their fields. `seen` carries what `state_now` was when the form was
    loaded: a form that was overtaken saves nothing.
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
        """Ask about the instance, which has its new values from here on."""
        super()._post_clean()  # type: ignore[misc]
        seen = self.cleaned_data.get("seen")
        if seen and seen != self.initial["seen"]:
            words = "Somebody else changed it meanwhile, so nothing was saved. Load the page again."
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
    """An email address without what was copied along: marks that nobody sees, a name, brackets."""

    def to_python(self, value: Any) -> str:
        return email_addresses.as_read(super().to_python(value) or "")
