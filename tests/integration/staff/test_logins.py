"""Logging in: how often a password may be tried, what is recorded, and who is let in again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from petitions.models import AuditRecord, LoginFailure
from petitions.privacy import retention
from petitions.staff import password_hashing
from tests.at_once import at_once

PASSWORD = "a long pass phrase of Mona's"
LOGIN = reverse("admin:login")
CHANGE = reverse("admin:password_change")
HOME = "192.0.2.7"
ELSEWHERE = "198.51.100.7"
TOO_MANY = "Too many wrong passwords. For 15 minutes no password is checked"
Action = AuditRecord.Action


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list in which the passwords that are hashed are recorded."""
    seen: list[str] = []
    encode = password_hashing.LimitedHasher.encode

    def noting(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
        seen.append(password)
        return encode(self, password, salt, iterations)

    monkeypatch.setattr(password_hashing.LimitedHasher, "iterations", 1)
    monkeypatch.setattr(password_hashing.LimitedHasher, "encode", noting)
    return seen


@pytest.fixture
def mona(moderator: User, hashed: list[str]) -> User:
    moderator.set_password(PASSWORD)
    moderator.save()
    hashed.clear()
    return moderator


def log_in(password: str, name: str = "mona", at: str = HOME) -> HttpResponse:
    answer: Any = Client(REMOTE_ADDR=at).post(LOGIN, {"username": name, "password": password})
    return answer  # type: ignore[no-any-return]


def fail(times: int, name: str = "mona", at: str = HOME) -> list[int]:
    return [log_in(f"wrong {number}", name, at).status_code for number in range(times)]


@contextmanager
def all_slots_taken() -> Iterator[None]:
    held = [password_hashing._take(number) for number in range(password_hashing.SLOTS)]
    assert None not in held
    yield
    for descriptor in held:
        os.close(descriptor or 0)


def minutes_pass(minutes: int) -> None:
    past = timezone.now() - timedelta(minutes=minutes)
    LoginFailure.objects.update(created_at=past)


def actions() -> list[str]:
    return list(AuditRecord.objects.order_by("id").values_list("action", flat=True))


def test_the_right_password_after_too_many_wrong_ones_waits_until_the_window_ends(
    mona: User, hashed: list[str]
) -> None:
    assert fail(7) == [200] * 5 + [429] * 2
    answer = log_in(PASSWORD)

    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert TOO_MANY in answer.content.decode()
    assert PASSWORD not in hashed
    assert len(hashed) == 5
    minutes_pass(16)
    assert log_in(PASSWORD).status_code == 302


def test_a_few_wrong_passwords_do_not_lock_an_account(mona: User, hashed: list[str]) -> None:
    assert fail(4) == [200] * 4
    assert log_in(PASSWORD).status_code == 302


def test_login_attempts_during_a_lockout_do_not_extend_it(mona: User, hashed: list[str]) -> None:
    fail(5)
    minutes_pass(10)
    fail(5)
    minutes_pass(16)

    assert log_in(PASSWORD).status_code == 302


def test_logins_to_many_accounts_are_rate_limited_by_network(mona: User, hashed: list[str]) -> None:
    answers = [fail(1, name=f"name{number}") for number in range(21)]

    assert answers == [[200]] * 20 + [[429]]
    assert log_in(PASSWORD).status_code == 429
    assert log_in(PASSWORD, at=ELSEWHERE).status_code == 302


def test_a_network_limit_does_not_lock_out_accounts_known_from_that_network(
    mona: User, hashed: list[str]
) -> None:
    assert log_in(PASSWORD).status_code == 302
    for number in range(20):
        fail(1, name=f"name{number}")

    assert log_in("wrong", name="another").status_code == 429
    assert log_in(PASSWORD).status_code == 302


def test_the_login_limit_of_an_ipv6_48_is_four_times_that_of_a_64(
    mona: User, hashed: list[str]
) -> None:
    for number in range(80):
        fail(1, name=f"name{number}", at=f"2001:db8:1:{number:x}::7")

    assert log_in(PASSWORD, at="2001:db8:1:ffff::7").status_code == 429
    assert log_in(PASSWORD, at="2001:db8:2::7").status_code == 302


def test_a_distributed_attack_does_not_lock_an_account_out_of_its_own_network(
    mona: User, hashed: list[str]
) -> None:
    assert log_in(PASSWORD).status_code == 302
    for number in range(13):
        fail(4, at=f"203.0.{number}.7")

    assert log_in(PASSWORD, at=ELSEWHERE).status_code == 429
    assert log_in(PASSWORD).status_code == 302


@pytest.mark.parametrize("limit", ["ACCOUNT_NETWORK", "NETWORK", "ACCOUNT"])
def test_each_limit_can_be_switched_off(
    mona: User, hashed: list[str], settings: Any, limit: str
) -> None:
    only = {name: rate for name, rate in settings.LOGIN_LIMITS.items() if name == limit}
    settings.LOGIN_LIMITS = {name: only.get(name) for name in settings.LOGIN_LIMITS}
    fail(limits_of(settings.LOGIN_LIMITS[limit]))
    assert log_in(PASSWORD).status_code == 429

    settings.LOGIN_LIMITS = dict.fromkeys(settings.LOGIN_LIMITS)
    assert log_in(PASSWORD).status_code == 302


def limits_of(rate: Any) -> int:
    return int(rate.amount)


@pytest.mark.parametrize("name", ["mona", "nobody", "left", "visitor", "no-password"])
def test_login_responses_do_not_reveal_whether_an_account_exists(
    mona: User, hashed: list[str], name: str
) -> None:
    """Same pages, same number of hashes and queries, before and after the limit."""
    User.objects.create_user("left", password=PASSWORD, is_staff=True, is_active=False)
    User.objects.create_user("visitor", password=PASSWORD)
    User.objects.create_user("no-password", password=None, is_staff=True)
    hashed.clear()
    told, queries = list[int](), list[int]()
    for number in range(6):
        with CaptureQueriesContext(connection) as captured:
            answer = log_in("wrong", name)
        queries.append(len(captured))
        told.append(answer.status_code)
        assert len(hashed) == min(number + 1, 5)
    assert told == [200] * 5 + [429]
    assert queries == [8] * 5 + [4]


def test_the_right_password_of_somebody_who_is_not_staff_counts_as_wrong(
    db: None, hashed: list[str]
) -> None:
    User.objects.create_user("visitor", password=PASSWORD)

    assert [log_in(PASSWORD, "visitor").status_code for _ in range(6)] == [200] * 5 + [429]
    assert Action.PASSWORD_RIGHT not in actions()


def test_the_password_change_form_is_rate_limited_too(mona: User, hashed: list[str]) -> None:
    browser = Client(REMOTE_ADDR=HOME)
    browser.force_login(mona)
    new = "another long pass phrase"

    def change(old: str) -> Any:
        sent = {"old_password": old, "new_password1": new, "new_password2": new}
        return browser.post(CHANGE, sent)

    answers = [change("wrong") for _ in range(5)]
    assert "Your old password was entered incorrectly" in answers[0].content.decode()
    refused = change(PASSWORD)

    assert refused.status_code == 429
    assert TOO_MANY in refused.content.decode()
    minutes_pass(16)
    assert change(PASSWORD).status_code == 302
    assert log_in(new).status_code == 302
    screens = set(AuditRecord.objects.values_list("screen", flat=True))
    assert screens == {"admin:password_change", "admin:login"}


def test_concurrent_wrong_passwords_cannot_exceed_the_login_limit(
    transactional_db: None, hashed: list[str]
) -> None:
    User.objects.create_user("mona", password=PASSWORD, is_staff=True)
    hashed.clear()
    answers = at_once(*[lambda: log_in("wrong").status_code] * 12)

    # Who finds no slot is told to come again, unhashed; one may pass beside the last that counts.
    assert set(answers) <= {200, 429, 503}
    assert len(hashed) <= 5 + password_hashing.SLOTS - 1


def test_a_login_without_a_free_hashing_slot_gets_503_and_hashes_nothing(
    mona: User, hashed: list[str]
) -> None:
    with all_slots_taken():
        answer = log_in(PASSWORD)

    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert "Try again in a few seconds" in answer.content.decode()
    assert not hashed
    assert not LoginFailure.objects.exists()
    assert log_in(PASSWORD).status_code == 302


def test_each_password_check_is_audited_without_any_typed_text(
    mona: User, hashed: list[str]
) -> None:
    log_in("wrong")
    log_in("a-secret-typed-as-name", name="hunter2 is my password")
    log_in(PASSWORD)

    records = list(AuditRecord.objects.order_by("id"))
    assert [(record.action, record.actor_id) for record in records] == [
        (Action.PASSWORD_WRONG, mona.pk),
        (Action.PASSWORD_WRONG, None),
        (Action.PASSWORD_RIGHT, mona.pk),
    ]
    assert {record.screen for record in records} == {"admin:login"}
    assert len({bytes(record.network_ix or b"") for record in records}) == 1
    stored = str(list(AuditRecord.objects.values())) + str(list(LoginFailure.objects.values()))
    assert "hunter2" not in stored
    assert "192.0.2" not in stored


def test_rate_limited_logins_are_audited_once_per_window_account_and_network(
    mona: User, hashed: list[str]
) -> None:
    fail(15)
    fail(15, name="nobody", at=ELSEWHERE)

    assert actions().count(Action.PASSWORD_REFUSED) == 2
    assert actions().count(Action.PASSWORD_WRONG) == 10


def test_the_unlock_account_command_ends_a_lockout(
    mona: User, hashed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fail(6)
    call_command("unlock_account", "mona")

    assert "mona: 5 wrong passwords are forgotten." in capsys.readouterr().out
    assert log_in(PASSWORD).status_code == 302
    unlocked = AuditRecord.objects.get(action=Action.LOGIN_UNLOCKED)
    assert (unlocked.object_type, unlocked.object_id) == ("auth.user", str(mona.pk))
    assert unlocked.screen == "unlock_account"


def test_login_limits_survive_a_rotation_of_the_index_key(
    mona: User, hashed: list[str], settings: Any
) -> None:
    fail(5)
    settings.INDEX_KEYS = {2: bytes(32), **settings.INDEX_KEYS}

    assert log_in(PASSWORD).status_code == 429


def test_login_failures_are_deleted_once_no_limit_counts_them(
    mona: User, hashed: list[str]
) -> None:
    fail(2)
    retention.apply()
    assert LoginFailure.objects.count() == 2

    minutes_pass(16)
    retention.apply()
    assert not LoginFailure.objects.exists()


def test_login_limits_hold_while_redis_is_unavailable(
    mona: User, hashed: list[str], settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert fail(6) == [200] * 5 + [429]
