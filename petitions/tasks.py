"""Celery tasks: a few lines around one use case each. None takes a personal argument."""

from celery import shared_task

from petitions import attempts, closing, finding, progress, reindexing, retention, tallies
from petitions.locks import alone
from petitions.mail import notices, nudge, outbox, reminders
from petitions.screening import alerts


@shared_task(name=nudge.TASK)  # type: ignore[untyped-decorator]
def deliver_mail() -> None:
    """Do what was asked for since, and send what is due. Any number of these may run at once."""
    attempts.settle()
    finding.settle()
    outbox.deliver()


@shared_task(name="petitions.keep_no_longer")  # type: ignore[untyped-decorator]
def keep_no_longer() -> None:
    """Delete and coarsen what has been kept long enough."""
    with alone("keep-no-longer") as is_alone:
        if is_alone:
            retention.keep_no_longer()


@shared_task(name="petitions.record_closes")  # type: ignore[untyped-decorator]
def record_closes() -> None:
    """Write down which petitions have closed, or opened again."""
    closing.record_closes()


@shared_task(name="petitions.give_notice")  # type: ignore[untyped-decorator]
def give_notice() -> None:
    """Mail the organisation before people of a closed petition are erased."""
    with alone("give-notice") as is_alone:
        if is_alone:
            notices.send()


@shared_task(name="petitions.raise_alerts")  # type: ignore[untyped-decorator]
def raise_alerts() -> None:
    """Tell moderators of what came in too fast just now."""
    with alone("raise-alerts") as is_alone:
        if is_alone:
            alerts.look()


@shared_task(name="petitions.check_tallies")  # type: ignore[untyped-decorator]
def check_tallies() -> None:
    """Compare the counts with the signatures, and write afresh what differs."""
    with alone("check-tallies") as is_alone:
        if is_alone:
            tallies.repair_all()


@shared_task(name="petitions.queue_reminders")  # type: ignore[untyped-decorator]
def queue_reminders() -> None:
    """Remind, once, those who did not confirm within a day."""
    with alone("queue-reminders") as is_alone:
        if is_alone:
            reminders.queue_reminders()


@shared_task(name="petitions.compare_mailboxes")  # type: ignore[untyped-decorator]
def compare_mailboxes() -> None:
    """Do what a change of the providers' rules asked for, or go on with it after a crash."""
    reindexing.run_due()


@shared_task(name="petitions.take_snapshots")  # type: ignore[untyped-decorator]
def take_snapshots() -> None:
    """Write the counts of the day that has ended, once."""
    with alone("take-snapshots") as is_alone:
        if is_alone:
            progress.take_snapshots()
