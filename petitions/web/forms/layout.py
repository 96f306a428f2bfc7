"""Crispy-forms layouts: fields only, because the template has the form tag and the button."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Field, Layout


def laid_out(*layout: Any) -> FormHelper:
    """A helper that renders fields without form tag and CSRF token."""
    helper = FormHelper()
    helper.form_tag = False
    helper.disable_csrf = True
    helper.form_show_errors = True
    helper.layout = Layout(*layout)
    return helper


def home() -> Div:
    """The fields of a `ResidenceForm`; the style sheet shows those of the chosen residence, and
    all without `:has()`.
    """
    return Div(
        Field("residence"),
        Div(Field("postcode"), Field("postcode_unsaid"), css_class="home-uk"),
        Div(Field("country"), css_class="home-abroad"),
        css_class="home",
    )
