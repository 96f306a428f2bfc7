"""Template tag for the cockpit: the health of each part of the site."""

from typing import NamedTuple

from django import template

from campaign import monitoring
from petitions.infra.sweeps import SWEEPS

register = template.Library()

_NAMES = {
    "database": "Database",
    "mail": "Mail",
    "redis": "Redis",
    "limits": "Rate limits",
    "mailboxes": "Comparison of mailboxes",
}


class Health(NamedTuple):
    """A part of the site, whether it is healthy, and its state in words."""

    name: str
    is_well: bool
    words: str


@register.simple_tag
def health_of_parts() -> list[Health]:
    """Return the health of each part, and of each sweep with the age of its last success.

    It is read from the report behind `/health`, without the figures of mail: see `health.details`.
    """
    report = monitoring.report()
    parts = [
        Health(name, (state := report[key]["state"]) == monitoring.WELL, state)
        for key, name in _NAMES.items()
    ]
    overdue = report["sweeps"].get("overdue", ())
    for name, seconds in report["sweeps"].get("seconds_since", {}).items():
        words = f"last done {_age(seconds)} ago"
        if name in overdue:
            words += f": {SWEEPS[name].consequence}"
        parts.append(Health(f"Worker: {name}", name not in overdue, words))
    return parts


def _age(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
