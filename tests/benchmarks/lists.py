"""Benchmarks of staff's screens: those of the largest petition beside those of a small one.

Answered in this process, by Django's test client: what is measured is queries and rendering.
"""

import math
import secrets
import sys
import time
from collections.abc import Callable

from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from petitions.counting import figures
from petitions.models import ABROAD, BulkDecision, Decision, Petition, Signature
from petitions.moderation import decisions, search
from petitions.signers import sealing
from petitions.staff.roles import MODERATORS, ORGANISERS
from tests.benchmarks.load import LoadFailed
from tests.benchmarks.measures import Bench, Limit, Measure, settle_database
from tests.benchmarks.size import FEW, _few

# Requests of each screen in a round.
TIMES = 10
# Signatures with a rarer condition: more than a page.
FULL = 100
WITHIN_MS, PREVIEW_WITHIN_MS = 200, 1_000
_LIST = "/admin/petitions/signature/"
_DOMAIN = "college.example"


class _Example:
    """A petition, and one recent signature of it on which the screens' addresses rest."""

    def __init__(self, petition: Petition) -> None:
        _give_origins(petition)
        self.petition = f"petition={petition.slug}"
        rows = Signature.objects.filter(petition=petition, state=Signature.State.CONFIRMED)
        recent = rows.exclude(signer__network_ix=None).select_related("place", "signer")
        self.row = recent.exclude(place=ABROAD).latest("created_at")
        _fill_pages(petition, self.row.place_id)
        self.day = self.row.created_at.date()
        self.cursor = f"{self.row.created_at.isoformat()}_{self.row.pk}".replace("+", "%2B")
        self.typed = sealing.unsealed(self.row.signer)
        removed = Decision.objects.filter(petition=petition, kind=Decision.Kind.REMOVE)
        self.decision = removed.latest("created_at").pk


