"""Celery tasks: a few lines around one use case each. None takes a personal argument."""

from celery import shared_task

from petitions import nudge, outbox, retention


@shared_task(name=nudge.TASK)  # type: ignore[untyped-decorator]
def deliver_mail() -> None:
    """Send what is due in the outbox. Any number of these may run at once."""
    outbox.deliver()


@shared_task(name="petitions.keep_no_longer")  # type: ignore[untyped-decorator]
def keep_no_longer() -> None:
    """Delete and coarsen what has been kept long enough."""
    retention.delete_expired_pending()
    retention.erase_after_close()
    retention.cut_times_to_the_day()
