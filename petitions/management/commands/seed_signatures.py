"""Fill a petition with sample signatures of invented people."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from tqdm import tqdm

from petitions import seeding
from petitions.counting import tallies
from petitions.models import Petition
from petitions.seeding import course

MOST = 20_000_000
MOST_DAYS = 3_650


class Command(BaseCommand):
    """1. Refuse in production: samples could not be told from signatures afterwards.
    2. Invent signatures in every state, and copy them in; progress on the terminal.
    3. Count afresh. Until here it is one transaction: an interruption leaves nothing behind.
    4. Write the days that the petition's course shows; run it again if that was interrupted.
    """

    help = "Add sample signatures of invented people to a petition, for trying and measuring."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the petition's address on the site")
        parser.add_argument("number", type=int, help="how many signatures to add")
        parser.add_argument("--days", type=int, default=28, help="signed over how many days")
        parser.add_argument("--seed-value", type=int, default=1, help="other people for another")

    def handle(self, *args: Any, **options: Any) -> None:
        total, days = options["number"], options["days"]
        if settings.ENVIRONMENT == "production":
            raise CommandError("Sample signatures are for trying: not with ENVIRONMENT=production.")
        if not 1 <= total <= MOST or not 1 <= days <= MOST_DAYS:
            raise CommandError(f"From 1 to {MOST} signatures, over 1 to {MOST_DAYS} days.")
        petition = Petition.objects.filter(slug=options["slug"]).first()
        if petition is None:
            slugs = ", ".join(Petition.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no petition {options['slug']!r}. There are: {slugs}.")
        started = time.perf_counter()
        with tqdm(total=total, unit=" signatures", disable=None) as bar:
            seeding.seed(
                petition=petition,
                total=total,
                days=days,
                seed=options["seed_value"],
                progress=bar.update,
            )
        rate = total / (time.perf_counter() - started)
        # The planner should know at once that the tables have grown.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE petitions_signature, petitions_signer, petitions_tally")
        course.write(petition)
        count = tallies.total(petition.pk)
        self.stdout.write(f"Added {total:,} signatures, {rate:,.0f} a second. {count:,} count now.")
