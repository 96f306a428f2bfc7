"""Admin page of the cockpit: a petition's current activity.

A script renews the page. Without the script, a link loads it again.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from petitions.admin.acting import need
from petitions.admin.base import ReadOnly
from petitions.admin.needs import spoken_age
from petitions.admin.signatures.filters import Filters
from petitions.formatting import charts
from petitions.models import ActivityMinute, Alert, Petition
from petitions.moderation import cockpit, switches
from petitions.moderation.activity import HOUR, MINUTE, Event
from petitions.moderation.cockpit import Activity, Origin, Queue

# The series with their labels. Holds are only for users who may view signatures: the public total
# does not include them, and one more would reveal to an observer that somebody has signed. The same
# holds for those by rules: an organiser may block a person's domain, and what waits there is held.
SERIES = {Event.SIGNED: "Signed", Event.CONFIRMED: "Confirmed", Event.HELD: "Held"}
# Each period: its name and title, the length and the number of columns, and the time format.
PERIODS = (
    ("hour", "The last hour, by the minute", MINUTE, 60, "%H:%M"),
    ("day", "The last day, by the half-hour", timedelta(minutes=30), 48, "%a %H:%M"),
)


@admin.register(ActivityMinute)
class CockpitAdmin(ReadOnly):
    def get_urls(self) -> list[URLPattern]:
        return [self.route("", require_safe(self.page_view), "changelist")]

    def page_view(self, request: HttpRequest) -> HttpResponse:
        """Show the petition in `?petition=`, else the one with most forms in the last hour.

        If there were none, show the newest open one, and not, as the list of signatures does, the
        one whose signature has been on hold for longest: an organiser would see that there is one.
        """
        need(request, "petitions.view_activityminute")
        petitions = list(Petition.objects.titled().order_by("-pk"))
        asked = request.GET.get("petition")
        chosen = next((one for one in petitions if one.slug == asked), None)
        is_open = [one for one in petitions if one.state == Petition.State.OPEN]
        petition = chosen or cockpit.signed_most() or next(iter(is_open or petitions), None)
        context = {
            "title": "Cockpit",
            "petition": petition,
            "others": [one for one in petitions if one != petition],
            **(_shown(request, petition) if petition else {}),
        }
        return self.page(request, "admin/petitions/activityminute/cockpit.html", context)


def _shown(request: HttpRequest, petition: Petition) -> dict[str, Any]:
    seen, forms = cockpit.activity(petition), cockpit.newest(petition)
    sees_signatures = request.user.has_perm("petitions.view_signature")
    series = [one for one in SERIES if one != Event.HELD or sees_signatures]
    shown = {
        "end": seen.end,
        "last_hour": seen.last(HOUR),
        "series": [SERIES[event] for event in series],
        "periods": [_period(seen, series, *period) for period in PERIODS],
        "providers": cockpit.by_provider(forms),
        "mails": _queue(cockpit.mails()),
        "rules": cockpit.rules_met(seen),
        "sees_held": sees_signatures,
        "newest": cockpit.MAX_FORMS,
        "switches_on": [one for one in switches.Switch if switches.is_on(petition, one)],
    }
    if sees_signatures:
        networks, domains = cockpit.busiest(forms)
        shown |= {
            "held": _queue(cockpit.held(petition)),
            "held_url": Filters(petition, {"state": "held"}).url(),
            "origins": [
                ("networks", "Network", _lines(petition, "network_of", networks)),
                ("domains", "Domain", _lines(petition, "domain_of", domains)),
            ],
            "alerts": Alert.objects.filter(petition=petition, seen_at=None).count(),
        }
    return shown


def _period(
    seen: Activity,
    series: list[Event],
    name: str,
    title: str,
    length: timedelta,
    number: int,
    clock: str,
) -> dict[str, Any]:
    """Return the charts of one period with their labels, and the rows of their table."""
    buckets = seen.buckets(length, number)
    ends = _written(buckets[0][0], clock), _written(seen.end, clock)
    charts, rows = [], []
    for event in series:
        values = [counts[event] for _start, counts in buckets]
        charts.append((SERIES[event], _chart(f"{name}-{event}", title, event, values, ends)))
    for start, counts in reversed(buckets):
        numbers = [(SERIES[event], counts[event]) for event in series]
        rows.append((_written(start, clock), numbers))
    return {"name": name, "title": title, "charts": charts, "rows": rows}


def _chart(
    name: str, title: str, event: Event, values: list[int], ends: tuple[str, str]
) -> SafeString:
    summary = f"{sum(values):,} in all, at most {max(values):,}. The table below has every figure."
    words = charts.Words(name, f"{SERIES[event]}: {title.lower()}", summary, is_rtl=False)
    width = 1 / len(values)
    columns = [charts.Column(n * width, width, value) for n, value in enumerate(values)]
    return charts.columns(words, columns, written="{:,}".format, ends=ends)


def _written(moment: datetime, clock: str) -> str:
    return timezone.localtime(moment).strftime(clock)


def _queue(queue: Queue) -> dict[str, Any]:
    number, oldest = queue
    return {"number": number, "age": spoken_age(timezone.now() - oldest) if oldest else ""}


def _lines(petition: Petition, condition: str, origins: list[Origin]) -> list[dict[str, Any]]:
    """Return bars of origins, each with the URL of the list of its signatures."""
    most = max((one.number for one in origins), default=1)
    return [
        {
            "name": one.name,
            "number": one.number,
            "width": f"{100 * one.number / most:.0f}%",
            "url": Filters(petition, {condition: str(one.example)}).url(),
        }
        for one in origins
    ]
