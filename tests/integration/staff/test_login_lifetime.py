"""How long a log-in to the admin lasts, its cookies, and the prompt for the password."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaign import sessions
from petitions.admin import acting
from petitions.models import (
    Alert,
    AuditRecord,
    Petition,
)
from tests.integration.staff.test_admin_site import HOME, LOGIN, PASSWORD, client_of


def test_the_logout_page_advises_closing_the_browser(moderator: User) -> None:
    page = client_of(moderator).post(reverse("admin:logout")).content.decode()

    assert "You are logged out. On a computer that others use, close the browser" in page
    assert "quality time" not in page


def test_a_session_ends_after_30_idle_minutes_and_after_twelve_hours(
    moderator: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    since, minute = int(time.time()), 60

    def later(seconds: int) -> None:
        now = since + seconds
        monkeypatch.setattr("campaign.sessions.time.time", lambda: now)
        monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(now, UTC))

    def asked_to_log_in() -> bool:
        answer = client.get(HOME)
        return answer.status_code == 302 and answer["Location"].startswith(LOGIN)

    later(0)
    client = client_of(moderator)
    later(59)
    assert not asked_to_log_in()
    assert client.session[sessions.SEEN] == since
    later(2 * minute)
    assert not asked_to_log_in()
    assert client.session[sessions.SEEN] == since + 2 * minute
    later(31 * minute)
    assert not asked_to_log_in()
    later(62 * minute)
    assert asked_to_log_in()

    later(0)
    client = client_of(moderator)
    for minutes in range(29, settings.SESSION_LASTS // minute, 29):
        later(minutes * minute)
        assert not asked_to_log_in()
    later(settings.SESSION_LASTS + 1)
    assert asked_to_log_in()


def test_cookies_over_https_have_the_secure_prefix() -> None:
    environment = {**os.environ, "SITE_URL": "https://petition.example.org"}
    code = (
        "from django.conf import settings as s;"
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_PATH)"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["__Secure-sessionid", "__Secure-csrftoken", "/admin/"]


def test_every_admin_cookie_is_limited_to_the_admin_path(
    petition: Petition, moderator: User
) -> None:
    """This includes messages, whose cookie has the path "/" by default."""
    client = client_of(moderator)
    alert = Alert.objects.create(petition=petition, kind="burst", network_ix=bytes(16), number=9)
    client.post(reverse("admin:petitions_alert_see", args=[alert.pk]))

    assert {cookie["path"] for cookie in client.cookies.values()} == {"/admin/"}
    assert "Marked as checked" in client.get(HOME).content.decode()


def test_sensitive_admin_pages_require_a_recent_password(
    administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator.set_password(PASSWORD)
    administrator.save()
    client = client_of(administrator)
    page = reverse("admin:auth_user_add")
    assert client.get(page).status_code == 200

    session = client.session
    session[acting.TYPED_AT] -= acting.PASSWORD_VALID_FOR
    session.save()
    for path in (page, reverse("admin:petitions_auditrecord_csv")):
        answer = client.get(path)
        assert answer["Location"].startswith(reverse("admin:password_again"))
    form = {"username": "x", "email": "x@example.org"}
    answer = client.post(page, form, follow=True)
    assert "Nothing was done yet. Fill in the form again." in answer.content.decode()
    assert not User.objects.filter(username="x").exists()

    again = answer.request["PATH_INFO"] + "?" + answer.request["QUERY_STRING"]
    assert "This is not your password." in client.post(again, {"password": "no"}).content.decode()
    assert client.post(again, {"password": PASSWORD})["Location"] == page
    assert client.get(page).status_code == 200
    wrong = AuditRecord.objects.filter(action=AuditRecord.Action.PASSWORD_WRONG)
    assert wrong.get().screen == "admin:password_again"


def test_role_changes_exports_and_second_factors_require_a_recent_password(
    petition: Petition, administrator: User, both: User
) -> None:
    of_both = ["/admin/petitions/export/new/hand-in/", reverse("admin:own_second_factor")]
    of_person = [
        reverse("admin:auth_user_change", args=[both.pk]),
        reverse("admin:auth_user_act", args=[both.pk, "deactivate"]),
    ]
    for person, paths in ((both, of_both), (administrator, of_person)):
        client = client_of(person)
        session = client.session
        session["password-at"] = 0
        session.save()
        for path in paths:
            answer = client.post(path, {"groups": [], "reason": "x", "codes": "1"})
            assert answer.status_code == 302, path
            assert answer["Location"].startswith(reverse("admin:password_again")), path
    assert User.objects.get(pk=both.pk).is_active


@pytest.mark.parametrize("away", ["https://evil.example/admin/", "//evil.example", "/petitions/"])
def test_the_password_prompt_ignores_redirects_outside_the_admin(
    administrator: User, away: str
) -> None:
    administrator.set_password(PASSWORD)
    administrator.save()
    client = client_of(administrator)
    answer = client.post(reverse("admin:password_again") + f"?next={away}", {"password": PASSWORD})
    assert answer["Location"] == HOME


@pytest.mark.parametrize("away", ["https://evil.example/admin/", "//evil.example", "javascript:x"])
def test_the_login_ignores_redirects_outside_the_admin(administrator: User, away: str) -> None:
    administrator.set_password(PASSWORD)
    administrator.save()
    typed = {"username": administrator.username, "password": PASSWORD, "next": away}
    assert Client().post(f"{LOGIN}?next={away}", typed)["Location"] == HOME
