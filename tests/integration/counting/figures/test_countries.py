"""Counts by country and language: made from sealed data once a day, and stored sealed."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions import tasks
from petitions.counting import figure_tables, figures
from petitions.crypto import vault
from petitions.geography import countries
from petitions.models import Figures, Petition, Signature, Signer
from petitions.privacy import reseal
from petitions.signatures import withdraw
from petitions.signers import erasing
from petitions.signers.sealing import Attempt
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm

NOW = timezone.now()


@pytest.fixture(autouse=True)
def _counted(petition: Petition) -> None:
    """Amina and Bashir in the UK, David in Jordan; somebody in Syria withdrew, another waits."""
    for one in (AMINA, BASHIR, DAVID):
        sign_and_confirm(petition, one)
    gone = Attempt(name="Gone", email="g@example.org", country="SY", name_use="public")
    withdraw.withdraw(signature_id=sign_and_confirm(petition, gone).pk)
    sign(petition, Attempt(name="New", email="n@example.org", country="FR", name_use="public"))
    figures.count_due()
    countries.count_due(NOW)


def table(petition: Petition, name: str) -> dict[Any, Any]:
    report = figure_tables.report(petition)
    assert report is not None
    found = report.table(name)
    assert found is not None
    return {label: n for label, n in found.rows}  # noqa: C416 - rows may have more columns


def test_confirmed_signers_are_counted_by_country_and_language(petition: Petition) -> None:
    assert table(petition, "countries") == {"United Kingdom": 2, "Jordan": 1}
    assert table(petition, "languages") == {"English": 2, "Arabic": 1}


def test_reading_the_counts_unseals_no_signer(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    unseal = vault.unseal

    def note(sealed: bytes, *, table: str, row_id: Any) -> dict[str, object]:
        opened.append(table)
        return unseal(sealed, table=table, row_id=row_id)

    monkeypatch.setattr(vault, "unseal", note)
    figure_tables.report(petition)
    assert opened == ["figures"]


def test_countries_are_counted_once_a_day_in_london(petition: Petition) -> None:
    midnight = timezone.localtime(NOW).replace(hour=0, minute=0) + timedelta(days=1)
    assert countries.count_due(midnight - timedelta(minutes=1)) == 0
    assert countries.count_due(midnight + timedelta(minutes=1)) == 1


def test_counts_by_country_remain_after_the_signers_are_erased(petition: Petition) -> None:
    Petition.objects.update(opens_at=None, closes_at=NOW - timedelta(days=8))
    Signer.objects.all().delete()
    assert countries.count_due(NOW + timedelta(days=1)) == 0
    assert table(petition, "countries")["Jordan"] == 1


def test_erased_and_unsealable_signers_are_counted_as_not_known(petition: Petition) -> None:
    signer = Signer.objects.get(signature__place="abroad", signature__state="confirmed")
    Signer.objects.filter(pk=signer.pk).update(sealed=b"no seal")
    countries.count_due(NOW + timedelta(days=1))
    assert table(petition, "countries") == {"United Kingdom": 2, "not known": 1}
    erased = Signature.objects.counted().exclude(pk=signer.pk).first()
    assert erased
    erasing.erase_people([erased.pk])
    countries.count_due(NOW + timedelta(days=2))
    assert table(petition, "countries") == {"United Kingdom": 1, "not known": 2}
    assert table(petition, "languages")["not known"] == 2


def test_a_database_copy_reveals_neither_countries_nor_their_number(petition: Petition) -> None:
    def stored() -> bytes:
        return bytes(Figures.objects.get().sealed or b"")

    assert b'"JO"' not in stored()
    before = len(stored())
    fresh = figures.seal(Figures.objects.get(), {"country": {f"X{n}": 9**9 for n in range(250)}})
    assert len(fresh) == before


def test_batches_count_everybody_once(petition: Petition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countries, "BATCH", 2)
    with CaptureQueriesContext(connection) as asked:
        counted = countries.count(petition.pk)
    assert sum(counted["country"].values()) == Signature.objects.counted().count() == 3
    assert len(asked) == 3


def test_reseal_covers_the_counts_by_country(petition: Petition, settings: Any) -> None:
    settings.SEALING_KEYS = {9: b"k" * 32, **settings.SEALING_KEYS}
    assert len(reseal.figures_waiting()) == 1
    call_command("reseal")
    assert reseal.figures_waiting() == []
    settings.SEALING_KEYS = {9: b"k" * 32}
    assert table(petition, "countries")["Jordan"] == 1
    settings.SEALING_KEYS = {8: b"o" * 32}
    assert table(petition, "countries") == {}


@pytest.mark.django_db(transaction=True)
def test_the_sweep_stores_counts_by_country(petition: Petition) -> None:
    Figures.objects.update(sealed=None, sealed_at=None)
    tasks.count_countries()
    assert table(petition, "countries")["Jordan"] == 1
