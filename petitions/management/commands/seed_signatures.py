"""Seed a petition with sample signatures of fictitious people.

1. Refuse in production, because samples could not be told from real signatures afterwards.
2. Insert signatures in every state, in one transaction: an interruption leaves nothing behind.
"""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.counting import tallies
from petitions.management import sample_signatures
from petitions.management.arguments import petition_of

MAX_SIGNATURES = 20_000
MAX_DAYS = 3_650


class Command(BaseCommand):
    help = "Add sample signatures of invented people to a petition, for trying the site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the petition's address on the site")
        parser.add_argument("number", type=int, help="how many signatures to add")
        parser.add_argument("--days", type=int, default=28, help="signed over how many days")

    def handle(self, *args: Any, **options: Any) -> None:
        total, days = options["number"], options["days"]
        if settings.ENVIRONMENT == "production":
            raise CommandError("Sample signatures are for trying: not with ENVIRONMENT=production.")
        if not 1 <= total <= MAX_SIGNATURES or not 1 <= days <= MAX_DAYS:
            raise CommandError(
                f"From 1 to {MAX_SIGNATURES:,} signatures at a time, over 1 to {MAX_DAYS:,} days."
            )
        petition = petition_of(options["slug"])
        with tqdm(total=total, unit=" signatures", disable=None) as bar:
            sample_signatures.seed(
                petition=petition,
                total=total,
                days=days,
                progress=bar.update,
            )
        count = tallies.total(petition.pk)
        self.stdout.write(f"Added {total:,} signatures. {count:,} count now.")
