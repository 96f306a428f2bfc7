"""Rules in the admin: how staff make, preview, change and end them, and what is on record."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from petitions.models import AuditRecord, Petition, Rule, Signature
from petitions.moderation import rules as moderation_rules
from petitions.screening import rules
from tests.people import confirm
from tests.rules import ADMIN, SENDER, block_address, make, post


def staff(user: User) -> Client:
    client = Client(REMOTE_ADDR=SENDER)
    client.force_login(user)
    return client


def form(**changes: str) -> dict[str, str]:
    return {
        "kind": "network",
        "action": "block",
        "whom": "198.51.100.0/24",
        "note": "Machines.",
        "expires_at_0": "",
        "expires_at_1": "",
        **changes,
    }


def save(client: Client, path: str = "add/", **changes: str) -> Any:
    """Post the form, post it again with its preview, and follow the redirect."""
    answer = client.post(f"{ADMIN}{path}", form(**changes))
    if answer.status_code == 302:
        return client.get(answer["Location"])
    seen = answer.context["adminform"].form["seen"].value() or ""
    return client.post(f"{ADMIN}{path}", form(**changes, seen=seen), follow=True)


def refusal(client: Client, **changes: str) -> str:
    answer = client.post(f"{ADMIN}add/", form(**changes))
    assert answer.status_code == 200
    assert not Rule.objects.exists()
    return answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["address", "domain", "network"])
def test_an_organiser_can_neither_make_nor_change_a_hold_rule(
    organiser: User, moderator: User, kind: str
) -> None:
    """When a held signature is approved, the public total rises but the minute's confirmations do
    not. From that, organisers could see whether the one person of a rule had signed.
    """
    client = staff(organiser)
    whom = {"address": "anna@example.org", "domain": "example.org", "network": "192.0.2.0/24"}[kind]
    assert 'value="hold"' not in client.get(f"{ADMIN}add/").content.decode()
    assert "not one of the available choices" in refusal(
        client, kind=kind, whom=whom, action="hold"
    )
    with pytest.raises(PermissionDenied):
        moderation_rules.save(rule=Rule(kind=kind, action="hold"), actor=organiser, screen="x")
    save(client, kind=kind, whom=whom)
    rule = Rule.objects.get()
    save(client, f"{rule.pk}/change/", kind=kind, whom=whom, action="hold")
    rule.refresh_from_db()
    assert rule.action == "block"
    save(staff(moderator), f"{rule.pk}/change/", kind=kind, whom=whom, action="hold")
    rule.refresh_from_db()
    assert rule.action == "hold"

    page = client.get(f"{ADMIN}{rule.pk}/change/").content.decode()
    assert 'name="_save"' not in page, "theirs is read, not changed"
    answer = client.post(f"{ADMIN}{rule.pk}/change/", form(kind=kind, whom=whom, action="block"))
    assert answer.status_code == 403
    assert client.post(f"{ADMIN}{rule.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"_selected_action": rule.pk, "post": "yes"}
    for action in ("delete_selected", "end"):
        client.post(ADMIN, {"action": action, **chosen})
    assert Rule.objects.in_force().filter(pk=rule.pk).exists()
    rule.action = "block"
    with pytest.raises(PermissionDenied):
        moderation_rules.save(rule=rule, actor=organiser, screen="x")


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["moderator", "organiser"])
def test_moderators_and_organisers_make_change_and_delete_rules(
    who: str, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue(who)
    client = staff(user)
    save(client)
    rule = Rule.objects.get()
    assert (rule.pattern, rule.actor) == ("198.51.100.0/24", user)

    save(client, f"{rule.pk}/change/", whom="2001:DB8::/48", action="allow")
    rule.refresh_from_db()
    assert (rule.pattern, rule.action) == ("2001:db8::/48", "allow")

    client.post(f"{ADMIN}{rule.pk}/delete/", {"post": "yes"})
    assert not Rule.objects.exists()


def test_rules_are_forbidden_to_other_staff(db: None) -> None:
    User.objects.create_user("nemo", is_staff=True)
    client = staff(User.objects.get(username="nemo"))
    assert client.get(ADMIN).status_code == 403
    assert client.post(f"{ADMIN}add/", form()).status_code == 403


def test_a_rule_about_an_address_stores_only_its_blind_index(
    moderator: User, caplog: pytest.LogCaptureFixture
) -> None:
    client = staff(moderator)
    with caplog.at_level(logging.DEBUG):
        answer = save(client, kind="address", whom="\u202aVictim+x@Example.org\u202c,")
    rule = Rule.objects.get()
    assert bytes(rule.address_ix or b"") == rules.address_index("victim@example.org")
    assert rule.pattern == ""
    pages = [answer.content, client.get(f"{ADMIN}{rule.pk}/change/").content]
    pages.append(client.get(f"{ADMIN}{rule.pk}/history/").content)
    kept = repr([*pages, *Rule.objects.values(), *LogEntry.objects.values(), answer.redirect_chain])
    assert "victim" not in (kept + caplog.text).lower()


def test_a_rule_about_an_address_is_changed_without_typing_it_again(moderator: User) -> None:
    rule = block_address("victim@example.org")
    before = rule.address_ix
    client = staff(moderator)
    changed = form(kind="address", whom="", note="Asked for it.")
    assert client.post(f"{ADMIN}{rule.pk}/change/", changed).status_code == 302
    rule.refresh_from_db()
    assert bytes(rule.address_ix or b"") == before
    assert rule.note == "Asked for it."


def test_an_invalid_rule_form_explains_each_error(moderator: User) -> None:
    client = staff(moderator)
    assert "Did you mean 192.0.2.0/24?" in refusal(client, whom="192.0.2.77/24")
    assert "should look like 192.0.2.0/24" in refusal(client, whom="192.0.2.0/99")
    assert "not a domain" in refusal(client, kind="domain", whom="*.org")
    assert "not an email address" in refusal(client, kind="address", whom="victim@")
    assert "Enter the network or the domain" in refusal(client, whom="")
    assert "Enter the address" in refusal(client, kind="address", whom="")
    one = {"kind": "address", "action": "allow", "whom": "victim@example.org"}
    assert "can block one email address, but not allow one" in refusal(client, **one)
    assert "Do not write an email address here" in refusal(client, note="victim@example.org did it")
    assert "This time has already passed" in refusal(
        client, expires_at_0="2020-01-01", expires_at_1="12:00"
    )


@pytest.mark.parametrize("whom", ["0.0.0.0/0", "::/0", "10.0.0.0/7", "2001::/16"])
@pytest.mark.parametrize("action", ["block", "allow"])
def test_a_rule_for_a_too_large_network_is_refused(moderator: User, whom: str, action: str) -> None:
    assert "too large" in refusal(staff(moderator), whom=whom, action=action)


def test_blocking_the_network_of_the_current_user_shows_a_warning(moderator: User) -> None:
    client = staff(moderator)
    answer = save(client, whom="192.0.2.0/24")
    assert "You are on this network yourself" in answer.content.decode()
    answer = save(client)
    assert "You are on this network yourself" not in answer.content.decode()


def test_the_same_rule_cannot_be_made_twice(moderator: User) -> None:
    client = staff(moderator)
    save(client)
    answer = client.post(f"{ADMIN}add/", form())
    assert f"Rule {Rule.objects.get().pk} already does this." in answer.content.decode()


def test_the_error_about_a_duplicate_address_rule_is_audited_as_a_search(moderator: User) -> None:
    client = staff(moderator)
    save(client, kind="address", whom="amina@example.org")
    looks = AuditRecord.objects.filter(action=AuditRecord.Action.SEARCHED, actor=moderator)
    looks_before = looks.count()

    same = form(kind="address", whom="amina@example.org")
    assert "already does this" in client.post(f"{ADMIN}add/", same).content.decode()

    assert looks.count() == looks_before + 1
    newest = looks.latest("id")
    assert (newest.why, newest.object_id) == ("address", "")


def test_rules_are_ended_from_the_list_at_once(moderator: User) -> None:
    rule = make("network", "block", "198.51.100.0/24")
    client = staff(moderator)
    client.post(ADMIN, {"action": "end", "_selected_action": [rule.pk]})
    assert not Rule.objects.in_force().exists()
    page = client.get(ADMIN).content.decode()
    assert "ended 20" in page
    assert "Made by" in page
    assert "Actor" not in page
    assert "block: 198.51.100.0/24" in client.get(f"{ADMIN}?in_force=no").content.decode()
    assert "198.51.100.0" not in client.get(f"{ADMIN}?in_force=yes").content.decode()


def test_a_rule_is_saved_only_after_its_preview_was_seen(
    petition: Petition, moderator: User
) -> None:
    for number in range(6):
        post(name=f"Person {chr(65 + number)}")
    post("192.0.3.7", name="Elsewhere")
    client = staff(moderator)
    answer = client.post(f"{ADMIN}add/", form(whom="192.0.2.0/24"))
    page = answer.content.decode()
    assert "<strong>6</strong> who signed" in page
    assert "6: waiting for confirmation" in page
    assert "Please correct" not in page
    # What was typed is still there, to be sent again.
    assert 'value="192.0.2.0/24"' in page
    assert 'value="Machines."' in page
    assert not Rule.objects.exists()
    # Of another rule than the one that was seen there is a preview of its own.
    seen = answer.context["adminform"].form["seen"].value()
    again = client.post(f"{ADMIN}add/", form(whom="192.0.3.0/24", seen=seen)).content.decode()
    assert "<strong>fewer than 5</strong>" in again
    assert not Rule.objects.exists()
    client.post(f"{ADMIN}add/", form(whom="192.0.2.0/24", seen=seen))
    assert Rule.objects.get().pattern == "192.0.2.0/24"


def test_the_rule_preview_shows_an_organiser_no_states_and_no_exact_number(
    petition: Petition, organiser: User
) -> None:
    """Else five forms for made-up addresses of one person's domain show what that person did."""
    for number in range(26):
        post(name=f"Person {chr(65 + number)}")
    one = Signature.objects.earliest("created_at")
    client, asked = staff(organiser), form(kind="domain", whom="example.org")

    before = client.post(f"{ADMIN}add/", asked).content.decode()
    confirm(one.pk)
    after = client.post(f"{ADMIN}add/", asked).content.decode()

    for page in (before, after):
        assert "<strong>at least 25</strong> who signed." in page
        assert "waiting for confirmation" not in page
    elsewhere = client.post(f"{ADMIN}add/", form(whom="192.0.3.0/24")).content.decode()
    assert "fewer than 25" in elsewhere


