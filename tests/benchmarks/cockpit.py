"""The cockpit during an attack, among all that is stored."""

from collections.abc import Callable
from itertools import cycle

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from petitions.identity import providers
from petitions.moderation import activity
from petitions.signers import sealing
from petitions.staff.roles import MODERATORS
from tests.benchmarks.measures import Bench, Limit, Measure, _request

WITHIN_MS = 200
# Signatures of the last hour, and of how many networks.
ATTACK, NETWORKS = 20_000, 50
_LATELY = """
CREATE TEMPORARY TABLE lately ON COMMIT DROP AS
    SELECT id FROM petitions_signature WHERE petition_id = %(petition)s
    AND state IN ('confirmed', 'pending', 'held') LIMIT %(attack)s;
UPDATE petitions_signature s SET created_at = now() - random() * interval '1 hour',
    confirmed_at = CASE WHEN confirmed_at IS NULL THEN NULL ELSE now() END
    FROM lately WHERE s.id = lately.id;
UPDATE petitions_signer s
    SET network_ix = decode(md5((random() * %(networks)s)::int::text), 'hex'),
        domain_ix = (%(domains)s::bytea[])[1 + (random() * (%(number)s - 1))::int]
    FROM lately WHERE s.signature_id = lately.id;
INSERT INTO petitions_mail (id, signature_id, kind, global_mailbox_ix, state, due_at, attempts,
    code, created_at)
    SELECT gen_random_uuid(), id, 'confirm', decode(md5(id::text), 'hex'), 'sent', now(), 1, '',
    now() FROM lately;
ANALYZE petitions_signature, petitions_signer, petitions_mail;
"""


def cockpit(bench: Bench) -> Measure:
    """The page of a moderator who watches an attack, one request after the other."""
    attack = min(ATTACK, bench.rows // 2)
    _attack(bench.petition.pk, attack)
    slowest = Limit("p95", "ms", WITHIN_MS)
    path = f"{reverse('admin:petitions_activityminute_changelist')}?petition={bench.petition.slug}"
    request = _request("GET", path, f"Cookie: {_log_in()}\r\n")

    def value() -> float:
        run = bench.load("site", cycle([request]), 200, connections=1)
        slowest.seen.append(run.latency(95) * 1000)
        return run.rate

    return Measure(
        title="GET cockpit during an attack",
        floor_title="WSGI with SELECT 1, one by one",
        floor=lambda: bench.floor("select_1", connections=1),
        value=value,
        limits=[slowest],
        note=f"{attack:,} signatures of the last hour from {NETWORKS} networks",
    )


def _attack(petition: int, number: int) -> None:
    """Give the last hour so many signatures with their origins and mails, and roll it up."""
    domains = [sealing.domain_index(f"@{name}") for name in providers.LARGE]
    with connection.cursor() as cursor:
        cursor.execute(
            _LATELY,
            {
                "petition": petition,
                "attack": number,
                "networks": NETWORKS,
                "domains": domains,
                "number": len(domains),
            },
        )
    activity.roll_up()


def _log_in() -> str:
    """The session cookie of a moderator."""
    moderator = User.objects.create_user("bench", is_staff=True)
    moderator.groups.add(Group.objects.get(name=MODERATORS))
    client = Client()
    client.force_login(moderator)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


MEASURES: dict[str, Callable[[Bench], Measure]] = {"cockpit": cockpit}
