"""What the public sees of a petition that takes no more signatures."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
import typst
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.models import UNKNOWN, Petition, Source
from petitions.models.petition import CONFIRMING_AFTER_CLOSE
from petitions.sharing import typesetting

PAGE = "/petitions/protect/"
IN_EACH = pytest.mark.parametrize("home", ["", "/ar", "/cy"])
STILL_WORKS = {"": "still works for 24 hours", "/ar": "24 ساعة", "/cy": "24 awr"}
A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def petition(petition: Petition) -> Petition:
    """One with enough signatures for a bar."""
    tallies.move(petition.pk, {(UNKNOWN, 0): 60})
    return petition


def close(ago: timedelta) -> None:
    Petition.objects.update(closes_at=timezone.now() - ago)


def read(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == HTTPStatus.OK
    return response.content.decode()


@IN_EACH
def test_a_missed_goal_disappears_when_the_petition_closes(
    petition: Petition, client: Client, home: str
) -> None:
    Source.objects.create(code="choir", name="Choir", origins=["https://choir.example"])
    pages = [home + path for path in (PAGE, PAGE + "progress/", "/share/partner/choir/protect/")]
    for path in pages:
        assert "<progress" in read(client, path)
    close(A_MINUTE)
    for path in pages:
        page = read(client, path)
        assert "<progress" not in page
        assert 'class="goal"' not in page
    assert ">60<" in read(client, pages[0])


@IN_EACH
def test_a_closed_petition_mentions_mailed_links_only_while_they_still_work(
    petition: Petition, client: Client, home: str
) -> None:
    close(CONFIRMING_AFTER_CLOSE - A_MINUTE)
    assert STILL_WORKS[home] in read(client, home + PAGE)
    close(CONFIRMING_AFTER_CLOSE + A_MINUTE)
    assert STILL_WORKS[home] not in read(client, home + PAGE)


@pytest.mark.parametrize("paper", ["poster", "leaflets"])
def test_the_poster_and_leaflets_of_a_closed_petition_do_not_ask_to_sign(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch, paper: str
) -> None:
    given: list[dict[str, str]] = []
    compile_: Any = typst.compile

    def note(*args: Any, sys_inputs: dict[str, str], **options: Any) -> Any:
        given.append(sys_inputs)
        return compile_(*args, sys_inputs=sys_inputs, **options)

    monkeypatch.setattr(typst, "compile", note)
    typesetting._compile.cache_clear()
    address = f"/share/protect-{paper}.pdf"
    assert client.get(address).content.startswith(b"%PDF")
    close(A_MINUTE)
    assert client.get(address).content.startswith(b"%PDF")

    before, after = (inputs["call"] for inputs in given)
    assert before == "Scan with a phone to read and sign"
    assert after == "This petition is closed. Scan to read it"


def test_the_share_image_of_a_closed_petition_shows_the_count_without_a_bar(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []
    compile_: Any = typst.compile

    def note(*args: Any, sys_inputs: dict[str, str], **options: Any) -> Any:
        given.append(sys_inputs)
        return compile_(*args, sys_inputs=sys_inputs, **options)

    monkeypatch.setattr(typst, "compile", note)
    typesetting._compile.cache_clear()
    close(A_MINUTE)
    assert client.get("/share/protect.png").content.startswith(b"\x89PNG")
    assert given[0]["count"] == "60"
    assert "share" not in given[0]