def test_the_rule_preview_shows_no_number_for_an_address(
    petition: Petition, moderator: User
) -> None:
    post()
    answer = staff(moderator).post(f"{ADMIN}add/", form(kind="address", whom="amina@example.org"))
    page = answer.content.decode()
    assert "the number would tell whether this address has signed" in page
    assert "who signed" not in page
    assert rules.address_index("amina@example.org").hex() not in page


@pytest.mark.parametrize(
    ("kind", "whom", "searched"),
    [
        ("network", "192.0.2.0/24", ["network"]),
        ("domain", "example.org", ["domain"]),
        ("domain", "*.example.org", []),
        ("address", "amina@example.org", []),
    ],
)
def test_a_rule_preview_with_a_number_is_audited_as_a_search(
    petition: Petition, moderator: User, kind: str, whom: str, searched: list[str]
) -> None:
    """After four forms for one person's domain, a count of five reveals that person."""
    staff(moderator).post(f"{ADMIN}add/", form(kind=kind, whom=whom))
    records = AuditRecord.objects.filter(action=AuditRecord.Action.SEARCHED)
    assert [one.why for one in records] == searched
    assert {(one.actor, one.screen) for one in records} <= {(moderator, "admin:petitions_rule_add")}


@pytest.mark.parametrize("whom", ["gmail.com", "*.co.uk"])
def test_a_rule_about_a_large_mail_provider_shows_a_warning(moderator: User, whom: str) -> None:
    answer = staff(moderator).post(f"{ADMIN}add/", form(kind="domain", whom=whom))
    assert "a large mail provider" in answer.content.decode()


