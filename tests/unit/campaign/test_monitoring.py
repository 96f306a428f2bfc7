"""Every scheduled job is monitored, and overdue only after several missed runs."""

import re
from collections.abc import Iterator
from datetime import timedelta

from celery.schedules import crontab

from campaign.celery import app
from petitions.infra.sweeps import SWEEPS
from tests.deployed import OPERATORS


def interval(schedule: float | crontab) -> float:
    """Seconds between two runs."""
    if isinstance(schedule, crontab):
        return 86_400 if len(schedule.hour) == 1 else 3600
    return schedule


def test_every_sweep_has_its_task_under_its_name() -> None:
    app.loader.import_default_modules()
    assert app.conf.beat_schedule.keys() == SWEEPS.keys()
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] == f"petitions.{name.replace('-', '_')}"
        assert entry["task"] in app.tasks


def test_one_missed_run_is_not_overdue_but_a_dozen_are() -> None:
    for name, sweep in SWEEPS.items():
        runs = sweep.overdue_after.total_seconds() / interval(
            app.conf.beat_schedule[name]["schedule"]
        )
        assert runs >= 1.5, name
        assert runs <= 12, name


def test_the_operators_guide_says_when_each_job_is_overdue() -> None:
    overdue_after = {name: sweep.overdue_after for name, sweep in SWEEPS.items()}
    assert dict(said_in_the_guide()) == overdue_after


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
