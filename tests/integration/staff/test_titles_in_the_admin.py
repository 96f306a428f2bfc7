"""The admin of petitions: named by their titles, and laid out for somebody in a hurry."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaign.models import Statement
from petitions.formatting.languages import moment_of_staff
from petitions.models import (
    Alert,
    AuditRecord,
    BulkDecision,
    Decision,
    Erasure,
    Export,
    Milestone,
    Petition,
    Snapshot,
)
from petitions.staff import audit
from tests.held import hold_one
from tests.people import AMINA, sign_and_confirm
from tests.pressing import press

NAME = "Protect people"
LISTS = ("petition", "milestone", "snapshot", "decision", "export", "alert", "erasure")
PETITIONS = "/admin/petitions/petition/"


@pytest.fixture
def chief(admin_user: User, client: Client) -> Client:
    """A client logged in as a superuser."""
    client.force_login(admin_user)
    return client


def one_of_each(petition: Petition) -> None:
    today = timezone.localdate()
    Milestone.objects.create(petition=petition, kind=Milestone.Kind.OTHER, day=today)
    Decision.objects.create(petition=petition, kind="hold", reason="other")
    Export.objects.create(petition=petition, purpose="hand-in", delete_by=today)
    Alert.objects.create(petition=petition, kind="burst", network_ix=bytes(16), number=20)
    now = timezone.now()
    Erasure.objects.create(petition=petition, scheduled_at=now, erasure_due_at=now, seen_on=today)


def another(number: int) -> Petition:
    other = Petition.objects.create(slug=f"other-{number}")
    other.texts.create(language="cy", title=f"Arall {number}", addressee="x", ask="x")
    return other


def words(response: object) -> str:
    page = response.content.decode()  # type: ignore[attr-defined]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.parametrize(
    ("name", "heading"), [("petition", "Petitions"), ("snapshot", "Daily counts")]
)
def test_a_list_is_headed_by_its_name(chief: Client, name: str, heading: str) -> None:
    page = chief.get(f"/admin/petitions/{name}/").content.decode()
    assert f"<h1>{heading}</h1>" in page
    assert f"<title>{heading} |" in page


@pytest.mark.parametrize("name", LISTS)
def test_every_list_shows_petition_titles_at_a_constant_query_count(
    petition: Petition, chief: Client, name: str
) -> None:
    one_of_each(petition)
    Snapshot.objects.create(petition=petition, day=timezone.localdate(), total=1)
    path = f"/admin/petitions/{name}/"
    chief.get(path)  # what is read once for all pages
    costs = []
    for number in range(2):
        with CaptureQueriesContext(connection) as queries:
            page = words(chief.get(path))
        assert NAME in page
        costs.append(len(queries))
        other = another(number)
        one_of_each(other)
        Snapshot.objects.create(petition=other, day=timezone.localdate(), total=1)
    assert costs[0] == costs[1]
    shown = words(chief.get(path))
    assert "Arall 1" in shown, "in whatever language it has"


def test_the_petition_list_shows_and_sorts_by_signature_counts(
    petition: Petition, chief: Client
) -> None:
    another(1)
    sign_and_confirm(petition, AMINA)
    for order, expected in (("-5", ["1", "0"]), ("5", ["0", "1"])):
        page = chief.get(PETITIONS, {"o": order}).content.decode()
        assert re.findall(r'class="field-count">(\d+)<', page) == expected


def test_petitions_with_equal_titles_are_distinguished_by_slug(
    petition: Petition, chief: Client
) -> None:
    other = another(1)
    other.texts.create(language="en", title="Protect people", addressee="x", ask="x")
    names = {str(one) for one in Petition.objects.titled()}
    assert names == {"Protect people (protect)", "Protect people (other-1)"}
    one_of_each(petition)
    assert "Protect people (protect)" in words(chief.get("/admin/petitions/milestone/"))


def test_a_change_form_has_its_title_as_heading_and_links_to_the_list(
    petition: Petition, moderator: User, chief: Client
) -> None:
    path = f"{PETITIONS}{petition.pk}/change/"
    assert f"<h1>{NAME}</h1>" in chief.get(path).content.decode()
    assert "<h1>Add petition</h1>" in chief.get(f"{PETITIONS}add/").content.decode()
    # To who may only look, "Close" read as if it closed the petition.
    chief.force_login(moderator)
    looking = chief.get(path).content.decode()
    assert ">Back to the list</a>" in looking
    assert ">Close<" not in looking


def test_forms_have_no_related_object_icons_and_lists_no_facet_counts(
    petition: Petition, chief: Client
) -> None:
    one_of_each(petition)
    form = chief.get("/admin/petitions/news/add/").content.decode()
    assert "related-widget-wrapper" not in form
    assert "Text of news" not in form
    listed = chief.get("/admin/petitions/rule/").content.decode()
    assert ">\nIn force</summary>" in listed
    assert "Show counts" not in listed
    assert "0 found" not in listed


@pytest.fixture
def statement(petition: Petition) -> Statement:
    Petition.objects.update(state=Petition.State.DRAFT)
    statement = Statement.objects.create(slug="our-call", petition=petition)
    statement.texts.create(language="cy", title="Ein galwad", body="x")
    statement.texts.create(language="en", title="Our call to all", body="x")
    return statement


def test_statements_are_named_by_their_titles(statement: Statement, chief: Client) -> None:
    listed = words(chief.get("/admin/campaign/statement/"))
    assert "Our call to all our-call Welsh: draft, English: draft" in listed
    assert NAME in listed
    assert "statement “Our call to all” and its petition are drafts" in words(chief.get("/admin/"))
    for page in ("change", "texts", "preview", "together"):
        assert "Our call to all" in words(
            chief.get(f"/admin/campaign/statement/{statement.pk}/{page}/")
        )
    form = words(chief.get("/admin/campaign/statement/add/"))
    assert f"Linked petition: --------- {NAME}" in form


def test_the_statement_list_has_a_constant_query_count(statement: Statement, chief: Client) -> None:
    path = "/admin/campaign/statement/"
    chief.get(path)
    costs = []
    for number in range(2):
        with CaptureQueriesContext(connection) as queries:
            chief.get(path)
        costs.append(len(queries))
        other = Statement.objects.create(slug=f"other-{number}", petition=another(number))
        other.texts.create(language="en", title="Other", body="x")
    assert costs[0] == costs[1]


def test_list_cells_have_the_column_name_as_data_label(petition: Petition, chief: Client) -> None:
    page = chief.get(PETITIONS).content.decode()
    assert re.findall(r'data-label="([^"]+)"', page) == [
        "End of the web address", "Now", "Opens", "Closes", "Signatures",
    ]  # fmt: skip


def test_the_form_of_a_draft_hides_the_removal_reason_and_channel_counts(
    petition: Petition, chief: Client
) -> None:
    path = f"{PETITIONS}{petition.pk}/change/"
    Petition.objects.update(state=Petition.State.DRAFT)
    draft = words(chief.get(path))
    assert "eason for removal" not in draft
    assert "Signatures by channel" not in draft

    Petition.objects.update(state=Petition.State.REMOVED, removed_reason="A court told us to.")
    assert "A court told us to." in words(chief.get(path))


def test_the_add_form_of_a_petition_begins_with_the_slug(chief: Client) -> None:
    page = chief.get(f"{PETITIONS}add/").content.decode()
    assert page.index('id="id_slug"') < page.index('id="id_opens_at_0"')


def test_filters_and_select_boxes_show_petition_titles(petition: Petition, chief: Client) -> None:
    another(1)
    one_of_each(petition)
    listed = words(chief.get("/admin/petitions/milestone/"))
    assert f"Petition All Arall 1 {NAME}" in listed
    assert f"Arall 1 {NAME}" in words(chief.get("/admin/petitions/milestone/add/"))


def test_moderators_see_petition_titles(
    petition: Petition, moderator: User, client: Client
) -> None:
    hold_one(petition)
    client.force_login(moderator)
    assert f"1 signature on hold: {NAME}" in words(client.get("/admin/"))
    assert f"Petition: {NAME}" in words(client.get("/admin/petitions/signature/", follow=True))


def test_the_message_after_publishing_contains_the_title(petition: Petition, chief: Client) -> None:
    Petition.objects.update(state=Petition.State.DRAFT)
    assert f"{NAME} is published. Nobody was emailed." in press(chief, petition, "open")


def test_petitions_have_no_bulk_deletion_and_signed_ones_no_deletion(
    petition: Petition, chief: Client
) -> None:
    draft = another(1)
    sign_and_confirm(petition, AMINA)
    listed = chief.get(PETITIONS).content.decode()
    assert "delete_selected" not in listed
    link = "/delete/"
    assert (
        f"{PETITIONS}{draft.pk}{link}"
        in chief.get(f"{PETITIONS}{draft.pk}/change/").content.decode()
    )
    assert link not in chief.get(f"{PETITIONS}{petition.pk}/change/").content.decode()
    refused = chief.post(f"{PETITIONS}{petition.pk}/delete/", {"post": "yes"}, follow=True)
    assert "has been signed, so it cannot be deleted." in refused.content.decode()
    chief.post(f"{PETITIONS}{draft.pk}/delete/", {"post": "yes"})
    assert list(Petition.objects.all()) == [petition]


def test_admin_pages_share_one_time_format_and_omit_the_app_breadcrumb(
    petition: Petition, moderator: User, client: Client
) -> None:
    alert = Alert.objects.create(petition=petition, kind="held", number=3)
    alert.refresh_from_db()
    client.force_login(moderator)
    Alert.objects.create(petition=petition, kind="burst", network_ix=bytes(16), number=20)
    for path in (
        "/admin/",
        "/admin/petitions/alert/",
        f"/admin/petitions/alert/{alert.pk}/change/",
    ):
        assert moment_of_staff(alert.created_at) in client.get(path).content.decode()
    opened = client.get(f"{PETITIONS}{petition.pk}/change/").content.decode()
    assert moment_of_staff(petition.opens_at or timezone.now()) in opened
    # No page by app stands on the way, for there is none.
    assert '>Home</a> › <a href="/admin/petitions/petition/">Petitions</a> › Protect' in opened


def test_truncated_times_are_shown_as_a_date_without_midnight(
    petition: Petition, moderator: User, client: Client
) -> None:
    """Times are truncated to the day after 72 hours, so midnight would be a false time."""
    alert = Alert.objects.create(petition=petition, kind="burst", network_ix=bytes(16), number=20)
    mismatch = Alert.objects.create(petition=petition, kind="tally", number=1)
    job = BulkDecision.objects.create(
        petition=petition, kind="hold", reason="suspicious", conditions={}, seen_item=0
    )
    now = timezone.now()
    BulkDecision.objects.filter(pk=job.pk).update(state="done", started_at=now, finished_at=now)
    audit.record(
        action=AuditRecord.Action.SIGNING_PAUSED, screen="-", actor=moderator, about=petition
    )
    day = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    Alert.objects.update(created_at=day)
    BulkDecision.objects.update(created_at=day)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE petitions_auditrecord DISABLE TRIGGER USER")
        AuditRecord.objects.update(created_at=day)
        cursor.execute("ALTER TABLE petitions_auditrecord ENABLE TRIGGER USER")
    client.force_login(moderator)
    for path in (
        "/admin/petitions/alert/",
        f"/admin/petitions/alert/{alert.pk}/change/",
        f"/admin/petitions/alert/{mismatch.pk}/change/",
        f"{PETITIONS}{petition.pk}/switches/",
    ):
        page = client.get(path).content.decode()
        assert f"{day:%Y-%m-%d}" in page, path
        assert "00:00" not in page, path


def test_moderators_see_no_signature_counts_by_channel(
    petition: Petition, moderator: User, client: Client
) -> None:
    client.force_login(moderator)
    page = client.get(f"{PETITIONS}{petition.pk}/change/").content.decode()
    assert 'class="channels"' not in page


def test_the_petition_form_starts_with_its_buttons_and_ends_with_channel_counts(
    petition: Petition, chief: Client
) -> None:
    page = chief.get(f"{PETITIONS}{petition.pk}/change/").content.decode()
    places = [page.index('class="acts"')]
    places += [page.index(f'id="{name}"') for name in ("id_closes_at_0", "id_slug", "id_goal")]
    places += [page.index('id="texts-group"'), page.index('class="channels"')]
    assert places == sorted(places)
    assert "with a bar, from 25 signatures" in page
    assert 'class="channels"' not in chief.get(f"{PETITIONS}add/").content.decode()
