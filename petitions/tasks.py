"""Celery tasks: thin wrappers around one use case each. No argument is personal data."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import shared_task

from petitions.counting import breakdowns, figures, tallies
from petitions.geography import countries
from petitions.handover import exports
from petitions.infra import locks
from petitions.mail import news_sending, outbox, reminders, team, wake_worker
from petitions.moderation import activity, alert_causes, bulk
from petitions.privacy import retention
from petitions.publishing import name_list, opening
from petitions.signatures import check_email, find


def sweep(work: Callable[[], None]) -> Any:
    """Make a function a periodic task under a lease: one process at a time, last success recorded.

    The task's name is "petitions." plus the function's name. The lease has hyphens instead of
    underscores.
    """

    @wraps(work)
    def run() -> None:
        with locks.lease(work.__name__.replace("_", "-")) as is_acquired:
            if is_acquired:
                work()

    return shared_task(name=f"petitions.{work.__name__}")(run)


@shared_task(name=wake_worker.TASK)  # type: ignore[untyped-decorator]
def deliver_mail() -> None:
    """Process queued requests (corrections, resends, "find my signature"), then deliver the outbox.

    Several may run concurrently.
    """
    check_email.settle()
    find.settle()
    outbox.deliver()
    locks.note_success("deliver-mail")


@sweep
def apply_retention() -> None:
    """Purge expired data and truncate timestamps."""
    retention.apply()


@sweep
def record_closes() -> None:
    """Record which petitions have closed, or reopened."""
    opening.record_closes()


@sweep
def give_notice() -> None:
    """Mail notices: of coming erasures and unanswered messages to the organisation, and reminders
    to delete copies of exports to the people who made them.
    """
    team.send_erasures()
    team.send_enquiries()
    exports.send_reminders()


@sweep
def send_staff_mail() -> None:
    """Send invitations and links for new passwords to staff."""
    team.send_letters()


@sweep
def send_news() -> None:
    """Send news to supporters, after all other mail, for some seconds."""
    news_sending.run_due()


@sweep
def raise_alerts() -> None:
    """Raise and close alerts for moderators, and mail those who want alerts."""
    alert_causes.raise_and_close()
    team.send_alerts()


@sweep
def count_activity() -> None:
    """Count the activity of the past minutes, for the cockpit."""
    activity.roll_up()


@sweep
def run_bulk_decisions() -> None:
    """Run the bulk decisions that moderators started, for some seconds."""
    bulk.run_due()


@sweep
def check_tallies() -> None:
    """Compare the tallies with the signatures, and repair those that differ."""
    for petition in tallies.repair_all():
        alert_causes.raise_tally(petition)


@sweep
def queue_reminders() -> None:
    """Queue one reminder to each signer who did not confirm within a day."""
    reminders.queue_reminders()


@sweep
def count_figures() -> None:
    """Count the figures for organisers. Idempotent within an hour."""
    figures.count_due()


@sweep
def count_countries() -> None:
    """Count signers by country and language, once a day. Idempotent."""
    countries.count_due()


@sweep
def list_names() -> None:
    """Create the day's public lists of names. Idempotent."""
    name_list.make_due()


@sweep
def take_snapshots() -> None:
    """Write the snapshots of the previous day. Idempotent."""
    breakdowns.take_snapshots()
