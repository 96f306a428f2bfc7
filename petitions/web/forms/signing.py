"""The signing form."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Field
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import cached_property, lazy
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from petitions.publishing.organisation import organisation
from petitions.screening import challenge, fraud_signals
from petitions.signers import consent
from petitions.signers.sealing import Attempt
from petitions.web.forms.fields import (
    EmailAddressField,
    NameUseField,
    PersonNameField,
    ResidenceForm,
)
from petitions.web.forms.layout import home, laid_out

INCOMPLETE_PAGE = _("The page did not load fully. Press the button again.")


def _consent_wording() -> SafeString:
    name = organisation().name or gettext("the organisation that runs this site")
    return consent.wording(name)


def refuse_unknown_fields(form: forms.Form) -> None:
    """Refuse unknown or repeated fields and files, which our form never sends.

    Raises `ValidationError`.
    """
    data = form.data
    if not isinstance(data, QueryDict):
        return
    twice = any(len(values) > 1 for _name, values in data.lists())
    unknown = set(data) - set(form.fields) - challenge.FIELDS - fraud_signals.FIELDS
    if twice or unknown or form.files:
        raise ValidationError(
            _("Something was wrong with the form. Press the button again."),
            code="unknown",
        )


class SignForm(ResidenceForm):
    """The signing form: name, its permitted use, address, residence, and two separate consents.

    Data minimisation: no field for nationality, ethnicity, birth or telephone (UK GDPR Article
    5(1)(c)). A refused form keeps all that was typed.
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
        label=lazy(_consent_wording, SafeString)(),
        error_messages={
            "required": _("Tick the box to agree; without it we may not keep your signature.")
        },
    )
    updates = forms.BooleanField(
        label=_("Send me news of this petition by email. I can stop it at any time."),
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

    field_order = ["name", "name_use", "email"]

    def __init__(self, data: QueryDict | None = None, *, version: int, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"text_version": version})
        super().__init__(data, label_suffix="", **kwargs)
        self.newest_version = version

    @cached_property
    def helper(self) -> FormHelper:
        """The crispy-forms layout."""
        return laid_out(
            Field("name"),
            HTML("{% include 'petitions/_safety.html' %}"),
            Field("name_use"),
            Field("email"),
            home(),
            Field("consent"),
            Field("updates", wrapper_class="optional"),
            Field("text_version"),
        )

    def clean_text_version(self) -> int:
        version: int = self.cleaned_data["text_version"]
        if version > self.newest_version:
            raise ValidationError(INCOMPLETE_PAGE)
        return version

    def clean(self) -> dict[str, Any]:
        refuse_unknown_fields(self)
        if "text_version" in self.errors:
            self._show_newest_version()
        return super().clean()

    def attempt(self) -> Attempt:
        """The valid form as the argument of the use case."""
        said = self.cleaned_data
        postcode, country = self.home()
        return Attempt(
            name=said["name"],
            email=said["email"],
            postcode=postcode,
            country=country,
            language=get_language(),
            name_use=said["name_use"],
            wants_updates=said["updates"],
            text_version=said["text_version"],
        )

    def _show_newest_version(self) -> None:
        """Put the current text version into the hidden field, which the signer cannot correct."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        data["text_version"] = str(self.newest_version)
        self.data = data
