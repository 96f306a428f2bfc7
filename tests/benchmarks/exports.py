"""The benchmarks of exports: each purpose beside a bare COPY, its first rows and its memory; two at
once, during a bulk decision, and over HTTP after clients that drop the connection.
"""

import http.client
import json
import os
import secrets
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from petitions.handover import exports
from petitions.models import Export, Petition, Signature
from petitions.moderation import bulk, decisions
from petitions.staff.roles import ORGANISERS
from tests.benchmarks.load import LoadFailed
from tests.benchmarks.measures import Bench, Limit, Measure

# Signatures a second, of those of a bare COPY: one million in some 14 s where COPY takes 1.2 s.
LEAST_OF_COPY = 0.085
# Of a workbook, whose million may take 60 s.
LEAST_XLSX_A_SECOND = 1_000_000 / 60
FIRST_ROW_WITHIN = 0.5
MEMORY_CSV, MEMORY_XLSX = 100, 150
# Clients that drop the connection before a download is measured, and what it must keep of its rate.
DROPS, READ_BEFORE_DROP, LEAST_AFTER_DROPS = 4, 100_000, 0.7
DROP_ON_RECORD_WITHIN = 2.0


def measure(bench: Bench, purpose: str, file_format: str = "csv") -> Measure:
    """All seeded signatures exported for a purpose, by a process of its own.

    The value is the number of signatures that the file is of a second, whether it has a row for
    each of them (hand-in, research), for some (supporters) or for many together (by constituency).
    """
    is_csv = file_format == "csv"
    first = Limit("first row after", "s", FIRST_ROW_WITHIN)
    peak = Limit("memory at its peak", "MB", MEMORY_CSV if is_csv else MEMORY_XLSX)

    def value() -> float:
        seen = _exported(bench, purpose, file_format)
        first.seen.append(seen["first_byte"])
        peak.seen.append(seen["memory"])
        return float(seen["signatures"] / seen["seconds"])

    return Measure(
        title=f"Export to {file_format.upper()}, {purpose}",
        floor_title="bare COPY to CSV",
        floor=_copied,
        value=value,
        least_ratio=LEAST_OF_COPY if is_csv else 0.0,
        least_rate=0.0 if is_csv else LEAST_XLSX_A_SECOND,
        limits=[first, peak],
        note=f"of {bench.rows:,} signatures",
    )


def two_at_once(bench: Bench) -> Measure:
    """Two hand-in lists at once, beside two bare COPYs at once; each has the limits of one."""
    one = measure(bench, "hand-in")
    return replace(
        one,
        title="Two exports to CSV at once",
        floor_title="two bare COPYs at once",
        floor=lambda: _at_once(one.floor),
        value=lambda: _at_once(one.value),
    )


def during_a_bulk_decision(bench: Bench) -> Measure:
    """The hand-in list while a moderator's bulk decision goes on without a rest, as for COPY."""
    one = measure(bench, "hand-in")

    def meanwhile(action: Callable[[], float]) -> float:
        with _deciding(bench):
            return action()

    return replace(
        one,
        title="Export to CSV, during a bulk decision",
        floor_title="bare COPY during it",
        floor=lambda: meanwhile(one.floor),
        value=lambda: meanwhile(one.value),
    )


def after_drops(bench: Bench) -> Measure:
    """A download from the site after others that dropped, beside one in calm."""
    recorded = Limit("a dropped one on record after", "s", DROP_ON_RECORD_WITHIN)
    organiser = _Organiser(bench)

    def value() -> float:
        recorded.seen.append(max(organiser.drop() for _ in range(DROPS)))
        return organiser.download()

    return Measure(
        title="Download of an export after drops",
        floor_title="the same in calm",
        floor=organiser.download,
        value=value,
        least_ratio=LEAST_AFTER_DROPS,
        limits=[recorded],
        note=f"{DROPS} clients drop the connection after {READ_BEFORE_DROP:,} bytes",
    )


MEASURES: dict[str, Callable[[Bench], Measure]] = {
    "export": partial(measure, purpose="hand-in"),
    "export-supporters": partial(measure, purpose="supporters"),
    "export-research": partial(measure, purpose="research"),
    "export-by-constituency": partial(measure, purpose="by-constituency"),
    "export-xlsx": partial(measure, purpose="hand-in", file_format="xlsx"),
    "export-two": two_at_once,
    "export-deciding": during_a_bulk_decision,
    "export-drops": after_drops,
}


