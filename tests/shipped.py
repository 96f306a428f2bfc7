"""What migrations write: for tests without a database, and for those after a truncated table.

A test whose transactions are real leaves every table empty.
"""

from importlib import import_module
from typing import Any

from django.apps import apps

from petitions.identity import email_addresses
from petitions.identity.email_addresses import Provider
from petitions.models import Place

_migration: Any = import_module("petitions.migrations.0004_providers")
PROVIDERS = [
    Provider(name, frozenset({name, *others}), **rules)
    for name, others, rules in _migration.PROVIDERS
]
RULES = email_addresses.by_domain(PROVIDERS)


def write_places() -> None:
    """The two lines of the count that are no constituency."""
    rows = import_module("petitions.migrations.0002_places").PLACES
    Place.objects.bulk_create(
        [Place(code=code, kind=kind, name=name) for code, kind, name in rows],
        ignore_conflicts=True,
    )


def write_providers() -> None:
    """The rules of mail providers."""
    _migration.add_providers(apps, None)
