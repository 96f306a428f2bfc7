"""In-process caches of the product, which are cleared before each test.

In one run of the tests a process lives through thousands of visits, petitions and settings that
have nothing to do with each other, and a cache left by one test would decide what the next one
sees. So caches are discovered, and a new one is cleared from its first day on.
"""

import sys
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper, lru_cache
from types import ModuleType
from typing import Any

from django.core.signals import setting_changed
from django.dispatch import receiver

from petitions.infra.ttl_cache import TTLCache
from petitions.mail import outbox
from petitions.mail.pace import Pace, Throttle

# Pure functions of their arguments and of files that no test changes: they are never stale, and
# some take long. `_flag` holds a thread, which its own tests see to.
UNCHANGING = frozenset(
    {
        "petitions.mail.wake_worker._flag",
        "petitions.formatting.sanitising.render_markdown",
        "petitions.web.long_pages._template",
        "petitions.identity.residence.countries",
        "petitions.management.sample_people._everybody",
        "petitions.sharing.typesetting._compile",
        "petitions.sharing.typesetting._fonts",
    }
)


def invalidate_all() -> None:
    """Clear all caches, as in a process that has just started."""
    for invalidate in memories().values():
        invalidate()
    outbox._throttle = Throttle()
    outbox._pace = Pace()
    outbox._durations.clear()


@receiver(setting_changed)
def _clear_derived_keys(*, setting: str, **_kwargs: Any) -> None:
    """As the restart of all processes that an exchange of keys needs."""
    if "KEY" in setting:
        for name, invalidate in memories().items():
            if name.startswith("petitions.crypto.vault."):
                invalidate()


def memories() -> dict[str, Callable[[], object]]:
    """The function that clears each cache of the product, by the cache's name."""
    ours = ("petitions.", "campaign.monitoring", "campaign.templatetags.")
    return _memories_of(tuple(name for name in sys.modules if name.startswith(ours)))


@lru_cache(maxsize=1)
def _memories_of(modules: tuple[str, ...]) -> dict[str, Callable[[], object]]:
    # A module that is not imported yet has cached nothing.
    return {name: invalidate for module in modules for name, invalidate in _of(sys.modules[module])}


def _of(module: ModuleType) -> Iterator[tuple[str, Callable[[], object]]]:
    """Its `lru_cache`s; its own `invalidate`, or else its TTL caches and tables that it fills."""
    for name, held in vars(module).items():
        full = f"{module.__name__}.{name}"
        if isinstance(held, _lru_cache_wrapper):
            if held.__module__ == module.__name__ and full not in UNCHANGING:
                yield full, held.cache_clear
        elif not hasattr(module, "invalidate"):
            if isinstance(held, TTLCache):
                yield full, held.invalidate
            elif _is_filled_by_the_module(name, held):
                yield full, held.clear
    if hasattr(module, "invalidate"):
        yield f"{module.__name__}.invalidate", module.invalidate


def _is_filled_by_the_module(name: str, held: Any) -> bool:
    # Constants have names in capitals.
    return isinstance(held, dict | list | set) and name[0] == "_" and name[1:2].islower()
