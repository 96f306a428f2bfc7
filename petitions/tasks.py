"""Celery tasks: a few lines around one use case each. None takes a personal argument."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import shared_task

from petitions.counting import breakdowns, tallies
from petitions.infra import leases
from petitions.mail import notices, outbox, reminders, wake_worker
from petitions.privacy import retention
from petitions.publishing import closing
from petitions.screening import bursts
from petitions.signatures import check_email, find


def sweep(work: Callable[[], None]) -> Any:
    """A periodic task: one process at a time does it, and its last success is on record.

    It is called "petitions." and the function's name, and its job the same with hyphens.
    """

    @wraps(work)
    def run() -> None:
        with leases.alone(work.__name__.replace("_", "-")) as is_alone:
            if is_alone:
                work()

    return shared_task(name=f"petitions.{work.__name__}")(run)


@shared_task(name=wake_worker.TASK)  # type: ignore[untyped-decorator]
def deliver_mail() -> None:
    """Do what was asked for since, and send what is due. Any number of these may run at once."""
    check_email.settle()
    find.settle()
    outbox.deliver()
    leases.note_success("deliver-mail")


@sweep
def keep_no_longer() -> None:
    """Delete and coarsen what has been kept long enough."""
    retention.keep_no_longer()


@sweep
def record_closes() -> None:
    """Write down which petitions have closed, or opened again."""
    closing.record_closes()


@sweep
def give_notice() -> None:
    """Mail the organisation before people of a closed petition are erased."""
    notices.send()


@sweep
def raise_alerts() -> None:
    """Tell moderators of what came in too fast just now."""
    bursts.look()


@sweep
def check_tallies() -> None:
    """Compare the counts with the signatures, and write afresh what differs."""
    tallies.repair_all()


@sweep
def queue_reminders() -> None:
    """Remind, once, those who did not confirm within a day."""
    reminders.queue_reminders()


@sweep
def take_snapshots() -> None:
    """Write the counts of the day that has ended, once."""
    breakdowns.take_snapshots()
