"""What tests of the whole site share: a running stack, its mailbox, and a browser's manners."""

import email
import email.policy
import re
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import psycopg2
import pytest
from django.db import connection
from django.utils import translation
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from campaign.local.stack import Stack
from tests import SLUG
from tests.breakable import BreakableStack
from tests.environment import FOLDER
from tests.flush import keep_roles
from tests.memories import invalidate_all
from tests.name_server import NameServer

# A busy machine is slow now and then, which says nothing of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

_LINK = re.compile(r"http://\S+/t/\w+/confirm/\S+")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let Django empty all tables after a test with transactions of its own, and let nothing but
    tests gather statistics: an autovacuum that sees none of a test's uncommitted rows writes that
    the table is empty, and plans of the same test change.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE petitions_auditrecord DISABLE TRIGGER audit_record_no_truncate")
        cursor.execute("ALTER SYSTEM SET autovacuum = off")
        cursor.execute("SELECT pg_reload_conf()")
        keep_roles()


class Mailbox:
    """The folder in which the stack's SMTP sink keeps what was sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def messages(self) -> list[EmailMessage]:
        files = sorted((self._folder / "new").glob("*"), key=lambda file: file.stat().st_mtime_ns)
        return [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in files
        ]

    def to(self, address: str) -> list[EmailMessage]:
        wanted = address.lower()
        return [message for message in self.messages() if wanted in str(message["To"]).lower()]

    def wait_for(self, address: str, count: int = 1, seconds: float = 30) -> list[EmailMessage]:
        """Messages to an address, once there are `count` of them."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if len(found := self.to(address)) >= count:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{len(self.to(address))} messages instead of {count}")

    def link_for(self, address: str) -> str:
        """The link in the newest message to an address."""
        return link_in(self.wait_for(address)[-1])


def counted(stack: Stack, slug: str = SLUG) -> int:
    """How many stand at this moment; what pages tell may be a second old."""
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(n), 0) FROM petitions_tally"
                " WHERE petition_id = (SELECT id FROM petitions_petition WHERE slug = %s)",
                [slug],
            )
            ((number,),) = cursor.fetchall()
            return int(number)
    finally:
        connection.close()


def eventually(check: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether something comes true, however busy the machine is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.1)
    return False


def link_in(message: EmailMessage) -> str:
    """The one link of a message's text."""
    body = message.get_body(("plain",))
    assert body
    (link,) = _LINK.findall(body.get_content())
    return str(link)


@pytest.fixture(autouse=True)
def _a_fresh_process() -> None:
    """A process remembers, and a thread keeps the language of its last request."""
    invalidate_all()
    translation.deactivate()


@pytest.fixture(autouse=True)
def _no_hour_ends() -> None:
    """Limits count by the hour, and days end with one: no test is to see the half of two.

    Bursts are counted by two minutes, and pages are kept for one at most; what looks at either
    takes less than a second.
    """
    now = time.time()
    for lasting, nearly_over in ((3600, 10), (60, 1)):
        if (left := lasting - now % lasting) < nearly_over:
            time.sleep(left)
            return


@pytest.fixture(scope="session")
def name_server() -> Iterator[NameServer]:
    """What the stack asks about DNS, so that no test asks the world."""
    with NameServer() as running:
        yield running


@pytest.fixture(scope="session")
def stack(name_server: NameServer) -> Iterator[BreakableStack]:
    """The whole site as `make run` starts it, in a folder of its own."""
    address, port = name_server.address
    with BreakableStack(
        FOLDER / "site",
        environment="test",
        # All signers come from this machine, and are no burst of one network.
        extra={
            "PAGE_CACHE_SECONDS": "1",
            "BURST_CHALLENGE": "0",
            "DNS_SERVER": f"{address}:{port}",
        },
    ).start() as running:
        yield running


@pytest.fixture
def mailbox(stack: Stack) -> Mailbox:
    return Mailbox(stack.mailbox)
