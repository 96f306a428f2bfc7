"""People of the team: invited by mail, given roles, deactivated, never deleted."""

import re
import secrets
import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from petitions.mail import team
from petitions.mail.letters import Letter
from petitions.models import AuditRecord, StaffMail
from petitions.staff import people, second_factor
from petitions.staff.roles import ADMINISTRATORS, MODERATORS, ORGANISERS

PEOPLE = reverse("admin:auth_user_changelist")
ADD = reverse("admin:auth_user_add")
LOGIN = reverse("admin:login")
FORGOTTEN = reverse("admin:forgotten")
NEW = "kestrel amber violin sofa"
_LINK = re.compile(r"http\S+/admin/password/\S+")
Action = AuditRecord.Action


def role(name: str) -> str:
    return str(Group.objects.get(name=name).pk)


def invite(ada: Client, name: str = "nour", **fields: Any) -> str:
    form = {"username": name, "email": f"{name}@example.org", "groups": [role(MODERATORS)]}
    answer = ada.post(ADD, {**form, **fields}, follow=True)
    return answer.content.decode()


def test_the_add_form_of_users_only_sends_an_invitation(ada: Client) -> None:
    listed = ada.get(PEOPLE).content.decode()
    assert "Invite somebody" in listed
    assert "Add user" not in listed
    form = ada.get(ADD).content.decode()
    assert "<h1>Invite somebody</h1>" in form
    assert 'value="Send the invitation"' in form
    assert "Save" not in form
    assert "authenticator app" not in form, "a trial asks for none"


@pytest.mark.parametrize("is_required", [True, False])
def test_an_invitation_mentions_the_second_factor_only_if_it_is_required(
    ada: Client, settings: Any, *, is_required: bool
) -> None:
    invite(ada)
    settings.SECOND_FACTOR_REQUIRED = is_required
    team.send_letters()
    assert ("authenticator app" in str(mail.outbox[-1].body)) is is_required


def act(ada: Client, person: User, what: str) -> str:
    answer = ada.post(reverse("admin:auth_user_act", args=[person.pk, what]), follow=True)
    return answer.content.decode()


def mailed_link() -> str:
    team.send_letters()
    (link,) = _LINK.findall(str(mail.outbox[-1].body))
    return str(link)


def set_password(link: str, password: str = NEW) -> Any:
    browser = Client()
    form = browser.get(link, follow=True)
    sent = {"new_password1": password, "new_password2": password}
    page = form.request["PATH_INFO"]
    return browser.post(page, sent, follow=True)


def actions(about: User) -> list[str]:
    rows = AuditRecord.objects.filter(object_type="auth.user", object_id=str(about.pk))
    return list(rows.order_by("id").values_list("action", flat=True))


def test_an_invited_person_sets_a_password_by_mailed_link_and_has_the_role(
    ada: Client, administrator: User
) -> None:
    assert "gets an email with a link to choose a password" in invite(ada)
    nour = User.objects.get(username="nour")
    assert not nour.has_usable_password()
    link = mailed_link()
    assert [message.to for message in mail.outbox] == [["nour@example.org"]]
    assert not StaffMail.objects.exists()

    assert "Your password is set" in set_password(link).content.decode()
    browser = Client()
    answer = browser.post(LOGIN, {"username": "nour", "password": NEW})
    assert answer.status_code == 302
    assert browser.get(reverse("admin:petitions_decision_changelist")).status_code == 200
    assert actions(nour) == [
        Action.PERSON_INVITED,
        Action.ROLES_CHANGED,
        Action.PASSWORD_SET,
    ]
    roles = AuditRecord.objects.get(action=Action.ROLES_CHANGED)
    assert (roles.actor_id, roles.why) == (administrator.pk, MODERATORS)


def test_a_password_link_works_once_and_refuses_weak_passwords(ada: Client) -> None:
    invite(ada)
    link = mailed_link()
    assert "You have no role yet" not in Client().get(link, follow=True).content.decode()
    refused = set_password(link, "passwordpassword").content.decode()
    assert "Easily guessed passwords are refused" in refused

    set_password(link)
    assert "This link does not work any more" in Client().get(link, follow=True).content.decode()


def test_a_password_link_does_not_bypass_the_second_factor(ada: Client, settings: Any) -> None:
    invite(ada)
    link = mailed_link()
    nour = User.objects.get(username="nour")
    second_factor.start_set_up(nour)
    settings.SECOND_FACTOR_REQUIRED = True
    set_password(link)
    browser = Client()
    browser.post(LOGIN, {"username": "nour", "password": NEW})

    assert browser.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize(
    "password", ["passwordpassword", "qwertyuiopasdf", "mona.petition", "Summer2026Summer2026"]
)
def test_passwords_that_are_easily_guessed_are_refused(moderator: User, password: str) -> None:
    with pytest.raises(ValidationError, match="Easily guessed"):
        validate_password(password, moderator)


