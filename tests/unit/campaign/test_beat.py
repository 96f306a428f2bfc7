"""Beat keeps its schedule in memory and shows that it lives."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from pytest_django import Settings

from campaign.beat import HeartbeatScheduler
from campaign.celery import app as site


@pytest.fixture
def heartbeat(tmp_path: Path, settings: Settings) -> Path:
    file = tmp_path / "beat"
    settings.BEAT_HEARTBEAT_FILE = str(file)
    return file


def scheduler(**entries: Any) -> HeartbeatScheduler:
    app = Celery(set_as_current=False, broker="memory://")
    app.conf.update(beat_schedule=entries, beat_max_loop_interval=10, result_expires=None)
    return HeartbeatScheduler(app)


def test_each_tick_touches_the_heartbeat_file(heartbeat: Path) -> None:
    beat = scheduler(sweep={"task": "sweep", "schedule": 3600.0})
    assert not heartbeat.exists()

    beat.tick()
    os.utime(heartbeat, (0, 0))
    wait = beat.tick()

    assert heartbeat.stat().st_mtime > 0
    assert wait <= 10


def test_what_is_due_is_still_sent(heartbeat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(
        HeartbeatScheduler, "apply_entry", lambda _self, entry, **_more: sent.append(entry.task)
    )
    monkeypatch.setattr(HeartbeatScheduler, "producer", None)
    beat = scheduler(sweep={"task": "sweep", "schedule": 0.0})

    beat.tick()

    assert sent == ["sweep"]


def test_sweeps_continue_after_the_clock_is_set_back(
    heartbeat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = scheduler(sweep={"task": "sweep", "schedule": 5.0})
    beat.tick()
    entry = beat.schedule["sweep"]
    entry.last_run_at += timedelta(hours=1)
    monkeypatch.setattr(beat, "_heap", None)

    wait = beat.tick()

    assert entry.last_run_at <= entry.default_now()
    assert wait <= 5


def test_beat_ends_if_the_heartbeat_file_cannot_be_written(
    tmp_path: Path, settings: Settings
) -> None:
    settings.BEAT_HEARTBEAT_FILE = str(tmp_path / "missing" / "beat")

    with pytest.raises(FileNotFoundError):
        scheduler().tick()


def test_the_site_uses_the_heartbeat_scheduler_with_a_ten_second_interval() -> None:
    assert site.conf.beat_scheduler == "campaign.beat:HeartbeatScheduler"
    assert site.conf.beat_max_loop_interval == 10
