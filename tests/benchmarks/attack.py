"""An attack that goes on while signing is measured.

    python -m tests.benchmarks.attack PORT SLUG FRONT

Until it is ended it sends, from ever new networks, what costs the site most for what it costs the
sender: wrong log-ins (password hashing), messages by the contact form, share images, posters and
leaflets in all languages, asked for at random, and slow bodies: forms that come drop by drop, by
the shipped proxy in front of the site (FRONT is its port), more of them than the site has threads.
"""

import http.client
import itertools
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlencode

# Threads of each kind of request; each has one under way at any time.
THREADS = 2
# Forms that are on their way at any moment, four for each thread of the site.
SLOW_BODIES = 32
# Seconds for which they drip: the proxy cuts them off after 15.
_DRIPPING = 14
_FORM = "application/x-www-form-urlencoded"
_rng = random.Random()

Headers = dict[str, str]
Answer = tuple[http.client.HTTPResponse, str]


@contextmanager
def under_way(port: int, slug: str, *, front: int) -> Iterator[None]:
    """Attack the site at this port, and the proxy in front of it, from a process of its own,
    within the block.
    """
    command = [sys.executable, "-m", "tests.benchmarks.attack", str(port), slug, str(front)]
    process = subprocess.Popen(command)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError("the attack ended before the measure did")
    finally:
        process.terminate()
        process.wait()


def _send(port: int, method: str, path: str, headers: Headers, **fields: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    network = ".".join(str(_rng.randrange(1, 223)) for _ in range(3))
    sent = {"X-Forwarded-For": f"{network}.7", "Sec-Fetch-Site": "same-origin", **headers}
    try:
        connection.request(method, path, urlencode(fields), {"Content-Type": _FORM, **sent})
        answer = connection.getresponse()
        return answer, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def log_in_wrongly(port: int, slug: str) -> None:
    """One wrong password for an account that does not exist, with a valid CSRF token."""
    answer, page = _send(port, "GET", "/admin/login/", {})
    cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    password = {"username": f"nobody{_rng.randrange(10**6)}", "password": "wrong and long"}
    _send(
        port, "POST", "/admin/login/", {"Cookie": cookie}, csrfmiddlewaretoken=token[0], **password
    )


def write(port: int, slug: str) -> None:
    """One message by the contact form."""
    letter = {"kind": "other", "name": "", "email": "a@example.org", "message": "spam " * 500}
    _send(port, "POST", "/contact/", {}, **letter)


def ask_for_papers(port: int, slug: str) -> None:
    """One share image, poster or leaflet, in a language and under a query at random."""
    language = _rng.choice(("", "/ar", "/cy"))
    name = _rng.choice((f"{slug}.png", f"{slug}-poster.pdf", f"{slug}-leaflets.pdf"))
    _send(port, "GET", f"{language}/share/{name}?{_rng.randrange(10**9)}", {})


def drip(port: int, slug: str) -> None:
    """Forms that say that they are long, of which a few bytes a second come."""
    head = f"POST /petitions/{slug}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Content-Type: {_FORM}\r\nContent-Length: 60000\r\n\r\n"
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            for _ in range(SLOW_BODIES)
        ]
        for one in connections:
            one.sendall(head.encode())
        for _ in range(_DRIPPING):
            for one in connections:
                with suppress(OSError):
                    one.sendall(b"name=x&")
            time.sleep(1)


def _repeat(act: Callable[[int, str], None], port: int, slug: str) -> None:
    for _ in itertools.count():
        # Refused or cut off: the next one comes all the same.
        with suppress(OSError, http.client.HTTPException, IndexError):
            act(port, slug)


if __name__ == "__main__":
    site, name, front_port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    acts = [(act, site) for act in (log_in_wrongly, write, ask_for_papers) for _ in range(THREADS)]
    threads = [
        threading.Thread(target=_repeat, args=[act, port, name])
        for act, port in (*acts, (drip, front_port))
    ]
    for thread in threads:
        thread.start()
