"""Closing a petition: the time that the program saw counts, and a close in the past is refused."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from petitions import tasks
from petitions.models import Petition, Signer
from tests.closing import DAY, close
from tests.people import sign_and_confirm
from tests.pressing import press

LIST = "/admin/petitions/petition/"
State = Petition.State
# The last Sunday of last year's October, when the hour from one to two occurs twice in London.
_OCTOBER_ENDS = datetime(timezone.now().year - 1, 10, 31, tzinfo=UTC)
SUMMER_ENDED = _OCTOBER_ENDS - _OCTOBER_ENDS.isoweekday() % 7 * DAY
REFUSED = "This time has passed in London. Choose a later one, and check the year."
CANNOT_OPEN = "Its close has passed, so nobody could sign."


@pytest.fixture
def omar(organiser: User, client: Client) -> Client:
    client.force_login(organiser)
    return client


def sent(omar: Client, petition: Petition, **changes: str) -> str:
    """Submit the petition's form with some changes; return the page that follows."""
    path = f"{LIST}{petition.pk}/change/"
    page = omar.get(path).context["adminform"].form
    form = {f"texts-{name}": str(n) for name, n in (("TOTAL_FORMS", 0), ("INITIAL_FORMS", 0))}
    for bound in page:
        value = bound.value()
        widget = bound.field.widget.get_context(bound.html_name, value, {})["widget"]
        for part in widget.get("subwidgets") or [widget]:
            form[part["name"]] = "" if part["value"] is None else _text(part["value"])
    return omar.post(path, {**form, **changes}, follow=True).content.decode()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return str(value[0])
    return "" if value is False else str(value)


def moment(when: datetime | None) -> dict[str, str]:
    """Return form fields for a time typed under "closes"."""
    if when is None:
        return {"closes_at_0": "", "closes_at_1": ""}
    local = timezone.localtime(when)
    return {"closes_at_0": f"{local:%Y-%m-%d}", "closes_at_1": f"{local:%H:%M:%S}"}


def stored(petition: Petition) -> Petition:
    return Petition.objects.get(pk=petition.pk)


def test_the_form_refuses_a_past_closing_time_and_nobody_is_erased(
    petition: Petition, omar: Client
) -> None:
    sign_and_confirm(petition)
    Petition.objects.update(opens_at=None)
    wrong = {"closes_at_0": "2026-01-10", "closes_at_1": "12:0"}

    page = sent(omar, petition, **wrong)
    tasks.record_closes()
    tasks.apply_retention()

    assert REFUSED in page
    assert "was changed successfully" not in page
    assert stored(petition).closes_at is None
    assert Signer.objects.count() == 1


def test_a_past_closing_time_set_outside_the_form_counts_from_now(
    petition: Petition,
) -> None:
    sign_and_confirm(petition)
    long_ago = timezone.now() - 323 * DAY
    Petition.objects.update(opens_at=None, closes_at=long_ago)

    tasks.record_closes()
    tasks.apply_retention()
    tasks.apply_retention()

    closed_at = stored(petition).closed_at
    assert closed_at
    assert timezone.now() - closed_at < timedelta(minutes=1)
    assert Signer.objects.count() == 1


@pytest.mark.parametrize("closes_at", [None, "2099-01-10"])
def test_an_unrelated_edit_saves_before_the_close(
    petition: Petition, omar: Client, closes_at: str | None
) -> None:
    Petition.objects.update(closes_at=closes_at and f"{closes_at}T12:00Z")

    assert "was changed successfully" in sent(omar, petition, goal="5000")
    assert stored(petition).goal == 5000


@pytest.mark.parametrize(
    "closes_at",
    [
        SUMMER_ENDED + timedelta(days=8, hours=12, microseconds=123456),
        SUMMER_ENDED + timedelta(minutes=30, microseconds=1),
        SUMMER_ENDED + timedelta(minutes=90, microseconds=1),
    ],
)
@pytest.mark.parametrize("state", [State.OPEN, State.CLOSED, State.REMOVED])
def test_an_unrelated_edit_saves_after_the_close_and_moves_nothing(
    petition: Petition, omar: Client, closes_at: datetime, state: str
) -> None:
    before = {"closes_at": closes_at, "closed_at": closes_at, "opens_at": closes_at - 30 * DAY}
    Petition.objects.update(state=state, **before)

    assert "was changed successfully" in sent(omar, petition, goal="5000")

    after = stored(petition)
    assert after.goal == 5000
    assert {name: getattr(after, name) for name in before} == before


@pytest.mark.parametrize("days", [1, 40, -9])
def test_the_form_cannot_change_a_past_closing_time(
    petition: Petition, omar: Client, days: int
) -> None:
    close(petition, days_ago=20)
    sent(omar, petition, **moment(timezone.now() - days * DAY))
    assert stored(petition).closes_at == stored(petition).closed_at
    assert 'name="closes_at_0"' not in omar.get(f"{LIST}{petition.pk}/change/").text


