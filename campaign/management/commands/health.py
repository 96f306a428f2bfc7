"""Health check of each part of the site, for operators.

1. Check every part now: database, sweeps, mail, Redis, rate limits, indexes of mailboxes.
2. Print the state of each as JSON.
3. Exit with 1 if a part is not healthy.
"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaign import monitoring


class Command(BaseCommand):
    help = "Print the state of each part; exit code 1 if one is not well."

    def handle(self, *args: Any, **options: Any) -> None:
        report = monitoring.look()
        status = monitoring.status(report)
        self.stdout.write(json.dumps({"status": status, **report}, indent=2))
        if broken := monitoring.broken(report):
            raise CommandError(
                f"Not well: {', '.join(broken)}. docs/operators.md, “Health”, says what to do."
            )
