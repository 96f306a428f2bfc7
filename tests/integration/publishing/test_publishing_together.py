"""A statement and its petition become public together: now, or at a set time in London."""

import html
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from campaign import publishing
from campaign.models import Statement
from petitions.models import AuditRecord, Petition, PetitionText
from petitions.publishing import changes, life, opening
from petitions.publishing.life import Phase
from petitions.staff.refusal import Refused

# Nine in the morning in London, in winter.
TO_COME = datetime(2031, 12, 4, 9, 0, tzinfo=UTC)
SPOKEN = "on 4 December 2031 at 09:00, London time"
WHY = "It is time."
Action = AuditRecord.Action


@pytest.fixture
def statement(petition: Petition) -> Statement:
    """A draft statement that leads to a draft petition."""
    Petition.objects.update(state=Petition.State.DRAFT, opens_at=None)
    petition.texts.update(published_at=None)
    statement = Statement.objects.create(slug="words", petition=petition, is_featured=True)
    for language in ("en", "ar"):
        statement.texts.create(language=language, title="Words", body="Words")
    return statement


@pytest.fixture
def omar(organiser: User, client: Client) -> Client:
    client.force_login(organiser)
    return client


def together(statement: Statement, at: datetime | None = None) -> None:
    publishing.publish_together(statement=statement, actor=None, screen="-", at=at, override=WHY)


def take_back(statement: Statement) -> None:
    publishing.take_back(statement=statement, actor=None, screen="-")


def pages() -> list[int]:
    """Return the public HTTP status of the statement's page and of the petition's page."""
    paths = ("/statements/words/", "/petitions/protect/")
    return [Client().get(path).status_code for path in paths]


def asked(omar: Client, statement: Statement, **said: str) -> str:
    """Submit the form and return the page that follows."""
    path = f"/admin/campaign/statement/{statement.pk}/together/"
    form = {"when": "now", "reason": WHY, "sure": "on", **said}
    return html.unescape(omar.post(path, form, follow=True).content.decode())


HIDDEN = [HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND]
SHOWN = [HTTPStatus.OK, HTTPStatus.OK]


def test_statement_and_petition_become_public_at_the_same_moment(statement: Statement) -> None:
    assert pages() == HIDDEN
    together(statement)
    assert pages() == SHOWN
    petition = Petition.objects.get()
    moments = {petition.opens_at, *statement.texts.values_list("published_at", flat=True)}
    moments |= set(petition.texts.values_list("published_at", flat=True))
    assert len(moments) == 1
    assert life.phase_of(petition) is Phase.OPEN


def test_a_planned_publication_takes_effect_without_a_task(
    statement: Statement, monkeypatch: pytest.MonkeyPatch
) -> None:
    together(statement, TO_COME + timedelta(seconds=20))
    assert pages() == HIDDEN
    assert publishing.planned_for(statement) == TO_COME
    monkeypatch.setattr(timezone, "now", lambda: TO_COME - timedelta(seconds=1))
    assert pages() == HIDDEN
    monkeypatch.setattr(timezone, "now", lambda: TO_COME)
    assert pages() == SHOWN
    assert life.phase_of(Petition.objects.get()) is Phase.OPEN
    assert publishing.planned_for(statement) is None


def test_publishing_together_replaces_the_petitions_own_opening_time(statement: Statement) -> None:
    Petition.objects.update(opens_at=TO_COME + timedelta(days=1))
    together(statement)
    assert life.phase_of(Petition.objects.get()) is Phase.OPEN


def test_a_past_publication_time_is_refused(statement: Statement) -> None:
    with pytest.raises(Refused, match="has passed in London"):
        together(statement, timezone.now() - timedelta(minutes=1))
    assert pages() == HIDDEN
    assert not AuditRecord.objects.exists()


def test_an_opening_after_the_close_is_refused(statement: Statement) -> None:
    Petition.objects.update(closes_at=TO_COME - timedelta(days=1))
    with pytest.raises(Refused, match="close before it opens"):
        together(statement, TO_COME)


def test_publishing_together_is_refused_if_no_statement_text_would_be_public(
    statement: Statement,
) -> None:
    statement.texts.update(published_at=TO_COME + timedelta(hours=1))
    with pytest.raises(Refused, match="No text of the statement"):
        together(statement, TO_COME)
    assert life.phase_of(Petition.objects.get()) is Phase.DRAFT


def test_a_text_with_its_own_publication_time_keeps_it(statement: Statement) -> None:
    later = TO_COME + timedelta(days=2)
    statement.texts.filter(language="ar").update(published_at=later)
    together(statement, TO_COME)
    assert statement.texts.get(language="ar").published_at == later
    take_back(statement)
    assert statement.texts.get(language="ar").published_at == later


def test_publishing_together_requires_a_petition_that_is_not_open(statement: Statement) -> None:
    together(statement)
    with pytest.raises(Refused, match="“open”"):
        together(statement)
    Statement.objects.update(petition=None)
    with pytest.raises(Refused, match="choose the petition"):
        together(statement)


def test_taking_back_a_planned_publication_restores_both_drafts(statement: Statement) -> None:
    together(statement, TO_COME)
    take_back(statement)
    petition = Petition.objects.get()
    assert (petition.state, petition.opens_at) == (Petition.State.DRAFT, None)
    assert not statement.texts.exclude(published_at=None).exists()
    assert not petition.texts.exclude(published_at=None).exists()
    said = set(AuditRecord.objects.values_list("action", flat=True))
    assert said >= {Action.PETITION_RECALLED, Action.STATEMENT_RECALLED}


