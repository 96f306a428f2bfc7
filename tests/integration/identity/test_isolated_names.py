"""Names that run the other way than the words around them turn nothing around."""

import re

import pytest
from django.test import Client

from petitions.models import Organisation, Petition, PetitionText, Source
from petitions.publishing import organisation, warm_cache
from tests.pages import TEXTS, Visitor
from tests.people import typed

# Each ends in what takes its direction from what stands beside it.
ARABIC, LATIN = "حملة 2020 (سوريا)", "Friends of Syria (2020)"
MINISTRY, OFFICE = "وزارة الخارجية (لندن)", "the Foreign Office (London)"
PATHS = (
    "",
    "statements/urgent/",
    "petitions/protect/",
    "petitions/protect/progress/",
    "privacy/",
    "about/",
    "find/",
    "share/partner/mosque/protect/",
    "nowhere/",
)


def loose(page: str, name: str) -> list[str]:
    """Where a name stands in a page's body without being kept apart from what is beside it."""
    body = page.partition("</head>")[2]
    assert body
    return [
        body[max(0, found.start() - 40) : found.end() + 10]
        for found in re.finditer(re.escape(name), body)
        if not re.search(r"(<bdi(?: lang=\"\w\w\")?>|\u2068)$", body[: found.start()])
        or not re.match(r"</bdi>|\u2069", body[found.end() :])
    ]


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
@pytest.mark.parametrize(("name", "addressee"), [(ARABIC, MINISTRY), (LATIN, OFFICE)])
def test_organisation_and_addressee_are_bidi_isolated_on_every_page(
    petition: Petition, client: Client, home: str, name: str, addressee: str
) -> None:
    Visitor(petition, "en").publish_statement()
    Source.objects.create(code="mosque", name="Mosque", origins=["https://mosque.example"])
    Organisation.objects.update(name=name)
    PetitionText.objects.update(addressee=addressee)
    organisation.invalidate()
    seen = {name: 0, addressee: 0}
    for path in PATHS:
        page = client.get(home + path).content.decode()
        for one in seen:
            seen[one] += page.count(one)
            assert loose(page, one) == [], path
    # The name stands in the foot of every page, the addressee on three of them at least.
    assert seen[name] > len(PATHS)
    assert seen[addressee] >= 3


@pytest.mark.parametrize("path", ["petitions/protect/", "", "share/partner/mosque/protect/"])
def test_an_addressee_in_another_language_is_omitted_from_the_heading(
    petition: Petition, client: Client, path: str
) -> None:
    """ "عريضة إلى the British Government" reads well in neither language."""
    Visitor(petition, "en").publish_statement()
    Source.objects.create(code="mosque", name="Mosque", origins=["https://mosque.example"])
    assert TEXTS["ar"][1] in client.get(f"/ar/{path}").content.decode()
    PetitionText.objects.exclude(language="en").delete()
    warm_cache.invalidate()

    page = client.get(f"/ar/{path}").content.decode()
    # The consent and the note on privacy say it all the same, isolated: to whom what is given.
    heading = page.partition("</head>")[2].partition("<form")[0]

    assert TEXTS["en"][1] not in heading
    assert "عريضة" in page
    assert f'<bdi lang="en">{TEXTS["en"][1]}</bdi>' in client.get(f"/{path}").content.decode()


def test_the_organisation_is_bidi_isolated_in_the_consent_text(
    petition: Petition, browser: Client
) -> None:
    Organisation.objects.update(name=ARABIC)
    organisation.invalidate()
    words = f"I agree that <bdi>{ARABIC}</bdi> keeps my signature"
    assert words in browser.get("/petitions/protect/").content.decode()
    assert words in browser.post("/petitions/protect/", typed(name="")).content.decode()


def test_organisation_and_addressee_names_are_escaped(petition: Petition, client: Client) -> None:
    Organisation.objects.update(name="<b>SBC</b> & 100%s")
    PetitionText.objects.update(addressee="<i>Them</i>")
    organisation.invalidate()
    for path in ("/petitions/protect/", "/privacy/"):
        page = client.get(path).content.decode()
        assert "<b>SBC" not in page
        assert "<i>Them" not in page
        assert "&lt;b&gt;SBC" in page
