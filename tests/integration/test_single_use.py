"""Nonces are used once, across processes, whatever Redis does."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.models import UsedNonce
from petitions.screening import single_use
from tests.at_once import at_once

pytestmark = pytest.mark.django_db


def test_a_nonce_is_used_once_and_each_kind_has_its_own() -> None:
    assert single_use.consume("proof", "a", 60)
    assert not single_use.consume("proof", "a", 60)
    assert single_use.consume("patience", "a", 60)


def test_a_nonce_may_be_used_again_once_it_expired() -> None:
    assert single_use.consume("proof", "a", 60)
    UsedNonce.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert single_use.consume("proof", "a", 60)
    assert not single_use.consume("proof", "a", 60)


def test_what_is_rolled_back_may_be_used_again() -> None:
    with transaction.atomic():
        assert single_use.consume("proof", "a", 60)
        transaction.set_rollback(True)
    assert single_use.consume("proof", "a", 60)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_same_moment_one_gets_it() -> None:
    consume = partial(single_use.consume, "proof", "a", 60)
    assert at_once(*[consume] * 8).count(True) == 1


def test_the_table_holds_a_keyed_hash_and_no_network() -> None:
    with CaptureQueriesContext(connection) as queries:
        single_use.consume("patient", "192.0.2.0/24 7 0", 120)
    assert "192.0.2" not in str(queries.captured_queries)
    assert {len(bytes(nonce.key)) for nonce in UsedNonce.objects.all()} == {16}


def test_expired_nonces_are_deleted() -> None:
    single_use.consume("proof", "old", 0)
    single_use.consume("proof", "new", 60)
    assert single_use.delete_expired() == 1
    assert not single_use.consume("proof", "new", 60)
