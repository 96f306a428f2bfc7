"""Nonces are used once, across processes, whatever Redis does."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.models import UsedNonce
from petitions.screening import challenge
from tests.at_once import at_once

pytestmark = pytest.mark.django_db


def test_a_nonce_can_be_consumed_once_per_kind() -> None:
    assert challenge.consume_nonce("proof", "a", 60)
    assert not challenge.consume_nonce("proof", "a", 60)
    assert challenge.consume_nonce("patience", "a", 60)


def test_a_nonce_may_be_used_again_once_it_expired() -> None:
    assert challenge.consume_nonce("proof", "a", 60)
    UsedNonce.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert challenge.consume_nonce("proof", "a", 60)
    assert not challenge.consume_nonce("proof", "a", 60)


def test_a_nonce_consumed_in_a_rolled_back_transaction_can_be_used_again() -> None:
    with transaction.atomic():
        assert challenge.consume_nonce("proof", "a", 60)
        transaction.set_rollback(True)
    assert challenge.consume_nonce("proof", "a", 60)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_concurrent_requests_consumes_a_nonce() -> None:
    consume = partial(challenge.consume_nonce, "proof", "a", 60)
    assert at_once(*[consume] * 8).count(True) == 1


def test_the_nonce_table_stores_only_keyed_hashes() -> None:
    with CaptureQueriesContext(connection) as queries:
        challenge.consume_nonce("patient", "192.0.2.0/24 7 0", 120)
    assert "192.0.2" not in str(queries.captured_queries)
    assert {len(bytes(nonce.key)) for nonce in UsedNonce.objects.all()} == {16}


def test_expired_nonces_are_deleted() -> None:
    challenge.delete_expired_nonces()
    challenge.consume_nonce("proof", "old", 0)
    challenge.consume_nonce("proof", "new", 60)
    assert challenge.delete_expired_nonces() == 1
    assert not challenge.consume_nonce("proof", "new", 60)