def test_only_a_pending_planned_publication_can_be_taken_back(statement: Statement) -> None:
    with pytest.raises(Refused):
        take_back(statement)
    together(statement)
    with pytest.raises(Refused):
        take_back(statement)
    assert pages() == SHOWN


def test_the_audit_records_contain_the_planned_time(statement: Statement) -> None:
    together(statement, TO_COME)
    for action in (Action.PETITION_PUBLISHED, Action.STATEMENT_PUBLISHED):
        assert SPOKEN in AuditRecord.objects.get(action=action).why


def test_changing_the_opening_time_of_a_planned_petition_is_refused(statement: Statement) -> None:
    together(statement, TO_COME)
    petition = Petition.objects.get()
    petition.opens_at = TO_COME - timedelta(days=1)
    with pytest.raises(Refused, match="opens when its texts appear"):
        changes.save_petition(petition=petition, changed=["opens_at"], actor=None)
    assert publishing.planned_for(statement) == TO_COME


# --- The page ------------------------------------------------------------------------------------


def test_an_organiser_can_plan_see_and_take_back_a_publication(
    omar: Client, statement: Statement
) -> None:
    page = asked(omar, statement, when="at", at_0="2031-12-04", at_1="09:00")
    assert f"Statement and petition become public {SPOKEN}" in page
    home = omar.get("/admin/").content.decode()
    assert "become public on 4 December 2031 at 09:00" in home
    assert "both are drafts again" in asked(omar, statement, take_back="1")
    assert "and its petition are drafts" in omar.get("/admin/").content.decode()
    assert pages() == HIDDEN


@pytest.mark.parametrize(
    ("day", "time", "words"),
    [
        ("2031-03-30", "01:30", "30 March 2031: 01:30 does not exist on that night"),
        ("2031-10-26", "01:30", "26 October 2031: 01:30 comes twice on that night"),
        ("", "", "Enter the date and the time"),
        ("2031-02-30", "09:00", "Enter a valid date"),
        ("2021-12-04", "09:00", "has passed in London"),
    ],
)
def test_an_invalid_publication_time_gets_a_specific_error(
    omar: Client, statement: Statement, day: str, time: str, words: str
) -> None:
    assert words in asked(omar, statement, when="at", at_0=day, at_1=time)
    assert life.phase_of(Petition.objects.get()) is Phase.DRAFT


@pytest.mark.parametrize("missing", ["reason", "sure", "when"])
def test_publishing_together_requires_every_field(
    omar: Client, statement: Statement, missing: str
) -> None:
    assert "This field is required" in asked(omar, statement, **{missing: ""})
    assert pages() == HIDDEN


@pytest.mark.parametrize("at", [None, TO_COME])
def test_the_second_of_two_publications_is_refused_with_a_message(
    omar: Client, statement: Statement, at: datetime | None
) -> None:
    """The first leaves the second without a form, but the page must still say why."""
    together(statement, at)
    assert "Nothing was done" in asked(omar, statement, when="now")


@pytest.mark.parametrize(
    "page", ["campaign/statement/{}/together/", "petitions/petition/{}/act/open/"]
)
def test_the_reason_field_has_no_maxlength(omar: Client, statement: Statement, page: str) -> None:
    of = statement.pk if "statement" in page else statement.petition_id
    (reason,) = re.findall(
        r"<textarea[^>]*>", omar.get(f"/admin/{page.format(of)}").content.decode()
    )
    assert "maxlength" not in reason


def test_a_blocking_checklist_item_is_named_and_the_form_hidden(
    omar: Client, statement: Statement
) -> None:
    PetitionText.objects.all().delete()
    path = f"/admin/campaign/statement/{statement.pk}/together/"
    page = omar.get(path).content.decode()
    assert "Write the petition’s text" in page
    assert 'name="when"' not in page


def test_moderators_get_403_with_the_role_that_may_publish(
    moderator: User, client: Client, statement: Statement
) -> None:
    client.force_login(moderator)
    answer = client.get(f"/admin/campaign/statement/{statement.pk}/together/")
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "Only organisers publish statements." in answer.content.decode()


def test_a_public_statement_of_a_draft_petition_warns_readers_and_organisers(
    omar: Client, statement: Statement
) -> None:
    form = {"action": "publish", "_selected_action": str(statement.pk)}
    answer = omar.post("/admin/campaign/statement/", form, follow=True)
    assert "leads to a draft: its readers cannot sign yet" in answer.content.decode()
    said = "A petition goes with this statement. It is not open yet"
    assert said in Client().get("/statements/words/").content.decode()
    assert "ترافق هذا البيان" in Client().get("/ar/statements/words/").content.decode()
    assert "readers cannot sign yet" in omar.get("/admin/").content.decode()
    opening.open_petition(petition=Petition.objects.get(), actor=None, screen="-", override=WHY)
    assert said not in Client().get("/statements/words/").content.decode()


def test_the_petition_pages_offer_to_publish_or_take_back_both(
    omar: Client, statement: Statement
) -> None:
    path = f"/admin/petitions/petition/{Petition.objects.get().pk}"
    assert "Publish both together" in omar.get(f"{path}/act/open/").content.decode()
    together(statement, TO_COME)
    assert "Take both back" in omar.get(f"{path}/act/recall/").content.decode()


def test_the_admin_home_makes_one_query_if_nothing_is_to_be_published(
    omar: Client, statement: Statement, django_assert_num_queries: Any
) -> None:
    from campaign.templatetags.statement_tags import to_publish_together

    together(statement)
    request = omar.get("/admin/").wsgi_request
    request.user.has_perm("petitions.change_petition")
    with django_assert_num_queries(1):
        assert to_publish_together({"request": request}) == []
