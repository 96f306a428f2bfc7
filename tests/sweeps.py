"""Every periodic task of beat's schedule, run as the worker would."""

from campaign.celery import app

app.loader.import_default_modules()
SWEEPS = tuple(app.tasks[entry["task"]] for entry in app.conf.beat_schedule.values())


def run_all() -> None:
    """Run all sweeps, one after the other."""
    for sweep in SWEEPS:
        sweep()


def run_within_transaction() -> None:
    """Run the work of each but the delivery, without its lease, which refuses a transaction."""
    for task in SWEEPS:
        if work := getattr(task.run, "__wrapped__", None):
            work()
