"""The shipped Caddyfile, run by a real Caddy in front of the whole site: large and slow bodies."""

import http.client
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlencode, urlsplit

import pytest

from campaign.local.stack import Stack
from tests.deployed import shipped_proxy

pytestmark = pytest.mark.e2e

# Twice as many as the web processes have threads, so that each thread could be held.
SLOW = 16
LARGE = 900_000
# More than the shipped proxy used to keep back, and than Caddy reads of a body before it refuses.
BEGUN = 300_000
# Django reads a form to look for its CSRF token when there is a cookie to compare it with.
CSRF_COOKIE = f"csrftoken={'a' * 32}"


@pytest.fixture(scope="module")
def proxy(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Caddy in front of the whole site."""
    with shipped_proxy(urlsplit(stack.site_url).netloc, tmp_path_factory.mktemp("caddy")) as port:
        yield port


@pytest.fixture(scope="module")
def session(stack: Stack, proxy: int) -> str:
    """The cookie of an administrator who logged in through the proxy."""
    with closing(http.client.HTTPConnection("127.0.0.1", proxy, timeout=60)) as browser:
        browser.request("GET", "/admin/login/", headers=host(stack))
        form = browser.getresponse()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.read().decode())
        assert token
        csrf = str(form.getheader("Set-Cookie")).partition(";")[0]
        sent = {"username": "admin", "password": stack.admin_password}
        body = urlencode({**sent, "csrfmiddlewaretoken": token[1]})
        headers = {**host(stack), "Cookie": csrf, "Origin": stack.site_url, **FORM}
        browser.request("POST", "/admin/login/", body, headers)
        answer = browser.getresponse()
        assert answer.status == 302
        (cookie,) = re.findall(r"sessionid=\w+", str(answer.headers))
        return str(cookie)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def host(stack: Stack) -> dict[str, str]:
    return {"Host": f"127.0.0.1:{urlsplit(stack.site_url).port}"}


def send_slowly(port: int, path: str, cookie: str) -> socket.socket:
    """The head and the first part of a large form, of which the rest never comes."""
    connection = socket.create_connection(("127.0.0.1", port))
    head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Cookie: {cookie}"]
    head += [f"Content-Length: {LARGE}", f"Content-Type: {FORM['Content-Type']}", "", ""]
    connection.sendall("\r\n".join(head).encode() + b"a" * BEGUN)
    return connection


def send(port: int, path: str, size: int, cookie: str, *, chunked: bool = False) -> int:
    """The status for a form of so many bytes, sent at once."""
    body = b"a=" + b"b" * (size - 2)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as browser:
        try:
            sent = iter([body]) if chunked else body
            headers = {**FORM, "Cookie": cookie}
            browser.request("POST", path, sent, headers, encode_chunked=chunked)
        except OSError:
            # Refused before all of it was sent; the answer is there already.
            pass
        return browser.getresponse().status


def longest_wait(port: int) -> float:
    """How long the slowest of some pages takes that no cache holds, in seconds."""
    waits = []
    for _ in range(6):
        start = time.monotonic()
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as browser:
            browser.request("GET", "/admin/login/")
            assert browser.getresponse().status == 200
        waits.append(time.monotonic() - start)
    return max(waits)


@pytest.mark.parametrize("made_up", ["", "; sessionid=abcdefghijklmnopqrstuvwxyz012345"])
def test_slow_bodies_of_strangers_do_not_delay_others_and_get_413(proxy: int, made_up: str) -> None:
    with ExitStack() as senders:
        slow = [
            senders.enter_context(send_slowly(proxy, "/admin/x/", CSRF_COOKIE + made_up))
            for _ in range(SLOW)
        ]
        time.sleep(1)
        assert longest_wait(proxy) < 4
        for connection in slow:
            connection.settimeout(4)
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_slow_bodies_of_staff_do_not_delay_others(proxy: int, session: str) -> None:
    with ExitStack() as senders:
        for _ in range(SLOW):
            senders.enter_context(send_slowly(proxy, "/admin/x/", f"{CSRF_COOKIE}; {session}"))
        time.sleep(1)
        assert longest_wait(proxy) < 4


# Without the token of a form the answer is 403, once all of it was read; fields, unlike files, may
# be 1 MiB in all, above which it is 400.
@pytest.mark.parametrize(
    ("size", "answer"),
    [(60_000, 403), (90_000, 403), (LARGE, 403), (1_999_000, 400), (2_100_000, 413)],
)
def test_staff_may_send_up_to_two_megabytes(
    proxy: int, session: str, size: int, answer: int
) -> None:
    assert send(proxy, "/admin/x/", size, f"{CSRF_COOKIE}; {session}") == answer


@pytest.mark.parametrize(
    ("size", "answer"), [(60_000, 403), (70_000, 413), (LARGE, 413), (2_100_000, 413)]
)
def test_others_may_send_at_most_64_kb_to_the_admin(proxy: int, size: int, answer: int) -> None:
    assert send(proxy, "/admin/x/", size, "") == answer


@pytest.mark.parametrize("path", ["/admin/x/", "/contact/"])
def test_a_chunked_body_through_the_proxy_is_refused(proxy: int, path: str) -> None:
    assert send(proxy, path, 60_000, "", chunked=True) == 411
    # On a busy machine the site refuses it before the proxy has read so much.
    assert send(proxy, path, 70_000, "", chunked=True) in {411, 413}


@pytest.mark.parametrize("path", ["/admin/x/", "/petitions/"])
def test_refused_bodies_do_not_break_reused_proxy_connections(proxy: int, path: str) -> None:
    """gunicorn closes a connection when too much of a body is left, and Caddy may reuse it."""
    for size in (63_999, 64_000, 65_536, 70_000, 99_999):
        answers = [send(proxy, path, size, "") for _ in range(12)]
        assert len(set(answers)) == 1, answers
        # Of the proxy itself, if the site's answer was lost.
        assert not {502, 503, 504} & set(answers)
