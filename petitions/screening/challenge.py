"""The challenge, a CAPTCHA replacement while many sign at once; and single-use nonces.

Pages call it "extra check". It is ALTCHA's proof of work (https://altcha.org, version 2), created
and verified here without a third party. It is only in responses to a POST, never in a cached page.
Each response offers two ways, and either is enough:

- The proof of work, which the browser computes in a second or two.
- Patience, for browsers without JavaScript: a signed token that is valid after a wait. These tokens
  are rate-limited by network and minute, so that a bot gains nothing by waiting.

Both are signed with the vault's link keys and single-use. They are bound to a form (a petition's
slug, `CONTACT` or `FIND`) and to the sender's network: both are part of the key, so that a solution
is invalid anywhere else.
"""

import base64
import binascii
import json
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import altcha
from django.core.signing import BadSignature, Signer
from django.db import connection
from django.utils import timezone
from redis import Redis

from petitions.crypto import vault
from petitions.infra import redis
from petitions.models import UsedNonce

PROOF, PATIENCE = "altcha", "patience"
# Fields that a form may have besides its own.
FIELDS = frozenset({PROOF, PATIENCE})
# Names of forms without a petition. No slug has a slash.
CONTACT, FIND = "/contact/", "/find/"
PROOF_SECONDS = 600
WAIT_SECONDS = 20
PATIENCE_SECONDS = 3600
PATIENT_PER_NETWORK_AND_MINUTE = 5
# PBKDF2 with `COST` iterations, for half of `MAX_COUNTER` counters on average. Chromium on two busy
# cores took 0.15 to 0.4 s for those thousand, and a program on one core 0.3 to 0.8 s. So a script
# gains nothing over a browser. A cheap phone takes two to five times as long.
ALGORITHM, COST, MAX_COUNTER = "PBKDF2/SHA-256", 500, 2000
_MAX_PROOF_LENGTH = 2000
# How long outcomes stay in Redis. A sweep fetches them every minute.
COUNTED_FOR = timedelta(hours=2)


class Offer(NamedTuple):
    """A challenge: the browser's task as JSON, and a patience token with its wait in seconds.

    `is_early`: the token was sent too early. `is_crowded`: its network has no place this minute.
    """

    task: str
    patience: str
    seconds: int
    is_early: bool = False
    is_crowded: bool = False


class Outcome(StrEnum):
    """Outcome of requiring a challenge, for the moderators' figures."""

    ASKED = "asked"  # the form had no solution
    SOLVED = "solved"
    FAILED = "failed"  # its solution is wrong, used or too early


def demand(post: Mapping[str, str], form: str, network: str = "") -> Offer | None:
    """Verify and consume a form's proof or patience token, and count the outcome.

    Return None if it is valid, else the challenge to respond with. `form` is the petition's slug,
    `CONTACT` or `FIND`. `network` is the sender's, or "".
    """
    offered = _verify(post, form, network)
    is_answered = bool(post.get(PROOF) or post.get(PATIENCE))
    unsolved = Outcome.FAILED if is_answered else Outcome.ASKED
    _count(form, unsolved if offered else Outcome.SOLVED)
    return offered


def _verify(post: Mapping[str, str], form: str, network: str) -> Offer | None:
    solved = _solved(post.get(PROOF, ""), form, network)
    if solved and consume_nonce("proof", solved, PROOF_SECONDS):
        return None
    patience = _read_patience(post.get(PATIENCE, ""), form, network)
    if patience is None:
        return offer(form, network)
    token_id, good_from = patience
    wait = good_from - int(time.time())
    if wait > 0:
        return Offer(_new_task(form, network), post[PATIENCE], wait, is_early=True)
    # Consume the token first, or replaying it would use up the places of its network.
    if not consume_nonce("patience", token_id, PATIENCE_SECONDS + WAIT_SECONDS):
        return offer(form, network)
    return None if _has_room(network) else offer(form, network, seconds=60, is_crowded=True)


def _count(form: str, outcome: Outcome) -> None:
    """Count an outcome by form and minute in Redis, if Redis is available."""
    key = _counter(int(time.time()))

    def add(client: Redis) -> None:
        pipeline = client.pipeline(transaction=False)
        pipeline.hincrby(key, f"{form} {outcome}", 1)
        pipeline.expire(key, int(COUNTED_FOR.total_seconds()))
        pipeline.execute()

    with suppress(redis.Unavailable):
        redis.call(add)


