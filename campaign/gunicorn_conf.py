"""gunicorn's settings: `gunicorn -c python:campaign.gunicorn_conf campaign.wsgi:application`.

There is no access log: paths would hold tokens, and lines would hold networks.
"""

import gc
import os
from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from campaign import env
from campaign.logs import to_stderr


class WithoutAccess(Logger):
    """gunicorn's own log. There is no access log, so nothing is prepared for one either: with
    a configuration of ours gunicorn would put every line together, and then drop it.
    """

    def access(self, *args: Any, **kwargs: Any) -> None:
        """Keep no record of a request."""


# Those that the kernel lets us have; none where a system cannot say.
_processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_processor_of: WeakKeyDictionary[Worker, int] = WeakKeyDictionary()

bind = env.text("BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = env.integer("WEB_WORKERS", 2, at_least=1)
# More would wait for each other: of 8 each request cost a tenth more, and the slowest of a hundred
# took a fifth longer than of 2. Fewer could be held up by a few slow readers.
threads = env.integer("WEB_THREADS", 4, at_least=1)
# Each worker listens for itself. From one shared socket the first to wake takes nearly all
# kept-alive connections, and the other processors stand idle: measured, a third of the rate.
reuse_port = not bind.startswith("fd://")
timeout = 30
graceful_timeout = 20
keepalive = 5
max_requests = env.integer("WEB_MAX_REQUESTS", 0)
max_requests_jitter = max_requests // 10
# gunicorn would let a peer on this machine, or on a Unix socket, set the path and the scheme of
# a request by headers, whoever sent them. Nothing here needs that: Django itself reads the one
# header that the proxy sets, X-Forwarded-Proto.
forwarder_headers = ""
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# Nobody steers it at run time, and its socket's folder could not be written to in a container.
control_socket_disable = True
accesslog = None
logger_class = WithoutAccess
errorlog = "-"
# What gunicorn itself reports goes through the same redaction as the rest.
logconfig_dict = {
    **to_stderr("INFO"),
    "loggers": {"gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Choose the worker's processor: the one that the fewest of the others have.

    The threads of one worker take turns, so on several processors they only carry its memory
    about: on one of their own, a signing cost a tenth less and the slowest of a hundred took a
    third less time. With processors to spare the kernel does better.
    """
    if workers >= len(_processors) > 1:
        taken = Counter(_processor_of[other] for other in server.WORKERS.values())
        _processor_of[worker] = min(_processors, key=lambda processor: taken[processor])


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Stay on the processor that was chosen."""
    if worker in _processor_of:
        os.sched_setaffinity(0, {_processor_of[worker]})


def post_worker_init(worker: Worker) -> None:
    """Take all that is loaded by now for everlasting.

    The garbage collector would look through its 120,000 objects now and then, and whoever is
    served just then would wait for it.
    """
    gc.collect()
    gc.freeze()
