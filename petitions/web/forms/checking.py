"""The forms of "check your e-mail": the code, and the correction of what was typed."""

from dataclasses import replace
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Field, Layout
from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from petitions.signatures import check_email
from petitions.signers.sealing import Attempt
from petitions.web.forms.signing import ABROAD, UK, SignForm

NOT_A_CODE = _("Enter the 8 digits of the code in our message.")


class CodeForm(forms.Form):
    """The code of the mail, in any script's digits."""

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
        """How crispy-forms lays the form out."""
        return laid_out(Field("code"))

    def clean_code(self) -> str:
        digits = check_email.digits(self.cleaned_data["code"])
        if not digits:
            raise ValidationError(NOT_A_CODE, code="invalid")
        return digits


class CorrectForm(SignForm):
    """Name, address and home as they were typed, to be mended; all else stays as it was."""

    name_use = None  # type: ignore[assignment]
    consent = None  # type: ignore[assignment]
    updates = None  # type: ignore[assignment]
    text_version = None  # type: ignore[assignment]

    def __init__(self, data: Any = None, *, typed: Attempt, **options: Any) -> None:
        # Not the sign form's own beginning, which is about consent and version.
        forms.Form.__init__(self, data, label_suffix="", initial=_initial(typed), **options)
        self.typed = typed

    @cached_property
    def helper(self) -> FormHelper:
        """How crispy-forms lays the form out."""
        return laid_out(
            Field("name"),
            Field("email"),
            Div(
                Field("residence"),
                Div(Field("postcode"), Field("postcode_unsaid"), css_class="home-uk"),
                Div(Field("country"), css_class="home-abroad"),
                css_class="home",
            ),
        )

    def attempt(self) -> Attempt:
        """What was typed before, with what is typed now in its place."""
        said = self.cleaned_data
        in_uk = said["residence"] == UK
        return replace(
            self.typed,
            name=said["name"],
            email=said["email"],
            postcode=said["postcode"] if in_uk and not said["postcode_unsaid"] else "",
            country="" if in_uk else said["country"],
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


def laid_out(*layout: Any) -> FormHelper:
    """A form's fields alone: the page has the tag and the button."""
    helper = FormHelper()
    helper.form_tag = False
    helper.disable_csrf = True
    helper.layout = Layout(*layout)
    return helper
