"""The whole line over HTTP: sign, mail, confirm, count, export. Nothing in it is a stand-in."""

import csv
import io
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import psycopg2
import pytest
import requests

from campaign.local.stack import Stack
from tests import SLUG
from tests.breakable import BreakableStack
from tests.conftest import Mailbox, counted, eventually
from tests.people import typed
from tests.proof import solved, task_in

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
_numbers = itertools.count()


class Visitor:
    """Somebody at a browser: keeps the address bar, sends what browsers send."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.headers["Sec-Fetch-Site"] = "same-origin"

    def get(self, path: str, headers: dict[str, str] | None = None) -> requests.Response:
        return self.session.get(urljoin(self.site, path), headers=headers, timeout=20)

    def get_anew(self, path: str) -> requests.Response:
        """Over a new connection, which either process of the web server may take."""
        return requests.get(urljoin(self.site, path), timeout=20)

    def post(self, path: str, data: dict[str, str] | None = None) -> requests.Response:
        return self.session.post(urljoin(self.site, path), data=data, timeout=20)

    def sign(self, email: str, **changes: str) -> requests.Response:
        answer = self.post(f"/petitions/{SLUG}/", typed(email=email, **changes))
        if answer.status_code == HTTPStatus.FORBIDDEN and "data-task" in answer.text:
            changes = {**changes, "altcha": solved(task_in(answer.text))}
            answer = self.post(f"/petitions/{SLUG}/", typed(email=email, **changes))
        return answer

    def count(self) -> int:
        return int(self.told()["signature_count"])

    def counted_at(self) -> datetime:
        return datetime.fromisoformat(self.told()["counted_at"])

    def told(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.get(f"/api/v1/petitions/{SLUG}.json").json()
        return answer


@pytest.fixture
def visitor(stack: BreakableStack) -> Visitor:
    return Visitor(stack.site_url)


@pytest.fixture
def address() -> str:
    """An address nobody has used before."""
    return f"person{next(_numbers)}-{time.monotonic_ns()}@example.org"


def manage(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **stack.environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=environment, capture_output=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_signature_counts_once_the_button_behind_its_mailed_link_is_pressed(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    before = counted(stack)

    checked = visitor.sign(address)
    assert "Check your email" in checked.text
    assert not checked.cookies
    assert address not in checked.url

    link = mailbox.link_for(address)
    opened = visitor.get(link)
    assert "Add my signature" in opened.text
    assert counted(stack) == before

    pressed = visitor.post(link)
    assert "Thank you. Your signature is confirmed." in pressed.text
    assert eventually(lambda: visitor.count() == before + 1)
    page = f"/petitions/{SLUG}/"
    assert eventually(lambda: f">{before + 1}<" in visitor.get(page).text)

    assert visitor.post(link).status_code == 200
    # The newest count, once nobody keeps one from before the second press.
    pressed_at = datetime.now(UTC)
    assert eventually(lambda: visitor.counted_at() > pressed_at)
    assert visitor.count() == before + 1


def test_exactly_one_confirmation_mail_is_sent_and_shown_in_the_mailbox(
    visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    visitor.sign(address)
    message = mailbox.wait_for(address)[0]
    # Mails go out in order: when a later one has come, so would have a second of these.
    visitor.sign(f"later-{address}")
    mailbox.wait_for(f"later-{address}")

    assert [mail["To"] for mail in mailbox.to(address)].count(address) == 1
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert address in visitor.get("/mailbox/").text


@pytest.mark.parametrize(("language", "prefix"), [("ar", "/ar"), ("cy", "/cy"), ("en", "")])
def test_the_language_stays_from_the_page_through_the_mail_to_the_thanks(
    visitor: Visitor, mailbox: Mailbox, address: str, language: str, prefix: str
) -> None:
    checked = visitor.post(f"{prefix}/petitions/{SLUG}/", typed(email=address))
    assert f"/t/{language}/" in checked.url
    assert f'<html lang="{language}"' in checked.text

    link = mailbox.link_for(address)
    assert f"/t/{language}/" in link
    assert f'<html lang="{language}"' in visitor.post(link).text


def test_queued_mail_is_sent_after_the_worker_restarts(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    stack.kill("worker")
    visitor.sign(address)
    time.sleep(1)
    assert not mailbox.to(address)

    stack.restart("worker")

    assert mailbox.wait_for(address)


def test_signing_succeeds_while_redis_is_away_and_the_mail_goes_out_once_it_is_back(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    stack.kill("redis")
    try:
        started = time.monotonic()
        assert "Check your email" in visitor.sign(address).text
        # The nudge gives up long before a visitor would; the rest is a busy machine's.
        assert time.monotonic() - started < 5
    finally:
        stack.restart("redis")
    assert mailbox.wait_for(address, seconds=60)


def test_signing_succeeds_while_the_mail_server_is_away(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    log = stack.folder.logs / "worker.log"
    said_before = log.read_bytes().count(b"mail server")
    stack.kill("smtp")
    try:
        assert "Check your email" in visitor.sign(address).text
        assert eventually(lambda: log.read_bytes().count(b"mail server") > said_before)
    finally:
        stack.restart("smtp")
    assert mailbox.wait_for(address, seconds=60)


def test_pages_are_served_and_signing_gets_503_while_the_database_is_down(
    stack: BreakableStack, visitor: Visitor, address: str
) -> None:
    pages = ("/", f"/petitions/{SLUG}/")
    for path in pages:
        for _ in range(40):  # both processes have the page in their caches
            visitor.get_anew(path)
    stack.kill("postgres")
    try:
        answers = [visitor.get_anew(path) for path in pages for _ in range(10)]
        assert {answer.status_code for answer in answers} == {200}
        signing = visitor.sign(address)
        assert signing.status_code == 503
        assert signing.headers["Retry-After"]
        assert visitor.get("/ready").status_code == 200
        assert visitor.get("/health").status_code == 503
    finally:
        stack.restart("postgres")
    assert eventually(lambda: visitor.sign(address).status_code == 200)


@contextmanager
def read_only(stack: BreakableStack) -> Iterator[None]:
    """The database refuses all writes, as a standby does, or one that its operator has locked."""
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            cursor.execute("SELECT pg_reload_conf()")
            try:
                yield
            finally:
                cursor.execute("ALTER SYSTEM RESET default_transaction_read_only")
                cursor.execute("SELECT pg_reload_conf()")
    finally:
        connection.close()


def test_pages_are_served_and_forms_get_503_while_the_database_is_read_only(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    visitor.sign(address)
    link = mailbox.link_for(address)
    before = visitor.count()
    with read_only(stack):
        assert eventually(lambda: visitor.sign(f"late-{address}").status_code == 503)
        # As long as it takes for the copies to become stale, and longer.
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            for path in ("/", "/ar/", f"/petitions/{SLUG}/", f"/cy/petitions/{SLUG}/"):
                page = visitor.get_anew(path)
                assert page.status_code == 200, path
                assert "public" in page.headers["Cache-Control"]
        forms = {
            "sign": visitor.sign(f"late-{address}"),
            "confirm": visitor.post(link),
            "find": visitor.post("/find/", {"email": address}),
        }
        for name, answer in forms.items():
            assert answer.status_code == 503, (name, answer.text)
            assert answer.headers["Retry-After"], name
        assert visitor.get("/ready").status_code == 200
        assert eventually(lambda: visitor.get("/health").status_code == 503)
    assert eventually(lambda: visitor.post(link).status_code == 200)
    assert eventually(lambda: visitor.count() == before + 1)
    assert eventually(lambda: visitor.get("/health").status_code == 200, 60)


def test_the_export_command_writes_confirmed_signatures_without_addresses(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str, tmp_path: Path
) -> None:
    visitor.sign(address, name="ليلى مثال")
    visitor.post(mailbox.link_for(address))
    target = tmp_path / "hand-in.csv"

    done = manage(stack, "export_signatures", SLUG, "--purpose", "hand-in", "--output", str(target))

    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(io.StringIO(target.read_text("utf-8-sig"))))
    assert rows[0][:4] == ["reference", "name", "constituency or country", "day"]
    assert "ليلى مثال" in {row[1] for row in rows[1:]}
    assert address not in target.read_text("utf-8")


def test_the_web_log_contains_no_text_from_malformed_requests(stack: BreakableStack) -> None:
    host = f"Host: {urlsplit(stack.site_url).netloc}"
    for words in (
        "QUOKKA",
        "QUOKKA /quokka/",
        "quokka@example.org / HTTP/1.1",
        "GET /quokka/ HTTP/7.quokka",
        f"GET /quokka/ HTTP/1.1\r\n{host}\r\nquokka quokka: x",
        f"GET /quokka/ HTTP/1.1\r\n{host}",
        f"GET /quokka/?quokka HTTP/1.1\r\n{host}",
        "GET / HTTP/1.1\r\nHost: quokka.example",
        f"QUOKKA / HTTP/1.1\r\n{host}",
        f"QUOKKA /petitions/{SLUG}/ HTTP/1.1\r\n{host}",
        f"DELETE /petitions/{SLUG}/?quokka HTTP/1.1\r\n{host}",
        f"GET /{'quokka' * 2000} HTTP/1.1\r\n{host}",
        f"POST /petitions/{SLUG}/ HTTP/1.1\r\n{host}\r\nTransfer-Encoding: quokka",
    ):
        answer = by_hand(stack, f"{words}\r\nConnection: close\r\n\r\n".encode())
        assert re.match(rb"HTTP/1\.1 [45]\d\d ", answer), (words, answer[:80])
    assert b"quokka" not in (stack.folder.logs / "web.log").read_bytes().lower()


def by_hand(stack: BreakableStack, request: bytes) -> bytes:
    """What the web server answers to these very bytes."""
    where = urlsplit(stack.site_url)
    with socket.create_connection((str(where.hostname), where.port), timeout=30) as connection:
        connection.sendall(request)
        return connection.recv(1000)


def test_no_log_of_any_process_holds_an_address_a_name_or_a_token(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    worker_log = stack.folder.logs / "worker.log"
    before = worker_log.stat().st_size
    visitor.sign(address, name="Zenobia Unmistakable")
    link = mailbox.link_for(address)
    visitor.post(link)
    visitor.get(link + "x/")
    visitor.sign(address, name="")

    logs = b"".join(file.read_bytes() for file in (stack.folder.logs).glob("*.log"))
    token = link.rstrip("/").rpartition("/")[2]
    for secret in (address, address.partition("@")[0], "Zenobia", token, token[:20]):
        assert secret.encode() not in logs, secret
    # Each signing starts this task, so a line a task would say when somebody signed. It does say
    # when it failed, as while another test took the database away.
    assert b"petitions.deliver_mail[" not in worker_log.read_bytes()[before:]


def test_the_mail_is_sent_after_a_web_worker_is_killed(
    stack: BreakableStack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    children = subprocess.run(
        ["pgrep", "-P", str(stack.pid("web"))], capture_output=True, text=True, check=True
    ).stdout.split()
    visitor.sign(address)
    os.kill(int(children[0]), signal.SIGKILL)
    assert mailbox.wait_for(address)
    assert eventually(lambda: visitor.get("/ready").status_code == 200)


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "Script-Name"])
def test_request_headers_cannot_override_wsgi_variables(
    stack: BreakableStack, visitor: Visitor, name: str
) -> None:
    with_prefix = visitor.get(f"/evil-prefix/petitions/{SLUG}/", {name: "/evil-prefix"})
    elsewhere = visitor.get(f"/petitions/{SLUG}/", {name: "/evil-prefix"})

    assert with_prefix.status_code == 404
    assert elsewhere.status_code == 200
    assert "evil-prefix" not in elsewhere.text
    assert "evil-prefix" not in visitor.get(f"/petitions/{SLUG}/").text
    assert b"evil-prefix" not in (stack.folder.logs / "web.log").read_bytes()


@pytest.mark.parametrize(
    ("name", "value"), [("X-Forwarded-SSL", "on"), ("X-Forwarded-Protocol", "ssl")]
)
def test_other_forwarded_tls_headers_are_ignored(visitor: Visitor, name: str, value: str) -> None:
    # Two that contradict each other would be refused if gunicorn read them.
    told = {name: value, "X-Forwarded-Proto": "http"}

    assert visitor.get("/", told).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data; boundary*=bogus''x", 415),
        ("rot13", 415),
        # Read as what it is, and refused for what is missing in it.
        ("multipart/form-data; charset*=bogus''x; boundary=x", 422),
        ("multipart/form-data; boundary=x; charset=undefined", 422),
        ("multipart/form-data; boundary=x; charset=hex", 422),
        ("application/x-www-form-urlencoded; charset=idna", 422),
    ],
)
def test_malformed_content_types_get_an_html_error_page(
    visitor: Visitor, content_type: str, status: int
) -> None:
    told = {"Content-Type": content_type}
    page = f"{visitor.site}/petitions/{SLUG}/"
    body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nAmina\r\n--x--\r\n'

    read = visitor.session.get(page, headers=told, timeout=20)
    sent = visitor.session.post(page, data=body, headers=told, timeout=20)

    assert read.status_code == 200
    assert sent.status_code == status
    assert '<html lang="en"' in sent.text


def test_the_json_api_allows_cross_origin_reads(visitor: Visitor) -> None:
    response = visitor.get(f"/api/v1/petitions/{SLUG}.json")
    assert json.loads(response.text)["slug"] == SLUG
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_the_json_api_answers_304_for_a_current_etag(visitor: Visitor) -> None:
    path = f"/api/v1/petitions/{SLUG}.json"

    def unchanged() -> bool:
        # The count is read afresh every second, and each process has its own.
        fresh = visitor.get(path)
        again = visitor.get(path, {"If-None-Match": fresh.headers["ETag"]})
        return again.status_code == 304 and not again.content

    assert eventually(unchanged)
