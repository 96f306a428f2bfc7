"""Nor does the time of an answer tell what an address has done.

The times are those of the WSGI application in this very process: without network, server and
other visitors there is less noise than any attacker can hope for. Every transaction is committed
to disk. What is compared comes in random order, so that whatever the machine does meanwhile
falls on all alike.

A classifier knows the label of every time beforehand, and chooses the best threshold there is.
Neither its accuracy nor the area under its curve may be over 0.55, on 2,000 timings of each.
That takes minutes and a quiet machine, so it is run by `make timing`; with few timings, which
chance alone tells apart more often, a leak that is as large as a missing statement is found in
the daily run. What is over is measured once more, for a machine may hiccup: a leak is there as
often as one looks.
"""

import gc
import logging
import math
import random
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import RequestFactory
from limits import parse

from petitions.models import FindRequest, Petition, Rule, Signature
from petitions.publishing import warm_cache
from petitions.screening import rate_limits, rules
from petitions.screening.rate_limits import Act
from petitions.screening.screen import Screening
from petitions.signatures import check_email, submit, withdraw
from petitions.signatures.check_email import Page
from petitions.signers.sealing import Attempt
from tests.people import AMINA, confirm, sign, typed

pytestmark = pytest.mark.django_db(transaction=True)

FEW, MANY = 300, 2000
HOW_MANY = [FEW, pytest.param(MANY, marks=[pytest.mark.timing, pytest.mark.timeout(1200)])]
# Addresses of one kind are used in turn, because earlier requests about one cost time, too.
ADDRESSES = 100
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
MOST = 0.55
# Beyond this many standard errors a difference of few samples is not due to chance.
SURE = 4.5
# Requests timed in one go, after preparing them all, because preparing changes caches.
ROUNDS = 50
CORRECTION = {"name": "Amina Example", "residence": "uk", "postcode": "M14 5RX", "country": ""}

Times = dict[str, list[int]]
Step = Callable[[str], int]
Prepare = Callable[[str, int], str]


@pytest.fixture(autouse=True)
def _calm(settings: Any) -> Any:
    """Only limits of mailboxes are on, so nobody is told to wait."""
    settings.LIMITS = {
        name: parse("1000000000/hour") if rate and not name.endswith("_MAILBOX") else rate
        for name, rate in settings.LIMITS.items()
    }
    settings.LIMITS["SIGN_MAILBOX"] = parse("30/hour")
    for name in ("RESEND_MAILBOX", "FIND_MAILBOX", "ADDRESS_MAILBOX"):
        settings.LIMITS[name] = parse("1000000/hour")
    # Otherwise every wrong code would log a line.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    settings.PAGE_CACHE_SECONDS = 600
    yield
    logging.getLogger("django.request").setLevel(logging.NOTSET)
    rules.invalidate()
    warm_cache.invalidate()


class Visitor:
    """A client that posts forms to the application and measures the time."""

    def __init__(self) -> None:
        self._application = WSGIHandler()
        self.number = 0

    def posts(self, path: str, form: dict[str, str]) -> int:
        """Return the response time in nanoseconds. Each request has another client address."""
        self.number += 1
        sender = str(ip_address("10.0.0.0") + self.number * 256)
        request = RequestFactory().post(path, form, headers=SAME_ORIGIN, REMOTE_ADDR=sender)
        environ = request.environ
        began = time.perf_counter_ns()
        answer = self._application(environ, self._starts)  # type: ignore[arg-type]
        b"".join(answer)
        took = time.perf_counter_ns() - began
        answer.close()
        return took

    def _starts(self, status: str, headers: list[tuple[str, str]], *_rest: Any) -> None:
        self.status = int(status.partition(" ")[0])


def interleaved(labels: Iterable[str], n: int, *steps: Step, prepare: Prepare) -> dict[str, Times]:
    """Return `n` times for each step and label, measured in random order within each round.

    Every step is taken with what was prepared for a label and a number.
    """
    kinds = list(labels)
    found: dict[str, Times] = {step.__name__: defaultdict(list) for step in steps}
    for done in range(-ROUNDS, n, ROUNDS):
        things = []
        for number in range(done, done + ROUNDS):
            random.shuffle(kinds)
            things += [(label, prepare(label, number)) for label in kinds]
        gc.collect()
        gc.disable()
        for step in steps:
            for label, thing in things:
                took = step(thing)
                if done >= 0:  # The first round only warms up.
                    found[step.__name__][label].append(took)
        gc.enable()
    return found


