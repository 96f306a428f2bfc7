"""SQL of signing and confirming, in prepared statements.

They are planned once per connection (`plan_cache_mode`, set by `campaign.database.timeouts`).

The rules are in `submit` and `confirm`. Only those that must hold at the moment of writing are
here: the narrowest use of a name and of news, the clean twin, and the current verdict.

Preparing is only for speed: without it a POST of the form took 11% longer (2.69 instead of 2.43
ms) and a confirmation 11% (9.3 instead of 8.4 ms), in paired runs. Behind a transaction pooler
(`DATABASE_POOLER`) the plain SQL is sent, because PREPARE belongs to one server connection.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper

from petitions.counting import tallies
from petitions.infra.locks import StateChanged
from petitions.models import Signature, Signer
from petitions.publishing import warm_cache
from petitions.signatures import lifecycle
from petitions.signers import sealing
from petitions.signers.sealing import Indexes, mailboxes, persons

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# Names prepared on each connection of psycopg2; a new connection has none.
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
# Most rows of a mailbox that a confirmation reads: anybody can send forms for it.
MAX_ROWS = 20
State = Signature.State

_COLUMNS = (
    "id", "reference", "petition_id", "place_id", "state", "name_use", "wants_updates",
    "news_may_name", "verdict", "link_epoch", "disowned_at", "created_at", "confirmed_at",
)  # fmt: skip
# In the model's order, as `from_db` requires.
_SIGNER_COLUMNS = (
    "signature_id", "petition_id", "sealed", "petition_mailbox_ix", "person_ix", "home_ix",
    "network_ix", "slot",
)  # fmt: skip


class Prepared:
    """A prepared statement with named parameters in the style of `cursor.execute`."""

    def __init__(self, name: str, sql: str) -> None:
        self.name = name
        self.sql = sql
        self.parameters = tuple(dict.fromkeys(_PLACEHOLDER.findall(sql)))
        listed = ", ".join(f"%({parameter})s" for parameter in self.parameters)
        self._call = f"EXECUTE {name} ({listed})" if listed else f"EXECUTE {name}"

    def call(self, cursor: CursorWrapper) -> str:
        """Return the SQL to send, after preparing the statement on the connection if needed."""
        if settings.DATABASE_POOLER:
            return self.sql
        known = _prepared.setdefault(cursor.db.connection, set())
        if self.name not in known:
            numbers = {parameter: f"${n}" for n, parameter in enumerate(self.parameters, 1)}
            numbered = _PLACEHOLDER.sub(lambda match: numbers[match[1]], self.sql)
            cursor.execute(f"PREPARE {self.name} AS {numbered}")
            known.add(self.name)
        return self._call


def run(cursor: CursorWrapper, values: Mapping[str, Any], *statements: Prepared) -> None:
    """Execute statements in one round trip. The cursor holds the result of the last one.

    Each sees what was committed when it began. Outside a transaction they form one.
    """
    cursor.execute("; ".join([statement.call(cursor) for statement in statements]), values)


# Look up the place, and store signature, signer and mail, in one statement.
INSERT = Prepared(
    "sign",
    """
    WITH new_signature AS (
        INSERT INTO petitions_signature (
            id, reference, petition_id, text_version, place_id, state, name_use,
            wants_updates, news_may_name, consent_version, verdict, signals, code_tries, link_epoch,
            source_id, created_at)
        VALUES (%(id)s, %(reference)s, %(petition)s, %(text_version)s,
            coalesce((SELECT place_id FROM petitions_postcode
                      WHERE postcode = %(postcode)s), %(elsewhere)s),
            %(state)s, %(name_use)s, %(wants_updates)s, %(news_may_name)s,
            %(consent)s, %(verdict)s, %(signals)s, 0, 0,
            (SELECT id FROM petitions_source WHERE code = %(source)s AND is_active), now())
    ), new_signer AS (
        INSERT INTO petitions_signer (
            signature_id, petition_id, sealed, petition_mailbox_ix, person_ix, home_ix,
            network_ix, domain_ix, name_ix, postcode_ix)
        VALUES (%(id)s, %(petition)s, %(sealed)s, %(petition_mailbox_ix)s, %(person_ix)s,
            %(home_ix)s, %(network_ix)s, %(domain_ix)s, %(name_ix)s, %(postcode_ix)s)
    )
    INSERT INTO petitions_mail (
        id, signature_id, kind, global_mailbox_ix, state, due_at, attempts, code, created_at)
    VALUES (%(mail_id)s, %(id)s, %(mail_kind)s, %(global_mailbox_ix)s, %(mail_state)s, now(), 0,
        '', now())
    """,
)


def read_signer(signature_id: UUID) -> Signer | None:
    """Return the signer of a signature, without a lock."""
    with connection.cursor() as cursor:
        run(cursor, {"id": signature_id}, _READ_SIGNER)
        row = cursor.fetchone()
    return Signer.from_db(connection.alias, _SIGNER_COLUMNS, row) if row else None


def read_under_lock(
    signature_id: UUID, *, others: list[bytes], oldest: datetime
) -> dict[UUID, Signature]:
    """Lock a mailbox and return the signature with the confirmed and pending ones of the mailbox.

    Corrected attempts are left out. `others` are further indexes of the mailbox. Forms created
    before `oldest` have expired. Two statements in one round trip: each sees what was committed
    when it began (READ COMMITTED), and the second begins after the locks are taken. SQL for speed:
    with two ORM queries and `locks.lock_mailboxes` a confirmation took 12.4 instead of 7.4 ms of
    processor time, in paired runs.
    """
    with connection.cursor() as cursor:
        values = {"id": signature_id, "others": others, "oldest": oldest}
        run(cursor, values, _LOCK_MAILBOX, _READ_MAILBOX)
        rows = cursor.fetchall()
    if not rows:
        return {}
    read = {}
    # All rows have the same petition, in the third column.
    petition = warm_cache.petition(rows[0][2])
    for row in rows:
        columns, of_signer = row[: len(_COLUMNS)], row[len(_COLUMNS) :]
        # `from_db`, because the constructor computes a default for each missing column.
        signature = Signature.from_db(connection.alias, _COLUMNS, columns)
        signature.petition = petition
        signature.signer = Signer.from_db(connection.alias, _SIGNER_COLUMNS, of_signer)
        read[signature.pk] = signature
    return read


def write(
    signature: Signature,
    *,
    person: Mapping[str, str],
    known: list[Indexes],
    slot: int | None,
    may_count: bool,
    caught_by: str = "",
    twin: Mapping[str, str] | None = None,
) -> None:
    """Write state, slot, indexes, choices and tally together (optimistic locking).

    `signature` is refreshed. A newly confirmed one and its mails get the blind indexes of confirmed
    signatures: see `sealing.Use`. `person` is the unsealed signer, `known` all their blind indexes
    (`sealing.known_by`). `may_count`: a clean twin may release it; then `twin` is sealed instead of
    the person. `caught_by` is the code of a rule that holds it, or "". Raises `StateChanged` if the
    row, or its mailbox (because of a reindex), is no longer what was read.
    """
    joins = signature.confirmed_at is None
    after = known[sealing.CONFIRMED] if joins else sealing.stored(signature.signer)
    search = sealing.search_indexes(signature.petition_id, signature.pk, person) if joins else None
    values = {
        "petition": signature.petition_id,
        "mailbox": bytes(signature.signer.petition_mailbox_ix),
        "mailboxes": mailboxes(known),
        "persons": persons(known),
        "id": signature.pk,
        "slot": slot,
        "shard": tallies.shard_of(signature.pk),
        "from_state": signature.state,
        "joins": joins,
        "new_mailbox": after.petition_mailbox,
        "new_person": after.person,
        "new_home": after.home,
        "new_global": after.global_mailbox,
        "new_name": search and search.name,
        "new_postcode": search and search.postcode,
        "may_count": may_count,
        "caught_by": caught_by,
        "sealed": twin and sealing.seal(twin, signature.pk),
    }
    try:
        with connection.cursor() as cursor:
            run(cursor, values, _CONFIRM)
            row = cursor.fetchone()
    except IntegrityError:
        # Unique violation: somebody else took the slot under another lock.
        raise StateChanged from None
    if row is None:
        raise StateChanged
    signature.name_use, signature.wants_updates, signature.news_may_name, signature.state = row


_READ_SIGNER = Prepared(
    "read_signer",
    f"""
    SELECT {", ".join(_SIGNER_COLUMNS)} FROM petitions_signer WHERE signature_id = %(id)s
    """,  # noqa: S608 - our own names of columns
)
# The same lock keys, in the same order, as `locks.lock_mailboxes` takes.
_LOCK_MAILBOX = Prepared(
    "lock_mailbox",
    """
    SELECT pg_advisory_xact_lock(n) FROM (
        SELECT ('x' || encode(substr(ix, 1, 8), 'hex'))::bit(64)::bigint AS n FROM (
            SELECT petition_mailbox_ix AS ix FROM petitions_signer WHERE signature_id = %(id)s
            UNION SELECT unnest(%(others)s::bytea[])
        ) mailboxes ORDER BY n
    ) numbers
    """,
)
_READ_MAILBOX = Prepared(
    "read_mailbox",
    f"""
    SELECT {", ".join(f"s.{name}" for name in _COLUMNS)},
           {", ".join(f"g.{name}" for name in _SIGNER_COLUMNS)}
    FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
    WHERE g.petition_id = (SELECT petition_id FROM petitions_signer WHERE signature_id = %(id)s)
          AND g.petition_mailbox_ix = ANY(ARRAY(
              SELECT petition_mailbox_ix FROM petitions_signer WHERE signature_id = %(id)s
              UNION ALL SELECT unnest(%(others)s::bytea[])))
          -- Includes signatures without a slot, restored by a moderator beyond the household rule.
          AND (s.confirmed_at IS NOT NULL
               OR (s.id = %(id)s OR s.state = '{State.PENDING}' AND s.created_at > %(oldest)s
                                    AND s.disowned_at IS NULL)
                  AND NOT EXISTS (SELECT FROM petitions_correction c WHERE c.attempt_id = s.id))
    ORDER BY s.id <> %(id)s, s.confirmed_at IS NULL, g.slot, s.created_at DESC, s.id
    LIMIT {MAX_ROWS}
    """,  # noqa: S608 - our own names of columns
)


# All pending forms of the mailbox and the one to write. If that is newly confirmed, also the
# confirmed ones of the mailbox.
_FORMS = f"""
    FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
    WHERE g.petition_id = %(petition)s AND g.petition_mailbox_ix = ANY(%(mailboxes)s)
          AND (s.state = '{State.PENDING}' AND s.disowned_at IS NULL OR s.id = %(id)s
               OR %(joins)s::boolean AND s.confirmed_at IS NOT NULL)"""
# Only the same person's forms, because anybody can type anybody's address.
_TWIN = f"(g.person_ix = ANY(%(persons)s) AND (s.state = '{State.PENDING}' OR s.id = %(id)s))"
# The narrowest use of a name wins: no link may publish a name that its owner chose to withhold,
# under whatever spelling.
_NARROWEST_NAME_USE = """
    CASE WHEN bool_or(s.name_use = 'withheld') THEN 'withheld'
         WHEN bool_or(s.name_use = 'government') THEN 'government' ELSE 'public' END"""
# News only for those who asked for it every time.
_NEWS = f"bool_and(s.wants_updates) FILTER (WHERE {_TWIN})"
# The subject of news may name the petition only if every form of the mailbox allows it.
_NEWS_MAY_NAME = "bool_and(s.news_may_name OR s.name_use <> 'withheld')"
# A clean twin releases a held signature: pressing any of the links proves that the mailbox is
# theirs, and anybody can send a suspicious form in somebody's name before they sign.
_HAS_CLEAN_TWIN = f"""
    coalesce(bool_or(s.verdict = 'pass') FILTER (WHERE s.id <> %(id)s AND {_TWIN}), false)
        AND %(may_count)s::boolean"""
# It does not release a signature about which a moderator has decided.
_RELEASED = "twins.has_clean AND s.decision_id IS NULL"
# A moderator's rule catches only pending signatures.
_IS_CAUGHT = f"%(caught_by)s::varchar <> '' AND s.state = '{State.PENDING}'"
_RELEASABLE = tuple(
    state.value for state in (*lifecycle.CONFIRM.sources, *lifecycle.RELEASE.sources)
)
_CONFIRM = Prepared(
    "confirm",
    f"""
    WITH twins AS (
        SELECT {_NARROWEST_NAME_USE} AS name_use, {_NEWS} AS news,
            {_NEWS_MAY_NAME} AS may_name, {_HAS_CLEAN_TWIN} AS has_clean
        {_FORMS}
    ), moved AS (
        UPDATE petitions_signature s SET
            -- The current verdict, which may have changed since it was read.
            state = CASE WHEN {_RELEASED} AND s.state IN {_RELEASABLE} THEN '{State.CONFIRMED}'
                         WHEN {_IS_CAUGHT} THEN '{State.HELD}'
                         WHEN s.state = '{State.PENDING}' THEN {lifecycle.CONFIRMED_AS}
                         ELSE s.state END,
            -- Otherwise today's rules would hold it again: see rescan.py.
            verdict = CASE WHEN {_RELEASED} THEN 'pass' WHEN {_IS_CAUGHT} THEN 'hold'
                           ELSE s.verdict END,
            signals = CASE WHEN {_RELEASED} AND s.verdict = 'hold' THEN '{{}}'
                           WHEN {_IS_CAUGHT} AND NOT %(caught_by)s = ANY(s.signals)
                           THEN s.signals || %(caught_by)s::varchar
                           ELSE s.signals END,
            confirmed_at = coalesce(s.confirmed_at, now()),
            wants_updates = twins.news,
            news_may_name = twins.news AND twins.may_name AND twins.name_use = 'withheld',
            name_use = twins.name_use
        FROM twins WHERE s.id = %(id)s AND s.state = %(from_state)s
        RETURNING s.id, s.petition_id, s.place_id, s.name_use, s.wants_updates,
            s.news_may_name, s.state, {_RELEASED} AS is_released
    ), placed AS (
        UPDATE petitions_signer SET slot = %(slot)s, petition_mailbox_ix = %(new_mailbox)s,
            person_ix = %(new_person)s, home_ix = %(new_home)s,
            name_ix = coalesce(%(new_name)s, name_ix),
            postcode_ix = coalesce(%(new_postcode)s, postcode_ix),
            sealed = CASE WHEN is_released THEN coalesce(%(sealed)s, sealed) ELSE sealed END
        FROM moved
        WHERE signature_id = %(id)s AND petition_mailbox_ix = %(mailbox)s RETURNING signature_id
    ), mailed AS (
        UPDATE petitions_mail SET global_mailbox_ix = %(new_global)s FROM moved
        WHERE signature_id = %(id)s AND %(joins)s::boolean
    ), counted AS (
        {lifecycle.ADD_TO_TALLY}
    )
    SELECT name_use, wants_updates, news_may_name, state FROM moved JOIN placed ON signature_id = id
    """,  # noqa: S608 - our own SQL
)
