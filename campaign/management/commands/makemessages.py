"""Django's `makemessages` with this project's defaults.

It covers every language but English. It omits line numbers, wrapping, obsolete entries and the
creation date, so that a translator's diff shows only words.
"""

from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands import makemessages

# The admin and the commands are in English only. The rest is not source code of the site.
IGNORED = [
    ".*",
    "node_modules",
    "tests",
    "campaign/admin.py",
    "campaign/local",
    "petitions/moderation",
    "petitions/signatures/lifecycle.py",
    "*/management/*",
    "templates/local",
]


class Command(makemessages.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        source = settings.LANGUAGE_CODE
        parser.set_defaults(
            locale=[code for code, _name in settings.LANGUAGES if code != source],
            ignore_patterns=list(IGNORED),
            no_location=True,
            no_wrap=True,
            no_obsolete=True,
        )

    def write_po_file(self, potfile: str, locale: str) -> None:
        super().write_po_file(potfile, locale)
        catalogue = Path(potfile).parent / locale / "LC_MESSAGES" / f"{self.domain}.po"
        lines = catalogue.read_text().splitlines(keepends=True)
        catalogue.write_text("".join(line for line in lines if "POT-Creation-Date:" not in line))
