"""Add the rollup of activity by minute for the cockpit, and the index that confirmations need.

The index holds exact times alone, as `signature_to_age` of 0004 does: those of the last 72 hours.
One over all times would be chosen for retention, which would read every old row.
"""

import django.db.models.deletion
from django.db import migrations, models

INDEX = """
CREATE INDEX signature_confirmed ON petitions_signature (confirmed_at)
    WHERE (confirmed_at AT TIME ZONE 'Europe/London')::time > '00:00:00';
"""
NO_INDEX = "DROP INDEX signature_confirmed;"


class Migration(migrations.Migration):
    dependencies = [("petitions", "0004_indexes_of_retention")]

    operations = [
        migrations.CreateModel(
            name="ActivityMinute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minute", models.DateTimeField()),
                ("counts", models.JSONField()),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "minute of activity",
                "verbose_name_plural": "cockpit",
                "constraints": [
                    models.UniqueConstraint(
                        fields=["petition", "minute"], name="activity_minute_once"
                    )
                ],
            },
        ),
        migrations.RunSQL(INDEX, NO_INDEX),
    ]
