"""Beat without a schedule file: what it has to remember fits into memory."""

from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from django.conf import settings


class HeartbeatScheduler(Scheduler):  # type: ignore[misc]
    """Celery's scheduler, which touches a file at every tick, for whoever watches over beat.

    Celery's default keeps its schedule in a small database on disk, which can fail while beat
    runs and has nothing to tell us. In memory is enough: after a restart, a task that runs at
    an interval runs one interval later, so at most one interval late, and one that runs by the
    clock runs when the clock says so. Its file's name is of no use here.
    """

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Say that we live, then do what is due. A file that cannot be written ends beat."""
        Path(settings.BEAT_HEARTBEAT_FILE).touch()
        self._heed_a_clock_set_back()
        return super().tick(*args, **kwargs)

    def _heed_a_clock_set_back(self) -> None:
        """Nothing has run in the future: else no sweep would run until the clock is there again."""
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # When each is due is reckoned anew.
