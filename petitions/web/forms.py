"""The forms of the public site. An invalid form keeps everything that was typed."""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Div, Field, Layout
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import lazy
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from petitions.identity import typed_text
from petitions.identity.residence import spaced
from petitions.mail.enquiries import Letter
from petitions.models import Enquiry, PetitionText, Signature
from petitions.publishing.organisation import organisation
from petitions.screening import challenge, fraud_signals
from petitions.signatures import check_email
from petitions.signers import consent
from petitions.signers.sealing import Attempt
from petitions.web.fields import (
    CHOOSE_COUNTRY,
    TEXT_ERRORS,
    CountryField,
    EmailAddressField,
    LongTextField,
    NameUseField,
    OptionalNameField,
    PersonNameField,
    PostcodeField,
    ReadOtherwise,
    readable,
)

UK, ABROAD = "uk", "abroad"
MAX_MESSAGE = 4000
CHOOSE_KIND = _("Choose what your message is about.")
CHOOSE_RESIDENCE = _("Choose whether you live in the UK.")
INCOMPLETE_PAGE = _("The page did not load fully. Press the button again.")
NOT_A_CODE = _("Enter the 8 digits of the code in our message.")


class TickBox(forms.CheckboxInput):
    """A check box that is ticked only by "on", the value that browsers send.

    Django's is ticked by any text, but consent must be unambiguous (UK GDPR Article 4(11)).
    """

    def value_from_datadict(self, data: Any, files: Any, name: str) -> bool:
        return bool(data.get(name) == "on")


class NewsMayNameField(forms.BooleanField):
    """Consent that news may name the petition, for signers who withhold their name."""

    def __init__(self) -> None:
        super().__init__(
            label=_("The news may name this petition in its subject and first lines."),
            help_text=_(
                "For people who are counted without their name. If you leave this empty, nobody "
                "who sees your locked screen or your list of messages learns what our news is "
                "about."
            ),
            required=False,
            widget=TickBox,
        )

    @staticmethod
    def laid_out() -> Div:
        """Return the layout. The style sheet hides a field without effect, by `:has()`."""
        return Div(Field("news_may_name", wrapper_class="optional"), css_class="may-name")


class CrispyForm(forms.Form):
    """A form for crispy-forms, fields only. The template has the form tag and the button."""

    def layout(self) -> Iterable[Any]:
        """Return the layout objects of crispy-forms, in order."""
        return map(Field, self.fields)

    @property
    def helper(self) -> FormHelper:
        """The attribute that crispy-forms looks for."""
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True
        helper.layout = Layout(*self.layout())
        return helper

    def full_clean(self) -> None:
        super().full_clean()
        refused = [error for errors in self.errors.values() for error in errors.as_data()]
        for error in refused:
            if isinstance(error, ReadOtherwise):
                # Shown in the form again, and accepted when it is sent again.
                self.data = {**dict(self.data.items()), **error.values}


class KnownFieldsForm(CrispyForm):
    """Base form that rejects unknown or repeated fields and files, which our pages never send."""

    def clean(self) -> dict[str, Any]:
        data = self.data
        if isinstance(data, QueryDict):
            twice = any(len(values) > 1 for _name, values in data.lists())
            unknown = set(data) - set(self.fields) - challenge.FIELDS - fraud_signals.FIELDS
            if twice or unknown or self.files:
                message = _("Something was wrong with the form. Press the button again.")
                raise ValidationError(message, code="unknown")
        return self.cleaned_data


