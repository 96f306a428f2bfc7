"""Celery beat scheduler with its schedule in memory and a heartbeat file."""

from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from django.conf import settings


class HeartbeatScheduler(Scheduler):  # type: ignore[misc]
    """Celery's in-memory scheduler, which touches a heartbeat file at every tick.

    Celery's default keeps its schedule in a small database on disk, which can fail while beat
    runs and has nothing to tell us. In memory is enough: after a restart, a task with an interval
    runs one interval later, so at most one interval late, and one with a crontab at its time.
    The file name that Celery passes is not used.
    """

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Touch the heartbeat file, then run what is due. Raises OSError, which ends beat."""
        Path(settings.BEAT_HEARTBEAT_FILE).touch()
        # A clock may be set back: no sweep would run until it gets to where its last run is.
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # Rebuilt by Celery, with new due times.
        return super().tick(*args, **kwargs)
