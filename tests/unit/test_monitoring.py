"""Every job of the schedule is watched over, and each for longer than it takes to come again."""

from celery.schedules import crontab

from campaign.celery import app
from campaign.monitoring import LONGEST_SILENCE


def interval(schedule: float | crontab) -> float:
    """Seconds between two runs."""
    if isinstance(schedule, crontab):
        return 86_400 if len(schedule.hour) == 1 else 3600
    return schedule


def test_every_job_of_the_schedule_is_watched_over() -> None:
    assert set(LONGEST_SILENCE) == set(app.conf.beat_schedule)
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] == f"petitions.{name.replace('-', '_')}"


def test_one_run_that_is_missed_alarms_nobody_and_three_do() -> None:
    for name, entry in app.conf.beat_schedule.items():
        runs = LONGEST_SILENCE[name].total_seconds() / interval(entry["schedule"])
        assert runs >= 1.5, name
        assert runs <= 12, name
