"""Which acts are possible in which phase of a petition, and what must stay for ever."""

import html
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaign.models import FormerStatementAddress, Statement
from petitions.counting import breakdowns
from petitions.formatting.languages import day
from petitions.mail import team
from petitions.models import (
    AuditRecord,
    FormerAddress,
    FormerName,
    Organisation,
    Petition,
    ReadinessTick,
    SenderCheck,
    Signer,
    StaffMail,
)
from petitions.models.petition import PetitionQuerySet
from petitions.publishing import changes, life, opening, readiness, warm_cache
from petitions.publishing.life import Phase
from petitions.staff import audit
from petitions.staff.refusal import Refused
from tests.people import sign_and_confirm, typed
from tests.pressing import press
from tests.racing import race

State = Petition.State
LIST = "/admin/petitions/petition/"
DOMAIN = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]


@pytest.fixture
def omar(organiser: User, client: Client) -> Client:
    client.force_login(organiser)
    return client


def put(petition: Petition, phase: Phase) -> Petition:
    """Bring a petition into a phase."""
    now, day = timezone.now(), timedelta(days=1)
    states: dict[Phase, dict[str, Any]] = {
        Phase.ANNOUNCED: {"opens_at": now + day},
        Phase.OPEN: {},
        Phase.PAUSED: {"is_paused": True},
        Phase.CLOSED: {"closes_at": now - timedelta(hours=1)},
    }
    values = states.get(phase) or {"state": State.OPEN if phase in states else State(phase)}
    Petition.objects.update(**values)
    petition.refresh_from_db()
    return petition


def sent(client: Client, path: str, **changed: str) -> str:
    """Submit a form as a browser does, with some fields changed; return the page that follows."""
    shown = client.get(path).context
    formsets = [inline.formset for inline in shown["inline_admin_formsets"]]
    forms = [shown["adminform"].form]
    for each in formsets:
        forms += [each.management_form, *each.forms]
    form = dict(_fields(forms)) | changed
    return html.unescape(client.post(path, form, follow=True).content.decode())


def _fields(forms: list[Any]) -> Iterator[tuple[str, str]]:
    for bound in (field for form in forms for field in form):
        value, widget = bound.value(), bound.field.widget
        if getattr(widget, "input_type", "") == "checkbox":
            if value:
                yield bound.html_name, "on"
        elif hasattr(widget, "widgets"):
            for number, part in enumerate(widget.decompress(value)):
                yield f"{bound.html_name}_{number}", "" if part is None else str(part)
        else:
            yield bound.html_name, "" if value is None else str(getattr(value, "pk", value))


def ticked(page: str) -> str:
    """Return the label of the confirmation tick box."""
    _before, box, after = page.partition('type="checkbox" name="sure" value="')
    assert box, "nothing was asked"
    return after.partition('"')[0]


# --- The table -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", life.ACTS)
@pytest.mark.parametrize("phase", Phase)
def test_every_act_is_possible_exactly_in_its_allowed_phases(
    petition: Petition, omar: Client, phase: Phase, name: str
) -> None:
    put(petition, phase)
    Petition.objects.update(publishes_names=bool(life.ACTS[name].names))
    assert life.phase_of(petition) is phase
    before = Petition.objects.values().get()

    said = press(omar, petition, name)

    done = AuditRecord.objects.filter(action=life.ACTS[name].action).count()
    if phase in life.ACTS[name].allowed_in:
        assert done == 1
        assert Petition.objects.values().get() != before
    else:
        assert "Nothing was done" in said
        assert done == 0
        assert Petition.objects.values().get() == before


@pytest.mark.parametrize("name", sorted(life.ACTS.keys() - {life.OPEN}))
@pytest.mark.parametrize("phase", Phase)
def test_perform_refuses_an_act_outside_its_allowed_phases(
    petition: Petition, phase: Phase, name: str
) -> None:
    put(petition, phase)
    Petition.objects.update(publishes_names=bool(life.ACTS[name].names))
    if phase in life.ACTS[name].allowed_in:
        life.perform(petition=petition, name=name, actor=None, screen="-", reason="x")
    else:
        with pytest.raises(Refused):
            life.perform(petition=petition, name=name, actor=None, screen="-", reason="x")


