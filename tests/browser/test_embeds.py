"""A partner's site frames a petition, in a real Chromium; nobody else does, and nothing else is."""

import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from campaign.local.stack import Stack
from tests import SLUG

pytestmark = pytest.mark.browser

# Browsers find every name below localhost on this machine.
PARTNER, STRANGER = "partner.localhost", "stranger.localhost"
OpenSite = Callable[[str], Page]


class Quiet(SimpleHTTPRequestHandler):
    """A site that serves a folder, and keeps what it has to say to itself."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        pass


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, PARTNER)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, secret


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A web server over https, on every name below localhost: its folder and its port."""
    folder, secrets = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("secrets")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate(secrets))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def partner(stack: Stack, site: tuple[Path, int]) -> None:
    """The partner, registered with their one site."""
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO petitions_source (code, name, note, is_active, is_channel, origins)"
            " VALUES ('partner', 'A Partner', '', true, false, %s)",
            [[f"https://{PARTNER}:{site[1]}"]],
        )
    connection.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    found = chromium.new_context(ignore_https_errors=True)
    yield found
    found.close()


@pytest.fixture
def framed(
    context: BrowserContext, site: tuple[Path, int], stack: Stack, partner: None
) -> Callable[[str, str], Frame]:
    """What a page of another site shows of one of ours in a frame."""

    def show(host: str, path: str) -> Frame:
        folder, port = site
        html = f'<!doctype html><title>Theirs</title><iframe src="{stack.site_url}{path}"></iframe>'
        (folder / "page.html").write_text(html)
        page = context.new_page()
        page.goto(f"https://{host}:{port}/page.html")
        page.wait_for_load_state("networkidle")
        (frame,) = page.frames[1:]
        return frame

    return show


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
def test_a_partners_site_can_embed_the_frame_that_links_to_the_petition(
    framed: Callable[[str, str], Frame], stack: Stack, home: str
) -> None:
    frame = framed(PARTNER, f"{home}share/partner/partner/{SLUG}/")
    page = frame.page

    expect(frame.locator("h1")).to_be_visible()
    assert frame.evaluate("getComputedStyle(document.querySelector('a')).display") == "block"
    assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
    frame.locator("a").click()

    page.wait_for_url(f"{stack.site_url}{home}petitions/{SLUG}/?s=partner")
    expect(page.locator("form").first).to_be_visible()


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (STRANGER, f"/share/partner/partner/{SLUG}/"),
        (PARTNER, f"/petitions/{SLUG}/"),
        (PARTNER, "/share/partner/partner/"),
        (PARTNER, "/"),
    ],
)
def test_only_the_partner_frame_on_the_partners_site_can_be_embedded(
    framed: Callable[[str, str], Frame], host: str, path: str
) -> None:
    frame = framed(host, path)
    frame.wait_for_url("chrome-error:**", timeout=20_000)


def test_the_partner_code_is_sent_with_the_form_without_javascript(
    chromium: Browser, stack: Stack, partner: None
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    # An address that somebody passed on from halfway down the page.
    page.goto(f"{stack.site_url}/petitions/{SLUG}/?s=partner#sign")
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(request.url) if request.method == "POST" else None
    )

    with page.expect_navigation():
        page.locator("form button[type=submit]").last.click()

    expect(page.locator(".error-summary")).to_be_visible()
    assert sent == [f"{stack.site_url}/petitions/{SLUG}/?s=partner"]
    with page.expect_navigation():
        page.locator("form button[type=submit]").last.click()
    assert len(sent) == 2
    assert sent[1].partition("#")[0] == sent[0]
    context.close()


def test_the_error_summary_has_focus_on_a_page_with_a_url_fragment(
    chromium: Browser, stack: Stack
) -> None:
    """Browsers give none on a page whose address has a fragment, such as that of the button."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{stack.site_url}/petitions/{SLUG}/?s=partner#sign")
    page.locator("form button[type=submit]").last.click()
    expect(page.locator(".error-summary")).to_be_focused()
    context.close()


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?s=partner", "?s=partner"),
        ("?x=1", ""),
        ("", ""),
        ("?s=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", ""),
        ("?s=" + "p" * 40, ""),
    ],
)
def test_language_links_keep_a_valid_partner_code(
    chromium: Browser, stack: Stack, query: str, kept: str
) -> None:
    page = chromium.new_page()
    page.goto(f"{stack.site_url}/petitions/{SLUG}/{query}")
    page.wait_for_load_state("networkidle")
    page.locator(".languages a[lang=ar]").click()
    page.wait_for_url("**/ar/petitions/**")
    assert page.url == f"{stack.site_url}/ar/petitions/{SLUG}/{kept}"
    page.close()


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
def test_the_partner_page_copies_its_code_and_shows_image_and_frame(
    chromium: Browser, stack: Stack, partner: None, home: str
) -> None:
    context = chromium.new_context(
        viewport={"width": 320, "height": 640}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda told: troubles.append(told.text))
    page.goto(f"{stack.site_url}{home}share/partner/partner/")
    page.wait_for_load_state("networkidle")

    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.locator(".snippet button").last.click()
    expect(page.locator("[role=status]").last).not_to_be_empty()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".snippet textarea").last.input_value()
    assert page.evaluate("document.querySelector('img[height]').naturalWidth") > 100
    page.locator("iframe").scroll_into_view_if_needed()
    expect(page.frame_locator("iframe").locator("h1")).to_be_visible()
    assert not troubles
    context.close()
