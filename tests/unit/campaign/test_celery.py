"""The worker outlives its connection to Redis."""

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport.redis import Channel, QoS

from campaign.celery import app as site


def qos_of_a_lost_connection() -> Any:
    """What Celery closes once it has let go of the connection, with a message not acknowledged."""
    channel: Any = object.__new__(Channel)
    channel.__dict__.update(connection=None, max_connections=10, _in_poll=None, _in_listen=None)
    make_qos: Any = QoS
    qos = make_qos(channel)
    qos._delivered["tag"] = SimpleNamespace()
    return qos


def test_unacknowledged_messages_on_a_lost_connection_do_not_end_the_worker() -> None:
    assert site.conf.task_acks_late is False
    qos_of_a_lost_connection().restore_unacked_once()


def test_restoring_messages_on_a_lost_connection_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Channel, "do_restore", True)
    with pytest.raises(AttributeError):
        qos_of_a_lost_connection().restore_unacked_once()
