"""Form fields for what signers type: names, e-mail addresses, postcodes, and the country.

Every field normalises what people and their devices add by mistake, and its errors say what to do.
"""

from html import escape
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import BaseRenderer
from django.forms.utils import flatatt
from django.utils.functional import lazy
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from email_validator import EmailNotValidError, validate_email

from petitions.geography import known
from petitions.identity import names
from petitions.identity import residence as places
from petitions.models import Signature

MAX_ADDRESS = 254
UNUSABLE_CHARACTER = _(
    "You have used a character that we cannot accept. Type it again without that character."
)
# Django's own messages for these are not translated into every language, and less kind.
SPOILT_TEXT = {
    "max_length": _("This is too long: at most %(limit_value)d characters."),
    "null_characters_not_allowed": UNUSABLE_CHARACTER,
}
CHOOSE_NAME_USE = _("Choose what may be done with your name.")
CHOOSE_COUNTRY = _("Choose the country where you live.")


def readable(text: str) -> str:
    """Strip pasted direction marks. Raises `ValidationError` for control and bidi characters."""
    plain = names.without_pasted_marks(text)
    if names.has_forbidden_character(plain):
        raise ValidationError(UNUSABLE_CHARACTER, code="character")
    return plain


class TypedTextField(forms.CharField):
    """Text in any script, without invisible characters."""

    def __init__(self, *, error_messages: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(error_messages={**SPOILT_TEXT, **(error_messages or {})}, **options)

    def clean(self, value: Any) -> str:
        return readable(super().clean(value))


class OptionalNameField(TypedTextField):
    """An optional name, which is not verified."""

    def __init__(self, *, required: bool = False, **options: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"})
        super().__init__(required=required, max_length=names.MAX_NAME, widget=widget, **options)

    def clean(self, value: Any) -> str:
        return names.tidy(super().clean(value))


class PersonNameField(OptionalNameField):
    """The name of a signer: one field, any script."""

    def __init__(self) -> None:
        errors = {"required": _("Enter your name.")}
        super().__init__(required=True, label=_("Your name"), error_messages=errors)

    def clean(self, value: Any) -> str:
        name = super().clean(value)
        if len(name.encode()) > names.MAX_NAME_BYTES:
            raise ValidationError(
                SPOILT_TEXT["max_length"],
                code="max_length",
                params={"limit_value": names.MAX_NAME_BYTES // 4},
            )
        if names.looks_like_a_link(name):
            raise ValidationError(_("Your name cannot include a web address."), code="link")
        if not names.has_a_letter(name):
            raise ValidationError(_("Enter your name in letters, in any script."), code="letters")
        return name


class NameUseField(forms.ChoiceField):
    """The permitted use of the name; nothing is preselected."""

    def __init__(self) -> None:
        super().__init__(
            label=_("What may we do with your name?"),
            choices=Signature.NameUse.choices,
            widget=forms.RadioSelect,
            error_messages={"required": CHOOSE_NAME_USE, "invalid_choice": CHOOSE_NAME_USE},
        )


class EmailAddressField(TypedTextField):
    """An e-mail address as typed, to which mail is sent; its canonical form is only compared."""

    def __init__(self, **options: Any) -> None:
        attrs = {"autocomplete": "email", "inputmode": "email", "dir": "ltr"}
        super().__init__(
            label=_("Your email address"),
            max_length=MAX_ADDRESS,
            widget=forms.EmailInput(attrs=attrs),
            error_messages={"required": _("Enter your email address.")},
            **options,
        )

    def clean(self, value: Any) -> str:
        typed = super().clean(value).strip()
        not_one = ValidationError(
            _("This is not an email address. It should look like name@example.org."), code="invalid"
        )
        # In bytes, too: all signers are sealed at one length.
        if len(typed.encode()) > MAX_ADDRESS:
            raise not_one
        try:
            # Django's mailer cannot write to an address whose local part is not ASCII.
            validate_email(
                typed,
                check_deliverability=False,
                allow_display_name=False,
                allow_smtputf8=False,
                strict=True,
            )
        except EmailNotValidError:
            raise not_one from None
        return typed


def _postcode_help() -> str:
    if known.postcodes_of():
        return gettext("We use it to find your constituency. We give it to nobody.")
    return gettext("We ask for it to find your constituency, and give it to nobody.")


class PostcodeField(TypedTextField):
    """A UK postcode in any spacing and case, normalised to its canonical form; "" if empty."""

    def __init__(self) -> None:
        attrs = {"autocomplete": "postal-code", "dir": "ltr", "autocapitalize": "characters"}
        super().__init__(
            label=_("Your postcode"),
            required=False,
            max_length=20,
            help_text=lazy(_postcode_help, str)(),
            widget=forms.TextInput(attrs=attrs),
        )

    def clean(self, value: Any) -> str:
        typed = super().clean(value).strip()
        try:
            return places.canonical_postcode(typed) if typed else ""
        except places.NotAPostcode:
            message = _("This is not a UK postcode. It should look like M14 5RX.")
            raise ValidationError(message, code="invalid") from None


class CountryField(forms.ChoiceField):
    """The country of somebody abroad, by its name in the active language."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Your country"),
            required=False,
            choices=lambda: [
                ("", gettext("Choose a country")),
                *places.countries(get_language()),
            ],
            widget=LongSelect(attrs={"autocomplete": "country"}),
            error_messages={"invalid_choice": CHOOSE_COUNTRY},
        )


class LongSelect(forms.Select):
    """A select without option groups, rendered in Python without templates.

    Django renders every option by two templates: with its own select for the 240 countries, a
    refused form takes 2.1 times as long (56 ms instead of 27).
    """

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        chosen = "" if value is None else str(value)
        options = "".join(
            f'<option value="{escape(str(code))}"{" selected" * (str(code) == chosen)}>'
            f"{escape(str(label))}</option>\n"
            for code, label in self.choices
        )
        attributes = flatatt({"name": name, **self.build_attrs(self.attrs, attrs)})
        return SafeString(f"<select{attributes}>\n{options}</select>")
