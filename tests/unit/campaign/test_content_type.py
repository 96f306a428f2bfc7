"""A request's Content-Type is sanitised before Django reads it."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from hypothesis import given
from hypothesis import strategies as st

from campaign.content_type import sanitised, with_plain_content_type

BODY = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n%s\r\n--x--\r\n'


def environ(content_type: str, body: bytes = b"", method: str = "GET") -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/live",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": "http",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
    }


def request_of(content_type: str, body: bytes) -> WSGIRequest:
    """What Django makes of a request that has passed."""
    made: list[WSGIRequest] = []

    def django(given: dict[str, Any], _start: Callable[..., Any]) -> Iterable[bytes]:
        made.append(WSGIRequest(given))
        return []

    with_plain_content_type(django)(environ(content_type, body, "POST"), lambda *_: None)
    return made[0]


@pytest.mark.parametrize(
    ("content_type", "left"),
    [
        ("", ""),
        ("text/html", "text/html"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("Application/JSON; charset=utf-8", "application/json"),
        ("application/x-www-form-urlencoded; charset=utf-16", "application/x-www-form-urlencoded"),
        ("multipart/form-data; boundary=x", 'multipart/form-data; boundary="x"'),
        ('Multipart/Form-Data;BOUNDARY="a b(c)"', 'multipart/form-data; boundary="a b(c)"'),
        ("multipart/form-data; charset=hex; boundary=x", 'multipart/form-data; boundary="x"'),
        ("multipart/form-data; boundary=x; charset*=bogus''x", 'multipart/form-data; boundary="x"'),
        ("multipart/form-data; boundary*=bogus''x", ""),
        ("multipart/form-data; boundary*0=x", ""),
        ("multipart/form-data; boundary=x; boundary=y", ""),
        ("multipart/form-data", ""),
        ("multipart/form-data; boundary=", ""),
        ('multipart/form-data; boundary="x', ""),
        ("multipart/form-data; boundary=" + "x" * 71, ""),
        ("multipart/form-data; boundary=\N{LATIN SMALL LETTER E WITH ACUTE}", ""),
        ("rot13", ""),
        ("a/b/c", ""),
        ("text/html\x00", ""),
        (";", ""),
    ],
)
def test_only_the_media_type_and_a_plain_boundary_are_kept(content_type: str, left: str) -> None:
    assert sanitised(content_type) == left


@given(st.text(st.characters(max_codepoint=255)))
def test_any_content_type_becomes_one_that_django_can_parse(value: str) -> None:
    for content_type in (value, f"multipart/form-data; {value}", f"text/html; {value}"):
        request_of(content_type, b"")


@pytest.mark.parametrize("charset", ["hex", "undefined", "idna", "rot13", "base64", "utf-16"])
def test_forms_are_decoded_as_utf_8_whatever_charset_they_declare(charset: str) -> None:
    body = BODY % "ليلى".encode()

    for given_type in (
        f"multipart/form-data; boundary=x; charset={charset}",
        f"multipart/form-data; charset*={charset}''x; boundary=x",
    ):
        assert request_of(given_type, body).POST["name"] == "ليلى"


@pytest.mark.parametrize("charset", ["bogus", "undefined", "idna"])
def test_a_multipart_field_with_an_unknown_name_encoding_is_dropped(charset: str) -> None:
    body = BODY.replace(b'name="name"', f"name*={charset}''x".encode()) % b"x"

    assert not request_of("multipart/form-data; boundary=x", body).POST
