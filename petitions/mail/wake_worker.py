"""Wake the mail worker after a commit, without ever making a signer wait for it.

The outbox row is what counts, and a sweep finds it within seconds. Waking only cuts the latency.
Publishing to Celery can block for many seconds while Redis is down, so a background thread does it
and a request only sets a flag. If that thread hangs or fails, only speed is lost. Publishing is
debounced: one at a time, and at most one in 200 ms.
"""

import logging
import threading
import time
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

TASK = "petitions.deliver_mail"
PAUSE = 0.2
PAUSE_AFTER_FAILURE = 5.0

logger = logging.getLogger(__name__)


def nudge() -> None:
    """Ask the worker to poll the outbox soon. Never blocks, never raises."""
    _flag().set()


@cache
def _flag() -> threading.Event:
    # Created lazily, in the process that uses it: threads do not survive a fork.
    flag = threading.Event()
    threading.Thread(target=_publish_for_ever, args=[flag], daemon=True, name="nudge").start()
    return flag


def _publish_for_ever(flag: threading.Event) -> None:
    while True:
        flag.wait()
        flag.clear()
        try:
            _app().send_task(TASK, expires=60, retry=False, ignore_result=True)
        except Exception as error:  # noqa: BLE001 - whatever Redis or kombu raises, the sweep works
            name = type(error).__name__
            logger.warning("cannot wake the worker (%s); the sweep will find the mail", name)
            time.sleep(PAUSE_AFTER_FAILURE)
        else:
            time.sleep(PAUSE)


def _app() -> Any:
    # Imported lazily, by name: Celery takes 13 MB, and commands such as an export do without.
    return import_string(settings.TASK_APP)
