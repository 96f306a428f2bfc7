"""Initial data: places that are no constituency, channels, and the current alias rules."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

from petitions.identity import providers

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
    "email": "E-mail",
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
        for step in (add_places, add_channels, note_alias_rules)
    ]