def test_a_new_rule_expires_after_seven_days_by_default(moderator: User) -> None:
    page = staff(moderator).get(f"{ADMIN}add/")
    until = page.context["adminform"].form["expires_at"].initial
    assert timedelta(days=6, hours=23) < until - timezone.now() <= timedelta(days=7)


def test_the_signature_list_shows_refused_attempts_with_the_reason(
    petition: Petition, moderator: User
) -> None:
    block_address("amina@example.org")
    post()
    client = staff(moderator)
    answer = client.get(f"/admin/petitions/signature/?petition={petition.slug}&state=refused")
    assert "The email address is blocked by a rule." in answer.content.decode()
    one = client.get(f"/admin/petitions/signature/{Signature.objects.get().pk}/change/")
    assert one.status_code == 200
    assert "its key is gone" not in one.content.decode()


def test_deleting_a_rule_is_audited_and_has_no_bulk_action(moderator: User, client: Client) -> None:
    """A deleted rule can be looked up nowhere else."""
    client.force_login(moderator)
    one, *others = (
        Rule.objects.create(kind="domain", action="hold", pattern=f"{name}.example")
        for name in ("one", "two", "three")
    )
    client.post(f"{ADMIN}{one.pk}/delete/", {"post": "yes"})
    record = AuditRecord.objects.get(action=AuditRecord.Action.DELETED)
    assert (record.actor, record.object_type) == (moderator, "petitions.rule")
    assert record.object_id == str(one.pk)

    chosen = {"_selected_action": [rule.pk for rule in others], "post": "yes"}
    client.post(ADMIN, {"action": "delete_selected", **chosen})
    assert set(Rule.objects.all()) == set(others)
