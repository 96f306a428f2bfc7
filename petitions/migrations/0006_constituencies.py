"""The 650 constituencies of 2024 as data of the program, and when postcodes were last used."""

import csv
import hashlib
from pathlib import Path

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

CONSTITUENCIES = Path(__file__).parents[1] / "geography" / "constituencies-2024.csv"


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


class Migration(migrations.Migration):
    dependencies = [("petitions", "0005_mailbox_indexes_by_scope")]

    operations = [
        migrations.AddField(
            model_name="placefile",
            name="placed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunPython(add_constituencies, migrations.RunPython.noop),
    ]
