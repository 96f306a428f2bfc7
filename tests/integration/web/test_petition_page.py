"""The petition's page and its form: what it refuses, what it keeps, what it never does."""

import re
from datetime import timedelta
from html import escape
from io import BytesIO
from typing import Any

import pytest
from crispy_forms.utils import render_crispy_form
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.translation import gettext

from campaign.templatetags.statement_tags import statement_behind
from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.models import Petition, PetitionText, Signature, Signer
from petitions.publishing import warm_cache
from petitions.signers import consent, sealing
from petitions.web.forms import SignForm
from tests.people import AMINA, sign, sign_and_confirm, typed

PAGE = "/petitions/protect/"


def test_a_valid_form_redirects_to_check_your_email_with_a_masked_address(
    petition: Petition, browser: Client
) -> None:
    response = browser.post(PAGE, typed(), follow=True)

    page = response.content.decode()
    assert "Check your email" in page
    assert "a•••@example.org" in page
    assert "amina@example.org" not in page
    assert "Please confirm your email address" in page
    # Not even sealed lengths tell one signer from another.
    address = response.redirect_chain[-1][0]
    other = browser.post(PAGE, typed(email="somebody.longer@long-domain.example.net", name="X Y"))
    assert len(other["Location"]) == len(address)


def test_the_check_your_email_page_gets_410_after_an_hour(
    petition: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = browser.post(PAGE, typed())["Location"]
    now = timezone.now().timestamp()
    monkeypatch.setattr("petitions.crypto.tokens.time.time", lambda: now + 3601)

    response = browser.get(address)

    assert response.status_code == 410
    assert "expired" in response.content.decode()


LONG = "x" * 300
BAD: dict[str, list[dict[str, str]]] = {
    "name": [
        {"name": ""}, {"name": "   "}, {"name": LONG}, {"name": "Ann\x00Bad"},
        {"name": "Ann\u202eBad"}, {"name": "Ann\nBad\x07"}, {"name": "See https://spam.example"},
        {"name": "www.spam.example"}, {"name": "12345"}, {"name": "Ann\ufffdBad"},
    ],
    "email": [
        {"email": ""}, {"email": "amina"}, {"email": "amina@"}, {"email": LONG + "@example.org"},
        {"email": "a@b\x00.org"}, {"email": "amina@example.org\nBcc: x@example.org"},
        {"email": "amina@gmail..com"}, {"email": "a@[127.0.0.1]"},
        {"email": "amina\u202e@example.org"}, {"email": "a b@example.org"},
    ],
    "postcode": [
        {"postcode": ""}, {"postcode": "XX99 9XX9"}, {"postcode": "1234"},
        {"postcode": "M14\x005RX"}, {"postcode": LONG},
    ],
    "country": [
        {"residence": "abroad", "country": ""}, {"residence": "abroad", "country": "ZZ"},
        {"residence": "abroad", "country": LONG}, {"residence": "abroad", "country": "GB"},
    ],
    "name_use": [{"name_use": ""}, {"name_use": "everybody"}],
    "residence": [{"residence": ""}, {"residence": "moon"}],
    "consent": [{"consent": ""}],
    "text_version": [
        {"text_version": ""}, {"text_version": "x"}, {"text_version": "99"}, {"text_version": "0"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("field", BAD)
def test_invalid_input_gets_422_and_the_other_input_is_kept(
    petition: Petition, browser: Client, field: str
) -> None:
    for change in BAD[field]:
        form = typed(**change)
        response = browser.post(PAGE, form)

        page = response.content.decode()
        assert response.status_code == 422, change
        assert 'id="error-summary"' in page
        assert "autofocus" in page
        for name in {"name", "email", "postcode"} - {field}:
            assert f'value="{escape(form[name])}"' in page, (change, name)
    assert not Signature.objects.exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/petitions/protect/", "Enter your name."),
        ("/ar/petitions/protect/", "يرجى كتابة اسمك."),
        ("/cy/petitions/protect/", "Rhowch eich enw."),
    ],
)
def test_form_errors_are_in_the_language_of_the_page(
    petition: Petition, browser: Client, path: str, words: str
) -> None:
    response = browser.post(path, typed(name=""))
    assert words in response.content.decode()


def test_a_form_without_its_text_version_is_shown_again_with_it(
    petition: Petition, browser: Client
) -> None:
    refused = browser.post(PAGE, typed(text_version=""))
    page = refused.content.decode()
    assert "The page did not load fully. Press the button again." in page
    assert 'name="text_version" value="1"' in page


def test_invalid_utf8_gets_422_and_the_other_input_is_kept(
    petition: Petition, browser: Client
) -> None:
    body = (
        b"name=Am\xff%ffna&name_use=public&email=amina%40example.org&residence=uk&postcode=M14+5RX"
    )
    response = browser.post(PAGE, body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 422
    assert "amina@example.org" in response.content.decode()


def test_unknown_and_duplicate_form_fields_get_422(petition: Petition, browser: Client) -> None:
    for body in (typed(admin="1"), {**typed(), "name": ["Amina Example", "Other Name"]}):
        assert browser.post(PAGE, body).status_code == 422
    assert not Signature.objects.exists()


def test_an_uploaded_file_in_place_of_a_name_is_refused(
    petition: Petition, browser: Client
) -> None:
    from io import BytesIO

    upload = BytesIO(b"a name in a file")
    upload.name = "name.txt"
    response = browser.post(PAGE, {**typed(), "name": upload})
    assert response.status_code == 422


def test_a_petition_form_over_64_kb_gets_413(petition: Petition, browser: Client) -> None:
    body = BytesIO(b"name=" + b"x" * 70_000)
    form: dict[str, Any] = {
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "wsgi.input": body,
    }
    response = browser.post(PAGE, CONTENT_LENGTH=str(len(body.getvalue())), **form)
    assert response.status_code == 413
    assert "<h1" in response.content.decode()
    assert body.tell() == 0


def test_an_unsupported_content_type_gets_415(petition: Petition, browser: Client) -> None:
    response = browser.post(PAGE, typed(), content_type="application/json")
    assert response.status_code == 415
    assert "<h1" in response.content.decode()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_an_unsupported_method_gets_405_with_an_html_page(
    petition: Petition, browser: Client, method: str
) -> None:
    response = getattr(browser, method)(PAGE)
    assert response.status_code == 405
    assert "GET" in response["Allow"]
    assert "<h1" in response.content.decode()


def test_a_malformed_multipart_body_is_refused_and_stores_nothing(
    petition: Petition, browser: Client
) -> None:
    response = browser.post(PAGE, b"garbage", content_type="multipart/form-data; boundary=x")
    assert response.status_code in {400, 422}
    assert "<h1" in response.content.decode()
    assert not Signature.objects.exists()


def test_without_consent_nothing_is_stored(petition: Petition, browser: Client) -> None:
    response = browser.post(PAGE, typed(consent=""))
    assert "Tick the box to agree" in response.content.decode()
    assert not Signature.objects.exists()


def test_no_option_of_the_petition_form_is_preselected(petition: Petition, client: Client) -> None:
    assert "checked" not in client.get(PAGE).content.decode()


def test_a_cross_site_form_gets_403_and_is_shown_filled_in(petition: Petition) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        response = Client(headers=headers).post(PAGE, typed())
        assert response.status_code == 403
        assert "Amina Example" in response.content.decode()
    assert not Signature.objects.exists()


def test_a_request_without_origin_headers_may_sign(petition: Petition) -> None:
    assert Client().post(PAGE, typed()).status_code == 303
    assert Signature.objects.count() == 1


def test_the_postcode_of_a_signer_abroad_is_not_stored(petition: Petition, browser: Client) -> None:
    response = browser.post(PAGE, typed(residence="abroad", country="JO", postcode="11118"))
    assert response.status_code == 303
    person = sealing.unsealed(Signer.objects.get())
    assert (person["postcode"], person["country"]) == ("", "JO")


def test_bidi_marks_in_pasted_arabic_input_are_removed(petition: Petition, browser: Client) -> None:
    pasted = typed(
        name="\u200fليلى مثال\u200f",
        email="\u200elayla@example.org\u200e",
        postcode="\u200eM14 5RX",
    )
    assert browser.post(PAGE, pasted).status_code == 303
    person = sealing.unsealed(Signer.objects.get())
    assert (person["name"], person["email"], person["postcode"]) == (
        "ليلى مثال",
        "layla@example.org",
        "M145RX",
    )


def test_no_postcode_is_required_with_i_would_rather_not_say(
    petition: Petition, browser: Client
) -> None:
    response = browser.post(PAGE, typed(postcode="", postcode_unsaid="on"))
    assert response.status_code == 303


def test_the_page_and_api_of_a_draft_petition_are_404(petition: Petition, client: Client) -> None:
    Petition.objects.update(state=Petition.State.DRAFT)
    assert client.get(PAGE).status_code == 404
    assert client.get("/api/v1/petitions/protect.json").status_code == 404


def test_a_removed_petition_gets_410_with_its_reason(petition: Petition, client: Client) -> None:
    Petition.objects.update(state=Petition.State.REMOVED, removed_reason="A court told us to.")
    response = client.get(PAGE)
    assert response.status_code == 410
    assert "A court told us to." in response.content.decode()
    assert client.get("/api/v1/petitions/protect.json").status_code == 410


def test_a_form_sent_after_the_petition_closed_gets_409_with_an_explanation(
    petition: Petition, browser: Client
) -> None:
    Petition.objects.update(closes_at=timezone.now() - timedelta(minutes=1))
    assert "This petition is closed" in browser.get(PAGE).content.decode()

    response = browser.post(PAGE, typed())

    assert response.status_code == 409
    assert "It closed while you were filling in the form" in response.content.decode()


def test_a_petition_without_a_translation_falls_back_to_english(
    petition: Petition, client: Client
) -> None:
    PetitionText.objects.filter(language="cy").delete()
    page = client.get("/cy/petitions/protect/").content.decode()
    assert '<html lang="cy"' in page
    with translation.override("cy"):
        assert gettext("This text is not available in your language yet.") in page
    (article,) = re.findall(r'(?s)<article lang="en" dir="ltr">.*?</article>', page)
    assert "Protect people" in article


def test_a_bar_is_shown_only_from_25_signatures(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count, shown in ((24, False), (25, True)):
        monkeypatch.setattr(tallies, "total", lambda petition_id, n=count: n)
        page = client.get(PAGE).content.decode()
        assert ("<progress" in page) is shown
        assert ("The goal is a milestone only." in page) is shown


@pytest.mark.parametrize("path", [PAGE, "/ar/petitions/protect/", "/api/v1/petitions/protect.json"])
def test_a_page_takes_at_most_three_queries_uncached_and_none_cached(
    petition: Petition, settings: Any, path: str
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    # Read once in five minutes and in five seconds, whatever is asked for.
    warm_cache.postcodes_of()
    statement_behind(petition)
    client = Client()  # a handler of its own, and so a page cache of its own
    with CaptureQueriesContext(connection) as cold:
        client.get(path)
    with CaptureQueriesContext(connection) as warm:
        client.get(path)
    assert len(cold) <= 3, [query["sql"] for query in cold]
    assert len(warm) == 0


# A connection that breaks in the middle of an answer is but a `DatabaseError`.
@pytest.mark.parametrize("kind", [OperationalError, DatabaseError])
def test_cached_pages_are_served_and_signing_gets_503_without_a_database(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, kind: type[DatabaseError]
) -> None:
    browser = Client(headers={"Sec-Fetch-Site": "same-origin"})
    before = browser.get(PAGE)

    def away(*args: object, **kwargs: object) -> None:
        raise kind("the database's own words")

    monkeypatch.setattr("petitions.web.views.signing.find_text", away)

    assert browser.get(PAGE).content == before.content
    signing = browser.post(PAGE, typed())
    assert signing.status_code == 503
    assert signing["Retry-After"]
    assert "the database's own words" not in signing.content.decode()


@pytest.mark.parametrize("path", [PAGE, "/nowhere/", "/t/en/mine/x/"])
def test_a_forged_csrf_cookie_is_not_answered_with_a_new_cookie(
    path: str, petition: Petition, browser: Client
) -> None:
    browser.cookies[settings.CSRF_COOKIE_NAME] = "damaged"
    response = browser.get(path)
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


def test_public_pages_set_no_cookie_and_vary_on_no_cookie_or_language(
    petition: Petition, browser: Client
) -> None:
    for response in (
        browser.get("/"), browser.get(PAGE), browser.post(PAGE, typed()), browser.get("/nowhere/"),
        browser.get("/api/v1/petitions/protect.json"),
    ):  # fmt: skip
        assert not response.cookies
        assert "Cookie" not in response.get("Vary", "")
        assert "Accept-Language" not in response.get("Vary", "")


def test_the_csp_allows_workers_in_old_and_new_browsers_and_forbids_frames(
    petition: Petition, browser: Client
) -> None:
    policy = browser.post(PAGE, typed(consent=""))["Content-Security-Policy"]
    directives = dict(part.split(maxsplit=1) for part in policy.split("; "))

    # Workers by CSP 3, and as Safari before 15.5 reads it: child-src, else default-src.
    assert directives["worker-src"] == "'self'"
    assert directives["child-src"] == "'self'"
    assert directives["frame-src"] == "'none'"
    assert len(directives) == policy.count("; ") + 1


def test_every_response_has_the_security_headers(petition: Petition, browser: Client) -> None:
    for response in (browser.get(PAGE), browser.get("/nowhere/"), browser.post(PAGE, {})):
        assert response["Content-Security-Policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["Permissions-Policy"]
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_api_and_the_petition_page_show_the_same_count_and_title(
    petition: Petition, client: Client
) -> None:
    sign_and_confirm(petition)

    response = client.get("/api/v1/petitions/protect.json")
    told = response.json()

    assert told["signature_count"] == 1
    assert (told["slug"], told["title"], told["state"], told["goal"]) == (
        "protect",
        "Protect people",
        "open",
        100,
    )
    assert told["counted_at"]
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["ETag"]
    page = client.get(PAGE).content.decode()
    assert f">{told['signature_count']}<" in page
    assert told["title"] in page
    again = client.get("/api/v1/petitions/protect.json", headers={"If-None-Match": "W/nothing"})
    assert again.status_code == 200


@pytest.mark.parametrize(("language", "home"), [("en", ""), ("ar", "/ar"), ("cy", "/cy")])
def test_the_consent_and_the_promises_name_the_escaped_addressee(
    petition: Petition, client: Client, language: str, home: str
) -> None:
    PetitionText.objects.filter(language=language).update(addressee="the <Mayor> of Leeds")

    page = client.get(f"{home}/petitions/protect/").content.decode()

    named = f'<bdi lang="{language}">the &lt;Mayor&gt; of Leeds</bdi>'
    # Above the title, in the choice for the name, in the consent and in the promises.
    assert page.count(named) == 4
    assert "British Government" not in page
    assert sign_and_confirm(petition).consent_version == consent.CURRENT == 2


def test_sign_forms_that_share_fields_render_each_language_consistently(db: None) -> None:
    def shown(language: str) -> str:
        with translation.override(language):
            text = PetitionText(version=1, petition=Petition())
            form = SignForm(QueryDict("name="), text=text)
            assert not form.is_valid()
            return str(render_crispy_form(form))

    first, arabic = shown("en"), shown("ar")

    assert shown("en") == first
    assert shown("ar") == arabic != first


@pytest.mark.parametrize(
    ("language", "government"), [("en", "Government"), ("ar", "الحكومة"), ("cy", "Llywodraeth")]
)
@pytest.mark.parametrize("publishes_names", [False, True])
def test_the_name_choice_names_the_addressee_on_every_page(
    petition: Petition, client: Client, language: str, government: str, publishes_names: bool
) -> None:
    Petition.objects.update(publishes_names=publishes_names)
    PetitionText.objects.update(addressee="the <Mayor> of Leeds")
    mayor = f'<bdi lang="{language}">the &lt;Mayor&gt; of Leeds</bdi>'
    form = client.get(f"/{language}/petitions/protect/".replace("/en/", "/")).content.decode()
    question = form[form.index('id="safety"') : form.index('name="email"')]
    assert question.count(mayor) == 1 + publishes_names
    assert government not in question

    token = tokens.link(tokens.CONFIRM, sign(petition, AMINA), 0)
    for answer in (client.get, client.post):
        page = answer(f"/t/{language}/confirm/{token}/").content.decode()
        chosen = re.search(r'<strong>([^<]*<bdi lang="\w+">.*?</bdi>[^<]*)</strong>', page)
        assert chosen
        assert mayor in chosen[1]
    mine = f"/t/{language}/mine/{tokens.recipient_link(sealing.recipient_of(AMINA.email))}/"
    page = client.post(mine).content.decode()
    assert page.count(mayor) == 2 + publishes_names
