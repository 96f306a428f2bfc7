"""Re-run the current fraud rules over a petition's stored signatures.

1. Unseal the signatures in batches and screen each again, with progress on the terminal.
2. Store the new verdict of pending ones. Hold suspicious confirmed ones, by one decision of the
   moderator that --actor names. Skip signatures that a moderator has decided about.
3. Print the count of each signal, and how to undo the decision. --dry-run only prints.
Resumable: an interrupted run keeps what it has done. Run it again for the rest.
"""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.management.arguments import petition_of
from petitions.models import Signature
from petitions.moderation import rescan
from petitions.screening import fraud_signals

_STATES = (Signature.State.PENDING, Signature.State.CONFIRMED, Signature.State.HELD)


class Command(BaseCommand):
    help = "Apply today's fraud rules to stored signatures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the petition's address on the site")
        parser.add_argument("--actor", required=True, help="the moderator who decides")
        parser.add_argument("--dry-run", action="store_true", help="change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        petition = petition_of(options["slug"])
        actor = _moderator(options["actor"])
        with tqdm(total=rescan.expected(petition), unit=" signatures", disable=None) as bar:
            try:
                found = rescan.rescan(
                    petition=petition, actor=actor, is_dry=options["dry_run"], progress=bar.update
                )
            except PermissionDenied:
                raise CommandError(f"{options['actor']!r} is no moderator.") from None
        self._print(found, is_dry=options["dry_run"])

    def _print(self, found: rescan.Found, *, is_dry: bool) -> None:
        self.stdout.write(_row("", *_STATES))
        for code in sorted({code for code, _state in found.signals}):
            self.stdout.write(_row(code, *(found.signals[code, state] for state in _STATES)))
            self.stdout.write(f"    {fraud_signals.sentences([code])[0]}")
        changed, held = ("would change", "would be held") if is_dry else ("changed", "held")
        self.stdout.write(f"{found.read:,} signatures read.")
        self.stdout.write(f"Pending: {found.pending_changed:,} {changed}.")
        self.stdout.write(f"Confirmed: {found.held:,} {held}. Nobody gets an email.")
        for number, what in (
            (found.decided_before, "suspicious, but a moderator has decided: left alone"),
            (found.held_without_cause, "held, with nothing that suffices today: for a moderator"),
            (found.unreadable, "unreadable: their key is gone"),
        ):
            if number:
                self.stdout.write(f"{number:,} {what}.")
        if found.decision:
            self.stdout.write(f"Undo it in the admin, under Decisions: {found.decision.pk}")


def _moderator(name: str) -> User:
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"There is nobody called {name!r}, or they may not log in any more.")
    return user


def _row(first: object, *cells: object) -> str:
    return f"{first:<14}" + "".join([f"{cell!s:>12}" for cell in cells])
