"""Check the SPF, DKIM and DMARC records of the sender's domain.

1. Query DNS for the records of MAIL_FROM's domain, for a few seconds at most.
2. Print the records found, what is wrong with them, and the record to add.
The exit code is 1 if anything is wrong or unanswered, for monitoring. Nothing is stored or mailed.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from petitions.mail import messages
from petitions.mail.sender import check
from petitions.mail.sender.lookup import Record
from petitions.staff.refusal import Refused


class Command(BaseCommand):
    help = "Check SPF, DKIM and DMARC of the domain that mail is sent from."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--selector", default="", help="the DKIM selector, such as mail2026")
        parser.add_argument("--domain", default="", help="another domain than that of MAIL_FROM")

    def handle(self, *args: Any, **options: Any) -> None:
        domain = options["domain"] or messages.sender_domain()
        try:
            records = check.check(domain=domain, selector=options["selector"])
        except Refused as refused:
            raise CommandError(str(refused)) from None
        for record in records:
            self._print(record)
        if not all(record.is_right for record in records):
            raise CommandError("Not everything is right: see above.")

    def _print(self, record: Record) -> None:
        self.stdout.write(f"{record.kind}: {'right' if record.is_right else 'not right'}")
        self.stdout.write(f"  name:  {record.name}")
        for text in record.found:
            self.stdout.write(f"  found: {text}")
        for words in record.problems:
            self.stdout.write(f"  wrong: {words}")
        for words in record.advice:
            self.stdout.write(f"  better: {words}")
        if record.add:
            self.stdout.write(f"  publish this TXT record: {record.add}")
