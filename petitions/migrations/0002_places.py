from django.db import migrations

PLACES = [("unknown", "unknown", "UK, constituency not known"), ("abroad", "abroad", "Outside the UK")]


def add_places(apps, schema_editor):
    """The two lines of the count that are not constituencies: a signature always has a place."""
    place = apps.get_model("petitions", "Place")
    for code, kind, name in PLACES:
        place.objects.get_or_create(code=code, defaults={"kind": kind, "name": name})


class Migration(migrations.Migration):
    dependencies = [("petitions", "0001_initial")]

    operations = [migrations.RunPython(add_places, migrations.RunPython.noop)]
