"""The challenge: proof of work, in place of a CAPTCHA, while many sign at once; single-use nonces.

It is ALTCHA's (https://altcha.org, the protocol of its version 1), made and verified here: no
third party is asked. It stands only in answers to a POST, never in a cached page. Each answer
offers two ways, and either is enough:

- the proof, which the browser finds by itself in a few seconds;
- patience, for browsers without JavaScript or that cannot calculate: a signed token that is
  valid after a wait. They are rate-limited by network and minute, so that a machine which
  waits gains nothing over one that calculates.

Both are signed under the vault's link keys, for one petition, and single-use.

`altcha.verify_solution` alone would not do: it reads the expiry from the first `expires` of
the salt but checks the signature over the last, so that an attacker who writes another one in
front can replay an old solution for ever. Hence the salt must have exactly the form we gave it.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import altcha
from django.core.signing import BadSignature, Signer
from django.db import connection
from django.utils import timezone

from petitions.crypto import vault
from petitions.models import UsedNonce

PROOF, PATIENCE = "altcha", "patience"
# Fields that the form may bring besides its own.
FIELDS = frozenset({PROOF, PATIENCE})
PROOF_SECONDS = 600
WAIT_SECONDS = 20
PATIENCE_SECONDS = 3600
PATIENT_PER_NETWORK_AND_MINUTE = 5
# Half of them are tried on average. Chromium on two cores that were busy besides tried 20,000
# a second in one worker and 30,000 to 45,000 in two: half a second. A cheap phone is two to
# five times as slow, and a machine without a browser a thousand times as quick: this slows
# scripts that drive browsers, and those who pay for each attempt, and is not meant for more.
MAX_NUMBER = 30_000
_ALGORITHM = altcha.altcha.SHA256
_LONGEST_PROOF = 1000
_SALT = re.compile(r"[0-9a-f]{24}\?petition=([-\w]{1,80})&expires=(\d{1,12})&", re.ASCII)


class Offer(NamedTuple):
    """A challenge: the browser's task as JSON, and the patience token with its wait in seconds."""

    task: str
    patience: str
    seconds: int
    is_early: bool
    is_crowded: bool


def demand(post: Mapping[str, str], slug: str, network: str = "") -> Offer | None:
    """Verify and consume a form's proof or patience token: None if valid, else the offer to
    answer with.
    """
    solved = _solved(post.get(PROOF, ""), slug)
    if solved and consume_nonce("proof", solved, PROOF_SECONDS):
        return None
    patience = _read_patience(post.get(PATIENCE, ""), slug)
    if patience is None:
        return offer(slug)
    token_id, good_from = patience
    wait = good_from - int(time.time())
    if wait > 0:
        return _offer(slug, post[PATIENCE], seconds=wait, is_early=True)
    # First, or one spent token, replayed, would take the places of others in its network.
    if not consume_nonce("patience", token_id, PATIENCE_SECONDS + WAIT_SECONDS):
        return offer(slug)
    if not _has_room(network):
        return _offer(slug, _new_patience(slug), seconds=60, is_crowded=True)
    return None


def offer(slug: str) -> Offer:
    """A new challenge: a fresh task and a fresh wait."""
    return _offer(slug, _new_patience(slug), seconds=WAIT_SECONDS)


def carried(post: Mapping[str, str], slug: str) -> Offer | None:
    """The offer again for a form that came back with errors, so that nobody waits twice."""
    patience = _read_patience(post.get(PATIENCE, ""), slug)
    if patience is None:
        return None
    return _offer(slug, post[PATIENCE], seconds=max(1, patience[1] - int(time.time())))


def consume_nonce(kind: str, nonce: str, seconds: int) -> bool:
    """Consume a nonce, atomically; False if it was consumed in the last `seconds` (a replay).

    The first to consume one gets it, across all processes. They are in PostgreSQL, because a replay
    must not pass while Redis is away, and because a nonce that is consumed in the transaction that
    stores an attempt is free again by itself if that is rolled back. Keys are keyed hashes.
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
    """Delete expired nonces, which may be used again; return how many."""
    return UsedNonce.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def _offer(
    slug: str, patience: str, *, seconds: int, is_early: bool = False, is_crowded: bool = False
) -> Offer:
    """An offer with a new task for ALTCHA's worker, whose solution is `number`: only we know it."""
    options = altcha.ChallengeOptions(
        algorithm=_ALGORITHM,
        max_number=MAX_NUMBER,
        hmac_key=_keys()[0],
        salt=f"{secrets.token_hex(12)}?petition={slug}",
        expires=datetime.fromtimestamp(time.time() + PROOF_SECONDS, UTC),
    )
    task = json.dumps(altcha.create_challenge(options).to_dict())
    return Offer(task, patience, seconds, is_early, is_crowded)


def _solved(raw: str, slug: str) -> str | None:
    """The challenge that a proof solves, if it is ours, for this petition, and not expired."""
    match _decoded(raw):
        case {
            "algorithm": altcha.altcha.SHA256,
            "number": int(number),
            "salt": str(salt),
            "signature": str(signature),
        } if 0 <= number <= MAX_NUMBER:
            said = _SALT.fullmatch(salt)
            if said and said[1] == slug and int(said[2]) >= time.time():
                return _challenge_signed(number, salt, signature)
    return None


def _challenge_signed(number: int, salt: str, signature: str) -> str | None:
    for key in _keys():
        expected = altcha.create_challenge(
            altcha.ChallengeOptions(algorithm=_ALGORITHM, hmac_key=key, number=number, salt=salt)
        )
        if hmac.compare_digest(expected.signature.encode(), signature.encode()):
            return expected.challenge
    return None


def _decoded(raw: str) -> object:
    if not raw or len(raw) > _LONGEST_PROOF:
        return None
    try:
        return json.loads(base64.b64decode(raw, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _new_patience(slug: str) -> str:
    good_from = int(time.time()) + WAIT_SECONDS
    return _signer().sign_object([slug, good_from, secrets.token_urlsafe(12)])


def _read_patience(token: str, slug: str) -> tuple[str, int] | None:
    """A patience token's id, and from when it is good (Unix seconds): None unless it is ours, for
    this petition, and not expired.
    """
    try:
        for_slug, good_from, token_id = _signer().unsign_object(token)
    except BadSignature:
        return None
    if for_slug != slug or time.time() > good_from + PATIENCE_SECONDS:
        return None
    return token_id, good_from


def _has_room(network: str) -> bool:
    if not network:
        return True
    minute = int(time.time()) // 60
    return any(
        consume_nonce("patient", f"{network} {minute} {place}", 120)
        for place in range(PATIENT_PER_NETWORK_AND_MINUTE)
    )


def _keys() -> list[str]:
    return [key.hex() for key in vault.link_keys("challenge")]


def _signer() -> Signer:
    first, *older = vault.link_keys(PATIENCE)
    return Signer(key=first, fallback_keys=[*older], sep=".", salt="undersigned.patience")
