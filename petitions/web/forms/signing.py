"""The form that people sign."""

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Div, Field, Layout
from crispy_forms.utils import render_crispy_form
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import cached_property, lazy
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from petitions.geography import known
from petitions.identity import names
from petitions.identity import residence as places
from petitions.models import Signature
from petitions.publishing.organisation import organisation
from petitions.screening import challenge, fraud_signals
from petitions.signers import consent
from petitions.signers.sealing import Attempt
from petitions.web.forms.widgets import LongSelect

UK, ABROAD = "uk", "abroad"
INCOMPLETE_PAGE = _("This page was incomplete. Press the button again.")
UNUSABLE_CHARACTER = _("There is a character here that cannot be used. Type it again.")
# Django's own words for these are not in every language, and less kind.
SPOILT_TEXT = {
    "max_length": _("This is too long: at most %(limit_value)d characters."),
    "null_characters_not_allowed": UNUSABLE_CHARACTER,
}
CHOOSE_NAME_USE = _("Choose what may be done with your name.")
CHOOSE_RESIDENCE = _("Choose whether you live in the UK.")
CHOOSE_COUNTRY = _("Choose the country where you live.")
MAX_ADDRESS, MAX_LOCAL = 254, 64


def _text(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs=attrs)


def _countries() -> list[tuple[str, str]]:
    return [("", gettext("Choose a country")), *places.countries(get_language())]


# What the library takes for good, too, and asked for at each signing: it takes a hundred times
# as long. Nothing that was typed is remembered, for that would show in the time of the next.
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*")
_PLAIN_DOMAIN = re.compile(r"(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+([A-Za-z]{2,})")
_LONGEST_LABEL, _LONGEST_DOMAIN = 63, 253


def _is_plain(address: str) -> bool:
    """Whether nothing about an address needs a closer look, which most of them do not."""
    local, _at, domain = address.rpartition("@")
    plain = _PLAIN_DOMAIN.fullmatch(domain)
    return (
        plain is not None
        and plain[1].lower() not in SPECIAL_USE_DOMAIN_NAMES
        and len(domain) <= _LONGEST_DOMAIN
        and max(map(len, domain.split("."))) <= _LONGEST_LABEL
        and len(local) <= MAX_LOCAL
        and _PLAIN_LOCAL.fullmatch(local) is not None
    )


def _postcode_help() -> str:
    if known.postcodes_of():
        return gettext("Your constituency is found by it. It is given to nobody.")
    return gettext("It is for finding your constituency, and is given to nobody.")


def _consent_wording() -> SafeString:
    name = organisation().name or gettext("the organisation that runs this site")
    return consent.wording(name)


class _Shared(dict[str, forms.Field]):
    """Fields that forms share instead of each copying them, which takes a quarter of a POST.

    Reading what was sent changes nothing in a field. Rendering does: see `SignForm.helper`.
    """

    def __deepcopy__(self, memo: object) -> "_Shared":
        return self


