"""gunicorn's settings: `gunicorn -c python:campaign.gunicorn_conf campaign.wsgi:application`.

There is no access log: it would hold tokens and IP addresses.
"""

import gc
import os
import sys
from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from campaign import env
from campaign.logs import to_stderr


class WithoutAccess(Logger):
    """gunicorn's logger without an access log: with a configuration of ours gunicorn would
    format every line of it, and then drop it.
    """

    def access(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""


# The CPUs of our affinity mask; none where the system has no such call.
_processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_processor_of: WeakKeyDictionary[Worker, int] = WeakKeyDictionary()

bind = env.text("BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = env.integer("WEB_WORKERS", 2, at_least=1)
# More contend with each other: with 8 each request cost a tenth more, and the 99th percentile was
# a fifth longer than with 2. Fewer could be blocked by a few slow clients.
# Two may be sending files to staff: see `petitions/admin/downloads.py`.
threads = env.integer("WEB_THREADS", 4, at_least=3)
# SO_REUSEPORT: each worker has a listening socket. From one shared socket the first to wake takes
# nearly all keep-alive connections, and the other CPUs stand idle: measured, a third of the rate.
reuse_port = not bind.startswith("fd://")
timeout = 30
graceful_timeout = 20
keepalive = 5
max_requests = env.integer("WEB_MAX_REQUESTS", 0)
max_requests_jitter = max_requests // 10
# gunicorn would trust headers for a request's path and scheme from a peer on this machine or on a
# Unix socket, whoever sent them. Nothing here needs that: Django itself reads the one header that
# the proxy sets, X-Forwarded-Proto.
forwarder_headers = ""
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# Not used, and its folder is not writeable in a container.
control_socket_disable = True
accesslog = None
logger_class = WithoutAccess
errorlog = "-"
# gunicorn's error log goes through the same redaction as the rest.
logconfig_dict = {
    **to_stderr("INFO"),
    "loggers": {"gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Choose the worker's CPU (affinity): the one with the fewest other workers.

    The threads of one worker take turns (GIL), so on several CPUs they only move its memory
    about: pinned to one, a signing cost a tenth less and the 99th percentile fell by a third.
    With CPUs to spare the kernel does better.
    """
    if workers >= len(_processors) > 1:
        taken = Counter(_processor_of[other] for other in server.WORKERS.values())
        _processor_of[worker] = min(_processors, key=lambda processor: taken[processor])


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Pin the worker to the CPU that was chosen."""
    if worker in _processor_of:
        os.sched_setaffinity(0, {_processor_of[worker]})


def post_worker_init(worker: Worker) -> None:
    """Prepare the process for its threads: garbage collection (`gc.freeze`) and turns of the GIL.

    The collector would scan the 120,000 objects that are loaded by now, and so delay the request
    at hand. A signing waits for the GIL after each of its queries, as long as a page that another
    thread renders may keep it: with 1 ms instead of Python's 5, signing under attack had 45 instead
    of 25 a second and a 99th percentile a quarter lower, at the same processor time in calm.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.001)
