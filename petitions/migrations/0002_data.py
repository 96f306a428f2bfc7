"""The rows that a new site needs: places that are no constituency, channels, and the rules of now."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

from petitions.identity import providers

# The two lines of the count that are not constituencies: a signature always has a place.
PLACES = [
    ("unknown", "unknown", "UK, constituency not known"),
    ("abroad", "abroad", "Outside the UK"),
]
# What the site's own buttons and papers put into their links.
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
    """Without these nobody can sign."""
    place = apps.get_model("petitions", "Place")
    for code, kind, name in PLACES:
        place.objects.get_or_create(code=code, defaults={"kind": kind, "name": name})


def add_channels(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The sources that need no registration."""
    source = apps.get_model("petitions", "Source")
    for code, name in CHANNELS.items():
        source.objects.get_or_create(code=code, defaults={"name": name, "is_channel": True})


def note_alias_rules(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Where nobody has signed yet, nobody stands under other rules than those of this release."""
    apps.get_model("petitions", "Reindexing").objects.create(
        rules=providers.FINGERPRINT, key_id=0, finished_at=timezone.now()
    )


class Migration(migrations.Migration):
    dependencies = [("petitions", "0001_initial")]

    operations = [
        migrations.RunPython(step, migrations.RunPython.noop)
        for step in (add_places, add_channels, note_alias_rules)
    ]
