"""The Celery app: worker and beat. They refuse to start with settings that would be unsafe."""

import os
import sys
from typing import Any

import django
from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, worker_init
from kombu.transport.redis import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")

# Celery closes a lost connection and then restores through it what was not acknowledged. That
# fails with an exception it does not expect, and ends the worker when Redis goes away. Nothing
# needs restoring, for every sweep comes again.
Channel.do_restore = False

app = Celery("undersigned")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Each sweep expires before the next is due, so that none pile up while no worker runs.
app.conf.beat_schedule = {
    "deliver-mail": {
        "task": "petitions.deliver_mail",
        "schedule": 5.0,
        "options": {"expires": 5, "ignore_result": True},
    },
    "raise-alerts": {
        "task": "petitions.raise_alerts",
        "schedule": 30.0,
        "options": {"expires": 30, "ignore_result": True},
    },
    "queue-reminders": {
        "task": "petitions.queue_reminders",
        "schedule": 600.0,
        "options": {"expires": 600, "ignore_result": True},
    },
    "keep-no-longer": {
        "task": "petitions.keep_no_longer",
        "schedule": 3600.0,
        "options": {"expires": 3600, "ignore_result": True},
    },
    "compare-mailboxes": {
        "task": "petitions.compare_mailboxes",
        "schedule": 30.0,
        "options": {"expires": 30, "ignore_result": True},
    },
    # Soon after midnight in London, in summer and winter, and again each hour if that was missed.
    "take-snapshots": {
        "task": "petitions.take_snapshots",
        "schedule": crontab(minute="1"),
        "options": {"expires": 3600, "ignore_result": True},
    },
    "check-tallies": {
        "task": "petitions.check_tallies",
        "schedule": crontab(hour="3", minute="30"),
        "options": {"expires": 3600, "ignore_result": True},
    },
}


def refuse_unsafe_start(**_kwargs: Any) -> None:
    """End the process with what is missing, as the web does."""
    django.setup()
    from campaign import checks  # needs Django to be set up

    try:
        checks.refuse_unsafe_start()
    except SystemExit:
        # Beat has turned sys.stderr into a logger by now, which would keep the reasons to itself.
        sys.stderr = sys.__stderr__
        raise


worker_init.connect(refuse_unsafe_start)
beat_init.connect(refuse_unsafe_start)
