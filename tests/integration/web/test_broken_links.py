"""Links as mail programs break them: they work, or lead to a page with the other ways."""

import pytest
from django.core import mail as sent
from django.test import Client

from petitions.mail import outbox
from petitions.models import Petition
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
def test_what_is_stuck_on_a_link_does_not_break_it(
    browser: Client, link: str, slash: str, stuck: str
) -> None:
    page = browser.get(link.rstrip("/") + slash + stuck, follow=True)

    assert page.status_code == 200
    assert "Add my signature" in page.content.decode()


@pytest.mark.parametrize(
    ("part", "broken"),
    [("/t/", "/T/"), ("/en/", "/EN/"), ("/confirm/", "/Confirm/"), ("/en/", "//en//")],
)
def test_the_fixed_parts_of_a_link_may_be_in_capitals(
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
def test_a_link_cut_off_or_all_in_capitals_offers_the_code_and_a_new_link(
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


def test_nothing_but_a_link_of_ours_is_redirected_to(petition: Petition, browser: Client) -> None:
    for path in ("/t//evil.example/)", "/t/en/nowhere/x/)", "/t/../admin/)", "/T/", "/t/"):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert "Location" not in answer.headers
    assert browser.post("/t/en/confirm/x)").status_code == 405
