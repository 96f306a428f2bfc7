"""gunicorn's settings: `gunicorn -c python:campaign.gunicorn_conf campaign.wsgi:application`.

There is no access log, because it would contain tokens and IP addresses.
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
    """gunicorn's logger without an access log. With a logging configuration of ours, gunicorn would
    format each of its lines, and then drop it.
    """

    def access(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing."""


# The CPUs of our affinity mask, or [] if the system has none.
_processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_processor_of: WeakKeyDictionary[Worker, int] = WeakKeyDictionary()

bind = env.text("BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = env.integer("WEB_WORKERS", 2, at_least=1)
# More threads contend with each other: with 8 each request cost a tenth more, and the 99th
# percentile was a fifth longer than with 2. A few slow clients could block fewer threads.
# Two may be sending files to staff: see `petitions/admin/downloads.py`.
threads = env.integer("WEB_THREADS", 4, at_least=3)
# SO_REUSEPORT gives each worker a listening socket. With one shared socket, the first worker to
# wake accepts nearly all keep-alive connections while other CPUs idle: measured, a third of the
# rate.
reuse_port = not bind.startswith("fd://")
timeout = 30
graceful_timeout = 20
keepalive = 5
max_requests = env.integer("WEB_MAX_REQUESTS", 0)
max_requests_jitter = max_requests // 10
# By default gunicorn trusts headers for a request's path and scheme from peers on this machine or a
# Unix socket, although a client may have set them. Nothing here needs that: Django itself reads
# X-Forwarded-Proto, which the proxy sets.
forwarder_headers = ""
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# The control socket is not used, and its folder is not writeable in a container.
control_socket_disable = True
accesslog = None
logger_class = WithoutAccess
errorlog = "-"
# gunicorn's error log is redacted like all others.
logconfig_dict = {
    **to_stderr("INFO"),
    "loggers": {"gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Choose a CPU for the worker (affinity): the one with the fewest other workers.

    Only one thread of a worker runs at a time (GIL), so with several CPUs they only move its memory
    between caches. Pinned to one CPU, a signing cost a tenth less, and the 99th percentile fell by
    a third. If there are more CPUs than workers, the kernel chooses better.
    """
    if workers >= len(_processors) > 1:
        taken = Counter(_processor_of[other] for other in server.WORKERS.values())
        _processor_of[worker] = min(_processors, key=lambda processor: taken[processor])


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Pin the worker to the chosen CPU."""
    if worker in _processor_of:
        os.sched_setaffinity(0, {_processor_of[worker]})


def post_worker_init(worker: Worker) -> None:
    """Freeze loaded objects for the garbage collector, and shorten the GIL's switch interval.

    The collector would scan the 120,000 objects loaded by now and so delay a request. After each of
    its queries a signing waits for the GIL while another thread renders a page, for up to one
    switch interval. With 1 ms instead of Python's 5, there were 45 instead of 25 signings a second
    under attack, with a 99th percentile a quarter lower. CPU time without load was the same.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.001)
