"""Initial data: places, the 650 constituencies of 2024, channels, and the current alias rules."""

import csv
import hashlib
from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

from petitions.identity import providers

CONSTITUENCIES = Path(__file__).parents[1] / "geography" / "constituencies-2024.csv"
# The two places that are not constituencies: every signature needs a place.
PLACES = [
    ("unknown", "unknown", "UK, constituency not known"),
    ("abroad", "abroad", "Outside the UK"),
]
# Source codes of the links of the site's own share buttons and printed papers.
CHANNELS = {
    "whatsapp": "WhatsApp",
    "facebook": "Facebook",
    "x": "X",
    "bluesky": "Bluesky",
    "telegram": "Telegram",
    "email": "Email",
    "sms": "Text message",
    "share": "An app on the device",
    "link": "Copied address",
    "poster": "Poster",
    "leaflet": "Leaflet",
}


def add_places(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Insert the two places without which nobody can sign."""
    place = apps.get_model("petitions", "Place")
    for code, kind, name in PLACES:
        place.objects.get_or_create(code=code, defaults={"kind": kind, "name": name})


def add_constituencies(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Insert all of them, unless an operator has imported some already."""
    place, place_file = (apps.get_model("petitions", name) for name in ("Place", "PlaceFile"))
    if place.objects.filter(kind="constituency").exists():
        return
    lines = CONSTITUENCIES.read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    columns = ("code", "name", "name_cy", "region")
    place.objects.bulk_create(
        place(kind="constituency", **{column: row[column] for column in columns}) for row in rows
    )
    place_file.objects.create(
        kind="constituencies",
        file_name=CONSTITUENCIES.name,
        sha256=hashlib.sha256(CONSTITUENCIES.read_bytes()).hexdigest(),
        rows=len(rows),
    )


def add_channels(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Insert the channels, the sources that need no registration."""
    source = apps.get_model("petitions", "Source")
    for code, name in CHANNELS.items():
        source.objects.get_or_create(code=code, defaults={"name": name, "is_channel": True})


def note_alias_rules(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Record a finished reindexing: a new site has no signers, so none is due."""
    apps.get_model("petitions", "Reindexing").objects.create(
        rules=providers.FINGERPRINT, key_id=0, state="done", finished_at=timezone.now()
    )


class Migration(migrations.Migration):
    dependencies = [("petitions", "0001_initial")]

    operations = [
        migrations.RunPython(step, migrations.RunPython.noop)
        for step in (add_places, add_constituencies, add_channels, note_alias_rules)
    ]
