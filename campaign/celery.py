"""The Celery app of worker and beat, which refuse to start with unsafe settings."""

import os
import sys
from typing import Any

import django
from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, worker_init
from kombu.transport.redis import Channel

from petitions.infra.sweeps import SWEEPS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")

# Celery closes a lost connection and then restores unacknowledged messages through it. That
# fails with an exception it does not expect, and ends the worker when Redis goes away. Nothing
# needs restoring, for every sweep comes again.
Channel.do_restore = False

app = Celery("undersigned")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _entry(name: str, schedule: float | crontab) -> dict[str, Any]:
    """A beat entry whose messages expire before the next, so that none pile up without a worker."""
    expires = int(schedule) if isinstance(schedule, float) else 3600
    options = {"expires": expires, "ignore_result": True}
    return {"task": f"petitions.{name.replace('-', '_')}", "schedule": schedule, "options": options}


app.conf.beat_schedule = {name: _entry(name, sweep.schedule) for name, sweep in SWEEPS.items()}


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
