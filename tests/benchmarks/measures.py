"""The benchmarks, each with the baseline ("floor") that it takes turns with."""

import smtplib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from random import Random
from statistics import median
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from petitions.crypto import tokens
from petitions.mail import messages, news_counts, news_sending, outbox
from petitions.models import Mail, News, NewsText, Petition, Signature
from petitions.signatures import submit
from petitions.signers import sealing
from tests.benchmarks import attack, load

CONNECTIONS = 16
COLD_WITHIN_MS = 25
# Connections that sign during the attack.
_SIGNING_MEANWHILE = 4
# A tripwire: the sketch stands on the site's own insert, and must not hide that it slows down.
# On a quiet machine it did 0.17 to 0.20.
_LEAST_OF_SELECT_1 = 0.13
# Forms prepared for each second of signing, whether they are needed or not.
_MOST_A_SECOND = 1_500
_FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Limit:
    """What a measure takes besides time: one figure a round, whose median must stay below."""

    title: str
    unit: str
    below: float
    seen: list[float] = field(default_factory=list)

    @property
    def is_met(self) -> bool:
        return median(self.seen) < self.below

    def __str__(self) -> str:
        seen = f"{median(self.seen):.2f}".rstrip("0").rstrip(".")
        verdict = "met" if self.is_met else "MISSED"
        return f"{self.title} {seen} {self.unit} (target: under {self.below:g}, {verdict})"


@dataclass(slots=True)
class Measure:
    """One line of the table: how to get a value and its floor, and what is asked of them.

    `floor` and `value` run once a round and return so many a second. `least_rate`, `least_ratio`
    and `limits` are the targets, where there are any; `note` says what else was seen.
    """

    title: str
    floor_title: str
    floor: Callable[[], float]
    value: Callable[[], float]
    least_ratio: float = 0.0
    least_rate: float = 0.0
    limits: Sequence[Limit] = ()
    note: str = ""
    floors: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def take_turns(self) -> None:
        """One round."""
        self.floors.append(self.floor())
        self.values.append(self.value())

    @property
    def ratios(self) -> list[float]:
        """Value to floor, round by round."""
        return [value / floor for floor, value in zip(self.floors, self.values, strict=True)]

    @property
    def is_met(self) -> bool | None:
        """Whether the medians reach rate and ratio; None where neither has a target."""
        if not self.least_ratio and not self.least_rate:
            return None
        enough = median(self.ratios) >= self.least_ratio
        return enough and median(self.values) >= self.least_rate

    def missed(self) -> list[str]:
        """The targets that were missed, limits included, each in words."""
        rate = [f"{self.title}: rate"] if self.is_met is False else []
        return [*rate, *(f"{self.title}: {one}" for one in self.limits if not one.is_met)]


@dataclass(slots=True)
class Bench:
    """Context of all measures: ports of the servers, the seeded data, how long to run."""

    petition: Petition
    ports: dict[str, int]
    environment: dict[str, str]
    rows: int
    seeded: float
    seconds: float
    confirmations: int
    mails: int
    generator_cpu: float = 0.0
    generator_seconds: float = 0.0

    def load(
        self,
        server: str,
        requests: Iterator[bytes],
        *statuses: int,
        connections: int = CONNECTIONS,
    ) -> load.Run:
        """Warm up the server's threads, then send requests for `seconds`."""
        port = self.ports[server]
        load.run(port, islice(requests, 8 * connections), connections=connections).expect(*statuses)
        run = load.run(port, requests, connections=connections, seconds=self.seconds)
        self.generator_cpu += run.cpu_seconds
        self.generator_seconds += run.seconds
        return run.expect(*statuses)

    def floor(self, server: str, connections: int = CONNECTIONS) -> float:
        """Answers a second of one of the floors."""
        return self.load(server, _get("/"), 200, connections=connections).rate


def petition_page(bench: Bench) -> Measure:
    """The petition's page, from the warm cache."""
    path = bench.petition.get_absolute_url()
    return Measure(
        title="GET petition, warm cache",
        floor_title="bare WSGI",
        floor=lambda: bench.floor("bare"),
        value=lambda: bench.load("site", _get(path), 200).rate,
        least_ratio=0.5,
    )


def statement_page(bench: Bench) -> Measure:
    """The front page, from the warm cache."""
    return Measure(
        title="GET statement, warm cache",
        floor_title="bare WSGI",
        floor=lambda: bench.floor("bare"),
        value=lambda: bench.load("site", _get("/"), 200).rate,
        least_ratio=0.5,
    )


def cold_page(bench: Bench) -> Measure:
    """The petition's page rendered for every request."""
    return _cold(bench, "petition", bench.petition.get_absolute_url())


def cold_statement(bench: Bench) -> Measure:
    """The front page rendered for every request."""
    return _cold(bench, "statement", "/")


