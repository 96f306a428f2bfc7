"""The forms of "find my signature" and of the page behind its link."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Field
from django import forms
from django.utils.functional import cached_property

from petitions.web.forms.fields import EmailAddressField, NameUseField, PersonNameField
from petitions.web.forms.layout import laid_out
from petitions.web.forms.signing import refuse_unknown_fields


class _OneFieldForm(forms.Form):
    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, label_suffix="", **options)

    @cached_property
    def helper(self) -> FormHelper:
        """The crispy-forms layout."""
        return laid_out(*map(Field, self.fields))

    def clean(self) -> dict[str, Any]:
        refuse_unknown_fields(self)
        return self.cleaned_data


class FindForm(_OneFieldForm):
    """The address that somebody signed with."""

    email = EmailAddressField()


class NameForm(_OneFieldForm):
    """The corrected spelling of the name."""

    name = PersonNameField()


class NameUseForm(_OneFieldForm):
    """The permitted use of the name."""

    name_use = NameUseField()
