"""The Celery app of worker and beat, which refuse to start with unsafe settings."""

import os
import sys
from typing import Any

import django
from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, worker_init
from kombu.transport.redis import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")

# Celery closes a lost connection and then restores unacknowledged messages through it. That
# fails with an exception it does not expect, and ends the worker when Redis goes away. Nothing
# needs restoring, for every sweep comes again.
Channel.do_restore = False

app = Celery("undersigned")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _sweep(task: str, schedule: float | crontab, *, expires: int) -> dict[str, Any]:
    """A beat entry whose messages expire before the next, so that none pile up without a worker."""
    options = {"expires": expires, "ignore_result": True}
    return {"task": task, "schedule": schedule, "options": options}


app.conf.beat_schedule = {
    "deliver-mail": _sweep("petitions.deliver_mail", 5.0, expires=5),
    "raise-alerts": _sweep("petitions.raise_alerts", 30.0, expires=30),
    "count-activity": _sweep("petitions.count_activity", 30.0, expires=30),
    "run-bulk-decisions": _sweep("petitions.run_bulk_decisions", 5.0, expires=5),
    "send-news": _sweep("petitions.send_news", 10.0, expires=10),
    "send-staff-mail": _sweep("petitions.send_staff_mail", 10.0, expires=10),
    "queue-reminders": _sweep("petitions.queue_reminders", 600.0, expires=600),
    "apply-retention": _sweep("petitions.apply_retention", 3600.0, expires=3600),
    "record-closes": _sweep("petitions.record_closes", 60.0, expires=60),
    "give-notice": _sweep("petitions.give_notice", 600.0, expires=600),
    # At the full hour, and so before the snapshots, which take the day's states from it.
    "count-figures": _sweep("petitions.count_figures", crontab(minute="0"), expires=3600),
    # Each petition once a day, in the first of these after midnight.
    "count-countries": _sweep("petitions.count_countries", crontab(minute="20"), expires=3600),
    "list-names": _sweep("petitions.list_names", crontab(minute="10"), expires=3600),
    # Soon after midnight in London, in summer and winter, and again each hour if that was missed.
    "take-snapshots": _sweep("petitions.take_snapshots", crontab(minute="1"), expires=3600),
    "check-tallies": _sweep(
        "petitions.check_tallies", crontab(hour="3", minute="30"), expires=3600
    ),
}


def refuse_unsafe_start(**_kwargs: Any) -> None:
    """Exit with the errors of the system checks, as the web does."""
    django.setup()
    from campaign import checks  # needs Django to be set up

    try:
        checks.refuse_unsafe_start()
    except SystemExit:
        # Beat has redirected sys.stderr to a logger by now, which would swallow the reasons.
        sys.stderr = sys.__stderr__
        raise


def limit_database(**_kwargs: Any) -> None:
    """Set the worker's database timeouts before it forks; each child opens its own connection."""
    from campaign.database import timeouts  # needs Django to be set up

    timeouts.limit("worker")


worker_init.connect(refuse_unsafe_start)
worker_init.connect(limit_database)
beat_init.connect(refuse_unsafe_start)
