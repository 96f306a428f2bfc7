"""Every periodic task, as the worker would run it."""

from campaign.celery import app

app.loader.import_default_modules()
SWEEPS = tuple(app.tasks[entry["task"]] for entry in app.conf.beat_schedule.values())


def run_all() -> None:
    """One after the other."""
    for sweep in SWEEPS:
        sweep()
