"""Every job of the schedule is watched over, and each for longer than it takes to come again."""

import re
from collections.abc import Iterator
from datetime import timedelta

from celery.schedules import crontab

from campaign import health
from campaign.celery import app
from campaign.monitoring import OVERDUE_AFTER
from tests.deployed import OPERATORS


def interval(schedule: float | crontab) -> float:
    """Seconds between two runs."""
    if isinstance(schedule, crontab):
        return 86_400 if len(schedule.hour) == 1 else 3600
    return schedule


def test_every_job_of_the_schedule_is_watched_over() -> None:
    assert set(OVERDUE_AFTER) == set(app.conf.beat_schedule)
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] == f"petitions.{name.replace('-', '_')}"


def test_one_run_that_is_missed_alarms_nobody_and_a_dozen_do() -> None:
    for name, entry in app.conf.beat_schedule.items():
        runs = OVERDUE_AFTER[name].total_seconds() / interval(entry["schedule"])
        assert runs >= 1.5, name
        assert runs <= 12, name


def test_the_operators_guide_says_when_each_job_is_overdue() -> None:
    assert dict(said_in_the_guide()) == OVERDUE_AFTER


def said_in_the_guide() -> Iterator[tuple[str, timedelta]]:
    """Each job of the table, and after how long it is overdue."""
    _before, _heading, rest = OPERATORS.read_text().partition("| sweep | runs | overdue after |\n")
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            break
        names, _runs, period = line.strip("| ").split(" | ")
        number, unit = period.split()
        for name in re.findall("`([a-z-]+)`", names):
            yield name, timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


def test_the_admins_home_has_a_sentence_for_every_sweep() -> None:
    assert health.SWEEPS.keys() == OVERDUE_AFTER.keys()
