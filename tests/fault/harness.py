"""Fault injection under load: a crowd signs and confirms over HTTP, and invariants hold after.

    with endure(site, "Redis is killed") as crowd, site.dead("redis"):
        crowd.wait_until_tried()

1. Some sign in calm and have their links. They confirm during the fault, while many others
   sign; these confirm as soon as they have mail.
2. Everybody behaves as a person would: at "try again" or a broken connection they wait and
   press again; of what they were shown, everything is noted.
3. When the fault is over everybody must get through. What a killed worker had claimed is waited
   for. Longer waits that the outbox has ordered are cut short, as time itself would, and
   counted as if they had been waited for.
4. Then `verify` compares what people saw with what the database, the mailboxes and the logs
   say.
"""

import base64
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.test import override_settings

from petitions.crypto import tokens
from petitions.mail.claims import LEASE
from tests import SLUG
from tests.fault.provider import HOST, Letter
from tests.fault.site import Site
from tests.people import typed
from tests.proof import solved, task_in

# How many have their link when the fault begins, and how many sign during it.
EARLY, LATE = 100, 200
HANDS = 6
# How long people retry, and how long they wait before they press again, in seconds.
# The site asks for longer: pressing sooner is the harder case.
PATIENCE = 60.0
PAUSE = 0.5
# Canary in every name and address, and in no other text: where it turns up, personal data leaked.
MARK = "quokka"
# A mail unchanged for so many seconds waits for its backoff.
_STILL = 2.5


class GaveUp(Exception):
    """A person did not get through in time."""


@dataclass(slots=True)
class Person:
    """One simulated signer, and their progress."""

    number: int
    letter: Letter | None = None
    has_signed: bool = False
    is_thanked: bool = False
    signs_again: bool = False

    @property
    def address(self) -> str:
        return f"{MARK}{self.number}@mail{self.number}.example.org"

    @property
    def network(self) -> str:
        return f"2001:db8:{self.number:x}::1"

    @property
    def form(self) -> dict[str, str]:
        return typed(name=f"{MARK.title()} Example", email=self.address)

    def signature_id(self, site: Site) -> UUID:
        """The signature of the mailed link, which is encrypted under the site's keys."""
        assert self.letter
        token = self.letter.link.rstrip("/").rpartition("/")[2]
        number, _, key = site.environment["LINK_KEYS"].partition(":")
        with override_settings(LINK_KEYS={int(number): base64.b64decode(key)}):
            return tokens.read_link(tokens.CONFIRM, token).signature_id


