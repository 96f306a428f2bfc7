"""What a process of the product remembers, and how a test begins with none of it.

In one run of the tests a process lives through thousands of visits, petitions and settings that
have nothing to do with each other. What one test left would decide what the next one sees. So
memories are looked for, and a new one is forgotten from its first day on.
"""

import sys
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper, lru_cache
from types import ModuleType
from typing import Any

from petitions.infra.ttl_cache import Kept
from petitions.mail import outbox
from petitions.mail.throttle import Throttle

# Functions of what they are given and of files that no test changes: they are never out of date,
# and some take long. `_flag` holds a thread, which its own tests see to.
UNCHANGING = frozenset(
    {
        "petitions.mail.wake_worker._flag",
        "petitions.formatting.markdown.render_markdown",
        "petitions.identity.names._spells",
        "petitions.web.long_pages._template",
        "petitions.identity.residence.countries",
        "petitions.management.sample_people._everybody",
        "petitions.sharing.cards._paper",
        "petitions.sharing.cards._picture",
        "petitions.sharing.typesetting._fonts",
    }
)


def forget_all() -> None:
    """As in a process that has just started."""
    for forget in memories().values():
        forget()
    outbox._throttle = Throttle()


def memories() -> dict[str, Callable[[], object]]:
    """How to forget each memory of the product, by its name."""
    ours = ("petitions.", "campaign.monitoring", "campaign.templatetags.")
    return _memories_of(tuple(name for name in sys.modules if name.startswith(ours)))


@lru_cache(maxsize=1)
def _memories_of(modules: tuple[str, ...]) -> dict[str, Callable[[], object]]:
    # What is not imported yet remembers nothing.
    return {name: forget for module in modules for name, forget in _of(sys.modules[module])}


def _of(module: ModuleType) -> Iterator[tuple[str, Callable[[], object]]]:
    """The caches of its functions; its own way to forget, or else the tables that it fills."""
    for name, held in vars(module).items():
        full = f"{module.__name__}.{name}"
        if isinstance(held, _lru_cache_wrapper):
            if held.__module__ == module.__name__ and full not in UNCHANGING:
                yield full, held.cache_clear
        elif not hasattr(module, "forget"):
            if isinstance(held, Kept):
                yield full, held.forget
            elif _is_filled_by_the_module(name, held):
                yield full, held.clear
    if hasattr(module, "forget"):
        yield f"{module.__name__}.forget", module.forget


def _is_filled_by_the_module(name: str, held: Any) -> bool:
    # Constants have names in capitals.
    return isinstance(held, dict | list | set) and name[0] == "_" and name[1:2].islower()
