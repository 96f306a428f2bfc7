"""The second factor: asked for in production, set up once, throttled, sealed, reset by another."""

import re
import time
from base64 import b32decode
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail as sent
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp

from petitions.mail import team
from petitions.models import AuditRecord, Authenticator, RecoveryCode
from petitions.staff import second_factor
from petitions.staff.roles import ADMINISTRATORS

HOME = reverse("admin:index")
CHECK = reverse("admin:second_factor")
SET_UP = reverse("admin:second_factor_set_up")
OWN = reverse("admin:own_second_factor")
Action = AuditRecord.Action
_KEY = re.compile(r'class="key">([A-Z2-7 ]+)<')
_CODE = re.compile(r"<code>([a-z0-9-]{14})</code>")


@pytest.fixture(autouse=True)
def _production(settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = True


@pytest.fixture(autouse=True)
def _no_step_ends() -> None:
    """Wait if the present 30-second step of codes might end within the test."""
    if (left := 30 - time.time() % 30) < 4:
        time.sleep(left)


@pytest.fixture
def browser(moderator: User) -> Client:
    """Mona's client after she has typed her password."""
    client = Client()
    client.force_login(moderator)
    return client


def code_at(secret: bytes, steps: int = 0) -> str:
    return f"{totp(secret, t0=-30 * steps):06}"


def secret_on(page: str) -> bytes:
    found = _KEY.search(page)
    assert found
    return b32decode(found[1].replace(" ", ""))


def set_up(client: Client) -> tuple[bytes, list[str]]:
    """Set up an app; return its secret and the recovery codes, which are shown once."""
    secret = secret_on(client.get(SET_UP).content.decode())
    page = client.post(SET_UP, {"code": code_at(secret, -1)}).content.decode()
    codes = _CODE.findall(page)
    assert len(codes) == second_factor.RECOVERY_CODES
    return secret, codes


def actions() -> list[str]:
    return list(AuditRecord.objects.order_by("id").values_list("action", flat=True))


def the_throttle_passes() -> None:
    past = timezone.now() - timedelta(hours=1)
    Authenticator.objects.filter(throttling_failure_count__gt=0).update(
        throttling_failure_timestamp=past
    )


def test_a_password_alone_only_opens_the_second_factor_setup(browser: Client) -> None:
    answer = browser.get(HOME, follow=True)

    assert [path for path, _status in answer.redirect_chain][-1] == SET_UP
    assert "QR code for your authenticator app" in answer.content.decode()
    for path in (reverse("admin:petitions_signature_changelist"), OWN, reverse("admin:health")):
        assert browser.get(path).status_code == 302
    assert browser.get(reverse("admin:may_upload")).status_code == 413


def test_logins_after_the_setup_ask_for_a_code_of_the_authenticator_app(
    browser: Client, moderator: User
) -> None:
    secret, _codes = set_up(browser)
    assert browser.get(HOME).status_code == 200

    later = Client()
    later.force_login(moderator)
    assert later.get(HOME, follow=True).redirect_chain[-1][0].startswith(CHECK)
    wanted = reverse("admin:petitions_decision_changelist")
    answer = later.post(f"{CHECK}?next={wanted}", {"code": code_at(secret)})
    assert (answer.status_code, answer["Location"]) == (302, wanted)
    assert later.get(HOME).status_code == 200
    assert Action.SECOND_FACTOR_SET in actions()


def test_a_trial_needs_no_second_factor_and_the_admin_says_so(
    browser: Client, settings: Any
) -> None:
    settings.SECOND_FACTOR_REQUIRED = False

    assert "A trial: nobody needs a second factor" in browser.get(HOME).content.decode()
    login = Client().get(reverse("admin:login")).content.decode()
    assert "A trial: it asks for no second factor" in login


def test_a_code_works_once(browser: Client, moderator: User) -> None:
    secret, _codes = set_up(browser)
    code = code_at(secret)
    said: dict[str, Any] = {"user": moderator, "code": code, "screen": "x"}

    assert isinstance(second_factor.check(**said), Authenticator)
    assert second_factor.check(**said) == second_factor.Wrong(wait=1)


def test_each_wrong_code_doubles_the_wait_for_the_next(browser: Client, moderator: User) -> None:
    secret, _codes = set_up(browser)
    waits = []
    for _try in range(6):
        wrong = second_factor.check(user=moderator, code="000000", screen="x")
        assert isinstance(wrong, second_factor.Wrong)
        waits.append(wrong.wait)
        the_throttle_passes()
    assert waits == [1, 2, 4, 8, 16, 32]

    second_factor.check(user=moderator, code="000000", screen="x")
    # Not even the right one is looked at, and such tries do not fill the record.
    before = actions()
    assert isinstance(
        second_factor.check(user=moderator, code=code_at(secret), screen="x"), second_factor.Wrong
    )
    assert actions() == before


def test_a_recovery_code_works_once_and_is_audited(browser: Client, moderator: User) -> None:
    _secret, codes = set_up(browser)
    typed = codes[0].upper().replace("-", " ")
    later = Client()
    later.force_login(moderator)

    assert later.post(CHECK, {"code": typed}).status_code == 302
    assert later.get(HOME).status_code == 200
    assert second_factor.codes_left(moderator) == second_factor.RECOVERY_CODES - 1
    assert actions()[-1] == Action.RECOVERY_CODE_USED
    again = Client()
    again.force_login(moderator)
    assert again.post(CHECK, {"code": typed}).status_code == 200
    assert again.get(HOME).status_code == 302


def test_the_database_stores_no_plain_second_factor_secrets_or_recovery_codes(
    browser: Client,
) -> None:
    secret, codes = set_up(browser)
    with connection.cursor() as cursor:
        for table in (Authenticator, RecoveryCode):
            cursor.execute(f"SELECT t::text FROM {table._meta.db_table} t")  # noqa: S608
            for (row,) in cursor.fetchall():
                assert secret.hex() not in row
                for code in codes:
                    assert code not in row
                    assert code.replace("-", "").encode().hex() not in row


def test_a_secret_shown_in_another_session_is_never_the_confirmed_one(
    browser: Client, moderator: User
) -> None:
    thief = Client()
    thief.force_login(moderator)
    seen = secret_on(thief.get(SET_UP).content.decode())
    confirmed, _codes = set_up(browser)

    assert confirmed != seen
    assert thief.get(SET_UP).status_code == 302


def test_a_wrong_first_code_keeps_the_secret_of_the_setup_page(browser: Client) -> None:
    secret = secret_on(browser.get(SET_UP).content.decode())
    page = browser.post(SET_UP, {"code": "000000"}).content.decode()

    assert "This code is wrong" in page
    assert secret_on(page) == secret


def test_another_session_never_sees_the_secret_that_is_being_set_up(
    browser: Client, moderator: User
) -> None:
    of_the_owner = secret_on(browser.get(SET_UP).content.decode())
    thief = Client()
    thief.force_login(moderator)

    page = thief.post(SET_UP, {"code": "000000"}).content.decode()

    assert secret_on(page) != of_the_owner
    # Nor is the owner shown what somebody else has seen.
    again = browser.post(SET_UP, {"code": code_at(of_the_owner)}).content.decode()
    assert secret_on(again) not in {of_the_owner, secret_on(page)}


def test_a_session_without_the_second_factor_can_log_out(browser: Client) -> None:
    assert browser.post(reverse("admin:logout")).status_code in {200, 302}
    assert "_auth_user_id" not in browser.session


def test_a_verified_user_can_renew_recovery_codes_and_replace_the_app(
    browser: Client, moderator: User
) -> None:
    secret, codes = set_up(browser)
    thief = Client()
    thief.force_login(moderator)
    stored = list(RecoveryCode.objects.order_by("pk").values())
    for wish in ("codes", "telephone"):
        refused = thief.post(OWN, {wish: "1"})["Location"]
        assert refused.startswith(reverse("admin:login")), wish
    assert second_factor.has_one(moderator)
    assert list(RecoveryCode.objects.order_by("pk").values()) == stored
    page = browser.post(OWN, {"codes": "1"}).content.decode()
    fresh = _CODE.findall(page)
    assert len(fresh) == second_factor.RECOVERY_CODES
    assert not set(fresh) & set(codes)

    assert browser.post(OWN, {"telephone": "1"})["Location"] == SET_UP
    assert browser.get(HOME).status_code == 302
    assert thief.get(SET_UP)["Location"].startswith(reverse("admin:login")), "who is not first"
    assert set_up(browser)[0] != secret


def verified(user: User) -> Client:
    client = Client()
    client.force_login(user)
    set_up(client)
    return client


def test_an_administrator_can_reset_the_second_factor_of_others_only(
    browser: Client, moderator: User
) -> None:
    moderator.set_password("four random words, say")
    moderator.save()
    browser.force_login(moderator)
    set_up(browser)
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.add(Group.objects.get(name=ADMINISTRATORS))
    administrator = verified(ada)

    def reset(person: User) -> str:
        act = reverse("admin:auth_user_act", args=[person.pk, "reset-second-factor"])
        return administrator.post(act, follow=True).content.decode()

    User.objects.filter(pk=moderator.pk).update(email="")
    assert "Enter an email address for mona first" in reset(moderator)
    assert second_factor.has_one(moderator)
    User.objects.filter(pk=moderator.pk).update(email="mona@example.org")
    assert "“mona” gets an email with a link" in reset(moderator)
    record = AuditRecord.objects.latest("id")
    # Whoever has stolen this session, or the password, sets up no app of their own.
    assert browser.get(SET_UP).status_code == 302
    moderator.refresh_from_db()
    assert not moderator.has_usable_password()
    assert team.send_letters() == 1
    (letter,) = sent.outbox
    assert letter.to == ["mona@example.org"]
    assert "You need a new password" in letter.body
    assert "stays as it is" not in letter.body
    assert f"{HOME}password/" in letter.body

    browser.force_login(moderator)
    assert browser.get(HOME, follow=True).redirect_chain[-1][0] == SET_UP
    assert (record.action, record.actor_id) == (Action.SECOND_FACTOR_RESET, ada.pk)
    assert record.object_id == str(moderator.pk)
    assert "Nothing was changed. Ask another administrator to reset yours" in reset(ada)
    assert second_factor.has_one(ada)


def test_the_reset_second_factor_command_removes_the_authenticator(
    browser: Client, moderator: User, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(browser)
    call_command("reset_second_factor", "mona")

    assert "mona sets up another at the next log-in" in capsys.readouterr().out
    assert not second_factor.has_one(moderator)
    assert AuditRecord.objects.latest("id").actor_id is None


def test_resealing_keeps_second_factor_secrets_usable(
    browser: Client, moderator: User, settings: Any
) -> None:
    secret, _codes = set_up(browser)
    old = settings.SEALING_KEYS
    settings.SEALING_KEYS = {9: bytes(32), **old}
    call_command("reseal")
    settings.SEALING_KEYS = {9: bytes(32)}

    assert isinstance(
        second_factor.check(user=moderator, code=code_at(secret), screen="x"), Authenticator
    )
