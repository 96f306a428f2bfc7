"""Our form controls are rendered like Django's."""

import pytest
from django import forms
from django.test.html import parse_html

from petitions.web.fields import LongSelect

CHOICES = [("", "Choose a country"), ("JO", "Jordan & <b>"), ("TR", "Türkiye"), ("LB", "لبنان")]


@pytest.mark.parametrize("value", [None, "", "TR", "XX", '"><script>'])
def test_longselect_renders_the_same_html_as_djangos_select(value: str | None) -> None:
    attrs = {"autocomplete": "country"}
    given = {"id": "id_country", "class": "form-select", "aria-invalid": "true", "required": True}
    ours = LongSelect(attrs=attrs, choices=CHOICES).render("country", value, given)
    djangos = forms.Select(attrs=attrs, choices=CHOICES).render("country", value, given)
    assert parse_html(ours) == parse_html(djangos)


def test_longselect_escapes_its_option_labels() -> None:
    assert "<b>" not in LongSelect(choices=CHOICES).render("country", "JO")
