"""How large a body may be, by what its head says: nothing above 64 KiB is read of strangers."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client
from django.urls import reverse

FORM = "application/x-www-form-urlencoded"
MAY_UPLOAD = reverse("admin:may_upload")
LARGEST = settings.PUBLIC_BODY_LIMIT
PAGES = ["/admin/x/", "/admin/login/", "/petitions/protect/"]


@pytest.fixture(autouse=True)
def _unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No body may be read of those that are refused."""

    def read(self: WSGIRequest) -> None:
        is_chunked = "HTTP_TRANSFER_ENCODING" in self.META
        is_large = int(self.META["CONTENT_LENGTH"]) > LARGEST
        if is_chunked or (is_large and not self.user.is_authenticated):
            raise AssertionError("a body was read")
        load(self)

    load = WSGIRequest._load_post_and_files
    monkeypatch.setattr(WSGIRequest, "_load_post_and_files", read)


def send(browser: Client, path: str, size: int) -> Any:
    return browser.post(path, b"a=" + b"b" * (size - 2), content_type=FORM)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cookie", ["", "abcdefghijklmnopqrstuvwxyz012345"])
def test_bodies_over_64_kib_without_a_valid_session_get_413(
    db: None, path: str, cookie: str
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.cookies[settings.SESSION_COOKIE_NAME] = cookie
    browser.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32

    assert send(browser, path, LARGEST + 1).status_code == 413
    assert send(browser, path, LARGEST).status_code != 413


def test_staff_may_send_larger_bodies_only_to_the_admin(client: Client, organiser: User) -> None:
    client.force_login(organiser)

    assert send(client, "/admin/x/", LARGEST + 1).status_code == 404
    assert send(client, "/petitions/protect/", LARGEST + 1).status_code == 413


def test_former_staff_may_not_send_larger_bodies(client: Client, organiser: User) -> None:
    client.force_login(organiser)
    User.objects.update(is_staff=False)

    assert send(client, "/admin/x/", LARGEST + 1).status_code == 413


def test_the_may_upload_url_answers_204_for_staff_and_413_for_others(
    client: Client, organiser: User
) -> None:
    assert client.get(MAY_UPLOAD).status_code == 413
    client.force_login(organiser)
    assert client.get(MAY_UPLOAD).status_code == 204


@pytest.mark.parametrize("path", PAGES)
def test_a_chunked_body_without_a_content_length_gets_411(db: None, path: str) -> None:
    answer = Client().post(path, {"a": "b"}, headers={"Transfer-Encoding": "chunked"})

    assert answer.status_code == 411