def test_the_history_of_a_petition_lists_acts_but_no_signature_searches(
    petition: Petition, omar: Client
) -> None:
    path = f"{LIST}{petition.pk}/history/"
    assert "Nobody has done anything with it here yet." in omar.get(path).content.decode()
    put(petition, Phase.OPEN)
    life.perform(petition=petition, name=life.PAUSE, actor=None, screen="-", reason="")
    press(omar, petition, life.RESUME)
    sent(omar, f"{LIST}{petition.pk}/change/", goal="4711")
    audit.record(action=AuditRecord.Action.SEARCHED, screen="-", about=petition, why="by name")

    history = omar.get(path).content.decode()

    acts = ("changed by a form", "signing resumed", "signing paused")
    assert sorted(acts, key=history.index) == list(acts)
    assert 'a command</td><td data-label="What">signing paused' in history
    assert "signatures searched" not in history


@pytest.mark.parametrize("phase", Phase)
def test_list_and_form_show_the_phase_of_a_petition(
    petition: Petition, omar: Client, phase: Phase
) -> None:
    put(petition, phase)
    listed = omar.get(LIST).content.decode()
    assert f'field-phase">{phase.label}</td>' in listed
    form = omar.get(f"{LIST}{petition.pk}/change/").content.decode()
    assert f'<div class="readonly">{phase.label}</div>' in form


def test_the_form_cannot_set_state_pause_or_removal_reason(
    petition: Petition, omar: Client
) -> None:
    path = f"{LIST}{petition.pk}/change/"
    sent(omar, path, state="removed", is_paused="on", removed_reason="x", goal="4711")
    row = Petition.objects.get()
    assert (row.goal, row.state, row.is_paused, row.removed_reason) == (4711, "open", False, "")


def test_removing_needs_a_reason_and_a_tick_and_shows_the_reason(
    petition: Petition, omar: Client
) -> None:
    assert "This field is required" in press(omar, petition, "remove", reason="")
    path = f"{LIST}{petition.pk}/act/remove/"
    assert "This field is required" in omar.post(path, {"reason": "A court."}).content.decode()
    assert Petition.objects.get().state == State.OPEN

    assert "is now “taken off the site”" in press(omar, petition, "remove", reason="A court.")

    page = Client().get("/petitions/protect/")
    assert page.status_code == HTTPStatus.GONE
    assert "A court." in page.content.decode()


def test_moderators_and_anonymous_users_cannot_change_a_petitions_state(
    petition: Petition, moderator: User
) -> None:
    mona = Client()
    mona.force_login(moderator)
    for client in (mona, Client()):
        for part in ("act/close/", "ready/", "tick/"):
            answer = client.post(f"{LIST}{petition.pk}/{part}", {"item": "keys", "done": "1"})
            assert answer.status_code in {HTTPStatus.FORBIDDEN, HTTPStatus.FOUND}
    assert Petition.objects.get().state == State.OPEN
    assert not ReadinessTick.objects.exists()


def test_a_stale_petition_form_saves_nothing(petition: Petition, omar: Client) -> None:
    path = f"{LIST}{petition.pk}/change/"
    assert "Somebody else changed it in the meantime" in sent(omar, path, seen="draft", goal="4711")
    assert Petition.objects.get().goal is None


def test_an_erased_petition_cannot_be_reopened(petition: Petition, omar: Client) -> None:
    """Otherwise signers could sign a second time."""
    sign_and_confirm(petition)
    put(petition, Phase.CLOSED)
    Signer.objects.all().delete()
    assert "could sign twice" in press(omar, petition, "reopen")
    assert life.phase_of(Petition.objects.get()) is Phase.CLOSED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [False, True])
