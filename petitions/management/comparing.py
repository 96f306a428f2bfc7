"""What commands that compare all mailboxes share: a bar on the terminal, and a summary."""

from django.core.management.base import CommandError
from tqdm import tqdm

from petitions.models import Reindexing
from petitions.moderation import reindex


def compare() -> Reindexing:
    """Compare all mailboxes. Raises `CommandError` while another command does."""
    with tqdm(total=100, unit="%", disable=None) as bar:
        try:
            return reindex.compare_all(lambda fraction: bar.update(100 * fraction - bar.n))
        except reindex.AlreadyComparing:
            raise CommandError(
                "Another command compares mailboxes at this moment. Wait for it, and try again."
            ) from None


def summary(job: Reindexing) -> str:
    """What a finished comparison came to."""
    return (
        f"Looked at {job.looked_at:,}: {job.moved:,} changed, {job.held:,} of them held, "
        f"{job.unreadable:,} cannot be opened."
    )