@dataclass
class Notes:
    """Responses to the crowd: statuses, broken connections, and latencies.

    Statuses in `fine` may be shown, and 503 with its Retry-After; anything else is a failure.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    fine: set[int] = field(
        default_factory=lambda: {HTTPStatus.OK, HTTPStatus.SEE_OTHER, HTTPStatus.FORBIDDEN}
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: str, status: int, seconds: float, retry_after: str | None) -> None:
        """Record a response, and whether it is allowed."""
        honest = status == HTTPStatus.SERVICE_UNAVAILABLE and bool(retry_after)
        with self._lock:
            self.statuses[status] += 1
            self.slowest = max(self.slowest, seconds)
            if status not in self.fine and not honest:
                self.wrong.append(f"{request}: {status}")

    def breakage(self) -> None:
        """Record a connection that broke or was refused."""
        with self._lock:
            self.broken += 1


@dataclass
class Row:
    """One row of the table of results."""

    fault: str
    signed: int = 0
    confirmed: int = 0
    unavailable: int = 0
    broken: int = 0
    slowest: float = 0.0
    recovery: float = 0.0
    doubled: int = 0

    @classmethod
    def of(cls, fault: str, crowd: "Crowd", recovery: float, doubled: int) -> "Row":
        """The row for a crowd and its fault."""
        notes = crowd.notes
        return cls(
            fault,
            signed=crowd.signed_in_fault,
            confirmed=crowd.confirmed_in_fault,
            unavailable=notes.statuses[HTTPStatus.SERVICE_UNAVAILABLE],
            broken=notes.broken,
            slowest=notes.slowest,
            recovery=recovery,
            doubled=doubled,
        )


TABLE: list[Row] = []


class Crowd:
    """Many concurrent signers."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.notes = Notes()
        self.early = [Person(number) for number in range(1, EARLY + 1)]
        self.late = [Person(number) for number in range(EARLY + 1, EARLY + LATE + 1)]
        self.signed_in_fault = self.confirmed_in_fault = 0
        self._is_faulty = False
        self._fault_began = self._well_since = 0.0
        # When those who have no mail by then sign again; None: never.
        self._sign_again_at: float | None = None
        self._has_tried: set[int] = set()
        self._errors: list[Exception] = []
        self._is_over = False
        self._signing = ThreadPoolExecutor(HANDS, "signing")
        self._confirming = ThreadPoolExecutor(HANDS, "confirming")

    @property
    def people(self) -> list[Person]:
        return self.early + self.late

    def sign_early(self) -> None:
        """Before the fault, let some sign and get their links."""
        self._begin(self.early, self._sign)
        self._wait_until(lambda: all(person.letter for person in self.early), "got no mail")

    def start(self) -> None:
        """Start all of them; returns at once."""
        self._begin(self.early, self._confirm)
        self._begin(self.late, self._sign)

    def wait_until_tried(self, count: int = LATE, *, at_least: float = 0.0) -> None:
        """Wait until so many of the late have sent the form, and the fault has lasted for
        `at_least` so many seconds.
        """
        self._wait_until(lambda: len(self._has_tried) >= count, "did not come to press the button")
        time.sleep(max(0.0, self._fault_began + at_least - time.monotonic()))

    def begin_fault(self) -> None:
        """Count what people get done from now on as done during the fault."""
        self._is_faulty, self._fault_began = True, time.monotonic()

    def end_fault(self, *, and_sign_again: bool) -> None:
        """The fault is over; those whose mail was refused for good may sign again."""
        self._is_faulty, self._well_since = False, time.monotonic()
        if and_sign_again:
            self._sign_again_at = time.monotonic() + _STILL

    def finish(self) -> float:
        """Wait until everybody is thanked; seconds since now, ordered waits included."""
        began, skipped = time.monotonic(), 0.0
        while not all(person.is_thanked for person in self.people):
            self._raise()
            skipped += self._hurry()
            if time.monotonic() - began > PATIENCE:
                raise GaveUp(f"not all came through: {self._where_they_are()}")
            time.sleep(0.1)
        return time.monotonic() - began + skipped

    def wait_until_settled(self) -> None:
        """Wait until the outbox is empty: some mails may be delivered twice (at least once),
        because their worker was killed before it recorded them.
        """
        deadline = time.monotonic() + PATIENCE
        while self.site.sql("SELECT 1 FROM petitions_mail WHERE state = 'queued' LIMIT 1"):
            self._hurry()
            if time.monotonic() > deadline:
                return
            time.sleep(0.2)

    def close(self) -> None:
        """End the threads."""
        self._is_over = True
        for hands in (self._signing, self._confirming):
            hands.shutdown(cancel_futures=True)

    def _where_they_are(self) -> str:
        signed = sum(person.has_signed for person in self.people)
        mailed = sum(person.letter is not None for person in self.people)
        thanked = sum(person.is_thanked for person in self.people)
        seen = dict(self.notes.statuses)
        doing = self.site.provider.doing()
        return f"{signed} signed, {mailed} mailed, {thanked} thanked; saw {seen}\nprovider: {doing}"

    def _wait_until(self, ready: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            self._raise()
            if time.monotonic() > deadline:
                raise GaveUp(f"they {otherwise}: {self._where_they_are()}")
            time.sleep(0.02)

    def _raise(self) -> None:
        if self.notes.wrong:
            raise GaveUp(f"somebody was shown {self.notes.wrong[0]}")
        if self._errors:
            raise self._errors[0]

    def _hurry(self) -> float:
        """Skip the backoff of mails that nobody is sending; the seconds saved."""
        has_been_well = time.monotonic() - self._well_since
        if min(has_been_well, self.site.provider.idle_for()) < _STILL:
            return 0.0
        return hurry(self.site)

    # --- Steps of a person: each returns the next, or is retried --------------------------

    def _begin(self, people: Iterable[Person], step: "Step") -> None:
        for person in people:
            self._submit(step, person)

    def _submit(self, step: "Step", person: Person) -> None:
        hands = self._signing if step == self._sign else self._confirming
        with suppress(RuntimeError):  # the executor is shut down
            hands.submit(self._take, step, person)

    def _take(self, step: "Step", person: Person) -> None:
        """Take a step, and queue the next; a failed one is queued again."""
        if self._is_over:
            return
        try:
            following = step(person)
        except (OSError, http.client.HTTPException):
            self.notes.breakage()
            following = step
        except Exception as error:  # noqa: BLE001 - raised again in the test's thread
            self._errors.append(error)
            return
        if following == step:
            time.sleep(PAUSE / HANDS)
        if following:
            self._submit(following, person)

    def _sign(self, person: Person) -> "Step | None":
        with Browser(self.site, person, self.notes) as browser:
            try:
                status, location = browser.post(f"/petitions/{SLUG}/", person.form)
                if status == HTTPStatus.FORBIDDEN:
                    # While Redis is away everybody is asked for a proof of work.
                    answered = {**person.form, "altcha": solved(task_in(browser.body))}
                    status, location = browser.post(f"/petitions/{SLUG}/", answered)
            finally:
                if person.number > EARLY:
                    self._has_tried.add(person.number)
            if status != HTTPStatus.SEE_OTHER or browser.get(location)[0] != HTTPStatus.OK:
                return self._sign
        if not person.has_signed:
            person.has_signed = True
            self.signed_in_fault += self._is_faulty
        return self._read_mail

    def _read_mail(self, person: Person) -> "Step | None":
        person.letter = self.site.provider.wait_for(person.address, 0.02)
        if person.letter:
            return self._confirm if person.number > EARLY else None
        again_at = self._sign_again_at
        if again_at is not None and time.monotonic() > again_at and not person.signs_again:
            person.signs_again = True
            return self._sign
        return self._read_mail

    def _confirm(self, person: Person) -> "Step | None":
        assert person.letter
        path = urlsplit(person.letter.link).path
        with Browser(self.site, person, self.notes) as browser:
            opened, _nothing = browser.get(path)
            if opened != HTTPStatus.OK or browser.post(path, {})[0] != HTTPStatus.OK:
                return self._confirm
        person.is_thanked = True
        self.confirmed_in_fault += self._is_faulty
        return None


Step = Callable[[Person], Any]


class Browser:
    """One connection that behaves as a browser does."""

    def __init__(self, site: Site, person: Person, notes: Notes) -> None:
        self._notes = notes
        self._connection = http.client.HTTPConnection(HOST, site.port, timeout=30)
        self._headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": person.network}

    body: str = ""

    def get(self, path: str) -> tuple[int, str]:
        """Status and new location of a page."""
        return self._ask("GET", path, None)

    def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        """Status and new location after pressing a button."""
        return self._ask("POST", path, urlencode(form))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None) -> tuple[int, str]:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        began = time.monotonic()
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        self.body = response.read().decode(errors="replace")
        kind = "/t/" if path.startswith("/t/") else path
        self._notes.answer(
            f"{method} {kind}",
            response.status,
            time.monotonic() - began,
            response.getheader("Retry-After"),
        )
        return response.status, response.getheader("Location", "")