def _cold(bench: Bench, page: str, path: str) -> Measure:
    """Cold-cache measure over one connection: of concurrent requests the cache renders only one."""
    slowest = Limit("p99", "ms", COLD_WITHIN_MS)

    def value() -> float:
        run = bench.load("cold", _get(path), 200, connections=1)
        slowest.seen.append(run.latency(99) * 1000)
        return run.rate

    return Measure(
        title=f"GET {page}, cold, one by one",
        floor_title="WSGI with SELECT 1, one by one",
        floor=lambda: bench.floor("select_1", connections=1),
        value=value,
        least_rate=1000 / COLD_WITHIN_MS,
        limits=[slowest],
    )


def sketched(bench: Bench) -> float:
    """Signatures a second with nothing around them: see `tests.benchmarks.sketch`."""
    return bench.load("sketch", _forms(bench), 303).rate


def sketch(bench: Bench) -> Measure:
    """The rate of the sketch, the baseline of signing and confirming."""
    return Measure(
        title="Bare Django signing",
        floor_title="WSGI with SELECT 1",
        floor=lambda: bench.floor("select_1"),
        value=lambda: sketched(bench),
        least_ratio=_LEAST_OF_SELECT_1,
    )


def signing_post(bench: Bench) -> Measure:
    """A valid signature of somebody new. No worker is mailing meanwhile."""
    slowest = Limit("p99", "ms", 250)

    def value() -> float:
        run = bench.load("site", _forms(bench), 303)
        slowest.seen.append(run.latency(99) * 1000)
        return run.rate

    return Measure(
        title="POST of a valid signature",
        floor_title="bare Django signing",
        floor=lambda: sketched(bench),
        value=value,
        least_ratio=0.65,
        limits=[slowest],
        note=f"{CONNECTIONS} connections; every guard on; no mailing meanwhile",
    )


def signing_under_attack(bench: Bench) -> Measure:
    """Valid signatures while `tests.benchmarks.attack` goes on, beside those in calm.

    Where Redis does not answer within its time-out, as on a busy machine, a signer is asked for the
    challenge (403) instead: a limit of its own.
    """
    slowest = Limit("p99", "ms", 500)
    asked = Limit("asked for the challenge", "%", 2)
    slowest_in_calm: list[float] = []

    def sign() -> load.Run:
        return bench.load("site", _forms(bench), 303, 403, connections=_SIGNING_MEANWHILE)

    def calm() -> float:
        run = sign()
        slowest_in_calm.append(run.latency(99) * 1000)
        measure.note = f"{note}; p99 in calm {median(slowest_in_calm):.0f} ms"
        return run.rate

    def attacked() -> float:
        with attack.under_way(bench.ports["site"], bench.petition.slug, front=bench.ports["front"]):
            run = sign()
        slowest.seen.append(run.latency(99) * 1000)
        asked.seen.append(100 * run.statuses[403] / len(run.latencies))
        return run.rate

    note = (
        f"{_SIGNING_MEANWHILE} sign; {3 * attack.THREADS} requests and "
        f"{attack.SLOW_BODIES} slow bodies attack at any moment"
    )
    measure = Measure(
        title="POST of a valid signature, under attack",
        floor_title="the same in calm",
        floor=calm,
        value=attacked,
        limits=[slowest, asked],
    )
    return measure


def confirming_post(bench: Bench) -> Measure:
    """The button behind the mailed link, pressed for signatures that were pending."""
    return Measure(
        title="POST of a confirmation",
        floor_title="bare Django signing",
        floor=lambda: sketched(bench),
        value=lambda: _confirmed(bench, "site"),
        least_ratio=0.65,
    )


def confirming_alone(bench: Bench) -> Measure:
    """The same without middleware and page: what the use case itself leaves to be reached."""
    return Measure(
        title="Confirming without a page",
        floor_title="bare Django signing",
        floor=lambda: sketched(bench),
        value=lambda: _confirmed(bench, "sketch"),
    )


def _confirmed(bench: Bench, server: str) -> float:
    # Signed before the clock starts: a link takes 2 % of what answering it does.
    ready = list(_confirmations(bench))
    return bench.load(server, iter(ready), 200).rate


def mail_drain(bench: Bench) -> Measure:
    """The outbox drained by one process, as the worker does it."""
    return Measure(
        title="Mails sent by one process",
        floor_title="bare smtplib loop",
        floor=lambda: _smtp_floor(bench),
        value=lambda: _drained(bench),
        least_ratio=0.5,
        note=f"{bench.mails} mails a round",
    )


def news_drain(bench: Bench) -> Measure:
    """News queued and sent by one process, to people who have signed."""
    return Measure(
        title="News sent by one process",
        floor_title="bare smtplib loop",
        floor=lambda: _smtp_floor(bench),
        value=lambda: _news_sent(bench),
        least_ratio=0.5,
        note=f"{bench.mails} mails a round, queueing included",
    )


MEASURES: dict[str, Callable[[Bench], Measure]] = {
    "petition": petition_page,
    "statement": statement_page,
    "cold": cold_page,
    "cold-statement": cold_statement,
    "sketch": sketch,
    "post": signing_post,
    "attacked": signing_under_attack,
    "confirm": confirming_post,
    "confirm-alone": confirming_alone,
    "mail": mail_drain,
    "news": news_drain,
}


# --- Requests ---------------------------------------------------------------------------------

