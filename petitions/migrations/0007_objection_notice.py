"""The mail that told the owner of a mailbox, once, that their address was entered after "not me"."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("petitions", "0006_constituencies")]

    operations = [
        migrations.AddField("objection", "notice_id", models.UUIDField(null=True, editable=False)),
    ]
