"""Form fields for what signers type: names, e-mail addresses, postcodes, and the country.

Fields remove what people and their devices add by mistake, and their errors say what to do.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import BaseRenderer
from django.forms.utils import flatatt
from django.utils.functional import Promise, lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from petitions.identity import email_addresses, names, typed_text
from petitions.identity import residence as places
from petitions.models import PetitionText, Signature
from petitions.publishing import warm_cache
from petitions.signers import consent

MAX_ADDRESS = 254
UNUSABLE_CHARACTER = _(
    "You have used a character that we cannot accept. Type it again without that character."
)
# Django's own messages for these are not translated into every language, and are less kind.
TEXT_ERRORS = {
    "max_length": _("This is too long: at most %(limit_value)d characters."),
    "null_characters_not_allowed": UNUSABLE_CHARACTER,
}
YOUR_ADDRESS = _("Your email address")
NOT_AN_ADDRESS = _("This is not an email address. It should look like name@example.org.")
NAME_IS_ADDRESS = _("Enter your name here. Your email address goes into the next field.")
NAME_IS_LINK = _(
    "Your name cannot include a web address. If it is not one, put a space after each full stop."
)
FOREIGN_ADDRESS = _(
    "We cannot send mail yet to an address that has letters other than a to z before the @. Enter "
    "another address of yours."
)
DID_YOU_MEAN = _(
    "This is not an email address. Did you mean %(address)s? If so, press the button again."
)
POSTCODE_READ = _(
    "We read your postcode as %(postcode)s. If that is right, press the button again."
)
POSTCODE_ABROAD = _(
    "%(postcode)s is in %(country)s, which counts as outside the UK. If you live there, choose “I "
    "live outside the UK”: your country is already chosen."
)
CHOOSE_NAME_USE = _("Choose what may be done with your name.")
CHOOSE_COUNTRY = _("Choose the country where you live.")


class ReadOtherwise(ValidationError):
    """The input is read differently from what was typed. Sending the form again accepts that.

    `values` are shown in the form's fields of those names: see `CrispyForm`.
    """

    def __init__(self, message: str, values: Mapping[str, str]) -> None:
        super().__init__(message, code="read")
        self.values = values


def _naming(words: str, **read: str) -> SafeString:
    """Insert values into a sentence, isolated because their direction may differ."""
    isolated = {name: format_html("<bdi>{}</bdi>", text) for name, text in read.items()}
    return mark_safe(escape(words, quote=False) % isolated)  # noqa: S308 - both are escaped


def readable(text: str) -> str:
    """Drop invisible characters. Raises `ValidationError` for control and override characters."""
    plain = typed_text.without_invisible(text)
    if typed_text.has_forbidden_character(plain):
        raise ValidationError(UNUSABLE_CHARACTER, code="character")
    return plain


class TypedTextField(forms.CharField):
    """One line in any script, without invisible characters. Tabs and line breaks become spaces."""

    def __init__(self, *, error_messages: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(error_messages={**TEXT_ERRORS, **(error_messages or {})}, **options)

    def clean(self, value: Any) -> str:
        return readable(" ".join(super().clean(value).split())).strip()


class LongTextField(forms.CharField):
    """Several lines, without `maxlength`, at which browsers silently cut off pasted text.

    The form says that the text is too long, and keeps it.
    """

    widget = forms.Textarea

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {k: v for k, v in super().widget_attrs(widget).items() if k != "maxlength"}


class OptionalNameField(TypedTextField):
    """An optional name, which is not validated."""

    def __init__(self, *, required: bool = False, **options: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"})
        super().__init__(required=required, max_length=names.MAX_NAME, widget=widget, **options)

    def to_python(self, value: Any) -> str:
        return typed_text.without_flags(super().to_python(value) or "")

    def clean(self, value: Any) -> str:
        return names.tidy(super().clean(value))


class PersonNameField(OptionalNameField):
    """The name of a signer: one field, any script."""

    def __init__(self) -> None:
        errors = {"required": _("Enter your name.")}
        super().__init__(required=True, label=_("Your name"), error_messages=errors)

    def clean(self, value: Any) -> str:
        name = super().clean(value)
        if names.looks_like_an_address(name):
            raise ValidationError(NAME_IS_ADDRESS, code="address")
        if len(name.encode()) > names.MAX_NAME_BYTES:
            raise ValidationError(
                TEXT_ERRORS["max_length"],
                code="max_length",
                params={"limit_value": names.MAX_NAME_BYTES // 4},
            )
        if names.looks_like_a_link(name):
            raise ValidationError(NAME_IS_LINK, code="link")
        if not names.has_a_letter(name):
            raise ValidationError(_("Enter your name in letters, in any script."), code="letters")
        return name


_name_use_label = lazy(consent.name_use_wording, SafeString)
LISTED = _(
    "Public names stand on this site in alphabetical order, from the day after you confirm, "
    "without place or time. Anyone can read and copy them. You can take yours off at any time."
)


class NameUseField(forms.ChoiceField):
    """The permitted use of the name, without a preselected choice. See `offer`."""

    def __init__(self) -> None:
        super().__init__(
            label=_("What may we do with your name?"),
            choices=Signature.NameUse.choices,
            widget=forms.RadioSelect,
            error_messages={"required": CHOOSE_NAME_USE, "invalid_choice": CHOOSE_NAME_USE},
        )

    def offer(self, *, publishes_names: bool, text: PetitionText | None) -> None:
        """Set the choices: public use only if the petition publishes names.

        The labels name the addressee of `text`.
        """
        uses = [one for one in Signature.NameUse if publishes_names or one != one.PUBLIC]
        self.choices = [
            (
                one,
                _name_use_label(one, text.addressee, language=text.language) if text else one.label,
            )
            for one in uses
        ]
        self.help_text = LISTED if publishes_names else ""


class EmailAddressField(TypedTextField):
    """An e-mail address as typed, to which mail is sent."""

    def __init__(self, *, label: Promise = YOUR_ADDRESS, **options: Any) -> None:
        attrs = {"autocomplete": "email", "inputmode": "email", "dir": "ltr"}
        super().__init__(
            label=label,
            max_length=MAX_ADDRESS,
            widget=forms.EmailInput(attrs=attrs),
            error_messages={"required": _("Enter your email address.")},
            **options,
        )

    def clean(self, value: Any) -> str:
        typed = super().clean(value)
        try:
            address = email_addresses.read(typed)
        except email_addresses.NotAnAddress as error:
            refused = error
        else:
            # In bytes too, because all signers are sealed at one length.
            if len(address.encode()) <= MAX_ADDRESS:
                return address
            raise ValidationError(NOT_AN_ADDRESS, code="invalid")
        if refused.is_foreign:
            raise ValidationError(FOREIGN_ADDRESS, code="foreign")
        if refused.meant:
            question = _naming(str(DID_YOU_MEAN), address=refused.meant)
            raise ReadOtherwise(question, {"email": refused.meant})
        raise ValidationError(NOT_AN_ADDRESS, code="invalid")


def _postcode_help() -> str:
    if warm_cache.postcodes_of():
        return gettext("We use it to find your constituency. We give it to nobody.")
    return gettext("We ask for it to find your constituency, and give it to nobody.")


class PostcodeField(TypedTextField):
    """A UK postcode in any spacing and case, normalised to its canonical form, or "".

    If letters or digits are read differently from what was typed, the form is shown again.
    """

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
        typed = super().clean(value)
        if not typed:
            return ""
        try:
            postcode = places.canonical_postcode(typed)
        except places.PostcodeAbroad as error:
            country = places.country_name(error.country, get_language())
            offer = _naming(str(POSTCODE_ABROAD), postcode=typed, country=country)
            raise ReadOtherwise(offer, {"country": error.country}) from None
        except places.NotAPostcode:
            message = _("This is not a UK postcode. It should look like M14 5RX.")
            raise ValidationError(message, code="invalid") from None
        if not places.is_read_as_typed(typed, postcode):
            written = places.spaced(postcode)
            question = _naming(str(POSTCODE_READ), postcode=written)
            raise ReadOtherwise(question, {"postcode": written})
        return postcode


class CountryField(forms.ChoiceField):
    """The country of a signer abroad, by its name in the active language."""

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
    """A select without option groups, rendered without templates.

    Django renders every option with two templates. With its own select of 240 countries, a refused
    form takes 2.1 times as long (56 ms instead of 27).
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
