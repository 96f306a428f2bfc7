from django.db import migrations


class Migration(migrations.Migration):
    """What adding a column to the table of signatures needs, for a moment."""

    dependencies = [("petitions", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "LOCK TABLE petitions_signature IN ACCESS EXCLUSIVE MODE", migrations.RunSQL.noop
        )
    ]
