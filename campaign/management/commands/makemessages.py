"""Extract the texts to translate: `manage.py makemessages`, with this project's habits."""

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands import makemessages

# Volunteers use the admin and the commands in English; the rest is no source of ours.
IGNORED = [
    ".*",
    "node_modules",
    "tests",
    "campaign/admin.py",
    "campaign/local",
    "petitions/admin",
    "*/management/*",
    "templates/admin",
    "templates/local",
]


class Command(makemessages.Command):
    """Every language but English; no line numbers, no wrapping and no leavings, so that a
    translator's diff shows words alone.
    """

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
