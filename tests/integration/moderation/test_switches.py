"""Switches of moderators: pause with a public reason, extra check for everybody, hold all new."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from petitions.mail import team
from petitions.models import AuditRecord, Petition, Signature
from petitions.moderation import switches
from petitions.publishing import life, warm_cache
from tests.people import confirm, sign, somebody, typed

PAGE = "/petitions/protect/"
REASONS = {"reason_en": "We look into it.", "reason_ar": "نتحقق.", "reason_cy": "Rydym yn edrych."}


@pytest.fixture
def path(petition: Petition) -> str:
    return f"/admin/petitions/petition/{petition.pk}/switches/"


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def turn(client: Client, path: str, switch: str, on: str = "yes", **form: str) -> Any:
    typed = {"switch": switch, "on": on, "why": "An attack.", **form}
    answer = client.post(path, typed, follow=True)
    warm_cache.invalidate()
    return answer.content.decode()


def post(browser: Client) -> Any:
    return browser.post(PAGE, typed())


def test_pausing_shows_the_public_reason_in_every_language_and_stops_signing(
    petition: Petition, mona: Client, browser: Client, path: str
) -> None:
    turn(mona, path, "pause", **REASONS)
    for language, code in (("en", ""), ("ar", "ar/"), ("cy", "cy/")):
        page = browser.get(f"/{code}petitions/protect/").content.decode()
        assert REASONS[f"reason_{language}"] in page
    post(browser)
    assert not Signature.objects.exists()
    turn(mona, path, "pause", "no")
    petition.refresh_from_db()
    assert petition.pause_reasons == {}
    assert REASONS["reason_en"] not in browser.get(PAGE).content.decode()
    assert post(browser).status_code == 303


def test_pause_reasons_are_prefilled_and_required_in_every_language(
    petition: Petition, mona: Client, path: str
) -> None:
    page = mona.get(path).content.decode()
    for words in ("Somebody is signing by machine", "هناك من يوقّع", "Mae rhywun yn llofnodi"):
        assert words in page
    assert "This field is required" in turn(mona, path, "pause", **{**REASONS, "reason_ar": ""})
    petition.refresh_from_db()
    assert not petition.is_paused


def test_the_challenge_switch_requires_a_proof_of_work_from_everybody(
    petition: Petition, mona: Client, browser: Client, path: str
) -> None:
    assert post(browser).status_code == 303
    turn(mona, path, "challenge")
    assert post(browser).status_code == 403
    turn(mona, path, "challenge", "no")
    assert post(browser).status_code == 303


def test_the_hold_switch_holds_new_and_pending_signatures_without_visible_change(
    petition: Petition, mona: Client, browser: Client, path: str
) -> None:
    before, waiting = sign(petition, somebody(1)), sign(petition, somebody(2))
    confirm(before)
    usual = post(browser)
    Signature.objects.exclude(pk__in=[before, waiting]).delete()
    turn(mona, path, "hold")

    answer = post(browser)
    assert (answer.status_code, len(answer["Location"])) == (303, len(usual["Location"]))
    new = Signature.objects.exclude(pk__in=[before, waiting]).get()
    assert (new.verdict, new.signals) == ("hold", ["held-petition"])
    for one in (new.pk, waiting):
        confirm(one)
    states = dict(Signature.objects.values_list("pk", "state"))
    assert states == {before: "confirmed", waiting: "held", new.pk: "held"}

    turn(mona, path, "hold", "no")
    later = sign(petition, somebody(3))
    confirm(later)
    assert Signature.objects.get(pk=later).state == Signature.State.CONFIRMED


@pytest.mark.parametrize("switch", list(switches.Switch))
def test_each_switch_is_audited_and_mailed_to_organisers(
    petition: Petition, mona: Client, moderator: User, organiser: User, path: str, switch: str
) -> None:
    User.objects.filter(pk=organiser.pk).update(email="omar@example.org")
    for on in ("yes", "no"):
        turn(mona, path, switch, on, **REASONS)
    kept = AuditRecord.objects.filter(object_type="petitions.petition").order_by("id")
    acts = [action.value for action in switches.ACTIONS[switches.Switch(switch)]]
    assert [(one.action, one.actor, one.why) for one in kept] == [
        (action, moderator, "An attack.") for action in acts
    ]
    team.send_letters()
    assert [letter.to for letter in mail.outbox] == [["omar@example.org"]] * 2
    assert "protect" not in f"{mail.outbox[0].subject} {mail.outbox[0].body[:150]}".lower()
    assert "An attack." in mona.get(path).content.decode()
    # Once more the same changes nothing.
    assert "Somebody else has already done it" in turn(mona, path, switch, "no")
    assert kept.count() == 2


def test_a_switch_reason_with_an_email_address_is_refused(mona: Client, path: str) -> None:
    form = {"switch": "hold", "on": "yes", "why": "amina@example.org wrote"}
    assert "Do not write an email address here." in mona.post(path, form).content.decode()
    assert not Petition.objects.get().is_holding


def test_an_organiser_cannot_use_the_switches(
    petition: Petition, organiser: User, client: Client, path: str
) -> None:
    client.force_login(organiser)
    assert client.get(path).status_code == 403
    assert client.post(path, {"switch": "hold", "on": "yes", "why": "x"}).status_code == 403


def test_the_reason_of_a_pause_is_not_shown_at_the_next_pause(
    petition: Petition, mona: Client, path: str
) -> None:
    turn(mona, path, "pause", **REASONS)
    for act in (life.RESUME, life.PAUSE):
        life.perform(name=act, petition=petition, actor=None, screen="test")
    petition.refresh_from_db()
    assert petition.is_paused
    assert petition.pause_reasons == {}


def test_the_admin_home_shows_active_switches_to_moderators_and_organisers(
    petition: Petition, mona: Client, organiser: User, path: str
) -> None:
    """Otherwise signing stays paused or held until somebody remembers it."""
    theirs = Client()
    theirs.force_login(organiser)
    assert "Switched on" not in mona.get("/admin/").content.decode()
    turn(mona, path, "hold", why="A script.")
    turn(mona, path, "challenge", why="A script.")
    for browser in (mona, theirs):
        page = browser.get("/admin/").content.decode()
        assert "everybody gets the extra check, everything new is held" in page
    assert path in mona.get("/admin/").content.decode()
    assert path not in theirs.get("/admin/").content.decode()
    turn(mona, path, "hold", on="no", why="Over.")
    turn(mona, path, "challenge", on="no", why="Over.")
    assert "Switched on" not in mona.get("/admin/").content.decode()