def test_pass_phrases_are_accepted(moderator: User) -> None:
    validate_password(NEW, moderator)
    # Longer than what is looked at.
    validate_password(secrets.token_hex(100), moderator)


def test_requesting_a_password_link_does_not_reveal_who_is_staff(administrator: User) -> None:
    """The response and the statements are the same. The worker looks up the address later."""
    seen = []
    for address in ("ada@example.org", "nobody@example.org"):
        with CaptureQueriesContext(connection) as queries:
            answer = Client().post(FORGOTTEN, {"email": address}, follow=True)
        shape = [re.sub(r"'[^']*'(::\w+)?", "?", query["sql"]) for query in queries]
        seen.append((answer.redirect_chain, len(answer.content), shape))
    assert seen[0] == seen[1]
    assert len({len(bytes(row.sealed or b"")) for row in StaffMail.objects.all()}) == 1

    assert team.send_letters() == 1
    assert [message.to for message in mail.outbox] == [["ada@example.org"]]
    assert not StaffMail.objects.exists()


def test_an_account_gets_at_most_three_password_links_an_hour(
    administrator: User,
) -> None:
    for _ask in range(6):
        people.request_password_link(email="ADA@example.org")
    team.send_letters()

    assert len(mail.outbox) == team.LINKS_AN_HOUR
    assert not StaffMail.objects.exists()


