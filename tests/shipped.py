"""Data of a release: rows that migrations write, and alias rules of mail providers.

A `TransactionTestCase` truncates every table, those rows too.
"""

from importlib import import_module

import pytest

from petitions.identity import providers
from petitions.identity.providers import Provider
from petitions.models import Place


def write_places() -> None:
    """Write the two places that are no constituency."""
    rows = import_module("petitions.migrations.0002_data").PLACES
    Place.objects.bulk_create(
        [Place(code=code, kind=kind, name=name) for code, kind, name in rows],
        ignore_conflicts=True,
    )


def release_with(monkeypatch: pytest.MonkeyPatch, provider: Provider) -> None:
    """Add a provider to the alias rules, as a new release would."""
    rules = [*providers.PROVIDERS, provider]
    monkeypatch.setattr(providers, "BY_DOMAIN", providers.by_domain(rules))
    monkeypatch.setattr(providers, "FINGERPRINT", providers.fingerprint(rules))
