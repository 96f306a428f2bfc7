"""Celery tasks: thin wrappers around one use case each. No argument is personal data."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import shared_task

from petitions.counting import breakdowns, tallies
from petitions.infra import leases
from petitions.mail import notices, outbox, reminders, staff_letters, wake_worker
from petitions.privacy import retention
from petitions.publishing import closing
from petitions.screening import bursts
from petitions.signatures import check_email, find


def sweep(work: Callable[[], None]) -> Any:
    """Make a function a periodic task under a lease: one process at a time, last success recorded.

    The task is named "petitions." and the function's name; the lease is that name with hyphens.
    """

    @wraps(work)
    def run() -> None:
        with leases.alone(work.__name__.replace("_", "-")) as is_alone:
            if is_alone:
                work()

    return shared_task(name=f"petitions.{work.__name__}")(run)


@shared_task(name=wake_worker.TASK)  # type: ignore[untyped-decorator]
def deliver_mail() -> None:
    """Settle queued requests (corrections, resends, "find my signature"), then drain the outbox.

    Any number of these may run concurrently.
    """
    check_email.settle()
    find.settle()
    outbox.deliver()
    leases.note_success("deliver-mail")


@sweep
def keep_no_longer() -> None:
    """Run retention: purge expired data and truncate timestamps."""
    retention.keep_no_longer()


@sweep
def record_closes() -> None:
    """Record which petitions have closed, or reopened."""
    closing.record_closes()


@sweep
def give_notice() -> None:
    """Mail the organisation notice before signers of a closed petition are erased."""
    notices.send()


@sweep
def send_staff_mail() -> None:
    """Send invitations and links for new passwords to staff."""
    staff_letters.send()


@sweep
def raise_alerts() -> None:
    """Raise alerts for moderators about bursts from one network."""
    bursts.look()


@sweep
def check_tallies() -> None:
    """Reconcile the tallies with the signatures, and repair those that differ."""
    tallies.repair_all()


@sweep
def queue_reminders() -> None:
    """Queue one reminder to each signer who did not confirm within a day."""
    reminders.queue_reminders()


@sweep
def take_snapshots() -> None:
    """Write the snapshots of the day that has ended. Idempotent."""
    breakdowns.take_snapshots()