def test_the_number_of_queued_password_requests_is_bounded(
    administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MAX_UNSENT_REQUESTS", 3)
    for number in range(9):
        people.request_password_link(email=f"{number}@example.org")

    assert StaffMail.objects.count() == 3


def test_a_network_can_request_at_most_twenty_password_links_an_hour(administrator: User) -> None:
    """So that one network can't fill the queue that everybody's links wait in."""
    answers = [Client().post(FORGOTTEN, {"email": f"{n}@example.org"}) for n in range(21)]
    assert {answer.status_code for answer in answers[:20]} == {302}
    assert answers[20].status_code == 429
    assert answers[20].headers["Retry-After"]
    assert "Try again later" in answers[20].content.decode()
    assert StaffMail.objects.count() == 20

    elsewhere = Client(REMOTE_ADDR="198.51.100.7").post(FORGOTTEN, {"email": "ada@example.org"})
    assert elsewhere.status_code == 302


def test_deactivated_and_non_staff_accounts_get_no_password_link(
    administrator: User, moderator: User
) -> None:
    User.objects.filter(pk=moderator.pk).update(email="mona@example.org", is_active=False)
    User.objects.create_user("visitor", "visitor@example.org")
    for address in ("mona@example.org", "visitor@example.org"):
        people.request_password_link(email=address)

    assert team.send_letters() == 0


def test_refused_staff_mail_is_retried_for_a_day(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    invite(ada)
    send = Letter.send

    def refuse(self: Any, fail_silently: bool = False) -> int:
        raise smtplib.SMTPServerDisconnected("nour@example.org")

    monkeypatch.setattr(Letter, "send", refuse)
    assert team.send_letters() == 0
    monkeypatch.setattr(Letter, "send", send)
    assert team.send_letters() == 1

    people.request_password_link(email="nobody@example.org")
    StaffMail.objects.update(created_at=timezone.now() - timedelta(hours=25))
    team.send_letters()
    assert not StaffMail.objects.exists()


def test_staff_mail_has_no_names_in_its_subject_and_first_words(ada: Client) -> None:
    invite(ada)
    mailed_link()
    beginning = mail.outbox[-1].subject + str(mail.outbox[-1].body)[:150]

    assert "nour" not in beginning
    assert "SBC" not in beginning


def test_deactivating_an_account_ends_its_sessions_and_keeps_the_account(
    ada: Client, moderator: User
) -> None:
    browser = Client()
    browser.force_login(moderator)
    assert browser.get(reverse("admin:index")).status_code == 200

    assert "is logged out everywhere" in act(ada, moderator, "deactivate")
    assert browser.get(reverse("admin:index")).status_code == 302
    assert "can log in again" in act(ada, moderator, "reactivate")
    assert browser.get(reverse("admin:index")).status_code == 302, "an earlier session stays dead"
    assert ada.get(reverse("admin:index")).status_code == 200
    assert actions(moderator) == [Action.PERSON_DEACTIVATED, Action.PERSON_REACTIVATED]
    delete = reverse("admin:auth_user_delete", args=[moderator.pk])
    assert ada.get(delete).status_code == 403
    assert User.objects.filter(pk=moderator.pk).exists()


def test_the_only_administrator_cannot_deactivate_or_demote_themselves(
    ada: Client, administrator: User
) -> None:
    assert "You cannot deactivate your own account" in act(ada, administrator, "deactivate")
    page = reverse("admin:auth_user_change", args=[administrator.pk])
    form = {"username": "ada", "email": "ada@example.org", "groups": [role(MODERATORS)]}

    told = ada.post(page, form, follow=True).content.decode()
    assert "Nothing was changed. Somebody must be an administrator" in told
    assert "successfully" not in told
    assert [group.name for group in administrator.groups.all()] == [ADMINISTRATORS]
    assert Action.ROLES_CHANGED not in actions(administrator)


def test_an_administrator_cannot_change_a_superuser(ada: Client) -> None:
    chief = User.objects.create_superuser("chief", "chief@example.org")
    page = reverse("admin:auth_user_change", args=[chief.pk])

    assert ada.post(page, {"username": "chief", "email": "x@example.org"}).status_code == 403
    for what in ("deactivate", "reactivate", "reset-second-factor", "invite-again", "unlock"):
        path = reverse("admin:auth_user_act", args=[chief.pk, what])
        assert "Only a superuser changes" in ada.post(path, follow=True).content.decode(), what
    chief.refresh_from_db()
    assert (chief.email, chief.is_active) == ("chief@example.org", True)
    assert not AuditRecord.objects.filter(object_id=str(chief.pk)).exists()


def test_the_invitation_form_cannot_create_superusers_or_set_passwords(ada: Client) -> None:
    more: dict[str, Any] = {"is_superuser": "on", "password": "x", "user_permissions": ["1"]}
    invite(ada, **more)
    nour = User.objects.get(username="nour")

    assert not nour.is_superuser
    assert not nour.has_usable_password()
    assert not nour.user_permissions.exists()


def test_the_other_administrators_are_mailed_when_somebody_gets_roles(
    ada: Client, administrator: User
) -> None:
    """A stolen account would give itself more, and nobody looks at the audit log every day."""
    second = User.objects.create_user("sana", "sana@example.org", is_staff=True)
    second.groups.set(Group.objects.filter(name=ADMINISTRATORS))
    page = reverse("admin:auth_user_change", args=[administrator.pk])
    mine = [role(ADMINISTRATORS), role(ORGANISERS)]
    ada.post(page, {"username": "ada", "email": "ada@example.org", "groups": mine})
    team.send_letters()

    assert [message.to for message in mail.outbox] == [["sana@example.org"]]
    assert "/admin/petitions/auditrecord/" in str(mail.outbox[0].body)
    assert "ada" not in str(mail.outbox[0].body)

    # Nothing is mailed of a form that changes no role.
    ada.post(page, {"username": "ada", "email": "ada@example.org", "groups": mine})
    assert not StaffMail.objects.exists()


def test_an_administrator_who_loses_the_role_is_mailed_about_it(
    ada: Client, administrator: User
) -> None:
    """A stolen account would first get rid of those who are told."""
    User.objects.create_superuser("chief", "chief@example.org")
    second = User.objects.create_user("sana", "sana@example.org", is_staff=True)
    second.groups.set(Group.objects.filter(name=ADMINISTRATORS))

    def told() -> set[str]:
        mail.outbox.clear()
        team.send_letters()
        return {address for message in mail.outbox for address in message.to}

    page = reverse("admin:auth_user_change", args=[second.pk])
    form = {"username": "sana", "email": "sana@example.org"}
    ada.post(page, {**form, "groups": [role(MODERATORS)]})
    assert told() == {"sana@example.org", "chief@example.org"}

    act(ada, second, "deactivate")
    assert told() == {"chief@example.org"}
    act(ada, second, "reactivate")
    assert told() == {"chief@example.org"}

    second.groups.set(Group.objects.filter(name=ADMINISTRATORS))
    act(ada, second, "deactivate")
    assert told() == {"sana@example.org", "chief@example.org"}


def test_the_link_of_a_deactivated_account_sets_no_password(ada: Client) -> None:
    """Somebody who has it could set the one that works once the account is activated again."""
    invite(ada)
    nour, link = User.objects.get(username="nour"), mailed_link()
    act(ada, nour, "deactivate")

    set_password(link)

    nour.refresh_from_db()
    assert not nour.has_usable_password()


def test_the_previous_email_address_is_notified_of_its_change(ada: Client, moderator: User) -> None:
    User.objects.filter(pk=moderator.pk).update(email="mona@example.org")
    page = reverse("admin:auth_user_change", args=[moderator.pk])
    roles = [role(MODERATORS), role(ORGANISERS)]
    ada.post(page, {"username": "mona", "email": "other@example.org", "groups": roles})
    team.send_letters()

    assert [message.to for message in mail.outbox] == [["mona@example.org"]]
    assert actions(moderator) == [Action.PERSON_CHANGED, Action.ROLES_CHANGED]
    assert AuditRecord.objects.get(action=Action.PERSON_CHANGED).why == "email"
    assert "example.org" not in str(list(AuditRecord.objects.values()))


def test_user_name_changes_are_audited_with_the_old_and_the_new_name(
    ada: Client, moderator: User, organiser: User
) -> None:
    """The log shows present user names: each account would seem to have done the other's acts."""
    for person, name in ((moderator, "x" * 150), (organiser, "mona"), (moderator, "omar")):
        page = reverse("admin:auth_user_change", args=[person.pk])
        groups = [group.pk for group in person.groups.all()]
        ada.post(page, {"username": name, "email": f"{person.pk}@example.org", "groups": groups})

    records = AuditRecord.objects.filter(action=Action.PERSON_CHANGED).order_by("pk")
    assert [(one.object_id, one.why) for one in records] == [
        (str(moderator.pk), f"username, from mona to {'x' * 100}, email"),
        (str(organiser.pk), "username, from omar to mona, email"),
        (str(moderator.pk), f"username, from {'x' * 100} to omar"),
    ]


def test_a_password_change_is_audited(moderator: User) -> None:
    """So that somebody who took over a session cannot change the password unnoticed."""
    moderator.set_password(old := "correct horse battery")
    moderator.save()
    browser = Client()
    browser.force_login(moderator)
    new = {"new_password1": "staple horse correct", "new_password2": "staple horse correct"}
    page = reverse("admin:password_change")
    browser.post(page, {"old_password": old, **new, "new_password2": "another"})
    assert Action.PASSWORD_SET not in actions(moderator)
    assert browser.post(page, {"old_password": old, **new}).status_code == 302
    assert Action.PASSWORD_SET in actions(moderator)


def test_two_accounts_cannot_share_an_email_address(ada: Client) -> None:
    told = invite(ada, email="ADA@example.org")

    assert "Another account has this address." in told
    assert not User.objects.filter(username="nour").exists()


def test_an_administrator_unlocks_a_colleague(ada: Client, moderator: User) -> None:
    moderator.set_password(NEW)
    moderator.save()

    def log_in(password: str = NEW) -> int:
        return Client().post(LOGIN, {"username": "mona", "password": password}).status_code

    assert [log_in("wrong") for _ in range(5)] == [200] * 5
    assert log_in() == 429
    assert "5 wrong passwords of mona are forgotten." in act(ada, moderator, "unlock")
    assert actions(moderator) == [Action.LOGIN_UNLOCKED]
    assert log_in() == 302


@pytest.mark.parametrize("who", ["moderator", "organiser"])
def test_only_administrators_manage_people(who: str, request: pytest.FixtureRequest) -> None:
    person = request.getfixturevalue(who)
    browser = Client()
    browser.force_login(person)

    answer = browser.get(PEOPLE)
    assert answer.status_code == 403
    assert "Only administrators manage people." in answer.content.decode()


@pytest.mark.parametrize("lookup", ["password__startswith", "password__regex"])
def test_the_user_list_refuses_lookups_on_the_password_hash(ada: Client, lookup: str) -> None:
    for begins in ("argon2", "nonsense"):
        assert ada.get(PEOPLE, {lookup: begins}).status_code == 400


def test_refused_mails_do_not_hold_up_later_ones(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who takes over an account must not keep its owner from being told."""
    send = Letter.send

    def refuse_gone(self: Any, fail_silently: bool = False) -> int:
        if self.to[0].startswith("gone"):
            raise smtplib.SMTPRecipientsRefused({self.to[0]: (550, b"5.1.1 no such user")})
        return int(send(self, fail_silently=fail_silently))

    monkeypatch.setattr(Letter, "send", refuse_gone)
    monkeypatch.setattr(team, "_BATCH", 3)
    for number in range(3):
        invite(ada, f"gone{number}")
    invite(ada)

    assert 1 in (team.send_letters() for _sweep in range(60))
    assert [message.to for message in mail.outbox] == [["nour@example.org"]]
