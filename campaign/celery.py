"""The Celery app of worker and beat. Both refuse to start with unsafe settings."""

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

# Celery closes a lost connection, and then restores unacknowledged messages through it. That raises
# an exception which Celery does not expect, and so ends the worker when Redis goes away. Nothing
# needs restoring, because every sweep runs again.
Channel.do_restore = False

app = Celery("undersigned")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _entry(name: str, times: float | dict[str, str]) -> dict[str, Any]:
    """Return a beat entry. Its messages expire before the next one, and so cannot pile up."""
    schedule = times if isinstance(times, float) else crontab(**times)
    expires = int(times) if isinstance(times, float) else 3600
    options = {"expires": expires, "ignore_result": True}
    return {"task": f"petitions.{name.replace('-', '_')}", "schedule": schedule, "options": options}


app.conf.beat_schedule = {name: _entry(name, sweep.schedule) for name, sweep in SWEEPS.items()}


def refuse_unsafe_start(**_kwargs: Any) -> None:
    """Exit with the errors of the system checks, as the web process does."""
    django.setup()
    from campaign import checks  # needs Django to be set up

    try:
        checks.refuse_unsafe_start()
    except SystemExit:
        # By now beat has redirected sys.stderr to a logger, which would swallow the errors.
        sys.stderr = sys.__stderr__
        raise


def limit_database(**_kwargs: Any) -> None:
    """Set the worker's database timeouts before it forks. Each child opens its own connection."""
    from campaign.database import timeouts  # needs Django to be set up

    timeouts.limit("worker")


worker_init.connect(refuse_unsafe_start)
worker_init.connect(limit_database)
beat_init.connect(refuse_unsafe_start)
