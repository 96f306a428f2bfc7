"""The form before anything is typed: drawn once for everybody, and never with anything of one."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import translation
from django.utils.safestring import SafeString

from petitions.geography import known
from petitions.models import Organisation, Petition, PlaceFile
from petitions.publishing import organisation
from petitions.web.forms import signing
from petitions.web.forms.signing import SignForm
from tests.people import typed

PAGE = "/petitions/protect/"


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SignForm]]:
    """The forms that were truly drawn."""
    drawn: list[SignForm] = []
    draw = signing._draw

    def noting(form: SignForm) -> SafeString:
        drawn.append(form)
        return draw(form)

    monkeypatch.setattr(signing, "_draw", noting)
    signing._drawn_empty.cache_clear()
    yield drawn
    signing._drawn_empty.cache_clear()


@pytest.mark.usefixtures("db")
def test_the_empty_form_is_drawn_once_for_a_language_and_a_version(
    drawings: list[SignForm],
) -> None:
    first = SignForm(version=1).drawn()

    assert SignForm(version=1).drawn() == first
    assert len(drawings) == 1
    assert 'name="text_version" value="2"' in SignForm(version=2).drawn()
    with translation.override("ar"):
        arabic = SignForm(version=1).drawn()
    assert "المملكة" in arabic
    assert "المملكة" not in first
    assert len(drawings) == 3


@pytest.mark.usefixtures("db")
def test_the_empty_form_is_drawn_anew_when_its_words_change(drawings: list[SignForm]) -> None:
    first = SignForm(version=1).drawn()

    Organisation.objects.update_or_create(pk=1, defaults={"name": "Friends <of> Idlib"})
    organisation.forget()
    named = SignForm(version=1).drawn()
    PlaceFile.objects.create(kind=PlaceFile.Kind.POSTCODES, edition=date(2026, 8, 1), rows=1)
    known.forget()
    finding = SignForm(version=1).drawn()

    assert "Friends &lt;of&gt; Idlib" not in first
    assert "Friends &lt;of&gt; Idlib" in named
    assert "Your constituency is found by it." not in named
    assert "Your constituency is found by it." in finding
    assert len(drawings) == 3


def test_what_one_person_typed_stands_in_nobody_elses_form(
    petition: Petition, browser: Client, drawings: list[SignForm]
) -> None:
    mine = typed(name="Amina Example", email="not an address")
    elsewhere = Client(headers={"Sec-Fetch-Site": "cross-site"})

    for sender in (browser, elsewhere):
        assert "Amina Example" in sender.post(PAGE, mine).content.decode()
    empty = browser.get(PAGE).content.decode()
    bound = SignForm(QueryDict("name=Samir"), version=1).drawn()

    assert "Samir" in bound
    assert "Amina" not in empty
    assert "Amina" not in SignForm(version=1).drawn()
    assert "Samir" not in SignForm(version=1).drawn()
    assert SignForm(version=1).drawn() in empty
    assert len(drawings) == 4