class ResidenceForm(KnownFieldsForm):
    """Base form for a residence: a postcode in the UK, or a country abroad without a postcode.

    One of the cleaned `postcode` and `country` is "", or both if not stated.
    """

    residence = forms.ChoiceField(
        label=_("Where do you live?"),
        choices=[(UK, _("I live in the UK")), (ABROAD, _("I live outside the UK"))],
        widget=forms.RadioSelect,
        error_messages={"required": CHOOSE_RESIDENCE, "invalid_choice": CHOOSE_RESIDENCE},
    )
    postcode = PostcodeField()
    postcode_unsaid = forms.BooleanField(
        label=_("I would rather not say"), required=False, widget=TickBox
    )
    country = CountryField()

    def residence_layout(self) -> Div:
        """Return the layout. The style sheet hides the other residence's fields, by `:has()`."""
        return Div(
            Field("residence"),
            Div(Field("postcode"), Field("postcode_unsaid"), css_class="home-uk"),
            Div(Field("country"), css_class="home-abroad"),
            css_class="home",
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("residence") == ABROAD:
            # Ignore the postcode, which may be that of the signer's own country.
            self.errors.pop("postcode", None)
            if cleaned.get("country") == "":
                self.add_error("country", CHOOSE_COUNTRY)
            cleaned["postcode"] = ""
        elif cleaned.get("residence") == UK:
            cleaned["country"] = ""
            if cleaned.get("postcode_unsaid"):
                self.errors.pop("postcode", None)
                cleaned["postcode"] = ""
            elif cleaned.get("postcode") == "":
                message = _("Enter your postcode, or tick “I would rather not say”.")
                self.add_error("postcode", message)
        return cleaned


def _consent_wording(text: PetitionText) -> SafeString:
    name = organisation().name or gettext("the organisation that runs this site")
    version = consent.version_of(publishes_names=text.petition.publishes_names)
    return consent.wording(name, text.addressee, language=text.language, version=version)


# Created once, because each call of `lazy` builds a class, which took 5% of a signing.
_consent_label = lazy(_consent_wording, SafeString)


class SignForm(ResidenceForm):
    """The signing form: name, its permitted use, e-mail address, residence, and separate consents.

    Data minimisation: no field for nationality, ethnicity, birth or telephone (UK GDPR Article
    5(1)(c)).
    """

    name = PersonNameField()
    name_use = NameUseField()
    email = EmailAddressField(
        help_text=_(
            "We send one message to confirm it is yours. Two people who share an email address "
            "and a home may both sign."
        )
    )
    consent = forms.BooleanField(
        widget=TickBox,
        error_messages={
            "required": _("Tick the box to agree; without it we may not keep your signature.")
        },
    )
    updates = forms.BooleanField(
        label=_("Send me news of this petition by email. I can stop it at any time."),
        required=False,
        widget=TickBox,
    )
    news_may_name = NewsMayNameField()
    text_version = forms.IntegerField(
        widget=forms.HiddenInput,
        min_value=1,
        error_messages=dict.fromkeys(("required", "invalid", "min_value"), INCOMPLETE_PAGE),
    )

    # The version that the page showed, which may be older than the current one.
    consent_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    field_order = ["name", "name_use", "email"]

    def __init__(
        self, data: QueryDict | None = None, *, text: PetitionText, **options: Any
    ) -> None:
        publishes_names = text.petition.publishes_names
        self.shown = {
            "text_version": text.version,
            "consent_version": consent.version_of(publishes_names=publishes_names),
        }
        options["initial"] = {**options.get("initial", {}), **self.shown}
        super().__init__(data, **options)
        cast("NameUseField", self.fields["name_use"]).offer(
            publishes_names=publishes_names, text=text
        )
        self.fields["consent"].label = _consent_label(text)

    def layout(self) -> Iterable[Any]:
        return (
            Field("name"),
            HTML("{% include 'petitions/_safety.html' %}"),
            Field("name_use"),
            Field("email"),
            self.residence_layout(),
            Field("consent"),
            Field("updates", wrapper_class="optional"),
            NewsMayNameField.laid_out(),
            Field("text_version"),
            Field("consent_version"),
        )

    def clean_text_version(self) -> int:
        version: int = self.cleaned_data["text_version"]
        if version > self.shown["text_version"]:
            raise ValidationError(INCOMPLETE_PAGE)
        return version

    def clean_consent_version(self) -> int:
        version: int | None = self.cleaned_data["consent_version"]
        return consent.PUBLISHING if version == consent.PUBLISHING else consent.CURRENT

    def full_clean(self) -> None:
        super().full_clean()
        # When shown again, the form has the current consent wording, and a valid text version,
        # because the signer cannot correct a hidden field.
        fresh = {"consent_version": str(self.shown["consent_version"])}
        if "text_version" in self.errors:
            fresh["text_version"] = str(self.shown["text_version"])
        if self.is_bound:
            self.data = {**dict(self.data.items()), **fresh}

    def attempt(self) -> Attempt:
        """Return the valid data as the argument of the use case."""
        cleaned = self.cleaned_data
        is_withheld = cleaned["name_use"] == Signature.NameUse.WITHHELD
        return Attempt(
            name=cleaned["name"],
            email=cleaned["email"],
            postcode=cleaned["postcode"],
            country=cleaned["country"],
            language=get_language(),
            name_use=cleaned["name_use"],
            wants_updates=cleaned["updates"],
            # Ignored if ticked and then hidden by another choice.
            news_may_name=cleaned["updates"] and is_withheld and cleaned["news_may_name"],
            text_version=cleaned["text_version"],
            consent_version=cleaned["consent_version"],
        )


class CorrectForm(ResidenceForm):
    """Correction of name, e-mail address and residence. All other fields stay as typed before."""

    name = PersonNameField()
    email = EmailAddressField(help_text=SignForm.base_fields["email"].help_text)

    field_order = ["name", "email"]

    def __init__(self, data: Any = None, *, typed: Attempt, **options: Any) -> None:
        initial = {
            "name": typed.name,
            "email": typed.email,
            "residence": ABROAD if typed.country else UK,
            "postcode": spaced(typed.postcode),
            "postcode_unsaid": not typed.country and not typed.postcode,
            "country": typed.country,
        }
        super().__init__(data, initial=initial, **options)
        self.typed = typed

    def layout(self) -> Iterable[Any]:
        return Field("name"), Field("email"), self.residence_layout()

    def attempt(self) -> Attempt:
        """Return the earlier attempt with the corrected fields."""
        fields = ("name", "email", "postcode", "country")
        corrected = {name: self.cleaned_data[name] for name in fields}
        return replace(self.typed, language=get_language(), **corrected)


class CodeForm(CrispyForm):
    """The one-time code of the mail, in digits of any script."""

    code = forms.CharField(
        label=_("The code in our message"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "dir": "ltr"}
        ),
        error_messages=dict.fromkeys(
            ("required", "max_length", "null_characters_not_allowed"), NOT_A_CODE
        ),
    )

    def clean_code(self) -> str:
        digits = check_email.digits(self.cleaned_data["code"])
        if not digits:
            raise ValidationError(NOT_A_CODE, code="invalid")
        return digits


