"""Load an organiser's own statement from a file.

1. Read the file in the format given by --format or its suffix, or else as plain text.
2. Drop residue of page builders ("top of page", runs of blank lines), and content of HTML and Word
   that the site does not show. The first line or heading is the title.
3. Create or update the statement in one language. Idempotent.
4. Print what was done, the format, what was dropped, and the linked petition. If the file cannot
   be used, print one line and exit with 1.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from campaign import loading
from campaign.models import StatementText
from petitions.formatting.languages import moment_in_london
from petitions.staff.refusal import Refused

PETITION = "address of the petition it leads to; by default the only one there is"
_READ_AS = {
    loading.Format.PLAIN: (
        "Read as plain text: # * _ [ are shown as they stand. If it is Markdown, load it again with"
        " --format markdown, or name the file .md."
    ),
    loading.Format.MARKDOWN: (
        "Read as Markdown. If it is plain text, load it again with --format plain."
    ),
    loading.Format.HTML: "Read as an HTML page.",
    loading.Format.WORD: "Read as a Word document.",
}


class Command(BaseCommand):
    help = (
        "Load a statement from a file: Word, HTML or Markdown if its name ends in .docx, .html or"
        " .md, plain text otherwise, in which # * _ [ are shown as they stand."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--format",
            choices=[str(each) for each in loading.Format],
            help="what the file holds; by default its name says so",
        )
        parser.add_argument("--slug", default="", help="its address; by default made of the title")
        parser.add_argument("--language", default="", help="en (default), ar or cy")
        parser.add_argument("--petition", default="", help=PETITION)
        parser.add_argument("--dated", default="", help="its month, for an older text: 2020-02")
        parser.add_argument("--publish", action="store_true", help="show it to the public at once")
        parser.add_argument(
            "--front-page", action="store_true", help="put it there instead of what is there now"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            format_ = loading.Format(options["format"]) if options["format"] else None
            source = loading.read(options["file"], format_)
            text, acts = loading.load_statement(
                source,
                slug=options["slug"],
                language=options["language"],
                petition=options["petition"],
                dated=options["dated"],
                publish=options["publish"],
                feature=options["front_page"],
            )
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(_described(text, acts))
        self.stdout.write(_READ_AS[source.format])
        if source.dropped:
            self.stdout.write(f"Dropped, so look at the result: {', '.join(source.dropped)}.")
        self.stdout.write(_linked_petition(text))
        if options["front_page"]:
            self.stdout.write(_on_front_page())


def _described(text: StatementText, acts: list[str]) -> str:
    done = " and ".join(acts) or "unchanged:"
    state = "a draft; publish it with --publish or in the admin"
    if text.published_at:
        appears = f"appears {moment_in_london(text.published_at)}"
        state = appears if text.is_embargoed else "public"
    path = settings.SITE_URL + text.statement.get_absolute_url()
    return f"{done[0].upper()}{done[1:]} “{text.title}” ({text.language}) at {path}, {state}."


def _linked_petition(text: StatementText) -> str:
    petition = text.statement.petition
    if petition is None:
        return "It leads to no petition; name one with --petition."
    return f"It leads to the petition at {settings.SITE_URL}{petition.get_absolute_url()}."


def _on_front_page() -> str:
    text = StatementText.objects.on_front_page(settings.LANGUAGE_CODE)
    return f"The front page shows “{text.title}”." if text else "The front page shows no statement."
