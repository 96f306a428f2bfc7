"""The forms of "check your email": the code, and the correction of what was typed."""

from dataclasses import replace
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Field
from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from petitions.signatures import check_email
from petitions.signers.sealing import Attempt
from petitions.web.forms.fields import ABROAD, UK, EmailAddressField, PersonNameField, ResidenceForm
from petitions.web.forms.layout import home, laid_out
from petitions.web.forms.signing import SignForm, refuse_unknown_fields

NOT_A_CODE = _("Enter the 8 digits of the code in our message.")


class CodeForm(forms.Form):
    """The one-time code of the mail, in the digits of any script."""

    code = forms.CharField(
        label=_("The code in our message"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "dir": "ltr"}
        ),
        error_messages={
            "required": NOT_A_CODE,
            "max_length": NOT_A_CODE,
            "null_characters_not_allowed": NOT_A_CODE,
        },
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, label_suffix="")

    @cached_property
    def helper(self) -> FormHelper:
        """The crispy-forms layout."""
        return laid_out(Field("code"))

    def clean_code(self) -> str:
        digits = check_email.digits(self.cleaned_data["code"])
        if not digits:
            raise ValidationError(NOT_A_CODE, code="invalid")
        return digits


class CorrectForm(ResidenceForm):
    """The correction of name, address and residence, with what was typed; all else stays."""

    name = PersonNameField()
    email = EmailAddressField(help_text=SignForm.base_fields["email"].help_text)

    field_order = ["name", "email"]

    def __init__(self, data: Any = None, *, typed: Attempt, **options: Any) -> None:
        super().__init__(data, label_suffix="", initial=_initial(typed), **options)
        self.typed = typed

    @cached_property
    def helper(self) -> FormHelper:
        """The crispy-forms layout."""
        return laid_out(Field("name"), Field("email"), home())

    def clean(self) -> dict[str, Any]:
        refuse_unknown_fields(self)
        return super().clean()

    def attempt(self) -> Attempt:
        """The earlier attempt with the corrected fields."""
        said = self.cleaned_data
        postcode, country = self.home()
        return replace(
            self.typed,
            name=said["name"],
            email=said["email"],
            postcode=postcode,
            country=country,
            language=get_language(),
        )


def _initial(typed: Attempt) -> dict[str, Any]:
    return {
        "name": typed.name,
        "email": typed.email,
        "residence": ABROAD if typed.country else UK,
        "postcode": f"{typed.postcode[:-3]} {typed.postcode[-3:]}".strip(),
        "postcode_unsaid": not typed.country and not typed.postcode,
        "country": typed.country,
    }
