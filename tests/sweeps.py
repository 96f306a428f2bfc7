"""Every periodic task, as the worker would run it."""

from petitions import tasks

SWEEPS = (
    tasks.deliver_mail,
    tasks.keep_no_longer,
    tasks.raise_alerts,
    tasks.check_tallies,
    tasks.queue_reminders,
    tasks.take_snapshots,
)


def run_all() -> None:
    """One after the other."""
    for sweep in SWEEPS:
        sweep()