@contextmanager
def endure(
    site: Site,
    fault: str,
    *,
    also_shown: Iterable[int] = (),
    refused_for_good: bool = False,
) -> Iterator[Crowd]:
    """Run a block, which is the fault, under load; afterwards all invariants must hold.

    The block begins when signing is under way, and should go on until all have tried.
    `also_shown` are statuses that people may see this time. `refused_for_good` says that the
    provider may refuse mailboxes: then people sign again once it accepts them.
    """
    site.make_whole()
    forget_everybody(site)
    crowd = Crowd(site)
    crowd.notes.fine |= set(also_shown)
    try:
        crowd.sign_early()
        crowd.start()
        crowd.wait_until_tried(HANDS)
        crowd.begin_fault()
        yield crowd
        site.check()  # Nothing died that was not killed.
        crowd.end_fault(and_sign_again=refused_for_good)
        recovery = crowd.finish()
        crowd.wait_until_settled()
        site.check()
    finally:
        crowd.close()
    doubled = verify(crowd, refused_for_good=refused_for_good)
    TABLE.append(Row.of(fault, crowd, recovery, doubled))


def forget_everybody(site: Site) -> None:
    """Reset the petition to no signatures, and empty the mailboxes."""
    site.sql(
        "TRUNCATE petitions_signature, petitions_signer, petitions_mail, petitions_tally CASCADE"
    )
    site.provider.forget()