def area(times: list[int], others: list[int]) -> float:
    """Return how often a time of one sample exceeds one of the other. 0.5 tells nothing."""
    ranked = sorted(others)
    wins = sum((bisect_left(ranked, t) + bisect_right(ranked, t)) / 2 for t in times)
    return abs(wins / (len(times) * len(others)) - 0.5) + 0.5


def accuracy(times: list[int], others: list[int]) -> float:
    """Return the accuracy of the best threshold, for equally many of both."""
    first, second = sorted(times), sorted(others)
    apart = max(
        abs(bisect_right(first, t) / len(first) - bisect_right(second, t) / len(second))
        for t in {*first, *second}
    )
    return 0.5 + apart / 2


def most(n: int) -> float:
    """Return the accuracy that is not due to chance, with this many times of each."""
    return max(MOST, 0.5 + SURE / math.sqrt(6 * n))


def tellable(times: Times, base: str) -> dict[str, tuple[float, float]]:
    """Return the labels that a classifier can tell from the base, and its accuracy."""
    found = {}
    for label, taken in times.items():
        if label == base:
            continue
        scores = area(taken, times[base]), accuracy(taken, times[base])
        medians = [sorted(row)[len(row) // 2] / 1000 for row in (times[base], taken)]
        print(  # noqa: T201 - seen with `pytest -s`
            f"{base} ({medians[0]:.0f} us) against {label} ({medians[1]:.0f} us): "
            f"area {scores[0]:.3f}, accuracy {scores[1]:.3f}"
        )
        if max(scores) > most(len(taken)):
            found[label] = scores
    return found


def tells_nothing(measure: Callable[[], dict[str, Times]], base: str) -> None:
    """Measure, and measure labels that look different again."""
    suspected: set[tuple[str, str]] | None = None
    for _ in range(2):
        found = {
            (step, label) for step, times in measure().items() for label in tellable(times, base)
        }
        suspected = found if suspected is None else suspected & found
        if not suspected:
            return
    raise AssertionError(suspected)


# --- Signing -----------------------------------------------------------------------------


def addresses_with_a_past(petition: Petition) -> dict[str, list[str]]:
    """Addresses by what has been done with them."""
    found = {
        label: [f"{number:04}amina@{domain}.example" for number in range(ADDRESSES)]
        for label, domain in {
            "pending": "home01", "confirmed": "home02", "blocked by its domain": "home03",
            "blocked by its address": "home04", "over its limit": "home05",
        }.items()
    }  # fmt: skip
    for address in found["pending"]:
        sign(petition, replace(AMINA, email=address))
    for address in found["confirmed"]:
        confirm(sign(petition, replace(AMINA, email=address)))
    Rule.objects.create(kind="domain", action="block", pattern="home03.example", note="x")
    Rule.objects.bulk_create(
        Rule(kind="address", action="block", address_ix=rules.address_index(address), note="x")
        for address in found["blocked by its address"]
    )
    for address in found["over its limit"]:
        while not rate_limits.hit(Act.SIGN, address=address, petition=petition.pk).is_silenced:
            pass
    rules.invalidate()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return found


@pytest.mark.parametrize("n", HOW_MANY)
def test_the_response_time_of_signing_does_not_depend_on_the_address(
    petition: Petition, n: int
) -> None:
    past, visitor, fresh = addresses_with_a_past(petition), Visitor(), iter(range(10**6))

    def address(label: str, number: int) -> str:
        return (
            past[label][number % ADDRESSES]
            if label in past
            else f"{next(fresh):04}amina@home06.example"
        )

    def sign(address: str) -> int:
        took = visitor.posts("/petitions/protect/", typed(email=address))
        assert visitor.status == 303
        return took

    tells_nothing(lambda: interleaved(["new", *past], n, sign, prepare=address), "new")
    assert Signature.objects.filter(state=Signature.State.REFUSED).count() >= 3 * n


@pytest.mark.parametrize("n", HOW_MANY)
def test_the_response_time_of_find_does_not_depend_on_the_mailbox(
    petition: Petition, n: int
) -> None:
    past, visitor, fresh = addresses_with_a_past(petition), Visitor(), iter(range(10**6))

    def address(label: str, number: int) -> str:
        mine = past.get(label)
        return mine[number % ADDRESSES] if mine else f"{next(fresh):04}amina@home06.example"

    def find(address: str) -> int:
        took = visitor.posts("/find/", {"email": address})
        assert visitor.status == 303
        return took

    tells_nothing(lambda: interleaved(["new", *past], n, find, prepare=address), "new")
    assert FindRequest.objects.count() >= 6 * n


# --- What the page offers afterwards -------------------------------------------------------


class Attempts:
    """Attempts that their owners have changed meanwhile."""

    FATES = ("pending", "confirmed", "refused", "gone")

    def __init__(self, petition: Petition) -> None:
        self._petition, self.numbers = petition, iter(range(10**7))

    def page(self, fate: str, number: int) -> str:
        """Return the URL of the page of one more such attempt."""
        attempt = replace(AMINA, email=f"{next(self.numbers):07}a@home07.example")
        attempt_id = submit.store(
            petition=self._petition,
            attempt=attempt,
            screening=Screening(is_refused=fate == "refused"),
        )
        if fate == "confirmed":
            confirm(attempt_id)
        if fate == "gone":
            withdraw.withdraw(signature_id=attempt_id)
        return f"/t/en/check/{Page(attempt_id, self._petition.slug, attempt).seal()}/"


@dataclass
class Stranger:
    """A stranger who presses every button of such a page."""

    visitor: Visitor = field(default_factory=Visitor)

    def code(self, page: str) -> int:
        return self._press(page + "code/", {"code": "00000000"}, HTTPStatus.UNPROCESSABLE_ENTITY)

    def again(self, page: str) -> int:
        return self._press(page + "again/", {})

    def correct(self, page: str) -> int:
        own = f"{self.visitor.number:07}@self.example"
        return self._press(page.replace("/check/", "/correct/"), {**CORRECTION, "email": own})

    def _press(self, path: str, form: dict[str, str], expected: int = HTTPStatus.SEE_OTHER) -> int:
        took = self.visitor.posts(path, form)
        assert self.visitor.status == expected
        return took


@pytest.mark.parametrize("n", HOW_MANY)
def test_the_response_times_of_the_check_page_do_not_depend_on_the_attempts_state(
    petition: Petition, n: int
) -> None:
    made, stranger = Attempts(petition), Stranger()
    steps = (stranger.code, stranger.again, stranger.correct)

    def measure() -> dict[str, Times]:
        return interleaved(Attempts.FATES, n, *steps, prepare=made.page)

    tells_nothing(measure, "pending")


# --- That it would be found ----------------------------------------------------------------


def test_a_delay_of_half_the_interquartile_range_would_be_found(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds on a busy machine, too, because the delay is relative to its noise."""
    visitor, store = Visitor(), submit.store
    more = 0.0

    def store_and_dawdle(*, attempt: Attempt, **given: Any) -> UUID:
        signature_id = store(attempt=attempt, **given)
        if attempt.wants_updates:
            time.sleep(more)
        return signature_id

    monkeypatch.setattr(submit, "store", store_and_dawdle)

    def sign(updates: str) -> int:
        address = f"{visitor.number:05}@home08.example"
        return visitor.posts("/petitions/protect/", typed(email=address, updates=updates))

    labels = {"as ever": "", "planted": "on"}

    def measure() -> Times:
        return interleaved(labels, FEW, sign, prepare=lambda label, _n: labels[label])["sign"]

    calm = sorted(measure()["as ever"])
    more = (calm[len(calm) * 3 // 4] - calm[len(calm) // 4]) / 2 / 1e9
    assert tellable(measure(), "as ever")


@pytest.mark.timing
@pytest.mark.timeout(1200)
def test_withdrawing_a_corrected_attempt_in_the_request_would_be_found(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker does it instead."""
    made, note = Attempts(petition), check_email.record_correction

    def take_back_at_once(signature_id: UUID) -> None:
        note(signature_id)
        check_email._withdraw([signature_id])

    monkeypatch.setattr(submit, "record_correction", take_back_at_once)
    labels = ("pending", "confirmed", "gone")
    times = interleaved(labels, MANY, Stranger().correct, prepare=made.page)
    assert tellable(times["correct"], "pending").keys() == {"confirmed", "gone"}
