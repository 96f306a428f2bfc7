"""What is missing or contradicts itself is reported with a way out, all of it at once."""

from email.headerregistry import Address

import pytest
from django.core.checks import CheckMessage
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from campaign import checks

SECRET = "s" * 50
RINGS = {"SEALING_KEYS": b"1" * 32, "INDEX_KEYS": b"2" * 32, "LINK_KEYS": b"3" * 32}

any_value = hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# What addresses are made of, to be put together in any order.
PIECES = [
    "petition",
    "example.org",
    "localhost",
    "@",
    ".",
    ":",
    "/",
    "[",
    "]",
    "<",
    ">",
    "(",
    '"',
    " ",
]


@pytest.fixture(autouse=True)
def production(settings: Settings) -> Settings:
    """A production installation with everything in order; each test breaks one thing."""
    settings.ENVIRONMENT = "production"
    settings.SECRET_KEY = SECRET
    for name, key in RINGS.items():
        setattr(settings, name, {1: key})
    settings.SITE_URL = "https://petition.example.org"
    settings.ALLOWED_HOSTS = ["petition.example.org"]
    settings.DEFAULT_FROM_EMAIL = "petition@example.org"
    settings.LOCAL_MAILBOX = ""
    settings.SMTP_SECURITY = "starttls"
    settings.EMAIL_HOST = "smtp.example.org"
    return settings


def found() -> list[CheckMessage]:
    return [
        *checks.secrets_are_set(None),
        *checks.site_is_consistent(None),
        *checks.sender_is_an_address(None),
        *checks.nothing_is_deleted_too_soon(None),
    ]


def ids() -> list[str]:
    return [str(message.id).removeprefix("undersigned.") for message in found()]


def test_a_correct_installation_has_no_check_messages() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "reported"),
    [
        ("SECRET_KEY", "", "E001"),
        ("SECRET_KEY", "s" * 49, "E001"),
        ("SEALING_KEYS", {}, "E002"),
        ("INDEX_KEYS", {}, "E003"),
        ("LINK_KEYS", {}, "E004"),
        ("LINK_KEYS", {1: RINGS["SEALING_KEYS"]}, "E005"),
        ("INDEX_KEYS", {2: b"9" * 32, 1: RINGS["LINK_KEYS"]}, "E005"),
        ("SITE_URL", "http://petition.example.org", "E006"),
        ("ALLOWED_HOSTS", ["*"], "E007"),
        ("ALLOWED_HOSTS", [], "E007"),
        ("DEFAULT_FROM_EMAIL", "petitions@localhost", "E008"),
        ("DEFAULT_FROM_EMAIL", "SBC <petition@example.org>", "E010"),
        ("DEFAULT_FROM_EMAIL", "petition", "E010"),
        ("DEFAULT_FROM_EMAIL", "petition@", "E010"),
        ("DEFAULT_FROM_EMAIL", "", "E010"),
        ("DEFAULT_FROM_EMAIL", "@example.org", "E010"),
        ("DEFAULT_FROM_EMAIL", "petition@[example.org", "E010"),
        ("DEFAULT_FROM_EMAIL", "petition@bücher.example", "E010"),
        ("DEFAULT_FROM_EMAIL", "عريضة@example.org", "E010"),
        ("LOCAL_MAILBOX", "/srv/mailbox", "E009"),
        ("PENDING_DAYS", 0, "E020"),
        ("PENDING_DAYS", -14, "E020"),
        ("PENDING_DAYS", 1, "E020"),
        ("PENDING_DAYS", 14_000, "E020"),
        ("SMTP_SECURITY", "none", "W001"),
        ("MAIL_PROVIDER", "postmark", "E011"),
    ],
)
def test_each_fault_is_reported_under_its_id(
    production: Settings, name: str, value: object, reported: str
) -> None:
    setattr(production, name, value)

    assert ids() == [reported]


@any_value
@given(
    name=st.sampled_from(["DEFAULT_FROM_EMAIL", "SITE_URL", "EMAIL_HOST"]),
    value=st.text() | st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
)
def test_no_check_raises_whatever_a_setting_holds(
    production: Settings, name: str, value: str
) -> None:
    with override_settings(**{name: value}):
        told = ids()
    if name == "DEFAULT_FROM_EMAIL" and "E010" not in told:
        # It can be a From header: see `petitions.mail.messages`.
        assert Address(addr_spec=value).addr_spec == value


def test_everything_that_is_missing_is_reported_at_once(production: Settings) -> None:
    for name in ("SECRET_KEY", *RINGS):
        setattr(production, name, type(getattr(production, name))())

    assert ids() == ["E001", "E002", "E003", "E004"]


def test_every_check_message_has_a_hint_and_no_secret(production: Settings) -> None:
    production.SECRET_KEY = "hunter2"
    production.LINK_KEYS = production.INDEX_KEYS = {1: b"2" * 32}
    production.SITE_URL = "http://x"

    assert len(found()) == 3
    for message in found():
        assert message.hint
        assert "hunter2" not in str(message)
        assert "22222" not in str(message)


def test_a_local_installation_needs_neither_tls_nor_a_domain(production: Settings) -> None:
    production.ENVIRONMENT = "local"
    production.SITE_URL = "http://127.0.0.1:8000"
    production.LOCAL_MAILBOX = "/tmp/mailbox"

    assert ids() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_mail_to_the_same_machine_needs_no_encryption(production: Settings, host: str) -> None:
    production.SMTP_SECURITY = "none"
    production.EMAIL_HOST = host

    assert ids() == []


def test_web_and_worker_refuse_to_start_and_list_every_error(production: Settings) -> None:
    production.SECRET_KEY = ""
    production.ALLOWED_HOSTS = ["*"]

    with pytest.raises(SystemExit) as ended:
        checks.refuse_unsafe_start()

    assert "undersigned.E001" in str(ended.value)
    assert "undersigned.E007" in str(ended.value)
    assert "Set ALLOWED_HOSTS" in str(ended.value)


def test_web_and_worker_start_with_warnings(production: Settings) -> None:
    production.SMTP_SECURITY = "none"

    checks.refuse_unsafe_start()