_NAMES = ("Rana Example", "Samir Sample", "Carys Enghraifft", "Amina Muster", "David Esempio")


def _get(path: str) -> Iterator[bytes]:
    return cycle([_request("GET", path, "Accept-Encoding: gzip, deflate, br\r\n")])


def _forms(bench: Bench) -> Iterator[bytes]:
    # Written before the clock starts: beside the site, that took a twentieth of the machine.
    return iter(list(islice(_signatures(bench.petition), round(bench.seconds * _MOST_A_SECOND))))


def _signatures(petition: Petition) -> Iterator[bytes]:
    """Forms as a browser sends them, each from an address that was never used before."""
    path, once, rng = petition.get_absolute_url(), uuid.uuid4().hex[:8], Random()
    for number in count():
        form = {
            "name": rng.choice(_NAMES),
            "name_use": "government",
            "email": f"rana.{once}.{number}@mail{number % 500}.example.org",
            "residence": "uk",
            "postcode": "M14 5RX",
            "country": "",
            "consent": "on",
            "text_version": "1",
        }
        network = f"{rng.randrange(1, 223)}.{rng.randrange(256)}.{rng.randrange(256)}.7"
        headers = f"Sec-Fetch-Site: same-origin\r\nX-Forwarded-For: {network}\r\n"
        yield _request("POST", path, headers, urlencode(form))


def _confirmations(bench: Bench) -> Iterator[bytes]:
    pending = Signature.objects.filter(petition=bench.petition, state=Signature.State.PENDING)
    ids = list(pending.values_list("id", flat=True)[: bench.confirmations])
    for signature_id in ids:
        token = tokens.link(tokens.CONFIRM, signature_id, 0)
        yield _request("POST", reverse("links:confirm", args=["en", token]))


def _request(method: str, path: str, headers: str = "", body: str = "") -> bytes:
    if method == "POST":
        headers += f"Content-Type: {_FORM}\r\nContent-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n{body}".encode()


_NEWS = "# News\n\nIt **worked**, and [more of it](https://example.org/more) is to come.\n\n" * 4


# --- Mail -------------------------------------------------------------------------------------


def _drained(bench: Bench) -> float:
    # Only this round's mails: what the other measures queued would take minutes.
    Mail.objects.filter(state=Mail.State.QUEUED).update(state=Mail.State.CANCELLED)
    _queue_mails(bench.petition, bench.mails)
    started = time.perf_counter()
    sent = outbox.deliver()
    seconds = time.perf_counter() - started
    if sent != bench.mails:
        raise load.LoadFailed(f"{sent} of {bench.mails} mails were sent")
    return sent / seconds


def _news_sent(bench: Bench) -> float:
    Mail.objects.filter(state=Mail.State.QUEUED).update(state=Mail.State.CANCELLED)
    counted = Signature.objects.filter(petition=bench.petition).counted()
    # Chosen anew each round: whoever gets mail more often in a day than a mailbox may gets no more.
    chosen = list(counted.order_by("?").values_list("pk", flat=True)[: bench.mails])
    Signature.objects.filter(wants_updates=True).update(wants_updates=False)
    Signature.objects.filter(pk__in=chosen).update(wants_updates=True)
    news = News.objects.create(
        petition=bench.petition, state=News.State.RUNNING, started_at=timezone.now()
    )
    NewsText.objects.create(news=news, language="en", subject="News", body=_NEWS)
    started = time.perf_counter()
    news_sending.run_due(seconds=600)
    seconds = time.perf_counter() - started
    news.refresh_from_db()
    sent = news_counts.totals(news)["sent"]
    if news.state != News.State.DONE or sent + news.skipped != bench.mails:
        raise load.LoadFailed(f"{sent} of {bench.mails} news were sent: {news.state}")
    return sent / seconds


def _queue_mails(petition: Petition, number: int) -> None:
    once = uuid.uuid4().hex[:8]
    for n in range(number):
        # At many domains, as signers are: one alone gets only so many mails a minute.
        address = f"samir.{once}.{n}@mail{n % 50}.example.org"
        attempt = sealing.Attempt(name=f"Samir Example {n}", email=address, name_use="public")
        submit.store(petition=petition, attempt=attempt)


def _smtp_floor(bench: Bench) -> float:
    """SMTP baseline: one of our messages, sent repeatedly over one connection."""
    _queue_mails(bench.petition, 1)
    mail = Mail.objects.select_related("signature__signer").latest("created_at")
    message = messages.compose(mail)
    # smtplib does not convert line ends in bytes.
    raw = message.message().as_bytes().replace(b"\n", b"\r\n")
    started = time.perf_counter()
    with smtplib.SMTP(settings.EMAIL_HOST, settings.EMAIL_PORT) as server:
        for _ in range(bench.mails):
            server.sendmail(settings.DEFAULT_FROM_EMAIL, message.to, raw)
    return bench.mails / (time.perf_counter() - started)


# --- Database ---------------------------------------------------------------------------------


def settle_database() -> None:
    """Do the maintenance that seeding left to be done, so that it is not measured."""
    with suppress(Exception), connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
