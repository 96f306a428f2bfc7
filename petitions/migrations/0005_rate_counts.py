"""Count rate limits in PostgreSQL while Redis does not answer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("petitions", "0004_indexes_of_retention")]

    operations = [
        migrations.CreateModel(
            name="RateCount",
            fields=[
                ("key", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("number", models.IntegerField()),
                ("expires_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL("ALTER TABLE petitions_ratecount SET UNLOGGED", migrations.RunSQL.noop),
    ]