def _give_origins(petition: Petition) -> None:
    """Give signatures of the last days networks and domains, and some of them fraud signals."""
    # One of the domains is known to the search: see `_SEARCHES`.
    known = sealing.domain_index(f"x@{_DOMAIN}")
    domains, networks = [known, *(secrets.token_bytes(16) for _ in "12")], secrets.token_bytes(14)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_signer SET domain_ix = (%s::bytea[])[1 + get_byte(sealed, 40) %% 3],
                network_ix = %s::bytea || substr(sealed, 41, 2)
            FROM petitions_signature s WHERE s.id = signature_id AND s.petition_id = %s
                AND s.created_at > now() - '3 days'::interval
            """,
            [domains, networks, petition.pk],
        )
        cursor.execute(
            """
            UPDATE petitions_signature SET signals = CASE
                WHEN get_byte(uuid_send(id), 9) = 0 THEN ARRAY['name-digits'] ELSE ARRAY['burst:9']
            END WHERE petition_id = %s AND get_byte(uuid_send(id), 10) < 8
            """,
            [petition.pk],
        )
    settle_database()


def _fill_pages(petition: Petition, place: str) -> None:
    """Give both petitions as many with the rarer conditions, more than a page, and as many in the
    last hour: a page with less in it is quicker whatever the size.
    """
    changes = (
        ("place_id = %(place)s", 300),
        ("place_id = %(place)s, state = 'held'", FULL),
        ("place_id = 'abroad', state = 'held'", FULL),
        ("signals = ARRAY['name-digits']", FULL),
        ("signals = ARRAY['name-digits'], state = 'held'", FULL),
        ("created_at = now() - random() * '59 minutes'::interval, confirmed_at = now()", 1_000),
    )
    with connection.cursor() as cursor:
        first = 0
        for change, number in changes:
            cursor.execute(
                f"""
                UPDATE petitions_signature SET {change} WHERE id IN (
                    SELECT id FROM petitions_signature
                    WHERE petition_id = %(petition)s AND state = 'confirmed'
                    ORDER BY id OFFSET %(first)s LIMIT %(number)s
                )
                """,  # noqa: S608 - of constants
                {"petition": petition.pk, "place": place, "first": first, "number": number},
            )
            first += number
    settle_database()


_SCREENS: dict[str, Callable[[_Example], str]] = {
    "home": lambda one: "/admin/",
    "newest": lambda one: f"{_LIST}?{one.petition}&order=newest",
    "oldest": lambda one: f"{_LIST}?{one.petition}&order=oldest",
    "held": lambda one: f"{_LIST}?{one.petition}&state=held&order=oldest",
    "pending": lambda one: f"{_LIST}?{one.petition}&state=pending",
    "confirmed": lambda one: f"{_LIST}?{one.petition}&state=confirmed",
    "removed": lambda one: f"{_LIST}?{one.petition}&state=removed",
    "withdrawn": lambda one: f"{_LIST}?{one.petition}&state=withdrawn&order=oldest",
    "refused": lambda one: f"{_LIST}?{one.petition}&state=refused",
    "a later page": lambda one: f"{_LIST}?{one.petition}&after={one.cursor}",
    "signs": lambda one: f"{_LIST}?{one.petition}&signal=any",
    "rare sign": lambda one: f"{_LIST}?{one.petition}&signal=name-digits",
    "counted, signs": lambda one: f"{_LIST}?{one.petition}&state=confirmed&signal=any",
    "place": lambda one: f"{_LIST}?{one.petition}&place={one.row.place_id}",
    "place, held": lambda one: f"{_LIST}?{one.petition}&place={one.row.place_id}&state=held",
    "abroad": lambda one: f"{_LIST}?{one.petition}&abroad=yes",
    "held abroad": lambda one: f"{_LIST}?{one.petition}&abroad=yes&state=held",
    "held, rare sign": lambda one: f"{_LIST}?{one.petition}&state=held&signal=name-digits",
    "in the UK": lambda one: f"{_LIST}?{one.petition}&abroad=no",
    "days": lambda one: f"{_LIST}?{one.petition}&since=2020-01-01&until={one.day}",
    "network": lambda one: f"{_LIST}?{one.petition}&network_of={one.row.pk}",
    "domain": lambda one: f"{_LIST}?{one.petition}&domain_of={one.row.pk}",
    "minute": lambda one: f"{_LIST}?{one.petition}&minute_of={one.row.pk}",
    "of a decision": lambda one: f"{_LIST}?{one.petition}&decision={one.decision}",
    "signature": lambda one: f"{_LIST}{one.row.pk}/change/?{one.petition}&state=confirmed",
    "decisions": lambda one: "/admin/petitions/decision/",
    "decision": lambda one: f"/admin/petitions/decision/{one.decision}/change/",
    "outbox": lambda one: "/admin/petitions/mail/",
    "cockpit": lambda one: f"/admin/petitions/activityminute/?{one.petition}",
    "alerts": lambda one: "/admin/petitions/alert/",
}
_SEARCHES: dict[str, Callable[[_Example], str]] = {
    "address": lambda one: one.typed["email"],
    "unknown address": lambda one: "nobody@example.org",
    "reference": lambda one: one.row.reference,
    "domain": lambda one: _DOMAIN,
    "unknown domain": lambda one: "example.org",
    "unknown name": lambda one: "Nobody Atall",
    "constituency": lambda one: one.row.place.name or "Leeds",
}
# What many share: a page of fifty, where among a few there are one or two.
_SHARED: dict[str, Callable[[_Example], str]] = {
    "name": lambda one: one.typed["name"],
    "postcode": lambda one: one.typed["postcode"] or "M14 5RX",
}


class _Screens:
    """The moderator, and the examples of both petitions, made once."""

    def __init__(self, bench: Bench) -> None:
        # The same person looks for the same thing again and again.
        search.SEARCHES_AN_HOUR = sys.maxsize
        # Organisers have the outbox.
        self.client = _client(MODERATORS, ORGANISERS)
        self.many, self.few = _Example(bench.petition), _Example(_few(bench))

    def measure(
        self,
        bench: Bench,
        name: str,
        within: float,
        ask: Callable[[_Example], None],
        least_ratio: float = 1 / 1.3,
    ) -> Measure:
        """A measure of one screen: `ask` requests it once about an example."""
        return _screen(
            f"Moderators: {name}",
            bench,
            within,
            lambda: ask(self.few),
            lambda: ask(self.many),
            least_ratio,
        )

    def get(self, path: Callable[[_Example], str]) -> Callable[[_Example], None]:
        """Open a screen."""
        return lambda one: _expect(self.client.get(path(one)).status_code, 200, path(one))

    def search(self, sought: Callable[[_Example], str]) -> Callable[[_Example], None]:
        """Search in the list."""

        def ask(one: _Example) -> None:
            form = {"sought": sought(one)}
            answer = self.client.post(f"{_LIST}?{one.petition}", form, follow=True)
            _expect(answer.status_code, 200, "search")

        return ask

    def preview(self, one: _Example) -> None:
        """Preview the removal of all that count from within the country."""
        form = {
            "scope": "all", "kind": "remove", "reason_remove": "automated", "note": "",
            "seen": str(decisions.watermark()),
        }  # fmt: skip
        path = f"{_LIST}?{one.petition}&state=confirmed&abroad=no"
        answer = self.client.post(path, form, follow=True)
        _expect(answer.status_code, 200, path)
        job = BulkDecision.objects.latest("created_at")
        _expect(int(str(job.pk) in answer.redirect_chain[-1][0]), 1, path)
        job.delete()


def _client(*roles: str) -> Client:
    """A browser in which somebody of these roles has logged in."""
    user = User.objects.create_user(f"bench{secrets.token_hex(3)}", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    return client


def _screen(
    title: str,
    bench: Bench,
    within: float,
    few: Callable[[], None],
    many: Callable[[], None],
    least_ratio: float = 1 / 1.3,
) -> Measure:
    """A measure of one screen: `few` and `many` request it once, of the two petitions."""
    slowest = Limit("p95", "ms", within)

    def rate(ask: Callable[[], None], seen: list[float]) -> float:
        ask()
        took = []
        for _ in range(TIMES):
            started = time.perf_counter()
            ask()
            took.append(time.perf_counter() - started)
        took.sort()
        seen.append(1000 * took[math.ceil(0.95 * TIMES) - 1])
        return 1 / took[TIMES // 2]

    return Measure(
        title=f"{title}, {bench.rows:,} signed",
        floor_title=f"the same, {FEW:,} signed",
        floor=lambda: rate(few, []),
        value=lambda: rate(many, slowest.seen),
        least_ratio=least_ratio,
        limits=[slowest],
    )


def figures_page(bench: Bench) -> Measure:
    """Organisers' figures, which a sweep counts every hour: how long that takes is in the note."""
    client, few = _client(ORGANISERS), _few(bench)
    started = time.perf_counter()
    figures.count_due()
    took = time.perf_counter() - started

    def ask(petition: Petition) -> None:
        path = reverse("admin:petitions_petition_figures", args=[petition.pk])
        _expect(client.get(path).status_code, 200, path)

    measure = _screen(
        "Organisers: figures", bench, WITHIN_MS, lambda: ask(few), lambda: ask(bench.petition)
    )
    measure.note = f"the hourly sweep counted both petitions in {took:.1f} s"
    return measure


MEASURES: dict[str, Callable[[Bench], Measure]] = {"figures": figures_page}


def _expect(seen: int, wanted: int, path: str) -> None:
    if seen != wanted:
        raise LoadFailed(f"{path}: {seen}")


def measures(bench: Bench) -> list[Measure]:
    """One measure for each screen, each search and the preview of a bulk decision."""
    screens = _Screens(bench)
    return [
        *(
            screens.measure(bench, name, WITHIN_MS, screens.get(path))
            for name, path in _SCREENS.items()
        ),
        *(
            screens.measure(bench, f"search by {name}", WITHIN_MS, screens.search(sought))
            for name, sought in _SEARCHES.items()
        ),
        *(
            screens.measure(bench, f"search by {name}", WITHIN_MS, screens.search(sought), 0.0)
            for name, sought in _SHARED.items()
        ),
        # Counted so far as it is quick: how far that is is what it costs.
        screens.measure(bench, "preview of a removal", PREVIEW_WITHIN_MS, screens.preview, 0.0),
    ]
