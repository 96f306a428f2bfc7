"""Celery beat scheduler with an in-memory schedule and a heartbeat file."""

from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from django.conf import settings


class HeartbeatScheduler(Scheduler):  # type: ignore[misc]
    """Celery's in-memory scheduler, which touches a heartbeat file at every tick.

    Celery's default scheduler keeps its schedule in a database file, which can fail while beat
    runs. Memory is enough: after a restart, a task with an interval runs one interval later, so at
    most one interval late, and a task with a crontab runs at its time. The file name that Celery
    passes is not used.
    """

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Touch the heartbeat file, then run due tasks. Raises OSError, which ends beat."""
        Path(settings.BEAT_HEARTBEAT_FILE).touch()
        # If the clock was set back, no sweep would run until it reaches the last run again.
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # Rebuilt by Celery, with new due times.
        return super().tick(*args, **kwargs)
