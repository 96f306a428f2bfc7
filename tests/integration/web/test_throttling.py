"""Forms that come back cost more than signing: so many in a minute, then a page kept ready."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client
from limits import parse

from petitions.models import Enquiry, Petition, Rule, Signature
from petitions.screening import rules
from tests.people import typed

PAGE = "/petitions/protect/"
SENDER = "192.0.2.7"
WAIT = "We have to ask you to wait a little"


@pytest.fixture(autouse=True)
def _two_a_minute(settings: Any) -> None:
    settings.LIMITS = {"FORM_NETWORK": parse("2/minute")}


def post(
    path: str = PAGE, form: dict[str, str] | None = None, *, site: str = "same-origin", **meta: str
) -> Any:
    browser = Client(headers={"Sec-Fetch-Site": site}, **{"REMOTE_ADDR": SENDER, **meta})  # type: ignore[arg-type]
    return browser.post(path, {} if form is None else form)


def put_off(form: dict[str, str] | None = None, path: str = PAGE, **more: str) -> Any:
    """The third answer within a minute, which is that page."""
    waiting = [post(path, form, **more) for _ in range(3)][-1]
    assert waiting.status_code == 429
    return waiting


def hidden(response: Any) -> dict[str, str]:
    """What the page keeps of what was typed."""
    found = re.findall(
        r'<input type="hidden" name="([^"]+)" value="([^"]*)">', response.content.decode()
    )
    return {unescape(name): unescape(value) for name, value in found}


@pytest.mark.parametrize(
    ("path", "form", "site", "status"),
    [
        (PAGE, typed(name=""), "same-origin", 422),
        (PAGE, typed(), "cross-site", 403),
        ("/find/", {"email": "amina"}, "same-origin", 422),
        ("/find/", {"email": "amina@example.org"}, "cross-site", 403),
        ("/contact/", {"message": "Salam"}, "same-origin", 422),
        ("/contact/", {"message": "Salam"}, "cross-site", 403),
    ],
)
def test_refused_forms_over_the_rate_limit_get_a_short_429_page(
    petition: Petition, path: str, form: dict[str, str], site: str, status: int
) -> None:
    answers = [post(path, form, site=site) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [status, status, 429, 429]
    assert answers[-1]["Retry-After"] == "60"
    assert WAIT in answers[-1].content.decode()
    assert len(answers[-1].content) < len(answers[0].content)


def test_successful_signing_is_not_counted_by_the_form_limit(petition: Petition) -> None:
    for _ in range(3):
        post(form=typed(name=""))
    answers = [post(form=typed(name=f"Person {letter}")) for letter in "ABCD"]
    assert [answer.status_code for answer in answers] == [303] * 4


def test_the_429_page_keeps_all_input_for_the_next_attempt(petition: Petition) -> None:
    form = typed(
        name='Åsa "O\'Neill" <b>',
        postcode="",
        residence="uk",
        updates="on",
        feedback="",
        pace="900",
    )
    waiting = put_off(form)

    kept = hidden(waiting)
    assert kept == {name: value for name, value in form.items() if value}
    again = post(form=kept, REMOTE_ADDR="198.51.100.7")
    assert again.status_code == 422
    page = again.content.decode()
    assert 'value="Åsa &quot;O&#x27;Neill&quot; &lt;b&gt;"' in page
    assert re.search(r'<input[^>]*name="consent"[^>]*checked', page)
    assert "Enter your postcode, or tick" in page


def test_a_valid_form_resent_from_the_429_page_is_accepted(petition: Petition) -> None:
    waiting = put_off({**typed(), "admin": "1"})
    # The part that did not belong to the form is gone.
    assert post(form=hidden(waiting)).status_code == 303
    assert Signature.objects.count() == 1


def test_the_429_page_keeps_only_text_fields_of_a_cross_site_form(petition: Petition) -> None:
    waiting = put_off(typed(updates="on"), site="cross-site")
    assert set(hidden(waiting)) == {"name", "email", "postcode"}
    assert post(form=hidden(waiting), REMOTE_ADDR="198.51.100.7").status_code == 422
    assert not Signature.objects.exists()


def test_the_429_page_keeps_line_breaks_of_a_message(petition: Petition) -> None:
    message = "One\r\ntwo <three>\r\n\r\nفور"
    waiting = put_off({"message": message, "kind": "other"}, "/contact/")
    assert hidden(waiting) == {"message": message, "kind": "other"}
    assert not Enquiry.objects.exists()


def test_the_429_page_keeps_the_waiting_token_of_the_challenge(petition: Petition) -> None:
    Petition.objects.update(challenge=Petition.Challenge.ALWAYS)
    (patience,) = re.findall(
        r'name="patience" value="([^"]+)"', post(form=typed()).content.decode()
    )
    post(form=typed(patience=patience))
    waiting = post(form=typed(patience=patience))
    assert waiting.status_code == 429
    assert hidden(waiting)["patience"] == patience


def test_the_form_limit_applies_per_network(petition: Petition) -> None:
    for _ in range(3):
        post()
    assert post(REMOTE_ADDR="198.51.100.7").status_code == 422


def test_the_form_limit_does_not_apply_to_an_allowed_network(petition: Petition) -> None:
    Rule.objects.create(kind="network", action="allow", pattern="192.0.2.0/24", note="an event")
    rules.invalidate()
    assert [post().status_code for _ in range(4)] == [422] * 4


@pytest.mark.parametrize(
    ("prefix", "words"), [("", WAIT), ("/ar", "نرجو منك الانتظار"), ("/cy", "rhaid i ni ofyn")]
)
def test_the_429_page_is_in_the_language_of_the_request(
    petition: Petition, prefix: str, words: str
) -> None:
    waiting = put_off(path=f"{prefix}{PAGE}")
    assert words in waiting.content.decode()
    assert waiting["Content-Language"] == (prefix.strip("/") or "en")


def test_the_cached_429_page_does_not_leak_input_to_other_visitors(
    petition: Petition, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    pages = [post(form=typed(name="", email=f"p{n}@example.org")).content.decode() for n in "1234"]
    assert "p3@example.org" in pages[2]
    assert "p3@example.org" not in pages[3]
    assert pages[2].replace("p3@", "p4@") == pages[3]


@pytest.mark.django_db
def test_the_429_page_makes_no_database_queries(
    petition: Petition, django_assert_num_queries: Callable[[int], Any], settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    for _ in range(3):
        post()
    with django_assert_num_queries(0):
        assert post().status_code == 429
