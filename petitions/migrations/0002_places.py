from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

PLACES = [
    ("unknown", "unknown", "UK, constituency not known"),
    ("abroad", "abroad", "Outside the UK"),
]


def add_places(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The two lines of the count that are not constituencies: a signature always has a place."""
    place = apps.get_model("petitions", "Place")
    for code, kind, name in PLACES:
        place.objects.get_or_create(code=code, defaults={"kind": kind, "name": name})


class Migration(migrations.Migration):
    dependencies = [("petitions", "0001_initial")]

    operations = [migrations.RunPython(add_places, migrations.RunPython.noop)]
