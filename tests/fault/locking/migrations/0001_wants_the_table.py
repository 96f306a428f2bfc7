from django.db import migrations


class Migration(migrations.Migration):
    """Takes the lock on the table of signatures that adding a column needs, and releases it."""

    dependencies = [("petitions", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "LOCK TABLE petitions_signature IN ACCESS EXCLUSIVE MODE", migrations.RunSQL.noop
        )
    ]
