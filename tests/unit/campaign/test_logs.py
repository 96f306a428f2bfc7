"""What reaches the logs names no person, no address, no network and no token."""

import logging
import sys
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import ResolverMatch
from hypothesis import given
from hypothesis import strategies as st

from campaign.logs import OneLineFormatter, Redact, scrubbed


def line(message: str, *args: object, **more: Any) -> str:
    """What the one handler of production writes for a log call."""
    record = logging.LogRecord("site", logging.ERROR, "x.py", 1, message, args, None)
    record.__dict__.update(more)
    assert Redact().filter(record)
    return OneLineFormatter("{levelname} {message}", style="{").format(record)


def raised(error: Exception) -> Any:
    try:
        raise error  # noqa: TRY301 - the test is about what comes of it
    except Exception:  # noqa: BLE001 - any exception will do
        return sys.exc_info()


def test_tracebacks_are_logged_without_the_exception_message() -> None:
    said = line("failed", exc_info=raised(ValueError("Amina typed amina@example.org")))

    assert "Amina" not in said
    assert "ValueError" in said
    assert "test_logs.py" in said


def test_chained_exceptions_are_logged_without_their_messages() -> None:
    error = RuntimeError("outer secret")
    error.__cause__ = ValueError("inner secret")
    error.add_note("noted secret")

    assert "secret" not in line("failed", exc_info=raised(error))


def test_a_traceback_cached_by_another_handler_is_not_logged() -> None:
    # A formatter leaves its text of the exception on the record, for the next to reuse.
    said = line(
        "failed",
        exc_info=raised(ValueError("secret")),
        exc_text="Traceback ... ValueError: secret",
    )

    assert "secret" not in said
    assert "ValueError" in said


@pytest.mark.parametrize("form", ["%s", "%r"])
def test_an_exception_as_log_argument_is_reduced_to_its_type(form: str) -> None:
    said = line("cannot send: " + form, ValueError("Amina Example"))

    assert said == "ERROR cannot send: ValueError"


def test_celerys_line_for_a_failed_task_does_not_quote_the_exception() -> None:
    context = {
        "name": "petitions.deliver_mail",
        "id": "1",
        "description": "raised unexpected",
        "exc": "ValueError('Amina Example')",
        "traceback": "Traceback: Amina Example",
        "args": "[]",
    }
    said = line("Task %(name)s[%(id)s] %(description)s: %(exc)s\n%(traceback)s", context)

    assert "Amina" not in said
    assert "petitions.deliver_mail" in said
    assert "raised unexpected" in said


def test_a_line_about_a_request_has_its_route_and_no_path() -> None:
    request = RequestFactory().get("/petitions/idlib/?name=Amina")
    request.resolver_match = ResolverMatch(
        print, (), {"slug": "idlib"}, "petition", namespaces=["petitions"]
    )
    said = line("%s: %s", "Not Found", "/petitions/idlib/", request=request, status_code=404)

    assert said == "ERROR GET petitions:petition 404"


def test_a_line_about_a_request_without_a_route_has_no_path_either() -> None:
    request = RequestFactory().post("/Amina/")

    assert line("Not Found: %s", "/Amina/", request=request) == "ERROR POST no route -"


def test_an_unknown_http_method_is_not_logged() -> None:
    request = RequestFactory().generic("AMINA-EXAMPLE", "/")

    assert line("x", request=request) == "ERROR another method no route -"


@pytest.mark.parametrize(
    ("message", "args", "written"),
    [
        ("Invalid request from ip=192.0.2.7: Amina Example", (), "Invalid request"),
        ("Invalid request from ip=192.0.2.7: a\nAmina", (), "Invalid request"),
        ("Error handling request %s %s", ("GET", "/Amina"), "Error handling request"),
        ("Error handling request %s", ("/Amina",), "Error handling request"),
        ("Listening at: %s (%s)", ("http://0:8000", 7), "Listening at: http://0:8000 (7)"),
    ],
)
def test_gunicorn_messages_are_logged_without_request_data(
    message: str, args: tuple[object, ...], written: str
) -> None:
    assert line(message, *args, name="gunicorn.error") == f"ERROR {written}"


def test_a_redacted_record_has_no_arguments_and_no_request() -> None:
    record = logging.LogRecord("site", logging.INFO, "x.py", 1, "to %s", ("a@b.example",), None)
    record.request = HttpRequest()
    Redact().filter(record)

    assert record.args == ()
    assert not hasattr(record, "request")


@pytest.mark.parametrize("told", ["100% of %s", "%d rows", "%(name)s", "%s %s", "%"])
def test_a_malformed_log_call_does_not_raise(told: str) -> None:
    assert "cannot be formatted" in line(told, "Amina")


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("to amina@example.org.", "to (address)"),
        ("to <amina+x@example.org>, then", "to <(address)>, then"),
        ("('amina@example.org', 550)", "((address)', 550)"),
        ("to o'brien@example.org", "to (address)"),
        ("to أمينة@مثال.example now", "to (address) now"),
        ("redis://:password@10.0.0.1:6379/0", "(address)"),
        ("from 192.0.2.17:5050", "from (network):5050"),
        ("192.0.2.17, 198.51.100.3", "(network), (network)"),
        ("from 2001:db8::1", "from (network)"),
        ("from 2001:db8:0:1:2:3:4:5 again", "from (network) again"),
        ("from [2001:DB8::1]:443", "from [(network)]:443"),
        ("from ::1", "from (network)"),
        ("from fe80::1%eth0", "from (network)%eth0"),
        ("from ::ffff:192.0.2.17", "from (network)"),
        ("from 2001:db8:: to 64:ff9b::c000:211", "from (network) to (network)"),
        ("client=2001:db8::1,", "client=(network),"),
        ("GET /t/en/confirm/abc.def/ 200", "GET /t/… 200"),
        ("https://petition.example.org/t/ar/check/x", "https://petition.example.org/t/…"),
        ("'/t/en/confirm/abc'", "'/t/…"),
    ],
)
def test_addresses_networks_and_tokens_are_scrubbed(message: str, written: str) -> None:
    assert scrubbed(message) == written


@pytest.mark.parametrize(
    "message",
    [
        "12 mails sent in 00:01:02",
        "at 2026-10-18 12:34:56,789 petitions.mail.outbox",
        "mail 5b8dbb1c-7f7c-4c6b-9df1-3f3c2b8de001 not sent (451)",
        "campaign/logs.py:33 in filter",
        "Task petitions.deliver_mail[5b8dbb1c] succeeded in 0.01s: 3",
        "tests/unit/campaign/test_logs.py::test_x",
        "std::string",
        "deliver: 3 of 4",
        "/petitions/idlib/ and /test/",
        "Listening at: http://0:8000 (7)",
    ],
)
def test_harmless_log_messages_are_kept_unchanged(message: str) -> None:
    assert scrubbed(message) == message


@given(st.ip_addresses(v=6), st.sampled_from([" ", "", "(", "[", "'", "=", "from "]))
def test_every_ipv6_address_is_scrubbed(address: Any, before: str) -> None:
    for written in (str(address), address.exploded, str(address).upper()):
        assert written not in scrubbed(f"{before}{written} x")


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_is_scrubbed(address: Any) -> None:
    assert scrubbed(f"{address}:80") == "(network):80"


@given(st.emails())
def test_every_email_address_is_scrubbed(address: str) -> None:
    local, _, domain = address.rpartition("@")

    assert f"{local[-1]}@{domain}" not in scrubbed(f"to {address} now")
