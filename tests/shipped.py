"""What a release brings: rows that migrations write, and alias rules of mail providers.

A test whose transactions are real leaves every table empty, those rows too.
"""

from importlib import import_module

import pytest

from petitions.identity import providers
from petitions.identity.providers import Provider
from petitions.models import Place


def write_places() -> None:
    """The two lines of the count that are no constituency."""
    rows = import_module("petitions.migrations.0002_data").PLACES
    Place.objects.bulk_create(
        [Place(code=code, kind=kind, name=name) for code, kind, name in rows],
        ignore_conflicts=True,
    )


def release_with(monkeypatch: pytest.MonkeyPatch, provider: Provider) -> None:
    """As after a release whose alias rules know one provider more."""
    rules = [*providers.PROVIDERS, provider]
    monkeypatch.setattr(providers, "BY_DOMAIN", providers.by_domain(rules))
    monkeypatch.setattr(providers, "FINGERPRINT", providers.fingerprint(rules))