def _copied() -> float:
    """Signatures a second by which PostgreSQL writes the bare table."""
    started = time.perf_counter()
    with connection.cursor() as cursor, Path(os.devnull).open("wb") as nowhere:
        cursor.copy_expert("COPY petitions_signature TO STDOUT (FORMAT csv)", nowhere)
        rows: int = cursor.rowcount
    return rows / (time.perf_counter() - started)


def _exported(bench: Bench, purpose: str, file_format: str) -> dict[str, Any]:
    module = "tests.benchmarks.exporting"
    command = [sys.executable, "-m", module, bench.petition.slug, purpose, file_format]
    done = subprocess.run(
        command, env={**os.environ, **bench.environment}, stdout=subprocess.PIPE, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _at_once(action: Callable[[], float]) -> float:
    """The rates of two at once, together."""

    def run(_number: int) -> float:
        try:
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(run, range(2)))


@contextmanager
def _deciding(bench: Bench) -> Iterator[None]:
    """Hold and approve batches of signatures, without an end, within the block."""
    is_over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        batches = pool.submit(_decide, bench.petition, is_over)
        try:
            yield
        finally:
            is_over.set()
        if not batches.result():
            raise LoadFailed("no batch was decided meanwhile")


def _decide(petition: Petition, is_over: threading.Event) -> int:
    """Decide until it is over, and then leave all as it was; return the number of batches."""
    counted = Signature.objects.filter(petition=petition).counted().order_by("id")
    ids, decided = list(counted.values_list("pk", flat=True)[: bulk.BATCH]), 0
    try:
        while not is_over.is_set() or decided % 2:
            kind, reason = ("approve", "checked") if decided % 2 else ("hold", "suspicious")
            decisions.decide(
                kind=kind, petition=petition, ids=ids, reason=reason, note="", actor=None
            )
            decided += 1
        return decided
    finally:
        connection.close()


class _Organiser:
    """A logged-in organiser, who downloads the hand-in list from the site."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.user = User.objects.create_user(f"omar{secrets.token_hex(3)}", is_staff=True)
        self.user.groups.add(Group.objects.get(name=ORGANISERS))
        client = Client()
        client.force_login(self.user)
        self.session = client.cookies[settings.SESSION_COOKIE_NAME].value

    def download(self) -> float:
        """Download all of it; return the signatures a second."""
        started = time.perf_counter()
        with self._asked(uuid.uuid4()) as answer:
            lines = sum(chunk.count(b"\n") for chunk in iter(partial(answer.read, 1 << 16), b""))
        return (lines - 1) / (time.perf_counter() - started)

    def drop(self) -> float:
        """Drop the connection amid a download; return the seconds until that is on record."""
        number = uuid.uuid4()
        with self._asked(number) as answer:
            answer.read(READ_BEFORE_DROP)
        started = time.perf_counter()
        while not Export.objects.exclude(broken_at=None).filter(pk=number).exists():
            if time.perf_counter() - started > 10 * DROP_ON_RECORD_WITHIN:
                raise LoadFailed("a dropped export is not on record")
            time.sleep(0.02)
        return time.perf_counter() - started

    @contextmanager
    def _asked(self, number: uuid.UUID) -> Iterator[http.client.HTTPResponse]:
        """Send the form; within the block, the answer is read."""
        token = secrets.token_hex(16)
        form = {
            "number": number, "petition": self.bench.petition.pk, "file_format": "csv",
            "why": "measuring the export", "csrfmiddlewaretoken": token,
        }  # fmt: skip
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"{settings.SESSION_COOKIE_NAME}={self.session}; "
            f"{settings.CSRF_COOKIE_NAME}={token}",
        }
        link = http.client.HTTPConnection("127.0.0.1", self.bench.ports["site"], timeout=120)
        path = reverse("admin:petitions_export_new", args=["hand-in"])
        with closing(link):
            link.request("POST", path, urlencode(form), headers)
            with link.getresponse() as answer:
                if answer.getheader("Content-Type") != exports.CONTENT_TYPES[Export.Format.CSV]:
                    raise LoadFailed(f"{path}: {answer.status}")
                yield answer
