"""The schedule of the sweeps (periodic tasks), and which of them are overdue.

`petitions/tasks.py` has the task of each, `campaign/celery.py` hands the schedule to beat.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from petitions.infra import locks


class Sweep(NamedTuple):
    """A periodic task: when it runs, and when it is overdue.

    `schedule` is the seconds between runs, or the arguments of Celery's `crontab`: importing Celery
    takes 7 MB of each process. `overdue_after` is the time since the last success: a few intervals,
    or a night and a half. `consequence` says what does not happen meanwhile.
    """

    schedule: float | dict[str, str]
    overdue_after: timedelta
    consequence: str


_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
# By the name of the lease: that of the task with hyphens.
SWEEPS = {
    "deliver-mail": Sweep(5.0, _MINUTE, "no mail is sent"),
    "raise-alerts": Sweep(30.0, 2 * _MINUTE, "no alert is raised"),
    "count-activity": Sweep(30.0, 5 * _MINUTE, "the cockpit’s figures by minute are out of date"),
    "run-bulk-decisions": Sweep(5.0, _MINUTE, "no bulk decision is carried out"),
    "send-news": Sweep(10.0, 2 * _MINUTE, "no news to supporters is sent"),
    "send-staff-mail": Sweep(10.0, 2 * _MINUTE, "no mail to staff is sent"),
    "queue-reminders": Sweep(600.0, 30 * _MINUTE, "no reminder is mailed"),
    "apply-retention": Sweep(3600.0, 3 * _HOUR, "data that should be deleted is still kept"),
    "record-closes": Sweep(60.0, 5 * _MINUTE, "no petition is noted as closed"),
    "give-notice": Sweep(600.0, 30 * _MINUTE, "nobody is told of a coming erasure"),
    # At the full hour, and so before the snapshots, which take the day's states from it.
    "count-figures": Sweep(
        {"minute": "0"}, 3 * _HOUR, "the figures by constituency are not updated"
    ),
    # Each petition once a day, in the first of these after midnight.
    "count-countries": Sweep({"minute": "20"}, 6 * _HOUR, "the figures by country are not updated"),
    "list-names": Sweep({"minute": "10"}, 6 * _HOUR, "the public lists of names are not updated"),
    # Soon after midnight in London, in summer and winter, and again each hour if that was missed.
    "take-snapshots": Sweep(
        {"minute": "1"}, 3 * _HOUR, "the figures by day and region are not updated"
    ),
    "check-tallies": Sweep({"hour": "3", "minute": "30"}, 36 * _HOUR, "the count is not checked"),
}


def ages() -> dict[str, timedelta]:
    """Return the time since each sweep last succeeded; if never, since this was first called."""
    return locks.last_successes(SWEEPS)


def overdue(ages: Mapping[str, timedelta]) -> list[str]:
    """Return the names of the sweeps whose last success is too long ago."""
    return sorted(name for name, age in ages.items() if age > SWEEPS[name].overdue_after)
