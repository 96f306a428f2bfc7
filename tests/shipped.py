"""The rules of mail providers that the site ships with, for tests without a database."""

from importlib import import_module
from typing import Any

from petitions import addresses
from petitions.addresses import Provider

_migration: Any = import_module("petitions.migrations.0004_providers")
PROVIDERS = [
    Provider(name, frozenset({name, *others}), **rules)
    for name, others, rules in _migration.PROVIDERS
]
RULES = addresses.by_domain(PROVIDERS)