def database_time(site: Site) -> float:
    """PostgreSQL's clock, in seconds."""
    ((told,),) = site.sql("SELECT extract(epoch FROM clock_timestamp())::float")
    assert isinstance(told, float)
    return told


def hurry(site: Site) -> float:
    """Make due what waits in the outbox for longer than a lease lasts; the seconds it saves.

    What is due sooner is left alone: a worker may hold its lease, or be dead; only time tells.
    """
    ((saved,),) = site.sql(
        f"""
        WITH waiting AS (
            SELECT id, due_at FROM petitions_mail
            WHERE state = 'queued'
                AND due_at > now() + interval '{LEASE.total_seconds() + 1} s'
        ), hurried AS (
            UPDATE petitions_mail m SET due_at = now() FROM waiting w WHERE m.id = w.id
        )
        SELECT coalesce(extract(epoch FROM max(due_at) - now()), 0)::float FROM waiting
        """  # noqa: S608
    )
    assert isinstance(saved, float)
    return saved


def verify(crowd: Crowd, *, refused_for_good: bool) -> int:
    """Check that what is stored fits what people saw; return how many mails came twice."""
    site = crowd.site
    assert not crowd.notes.wrong, Counter(crowd.notes.wrong)
    assert all(person.has_signed and person.is_thanked for person in crowd.people)
    _everybody_counts_once(crowd)
    _the_tallies_hold(site)
    deliveries = _every_mail_went_out(site, refused_for_good=refused_for_good)
    _nobody_has_leaked(site)
    return sum(times - 1 for times in deliveries.values())


def _everybody_counts_once(crowd: Crowd) -> None:
    """Each person's mailbox has one confirmed signature, and there are no others."""
    rows = crowd.site.sql(
        """
        SELECT g.signature_id::text, encode(g.petition_mailbox_ix, 'hex'), s.state
        FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
        """
    )
    mailbox_of = {signature_id: mailbox for signature_id, mailbox, _state in rows}
    counted = Counter(mailbox for _id, mailbox, state in rows if state == "confirmed")
    thanked = {mailbox_of[str(person.signature_id(crowd.site))] for person in crowd.people}
    assert len(thanked) == len(crowd.people)
    assert counted == dict.fromkeys(thanked, 1)
    assert {state for _id, _mailbox, state in rows} <= {"pending", "confirmed"}


def _the_tallies_hold(site: Site) -> None:
    differing = site.sql(
        """
        SELECT * FROM (
            SELECT petition_id, place_id, sum(n) AS n FROM petitions_tally GROUP BY 1, 2
        ) stored FULL JOIN (
            SELECT petition_id, place_id, count(*) AS n FROM petitions_signature
            WHERE state = 'confirmed' GROUP BY 1, 2
        ) counted USING (petition_id, place_id)
        WHERE stored.n IS DISTINCT FROM counted.n
        """
    )
    assert not differing


def _every_mail_went_out(site: Site, *, refused_for_good: bool) -> Counter[str]:
    """Each signature has its mail, and each mail came; returns how often each came.

    What a server refuses for good says so in its row, and is no mail lost.
    """
    rows = site.sql(
        """
        SELECT m.id::text, m.state, m.code FROM petitions_signature s
        LEFT JOIN petitions_mail m ON m.signature_id = s.id
        """
    )
    refused = {mail for mail, state, code in rows if (state, code) == ("refused", "550 5.1.1")}
    assert bool(refused) is refused_for_good
    others = {mail: state for mail, state, _code in rows if mail not in refused}
    assert set(others.values()) == {"sent"}, Counter(others.values())
    came = Counter(
        message_id.strip("<>").partition("@")[0]
        for message_id in site.provider.message_ids().elements()
    )
    assert set(came) == set(others)
    return came


def _nobody_has_leaked(site: Site) -> None:
    """No log and no row of any table holds personal data (the canary `MARK`)."""
    assert MARK.encode() not in site.logs().lower()
    tables = site.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        found = site.sql(f"SELECT 1 FROM {table} t WHERE t::text ILIKE '%{MARK}%' LIMIT 1")  # noqa: S608
        assert not found, table
