"""Links as mail programs break them: they work, or lead to a page with the other ways."""

import time

import pytest
from django.core import mail as sent
from django.test import Client

from petitions.mail import outbox
from petitions.models import Petition
from petitions.web.views.mail import repaired
from tests.checking import link_in
from tests.people import AMINA, sign

STUCK = [")", ").", ".", ",", ">", "]", "'", '"', "”", "،", "%29", "%3E", ")%20Continue", "//", "*"]


@pytest.fixture
def link(petition: Petition) -> str:
    """The path that Amina is mailed."""
    sign(petition, AMINA)
    outbox.deliver()
    return link_in(sent.outbox[0])


@pytest.mark.parametrize("stuck", STUCK)
@pytest.mark.parametrize("slash", ["/", ""])
def test_a_mailed_link_with_trailing_punctuation_still_opens_the_confirm_page(
    browser: Client, link: str, slash: str, stuck: str
) -> None:
    page = browser.get(link.rstrip("/") + slash + stuck, follow=True)

    assert page.status_code == 200
    assert "Add my signature" in page.content.decode()


@pytest.mark.parametrize("sign", ["_", "-", "._", "_)"])
def test_punctuation_after_the_final_slash_of_a_mailed_link_is_ignored(
    browser: Client, link: str, sign: str
) -> None:
    page = browser.get(link + sign, follow=True)
    assert "Add my signature" in page.content.decode()


@pytest.mark.parametrize(
    "put_in", ["%20", "%0D%0A", "=%0A", "=", "%0A%20%20", "%E2%80%8B", "%C2%AD", "%C2%A0", "%09"]
)
@pytest.mark.parametrize("place", [-1, -20, -40])
def test_whitespace_inside_a_mailed_link_is_removed(
    browser: Client, link: str, place: int, put_in: str
) -> None:
    token = link.rstrip("/")
    page = browser.get(f"{token[:place]}{put_in}{token[place:]}/", follow=True)

    assert page.status_code == 200
    assert "Add my signature" in page.content.decode()


@pytest.mark.parametrize(
    ("part", "broken"),
    [("/t/", "/T/"), ("/en/", "/EN/"), ("/confirm/", "/Confirm/"), ("/en/", "//en//")],
)
def test_the_fixed_parts_of_a_mailed_link_are_case_insensitive(
    browser: Client, link: str, part: str, broken: str
) -> None:
    page = browser.get(link.replace(part, broken), follow=True)

    assert page.status_code == 200
    assert "Add my signature" in page.content.decode()


@pytest.mark.parametrize(
    ("language", "code", "again"),
    [
        (
            "en",
            "you can type the code in our message there instead",
            "Sign again to get a new link",
        ),
        ("ar", "فيمكن كتابة الرمز الوارد في رسالتنا فيها", "التوقيع من جديد"),
        ("cy", "gallwch deipio’r cod yn ein neges yno", "Llofnodi eto"),
    ],
)
def test_the_404_page_of_a_damaged_link_offers_the_code_and_a_new_link(
    browser: Client, link: str, language: str, code: str, again: str
) -> None:
    link = link.replace("/en/", f"/{language}/")
    prefix = "" if language == "en" else f"/{language}"
    for broken in (link[:-9], link[:30], link[:11], f"/t/{language}/conf", link.upper()):
        page = browser.get(broken, follow=True)

        assert page.status_code == 404, broken
        text = page.content.decode()
        assert code in text, broken
        assert f'href="{prefix}/find/"' in text
        assert page["Cache-Control"] == "no-store"
        assert page["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("filler", ["=", "=a", "./", "-", " ", "a/", "\u200b"])
def test_repairing_a_very_long_hostile_path_takes_under_10_ms(filler: str) -> None:
    """As long as a request's first line may be."""
    path, began = "/t/en/confirm/" + filler * (4000 // len(filler)), time.process_time()
    repaired(path)
    assert time.process_time() - began < 0.01


def test_paths_that_are_not_repairable_links_get_404_without_a_redirect(
    petition: Petition, browser: Client
) -> None:
    for path in ("/t//evil.example/)", "/t/en/nowhere/x/)", "/t/../admin/)", "/T/", "/t/"):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert "Location" not in answer.headers
    assert browser.post("/t/en/confirm/x)").status_code == 405