@pytest.mark.parametrize("later", [None, timezone.now() + 9 * DAY])
@pytest.mark.parametrize("state", [State.OPEN, State.CLOSED, State.REMOVED])
def test_reopening_accepts_a_future_closing_time_or_none(
    petition: Petition, omar: Client, state: str, later: datetime | None
) -> None:
    close(petition, days_ago=20)
    Petition.objects.update(state=state)
    assert "is now “open”. Nobody was emailed." in press(omar, petition, "reopen", **moment(later))
    assert stored(petition).closed_at is None
    assert stored(petition).is_accepting()


def test_reopening_refuses_a_past_closing_time(petition: Petition, omar: Client) -> None:
    close(petition, days_ago=20)
    said = press(omar, petition, "reopen", **moment(timezone.now() - DAY))
    assert "That closing time has passed in London" in said
    assert not stored(petition).is_accepting()


def test_a_petition_removed_before_its_opening_reopens_at_the_planned_time(
    petition: Petition, omar: Client
) -> None:
    Petition.objects.update(state=State.OPEN, opens_at=timezone.now() + 9 * DAY, closes_at=None)
    press(omar, petition, "remove", reason="Why.")

    # Its page would say that it closed on a future day.
    assert "“Put back on the site, closed” is not possible" in press(omar, petition, "restore")
    said = press(omar, petition, "reopen", **moment(timezone.now() + 8 * DAY))
    assert "That closing time is before the petition opens" in said
    assert stored(petition).state == State.REMOVED

    said = press(omar, petition, "reopen", **moment(timezone.now() + 10 * DAY))
    assert "is now “announced: opens by itself”" in said
    assert not stored(petition).is_accepting()


def test_a_new_petition_with_a_past_close_is_refused(omar: Client) -> None:
    form = {
        "slug": "new", "challenge": "auto", **moment(timezone.now() - DAY),
        "texts-TOTAL_FORMS": "0", "texts-INITIAL_FORMS": "0",
    }  # fmt: skip
    assert REFUSED in omar.post(f"{LIST}add/", form).content.decode()
    assert not Petition.objects.exists()


def test_a_draft_whose_close_has_passed_is_not_published(petition: Petition, omar: Client) -> None:
    close(petition, days_ago=1)
    Petition.objects.update(state=State.DRAFT)
    assert CANNOT_OPEN in press(omar, petition, "open")
    assert stored(petition).state == State.DRAFT


def test_full_clean_refuses_a_past_closing_time(petition: Petition) -> None:
    petition.closes_at = timezone.now() - timedelta(seconds=1)
    with pytest.raises(ValidationError, match="has passed in London"):
        petition.full_clean()


def test_closed_at_cannot_be_set_in_the_form(petition: Petition, omar: Client) -> None:
    typed = {"closed_at": "2020-01-01", "closed_at_0": "2020-01-01", "closed_at_1": "12:00"}
    assert "was changed successfully" in sent(omar, petition, **typed)
    assert stored(petition).closed_at is None
    assert not re.search(r'name="closed_at', omar.get(f"{LIST}{petition.pk}/change/").text)


# --- Every way to close ----------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.CLOSED, State.REMOVED])
@pytest.mark.parametrize("way", ["button", "save", "some fields", "queryset"])
def test_closed_at_is_recorded_however_a_petition_closes(
    petition: Petition, omar: Client, state: str, way: str
) -> None:
    before = timezone.now()
    button = {State.CLOSED: "close", State.REMOVED: "remove"}
    if way != "button":
        petition.state = state
    match way:
        case "button":
            press(omar, petition, button[State(state)])
        case "save":
            petition.save()
        case "some fields":
            petition.save(update_fields=["state"])
        case _:
            Petition.objects.update(state=state)
            tasks.record_closes()

    after = stored(petition)
    assert after.state == state
    assert after.closed_at
    assert before <= after.closed_at <= timezone.now()
    if way != "queryset":
        assert after.closes_at
        assert before <= after.closes_at <= timezone.now()


def test_closed_at_is_recorded_once_when_the_closing_time_passes(petition: Petition) -> None:
    Petition.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    tasks.record_closes()
    seen = stored(petition).closed_at
    tasks.record_closes()
    assert seen
    assert stored(petition).closed_at == seen


def test_closed_at_is_not_recorded_before_the_closing_time(petition: Petition) -> None:
    Petition.objects.update(closes_at=timezone.now() + DAY)
    tasks.record_closes()
    assert stored(petition).closed_at is None


def test_closed_at_is_cleared_if_a_petition_is_reopened_outside_the_form(
    petition: Petition,
) -> None:
    close(petition, days_ago=20)
    Petition.objects.update(closes_at=None)
    tasks.record_closes()
    assert stored(petition).closed_at is None


@pytest.mark.parametrize("hours", [None, -1, 1])
@pytest.mark.parametrize("state", Petition.State)
def test_the_over_and_running_querysets_agree_with_the_model(
    petition: Petition, state: str, hours: int | None
) -> None:
    now = timezone.now()
    closes_at = now + timedelta(hours=hours) if hours else None
    Petition.objects.update(state=state, opens_at=None, closes_at=closes_at)
    petition.refresh_from_db()

    is_over = petition.has_closed or state in {Petition.State.CLOSED, Petition.State.REMOVED}
    assert Petition.objects.over(now).exists() == is_over
    assert Petition.objects.running(now).exists() == petition.is_accepting(now)
