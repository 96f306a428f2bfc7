"""Celery tasks: a few lines around one use case each. None takes a personal argument."""

from celery import shared_task

from petitions import nudge, outbox, retention


@shared_task(name=nudge.TASK)
def deliver_mail() -> None:
    """Send what is due in the outbox. Any number of these may run at once."""
    outbox.deliver()


@shared_task(name="petitions.delete_expired_pending")
def delete_expired_pending() -> None:
    """Delete what nobody confirmed in time."""
    retention.delete_expired_pending()
