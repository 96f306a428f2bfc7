"""Fault injection: ten thousand supporters get their news once, whatever is killed meanwhile."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from petitions.mail.outbox import SETTLE_EVERY
from tests import SLUG
from tests.fault.provider import Mood
from tests.fault.site import Site, eventually

pytestmark = [pytest.mark.endurance, pytest.mark.timeout(3_600)]

ROOT = Path(__file__).resolve().parents[2]
SUPPORTERS = 10_000
# Seconds for which a part stays dead, longer than the interval of the sweep.
A_SWEEP = 6.0
WRITE = """
from petitions.mail import news as use_cases
from petitions.models import News, NewsText, Petition
from django.contrib.auth.models import User
actor = User.objects.create_superuser("news-writer")
news = News.objects.create(petition=Petition.objects.get(slug={slug!r}))
NewsText.objects.create(news=news, language="en", subject="It has begun", body="It **has**.")
assert use_cases.start(news=news, actor=actor, screen="test")
"""


def manage(site: Site, *arguments: str) -> None:
    """Run a command of the site, with its settings."""
    environment = {
        **os.environ, **site.environment, "NEWS_APPROVAL_FROM": str(10 * SUPPORTERS)
    }  # fmt: skip
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True)


def taken(site: Site) -> int:
    """How many mailboxes have it."""
    return len(site.provider.by_address())


def test_ten_thousand_supporters_get_their_news_once_whatever_is_killed(site: Site) -> None:
    manage(site, "seed_signatures", SLUG, str(SUPPORTERS + SUPPORTERS // 4))
    site.sql(
        "UPDATE petitions_signature SET wants_updates = true WHERE state = 'confirmed'",
        f"""
        UPDATE petitions_signature SET wants_updates = false WHERE id IN (
            SELECT id FROM petitions_signature WHERE state = 'confirmed' OFFSET {SUPPORTERS})
        """,  # noqa: S608
    )
    ((mailboxes,),) = site.sql(
        """
        SELECT count(DISTINCT petition_mailbox_ix) FROM petitions_signer
        WHERE signature_id IN (
            SELECT id FROM petitions_signature WHERE wants_updates AND state = 'confirmed')
        """
    )
    assert isinstance(mailboxes, int)
    assert mailboxes > 0.9 * SUPPORTERS
    with site.under(NEWS_PER_PROVIDER_AND_MINUTE="1000000"):
        manage(site, "shell", "-c", WRITE.format(slug=SLUG))
        begun = time.monotonic()
        # The worker, in the middle of a batch.
        assert eventually(lambda: taken(site) > 0.1 * SUPPORTERS, 900)
        with site.provider.in_mood(Mood.HOLDING):
            assert site.provider.is_holding.wait(120)
            site.kill_at_once(("worker",))
        site.revive("worker")
        # Redis, then the mail server, while it goes on.
        assert eventually(lambda: taken(site) > 0.3 * SUPPORTERS, 900)
        with site.dead("redis"):
            time.sleep(A_SWEEP)
        assert eventually(lambda: taken(site) > 0.5 * SUPPORTERS, 900)
        with site.provider.in_mood(Mood.REFUSING):
            time.sleep(A_SWEEP)
        assert eventually(lambda: taken(site) > 0.7 * SUPPORTERS, 900)
        site.kill_at_once(("worker",))
        site.revive("worker")

        state = "SELECT state FROM petitions_news"
        assert eventually(lambda: site.sql(state) == [("done",)], 900), site.sql(state)
        seconds = time.monotonic() - begun

    by_address = site.provider.by_address()
    assert len(by_address) == mailboxes
    # One message each. Where a worker was killed between sending and settling it came again, under
    # the same Message-ID, so that mail programs show one.
    assert {len(messages) for messages in by_address.values()} == {1}
    again = sum(sum(messages.values()) - 1 for messages in by_address.values())
    assert again <= 4 * SETTLE_EVERY
    ((sent,),) = site.sql("SELECT sum(sent)::int FROM petitions_newscount")
    assert sent == mailboxes
    print(f"\n{mailboxes:,} mailboxes in {seconds:.0f} s, {again} sent again")  # noqa: T201 - measured