class FindForm(KnownFieldsForm):
    """The e-mail address that somebody signed with."""

    email = EmailAddressField()


class NewAddressForm(KnownFieldsForm):
    """The new e-mail address of a signature."""

    email = EmailAddressField(label=_("Your new email address"))


class NameForm(KnownFieldsForm):
    """The corrected spelling of the name."""

    name = PersonNameField()


class NameUseForm(KnownFieldsForm):
    """The permitted use of the name."""

    name_use = NameUseField()
    news_may_name = NewsMayNameField()

    def __init__(
        self,
        *args: Any,
        publishes_names: bool,
        wants_updates: bool,
        text: PetitionText | None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        cast("NameUseField", self.fields["name_use"]).offer(
            publishes_names=publishes_names, text=text
        )
        self.wants_updates = wants_updates

    def layout(self) -> Iterable[Any]:
        """Ask what news may name only if the signer wants news."""
        asked = [NewsMayNameField.laid_out()] if self.wants_updates else []
        return Field("name_use"), *asked


class ContactForm(CrispyForm):
    """The contact form: kind, optional name, e-mail address and message."""

    kind = forms.ChoiceField(
        label=_("What is it about?"),
        choices=Enquiry.Kind.choices,
        widget=forms.RadioSelect,
        error_messages={"required": CHOOSE_KIND, "invalid_choice": CHOOSE_KIND},
    )
    name = OptionalNameField(label=_("Your name (optional)"))
    email = EmailAddressField(
        help_text=_("We will reply to this address, and use it for nothing else.")
    )
    message = LongTextField(
        label=_("Your message"),
        max_length=MAX_MESSAGE,
        help_text=_("Do not include anyone else’s name."),
        widget=forms.Textarea(attrs={"rows": 7, "dir": "auto"}),
        error_messages={"required": _("Write your message."), **TEXT_ERRORS},
    )

    def clean_message(self) -> str:
        """Keep line breaks and flags, and reject other control and override characters."""
        typed = "\n".join(self.cleaned_data["message"].replace("\t", " ").splitlines())
        parts = typed_text.parts_by_flag(typed)
        parts[::2] = ["\n".join(map(readable, part.split("\n"))) for part in parts[::2]]
        return unicodedata.normalize("NFC", "".join(parts))

    def letter(self) -> Letter:
        """Return the valid data as the argument of the use case."""
        cleaned = self.cleaned_data
        return Letter(
            name=cleaned["name"],
            email=cleaned["email"],
            message=cleaned["message"],
            language=get_language(),
        )
