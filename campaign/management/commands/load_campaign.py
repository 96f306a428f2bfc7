"""Load the campaign that ships with the project.

1. Name the organisation, unless it exists.
2. Add the petition and those of its texts that are missing. Existing ones are left unchanged.
3. Add the statement's texts that are missing.
4. With --publish, open the petition and publish the texts just added. Otherwise they are drafts,
   which an organiser publishes in the admin.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from campaign import loading
from campaign.models import StatementText
from petitions.models import Organisation, Petition, PetitionText
from petitions.publishing import opening, texts

CONTENT = Path(__file__).resolve().parents[2] / "content"
ORGANISATION = "SBC"
# Only for the published sample. Operators of a real site enter their own.
SAMPLE_CONTACT = "privacy@example.org"


class Command(BaseCommand):
    help = "Load the shipped campaign; what is there already is left alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--publish", action="store_true", help="as a published sample")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        publish: bool = options["publish"]
        contact = SAMPLE_CONTACT if publish else ""
        Organisation.objects.get_or_create(
            id=1, defaults={"name": ORGANISATION, "privacy_email": contact}
        )
        added = 0
        for code, _name in settings.LANGUAGES:
            added += _add_petition_text(loading.read(CONTENT / f"petition.{code}.md"))
            added += _add_statement_text(loading.read(CONTENT / f"statement.{code}.md"), publish)
        if publish and added:
            for petition in Petition.objects.filter(statements__isnull=False).distinct():
                _show(petition)
        state = "and published them" if publish else "as drafts"
        self.stdout.write(f"Added {added} texts {state}." if added else "Nothing to add.")


def _show(petition: Petition) -> None:
    if petition.state != Petition.State.DRAFT:
        texts.publish(petition=petition, actor=None, screen="load_campaign")
        return
    sample = "Published as a sample by a command."
    opening.open_petition(petition=petition, actor=None, screen="load_campaign", override=sample)


def _add_petition_text(source: loading.TextFile) -> bool:
    petition, _new = Petition.objects.get_or_create(slug=source.text("slug"))
    _text, created = PetitionText.objects.get_or_create(
        petition=petition,
        language=source.text("language"),
        version=1,
        defaults={
            "title": source.title,
            "addressee": source.text("addressee"),
            "ask": source.text("ask"),
            "body": source.body,
        },
    )
    return created


def _add_statement_text(source: loading.TextFile, publish: bool) -> bool:
    slug, language = source.text("slug"), source.text("language")
    if StatementText.objects.filter(statement__slug=slug, language=language).exists():
        return False
    loading.load_statement(source, publish=publish)
    return True
