"""Shared by the commands that reindex all mailboxes: a progress bar and a summary."""

from django.core.management.base import CommandError
from tqdm import tqdm

from petitions.models import Reindexing
from petitions.moderation import reindex


def compare() -> Reindexing:
    """Reindex all mailboxes. Raises `CommandError` while another process does."""
    with tqdm(total=100, unit="%", disable=None) as bar:
        try:
            return reindex.compare_all(lambda fraction: bar.update(100 * fraction - bar.n))
        except reindex.AlreadyComparing:
            raise CommandError(
                "Another command compares mailboxes at this moment. Wait for it, and try again."
            ) from None


def summary(job: Reindexing) -> str:
    """The results of a finished run, as text."""
    return (
        f"Looked at {job.done:,}: {job.moved:,} changed, {job.held:,} of them held, "
        f"{job.unreadable:,} cannot be opened."
    )