def test_the_second_of_two_concurrent_acts_is_refused(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    if not guarded:
        monkeypatch.setattr(PetitionQuerySet, "select_for_update", lambda self: self)

    def close() -> None:
        life.perform(petition=petition, name="close", actor=None, screen="-")

    run = race(monkeypatch, (Petition, "save_base"), close, close)

    assert isinstance(run.second, Refused) is guarded
    assert AuditRecord.objects.count() == (1 if guarded else 2)


# --- Opening ---------------------------------------------------------------------------------


def draft(petition: Petition, **values: Any) -> Petition:
    Petition.objects.update(state=State.DRAFT, **values)
    warm_cache.invalidate()
    return Petition.objects.get()


@pytest.mark.parametrize("days", [None, 5])
def test_opening_sets_opens_at_to_now_and_earlier_days_get_no_snapshot(
    petition: Petition, omar: Client, days: int | None
) -> None:
    opens_at = timezone.now() - timedelta(days=days) if days else None
    before = timezone.now()

    press(omar, draft(petition, opens_at=opens_at), "open")

    row = Petition.objects.get()
    assert row.opens_at
    assert before <= row.opens_at <= timezone.now()
    breakdowns.take_snapshots()
    assert not row.snapshots.exists(), "no day has ended since"


@pytest.mark.parametrize(("day", "is_refused"), [("2025-12-05", True), ("2099-12-05", False)])
def test_the_form_refuses_a_past_opening_time(
    petition: Petition, omar: Client, day: str, is_refused: bool
) -> None:
    """The year is easily wrong, and the petition would then open at once."""
    path = f"{LIST}{draft(petition, opens_at=None).pk}/change/"
    page = sent(omar, path, opens_at_0=day, opens_at_1="09:30", goal="4711")
    assert ("This time has passed." in page) is is_refused
    assert 'value="4711"' in page or not is_refused
    assert (Petition.objects.get().opens_at is None) is is_refused


def test_blocking_checklist_items_cannot_be_overridden(petition: Petition, omar: Client) -> None:
    Organisation.objects.update(privacy_email="")
    assert "privacy contact" in press(omar, draft(petition), "open", reason="Hurry.")
    with pytest.raises(Refused, match="privacy contact"):
        opening.open_petition(petition=petition, actor=None, screen="-", override="Hurry.")
    assert Petition.objects.get().state == State.DRAFT


def test_opening_an_unready_petition_requires_an_audited_reason(
    petition: Petition, omar: Client
) -> None:
    petition.texts.filter(language="cy").delete()
    page = press(omar, draft(petition), "open", reason="")
    assert "There is no text in Welsh" in page
    assert Petition.objects.get().state == State.DRAFT
    with pytest.raises(Refused, match="no text in Welsh"):
        opening.open_petition(petition=petition, actor=None, screen="-")

    press(omar, petition, "open", reason="The vote is tomorrow.")

    assert Petition.objects.get().state == State.OPEN
    why = AuditRecord.objects.get(action="opened-unready").why
    assert why.startswith("The vote is tomorrow. [Organisation, Texts, Constituencies")


def test_checklist_ticks_are_audited_and_can_be_undone(petition: Petition, omar: Client) -> None:
    Organisation.objects.update(logo_hash="0" * 16, sender_name="SBC")
    SenderCheck.objects.create(domain=DOMAIN, is_right=True, checked_at=timezone.now())
    path = f"{LIST}{draft(petition).pk}/"
    page = omar.get(f"{path}ready/").content.decode()
    assert "2 of 8 ready" in page
    texts = reverse("admin:petitions_petition_texts", args=[petition.pk])
    assert f'href="{texts}">Go to: texts</a>' in page
    assert omar.get(texts).status_code == HTTPStatus.OK
    for item in ReadinessTick.Item:
        omar.post(f"{path}tick/", {"item": item, "done": "1"})
        omar.post(f"{path}tick/", {"item": item, "done": "1"})
    page = omar.get(f"{path}ready/").content.decode()
    assert "6 of 8 ready" in page
    assert page.count(f"omar ticked this on {day(timezone.localdate())}.") == 4
    assert "6 of 8 ready" in omar.get("/admin/").content.decode()
    omar.post(f"{path}tick/", {"item": "keys", "done": "0"})
    assert "5 of 8 ready" in omar.get(f"{path}ready/").content.decode()
    assert AuditRecord.objects.filter(action="readiness-unticked", why__contains="keys").exists()
    assert omar.post(f"{path}tick/", {"item": "nothing"}).status_code == HTTPStatus.NOT_FOUND


def item_of(petition: Petition, label: str) -> readiness.Item:
    return next(one for one in readiness.checklist(petition) if one.label == label)


def test_the_true_today_tick_expires_after_a_week(petition: Petition, omar: Client) -> None:
    path = f"{LIST}{petition.pk}/tick/"
    omar.post(path, {"item": "true-today", "done": "1"})
    long_ago = timezone.localdate() - readiness.TEXTS_VALID_FOR
    ReadinessTick.objects.update(ticked_on=long_ago)
    assert item_of(petition, "True today").is_ready
    ReadinessTick.objects.update(ticked_on=long_ago - timedelta(days=1))
    item = item_of(petition, "True today")
    assert (item.is_ready, item.ticked) == (False, None)
    assert item.facts[0].startswith("omar ticked this on"), "who said so last stays to be read"

    olga = User.objects.create_superuser("olga")
    readiness.tick(
        petition=petition,
        item=ReadinessTick.Item.TRUE_TODAY,
        is_done=True,
        actor=olga,
        screen="-",
    )
    assert ReadinessTick.objects.get().ticked_by == olga
    assert item_of(petition, "True today").is_ready


def test_mail_is_ready_only_with_both_a_tick_and_a_dns_check(
    petition: Petition, omar: Client
) -> None:
    omar.post(f"{LIST}{petition.pk}/tick/", {"item": "mail", "done": "1"})
    assert "Check the DNS records" in str(item_of(petition, "Mail").todo)
    check = SenderCheck.objects.create(domain=DOMAIN, is_right=False, checked_at=timezone.now())
    assert "were not right" in str(item_of(petition, "Mail").todo)
    check.is_right = True
    check.save()
    assert item_of(petition, "Mail").is_ready
    check.checked_at -= readiness.DNS_VALID_FOR + timedelta(hours=1)
    check.save()
    assert "again" in str(item_of(petition, "Mail").todo)
    ReadinessTick.objects.all().delete()
    assert len(item_of(petition, "Mail").todo) == 2


def test_a_dns_check_of_another_domain_does_not_count(petition: Petition) -> None:
    SenderCheck.objects.create(domain="other.org", is_right=True, checked_at=timezone.now())
    assert "Check the DNS records" in str(item_of(petition, "Mail").todo)


def test_an_organisation_is_ready_with_logo_and_sender(petition: Petition) -> None:
    todo = str(item_of(petition, "Organisation").todo)
    assert "logo" in todo
    assert "sender name" in todo
    Organisation.objects.update(logo_hash="0" * 16, sender_name="SBC")
    assert item_of(petition, "Organisation").is_ready


def test_the_checklist_links_to_the_pages_for_its_items(petition: Petition, omar: Client) -> None:
    page = omar.get(f"{LIST}{draft(petition).pk}/ready/").content.decode()
    for link in ("/admin/petitions/organisation/", "/admin/petitions/sendercheck/"):
        assert f'href="{link}"' in page
        assert omar.get(link).status_code == HTTPStatus.OK


def test_a_petition_that_has_all_ready_opens_without_a_reason(
    petition: Petition, omar: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [readiness.Item("Organisation")]
    monkeypatch.setattr(readiness, "checklist", lambda petition: items)
    press(omar, draft(petition), "open", reason="")
    assert Petition.objects.get().state == State.OPEN
    assert not AuditRecord.objects.filter(action="opened-unready").exists()


# --- Addresses -------------------------------------------------------------------------------


def test_a_changed_slug_needs_confirmation_and_the_old_url_redirects(
    petition: Petition, omar: Client, browser: Client
) -> None:
    path = f"{LIST}{petition.pk}/change/"
    page = sent(omar, path, slug="shield")
    assert "The old one redirects to it for ever" in page
    assert Petition.objects.get().slug == "protect"
    assert "tick the box" in sent(omar, path, slug="other", sure=ticked(page)), "of another slug"

    assert "was changed successfully" in sent(omar, path, slug="shield", sure=ticked(page))

    for old in (
        "/petitions/protect/", "/ar/petitions/protect/progress/", "/share/protect-badge.svg",
        "/api/v1/petitions/protect.json",
    ):  # fmt: skip
        answer = browser.get(f"{old}?s=whatsapp")
        assert answer.status_code == HTTPStatus.MOVED_PERMANENTLY, old
        assert answer["Location"] == f"{old.replace('protect', 'shield')}?s=whatsapp"
    answer = browser.post("/petitions/protect/", typed())
    assert answer.status_code == HTTPStatus.PERMANENT_REDIRECT, "the form is sent again"
    assert browser.get("/petitions/nothing/").status_code == HTTPStatus.NOT_FOUND


def test_a_former_slug_is_reserved_and_can_be_reused_by_its_own_petition(
    petition: Petition, omar: Client, browser: Client
) -> None:
    petition.slug = "shield"
    changes.save_petition(petition=petition, changed=["slug"], actor=None)
    other = Petition.objects.create(slug="other")
    page = sent(omar, f"{LIST}{other.pk}/change/", slug="protect")
    assert "This was once the address of “shield”, and still leads there." in page

    petition.slug = "protect"
    changes.save_petition(petition=petition, changed=["slug"], actor=None)

    assert browser.get("/petitions/protect/").status_code == HTTPStatus.OK
    assert browser.get("/petitions/shield/")["Location"] == "/petitions/protect/"


@pytest.mark.parametrize("hide", ["draft", "embargo"])
def test_an_old_url_does_not_reveal_the_new_slug_of_a_hidden_petition(
    petition: Petition, browser: Client, hide: str
) -> None:
    petition.slug = "shield"
    changes.save_petition(petition=petition, changed=["slug"], actor=None)
    if hide == "draft":
        draft(petition)
    else:
        petition.texts.update(published_at=timezone.now() + timedelta(days=1))

    for old in ("/petitions/protect/", "/api/v1/petitions/protect.json"):
        answer = browser.get(old)
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert b"shield" not in answer.content


def test_an_old_url_redirects_to_the_page_of_a_removed_petition(
    petition: Petition, browser: Client
) -> None:
    petition.slug = "shield"
    changes.save_petition(petition=petition, changed=["slug"], actor=None)
    put(petition, Phase.REMOVED)
    assert browser.get("/petitions/protect/", follow=True).status_code == HTTPStatus.GONE


def test_an_old_url_does_not_reveal_the_new_slug_of_a_hidden_statement(
    petition: Petition, browser: Client
) -> None:
    statement = Statement.objects.create(slug="new")
    FormerStatementAddress.objects.create(slug="old", statement=statement)
    text = statement.texts.create(language="en", title="T", body="B", published_at=timezone.now())
    assert browser.get("/statements/old/")["Location"] == "/statements/new/"

    text.published_at = None
    text.save()
    assert browser.get("/statements/old/").status_code == HTTPStatus.NOT_FOUND


def test_changing_the_slug_of_a_draft_leaves_no_redirect(petition: Petition, omar: Client) -> None:
    petition.texts.update(published_at=None)
    sent(omar, f"{LIST}{draft(petition).pk}/change/", slug="shield")
    assert Petition.objects.get().slug == "shield"
    assert not FormerAddress.objects.exists()


def test_a_changed_statement_slug_needs_confirmation_and_redirects(omar: Client) -> None:
    statement = Statement.objects.create(slug="old")
    statement.texts.create(language="en", title="T", body="B", published_at=timezone.now())
    path = f"/admin/campaign/statement/{statement.pk}/change/"
    page = sent(omar, path, slug="new")
    assert "redirects to it for ever" in page
    assert "was changed successfully" in sent(omar, path, slug="new", sure=ticked(page))
    assert FormerStatementAddress.objects.get().slug == "old"
    assert Client().get("/statements/old/")["Location"] == "/statements/new/"
    again = Statement.objects.create(slug="third")
    page = sent(omar, f"/admin/campaign/statement/{again.pk}/change/", slug="old")
    assert "This was once the address of “new”" in page


# --- Texts and the organisation --------------------------------------------------------------


def test_the_last_public_text_of_a_public_petition_cannot_be_hidden(
    petition: Petition, omar: Client
) -> None:
    path = f"{LIST}{petition.pk}/change/"
    hidden = {f"texts-{n}-published_at_{part}": "" for n in range(3) for part in (0, 1)}
    page = sent(omar, path, **hidden)
    assert "no longer see it" in page
    petition.texts.exclude(language="en").delete()
    one = {f"texts-0-published_at_{part}": "" for part in (0, 1)}
    page = sent(omar, path, **one)
    _before, _box, after = page.partition('name="texts-0-sure" value="')
    page = sent(omar, path, **one, **{"texts-0-sure": after.partition('"')[0]})
    assert "none of its texts would be public" in page
    assert petition.texts.published().count() == 1


def test_renaming_the_organisation_of_signers_needs_an_audited_reason(
    petition: Petition, omar: Client
) -> None:
    path = "/admin/petitions/organisation/1/change/"
    assert "was changed successfully" in sent(omar, path, name="SBC UK"), "nobody has signed"
    sign_and_confirm(petition)

    assert "Say why" in sent(omar, path, name="Other")
    page = sent(omar, path, name="Other", reason="We are a charity now.")
    assert "People agreed that “SBC UK” keeps their data." in page
    assert Organisation.objects.get().name == "SBC UK"
    sent(omar, path, name="Other", reason="We are a charity now.", sure=ticked(page))

    assert Organisation.objects.get().name == "Other"
    former = FormerName.objects.get()
    assert (former.name, former.reason) == ("SBC UK", "We are a charity now.")
    assert AuditRecord.objects.filter(action="organisation-renamed").exists()
    notice = Client().get("/privacy/").content.decode()
    assert "SBC UK" in notice


def test_a_changed_privacy_contact_is_mailed_to_the_old_one_and_other_organisers(
    petition: Petition, organiser: User, omar: Client
) -> None:
    """Signers write to this address."""
    organiser.email = "omar@example.org"
    organiser.save()
    sara = User.objects.create_user("sara", "sara@example.org", is_staff=True)
    sara.groups.set(organiser.groups.all())
    path, earlier = "/admin/petitions/organisation/1/change/", Organisation.load().privacy_email

    sent(omar, path, website="https://www.example.org")
    team.send_letters()
    assert not mail.outbox

    sent(omar, path, privacy_email="another@example.org")
    assert "example.org" not in str(list(StaffMail.objects.values()))
    team.send_letters()
    assert sorted(one.to[0] for one in mail.outbox) == sorted([earlier, "sara@example.org"])
    assert all("The privacy contact" in str(one.body) for one in mail.outbox)
    assert not any("/password/" in str(one.body) for one in mail.outbox)
    assert not StaffMail.objects.exists()


def test_a_refusal_by_a_use_case_is_shown_and_saves_nothing(
    petition: Petition, omar: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form was valid, but somebody else acted first. What was saved by then is undone."""

    def refuse_late(save: Callable[..., None]) -> Callable[..., None]:
        def save_and_refuse(**given: Any) -> None:
            save(**given)
            raise Refused("Somebody has changed this. Load the page again.")

        return save_and_refuse

    for name in ("save_organisation", "save_petition"):
        monkeypatch.setattr(changes, name, refuse_late(getattr(changes, name)))
    models = (Organisation, Petition, AuditRecord, StaffMail, LogEntry)
    before = [list(model.objects.values()) for model in models]
    for path, change in (
        ("organisation/1", {"privacy_email": "another@example.org"}),
        (f"petition/{petition.pk}", {"goal": "4711"}),
    ):
        page = sent(omar, f"/admin/petitions/{path}/change/", **change)
        assert "Somebody has changed this." in page
        assert "successfully" not in page
        assert [list(model.objects.values()) for model in models] == before


def test_the_privacy_contact_of_a_public_petition_cannot_be_emptied(
    petition: Petition, omar: Client
) -> None:
    page = sent(omar, "/admin/petitions/organisation/1/change/", privacy_email="")
    assert "its signers have a right to one" in page
    assert Organisation.objects.get().privacy_email
