"""The forms of "find my signature" and of the page behind its link."""

from typing import Any, ClassVar

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Field
from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from petitions.web.forms.checking import laid_out
from petitions.web.forms.signing import MAX_ADDRESS, SPOILT_TEXT, SignForm


class _Part(SignForm):
    """One field of the sign form with all its rules, and none of the others."""

    only: ClassVar[str]

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        # Not the sign form's own beginning, which is about consent and version.
        forms.Form.__init__(self, data, label_suffix="", **options)
        self.fields = {self.only: self.fields[self.only]}

    @cached_property
    def helper(self) -> FormHelper:
        """How crispy-forms lays the form out."""
        return laid_out(Field(self.only))


class FindForm(_Part):
    """The address that somebody signed with."""

    only = "email"
    email = forms.CharField(
        label=_("Your e-mail address"),
        max_length=MAX_ADDRESS,
        widget=forms.EmailInput(
            attrs={"autocomplete": "email", "inputmode": "email", "dir": "ltr"}
        ),
        error_messages={"required": _("Enter your e-mail address."), **SPOILT_TEXT},
    )


class NameForm(_Part):
    """The name, to be written otherwise."""

    only = "name"


class NameUseForm(_Part):
    """What may be done with the name."""

    only = "name_use"
