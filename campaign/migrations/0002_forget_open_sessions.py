from django.db import migrations


class Migration(migrations.Migration):
    """Sessions are kept under a keyed hash of their key: those under the key itself go.

    Whoever was logged in logs in again. The rows could not be brought over without leaving the
    keys in backups of the day.
    """

    dependencies = [
        ("campaign", "0001_initial"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL("DELETE FROM django_session", migrations.RunSQL.noop),
    ]
