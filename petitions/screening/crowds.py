"""How many different names each network has signed with lately, as far as this process saw.

It is one weak sign among others, so each process counts for itself, in memory alone: neither a
network nor a name leaves it. Names are kept as hashes with a salt of this process.
"""

import threading
import time

LASTING = 3600.0
MOST_NETWORKS = 20_000
MOST_NAMES = 1_000

_lock = threading.Lock()
_names: dict[tuple[int, str], set[int]] = {}
_state = {"since": 0.0}


def names_from(*, petition_id: int, network: str, name: str) -> int:
    """Count one signing, and say how many different names came from its network within an hour.

    All is forgotten every hour, and earlier if too many networks come. Nothing is said of a
    network that is not known.
    """
    if not network:
        return 0
    with _lock:
        _forget_if_due()
        names = _names.setdefault((petition_id, network), set())
        if len(names) < MOST_NAMES:
            names.add(hash(name.casefold()))
        return len(names)


def forget() -> None:
    """Start afresh."""
    with _lock:
        _names.clear()


def _forget_if_due() -> None:
    now = time.monotonic()
    if now - _state["since"] > LASTING or len(_names) >= MOST_NETWORKS:
        _names.clear()
        _state["since"] = now
