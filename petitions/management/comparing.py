"""What commands that compare all mailboxes share: one at a time, with a bar on the terminal."""

from datetime import timedelta

from django.core.management.base import CommandError
from django.db.models.functions import Now
from tqdm import tqdm

from petitions.infra.jobs import alone
from petitions.models import Reindexing
from petitions.moderation import reindex


def compare(job: Reindexing) -> None:
    """Go through the signers of a job. Raises `CommandError` while the worker is at another."""
    with alone(reindex.JOB) as is_alone, tqdm(total=100, unit="%", disable=None) as bar:
        if not is_alone:
            raise CommandError("The worker compares mailboxes at this moment. Try again later.")
        reindex.run(job, lambda fraction: bar.update(100 * fraction - bar.n))


def everybody() -> Reindexing:
    """A job over all signers that may begin at once."""
    job = reindex.ask()
    Reindexing.objects.filter(pk=job.pk).update(asked_at=Now() - timedelta(hours=1))
    return job


def summary(job: Reindexing) -> str:
    """What a finished job came to."""
    return (
        f"Looked at {job.looked_at:,}: {job.moved:,} changed, {job.held:,} of them held, "
        f"{job.unreadable:,} cannot be opened."
    )
