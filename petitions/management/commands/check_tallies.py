"""Reconcile the tallies with the signatures, and repair them on request.

1. Recount each petition's confirmed signatures.
2. Report petitions whose tally differs. With --repair, rebuild it.
Without --repair the exit code is 1 if any differs, for monitoring.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from petitions.counting import tallies
from petitions.models import Petition


class Command(BaseCommand):
    help = "Check that every stored count equals the confirmed signatures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        broken = [petition for petition in Petition.objects.all() if not self._agrees(petition)]
        if broken and not options["repair"]:
            raise CommandError("Counts differ. Run again with --repair to write them afresh.")
        for petition in broken:
            self.stdout.write(f"{petition}: written afresh, {tallies.rebuild(petition)}.")

    def _agrees(self, petition: Petition) -> bool:
        differences = tallies.differences(petition.pk)
        missing = sum(counted - stored for stored, counted in differences.values())
        verdict = f"differs in {len(differences)} rows by {missing:+d}" if differences else "agrees"
        self.stdout.write(f"{petition}: stored {tallies.total(petition.pk)}, {verdict}.")
        return not differences