class SignForm(forms.Form):
    """Name, what may be done with it, address, home, and two separate consents.

    There is no field for nationality, ethnicity, birth or telephone (UK GDPR Article 5(1)(c)).
    Every refusal keeps all that was typed.
    """

    name = forms.CharField(
        label=_("Your name"),
        max_length=names.MAX_NAME,
        widget=_text(autocomplete="name", dir="auto"),
        error_messages={"required": _("Enter your name."), **SPOILT_TEXT},
    )
    name_use = forms.ChoiceField(
        label=_("What may we do with your name?"),
        choices=Signature.NameUse.choices,
        widget=forms.RadioSelect,
        error_messages={"required": CHOOSE_NAME_USE, "invalid_choice": CHOOSE_NAME_USE},
    )
    email = forms.CharField(
        label=_("Your e-mail address"),
        max_length=MAX_ADDRESS,
        help_text=_(
            "We send one message to confirm it is yours. Two people who share a mailbox and a "
            "home may both sign."
        ),
        widget=forms.EmailInput(
            attrs={"autocomplete": "email", "inputmode": "email", "dir": "ltr"}
        ),
        error_messages={"required": _("Enter your e-mail address."), **SPOILT_TEXT},
    )
    residence = forms.ChoiceField(
        label=_("Where do you live?"),
        choices=[(UK, _("I live in the UK")), (ABROAD, _("I live outside the UK"))],
        widget=forms.RadioSelect,
        error_messages={"required": CHOOSE_RESIDENCE, "invalid_choice": CHOOSE_RESIDENCE},
    )
    postcode = forms.CharField(
        label=_("Your postcode"),
        required=False,
        max_length=20,
        help_text=lazy(_postcode_help, str)(),
        widget=_text(autocomplete="postal-code", dir="ltr", autocapitalize="characters"),
        error_messages=SPOILT_TEXT,
    )
    postcode_unsaid = forms.BooleanField(label=_("I would rather not say"), required=False)
    country = forms.ChoiceField(
        label=_("Your country"),
        required=False,
        # A function, asked when the list is needed: that is not for every form that is sent.
        choices=_countries,
        widget=LongSelect(attrs={"autocomplete": "country"}),
        error_messages={"invalid_choice": CHOOSE_COUNTRY},
    )
    consent = forms.BooleanField(
        label=lazy(_consent_wording, SafeString)(),
        error_messages={
            "required": _("Tick the box to agree; without it we may not keep your signature.")
        },
    )
    updates = forms.BooleanField(
        label=_("Send me news of this petition by e-mail. I can stop it at any time."),
        required=False,
    )
    text_version = forms.IntegerField(
        widget=forms.HiddenInput,
        min_value=1,
        error_messages={
            "required": INCOMPLETE_PAGE,
            "invalid": INCOMPLETE_PAGE,
            "min_value": INCOMPLETE_PAGE,
        },
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        version: int,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("initial", {"text_version": version})
        super().__init__(data, label_suffix="", **kwargs)
        self.newest_version = version

    @cached_property
    def helper(self) -> FormHelper:
        """How crispy-forms lays the form out, which it does by writing into the widgets."""
        self.fields = deepcopy(dict(self.fields))
        self._bound_fields_cache.clear()  # type: ignore[attr-defined]
        return _helper()

    def drawn(self) -> SafeString:
        """The form as HTML. Before anything is typed it is the same for everybody."""
        if self.is_bound or self.initial.keys() != {"text_version"}:
            return _draw(self)
        return _drawn_empty(
            self.newest_version, get_language(), _consent_wording(), _postcode_help()
        )

    def _clean_fields(self) -> None:
        """As Django does, by the same fields and methods, but for the bound field of each.

        That is for showing them, and takes a third of the time that reading a form does.
        """
        for name, field in self.fields.items():
            try:
                typed = field.widget.value_from_datadict(self.data, self.files, name)
                self.cleaned_data[name] = field.clean(typed)
                if clean := getattr(self, f"clean_{name}", None):
                    self.cleaned_data[name] = clean()
            except ValidationError as error:
                self.add_error(name, error)

    def clean_name(self) -> str:
        name = names.tidy(self._readable("name"))
        if names.looks_like_a_link(name):
            raise ValidationError(_("A name cannot hold a web address."), code="link")
        if not names.has_a_letter(name):
            raise ValidationError(_("Enter your name in letters, in any script."), code="letters")
        return name

    def clean_email(self) -> str:
        typed = self._readable("email").strip()
        if _is_plain(typed):
            return typed
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
            raise ValidationError(
                _("This is not an e-mail address. It should look like name@example.org."),
                code="invalid",
            ) from None
        # What was typed is mailed; the canonical form is for comparing only.
        return typed

    def clean_postcode(self) -> str:
        typed = self._readable("postcode").strip()
        if not typed:
            return ""
        try:
            return places.canonical_postcode(typed)
        except places.NotAPostcode:
            # A signer abroad may have typed their own country's code: it is not used.
            if self.data.get("residence") == ABROAD:
                return ""
            raise ValidationError(
                _("This is not a UK postcode. It should look like M14 5RX."),
                code="invalid",
            ) from None

    def clean_text_version(self) -> int:
        version: int = self.cleaned_data["text_version"]
        if version > self.newest_version:
            raise ValidationError(INCOMPLETE_PAGE)
        return version

    def clean(self) -> dict[str, Any]:
        self._refuse_unknown_fields()
        self._need_a_home()
        if "text_version" in self.errors:
            self._show_newest_version()
        return self.cleaned_data

    def attempt(self) -> Attempt:
        """The valid form as the use case takes it."""
        said: Mapping[str, Any] = self.cleaned_data
        in_uk = said["residence"] == UK
        return Attempt(
            name=said["name"],
            email=said["email"],
            postcode=said["postcode"] if in_uk and not said["postcode_unsaid"] else "",
            country="" if in_uk else said["country"],
            language=get_language(),
            name_use=said["name_use"],
            wants_updates=said["updates"],
            text_version=said["text_version"],
        )

    def _readable(self, field: str) -> str:
        text = names.without_pasted_marks(self.cleaned_data[field])
        if names.has_forbidden_character(text):
            raise ValidationError(UNUSABLE_CHARACTER, code="character")
        return text

    def _need_a_home(self) -> None:
        said = self.cleaned_data
        if said.get("residence") == ABROAD and said.get("country") == "":
            self.add_error("country", CHOOSE_COUNTRY)
        in_uk = said.get("residence") == UK and "postcode" in said
        if in_uk and not said["postcode"] and not said.get("postcode_unsaid"):
            self.add_error("postcode", _("Enter your postcode, or tick “I would rather not say”."))

    def _show_newest_version(self) -> None:
        """Nobody can mend a hidden field: the page that comes back holds a right one."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        data["text_version"] = str(self.newest_version)
        self.data = data

    def _refuse_unknown_fields(self) -> None:
        """A form of ours sends each of its fields at most once, and nothing else."""
        data = self.data
        if not isinstance(data, QueryDict):
            return
        twice = any(len(values) > 1 for _name, values in data.lists())
        if (
            twice
            or self.files
            or set(data) - set(self.fields) - challenge.FIELDS - fraud_signals.FIELDS
        ):
            raise ValidationError(
                _("The form arrived with parts that do not belong to it. Press the button again."),
                code="unknown",
            )


SignForm.base_fields = _Shared(SignForm.base_fields)


@lru_cache(maxsize=32)
def _drawn_empty(version: int, _language: str, *_words: str) -> SafeString:
    """The empty form, drawn once for all that it depends on: half of what the page takes."""
    return _draw(SignForm(version=version))


def _draw(form: SignForm) -> SafeString:
    html: SafeString = render_crispy_form(form)
    return html


def _helper() -> FormHelper:
    helper = FormHelper()
    helper.form_tag = False
    helper.disable_csrf = True
    helper.form_show_errors = True
    helper.layout = Layout(
        Field("name"),
        HTML("{% include 'petitions/_safety.html' %}"),
        Field("name_use"),
        Field("email"),
        # The style sheet shows what belongs to the chosen residence, and all without `:has()`.
        Div(
            Field("residence"),
            Div(Field("postcode"), Field("postcode_unsaid"), css_class="home-uk"),
            Div(Field("country"), css_class="home-abroad"),
            css_class="home",
        ),
        Field("consent"),
        Field("updates", wrapper_class="optional"),
        Field("text_version"),
    )
    return helper