def outcomes(minutes: Sequence[datetime]) -> dict[tuple[str, datetime], Counter[str]]:
    """Return the outcomes of recent minutes, by form and minute. Raises `redis.Unavailable`."""

    def read(client: Redis) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for minute in minutes:
            pipeline.hgetall(_counter(int(minute.timestamp())))
        return pipeline.execute()

    found: dict[tuple[str, datetime], Counter[str]] = defaultdict(Counter)
    for minute, counts in zip(minutes, redis.call(read), strict=True):
        for field, number in counts.items():
            form, outcome = field.decode().split(" ")
            found[form, minute][outcome] += int(number)
    return found


def _counter(seconds: int) -> str:
    return f"challenge:{seconds // 60}"


def offer(
    form: str, network: str = "", *, seconds: int = WAIT_SECONDS, is_crowded: bool = False
) -> Offer:
    """Return a new challenge: a new task and a new wait, shown as so many `seconds`."""
    good_from = int(time.time()) + WAIT_SECONDS
    patience = _signer(form, network).sign_object([good_from, secrets.token_urlsafe(12)])
    return Offer(_new_task(form, network), patience, seconds, is_crowded=is_crowded)


def offer_again(post: Mapping[str, str], form: str, network: str = "") -> Offer | None:
    """Return a form's challenge again after errors in other fields, so that nobody waits twice."""
    patience = _read_patience(post.get(PATIENCE, ""), form, network)
    if patience is None:
        return None
    wait = max(1, patience[1] - int(time.time()))
    return Offer(_new_task(form, network), post[PATIENCE], wait)


def consume_nonce(kind: str, nonce: str, seconds: int) -> bool:
    """Consume a nonce atomically. Return False if it was consumed in the last `seconds` (a replay).

    Nonces are in PostgreSQL, because a replay must not pass while Redis is unavailable, and because
    a rollback of the transaction that stores an attempt also releases the nonce. Keys are keyed
    hashes.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_usednonce AS known (key, expires_at)
            VALUES (%s, now() + make_interval(secs => %s))
            ON CONFLICT (key) DO UPDATE SET expires_at = EXCLUDED.expires_at
            WHERE known.expires_at <= now()
            """,
            [vault.blind_index("once", kind, nonce), seconds],
        )
        return bool(cursor.rowcount)


def delete_expired_nonces() -> int:
    """Delete expired nonces. Return how many."""
    return UsedNonce.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def _new_task(form: str, network: str) -> str:
    """Return a task for ALTCHA's worker, whose solution is a secret counter."""
    first, *_older = _secrets(form, network)
    task = altcha.create_challenge(
        ALGORITHM,
        COST,
        counter=secrets.randbelow(MAX_COUNTER),
        expires_at=int(time.time()) + PROOF_SECONDS,
        hmac_secret=first,
        hmac_key_secret=first,
    )
    return json.dumps(task.to_dict())


def _solved(raw: str, form: str, network: str) -> str | None:
    """Return the nonce of the task that a proof solves.

    Return None if the task is forged, expired, or for another form or network.
    """
    payload = _payload(raw)
    if payload is None:
        return None
    for secret in _secrets(form, network):
        if altcha.verify_solution(payload, secret, hmac_key_secret=secret).verified:
            return payload.challenge.parameters.nonce
    return None


def _payload(raw: str) -> altcha.Payload | None:
    if not raw or len(raw) > _MAX_PROOF_LENGTH:
        return None
    try:
        payload = altcha.Payload.from_dict(json.loads(base64.b64decode(raw, validate=True)))
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    # Without a key signature the library would derive the key at the cost that the payload names,
    # if such a challenge were ever signed.
    return payload if payload.challenge.parameters.key_signature else None


def _secrets(form: str, network: str) -> list[bytes]:
    return [f"{form} {network} ".encode() + key for key in vault.link_keys("challenge")]


def _read_patience(token: str, form: str, network: str) -> tuple[str, int] | None:
    """Return a patience token's id, and from when it is valid (Unix seconds).

    Return None if it is forged, expired, or for another form or network.
    """
    try:
        good_from, token_id = _signer(form, network).unsign_object(token)
    except BadSignature:
        return None
    return None if time.time() > good_from + PATIENCE_SECONDS else (token_id, good_from)


def _has_room(network: str) -> bool:
    if not network:
        return True
    minute = int(time.time()) // 60
    return any(
        consume_nonce("patient", f"{network} {minute} {place}", 120)
        for place in range(PATIENT_PER_NETWORK_AND_MINUTE)
    )


def _signer(form: str, network: str) -> Signer:
    first, *older = vault.link_keys(PATIENCE)
    salt = f"undersigned.patience {form} {network}"
    return Signer(key=first, fallback_keys=[*older], sep=".", salt=salt)
