"""The contact form."""

import unicodedata
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Field
from django import forms
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from petitions.models import Enquiry
from petitions.privacy.enquiries import Letter
from petitions.web.forms.fields import SPOILT_TEXT, EmailAddressField, OptionalNameField, readable
from petitions.web.forms.layout import laid_out

MAX_MESSAGE = 4000
CHOOSE_KIND = _("Choose what your message is about.")


class ContactForm(forms.Form):
    """Sender, subject, message; the name is optional. A refused form keeps all that was typed."""

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
    message = forms.CharField(
        label=_("Your message"),
        max_length=MAX_MESSAGE,
        help_text=_("Do not include anyone else’s name."),
        widget=forms.Textarea(attrs={"rows": 7, "dir": "auto"}),
        error_messages={"required": _("Write your message."), **SPOILT_TEXT},
    )

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, label_suffix="", **options)

    @cached_property
    def helper(self) -> FormHelper:
        """The crispy-forms layout."""
        return laid_out(*map(Field, self.fields))

    def clean_message(self) -> str:
        """Keep line breaks; refuse other control and bidirectional override characters."""
        typed = self.cleaned_data["message"].replace("\r\n", "\n").replace("\r", "\n")
        lines = typed.replace("\t", " ").split("\n")
        return unicodedata.normalize("NFC", "\n".join(map(readable, lines)))

    def letter(self) -> Letter:
        """The valid form as the argument of the use case."""
        said = self.cleaned_data
        return Letter(
            name=said["name"],
            email=said["email"],
            message=said["message"],
            language=get_language(),
        )
