from django.db import migrations, models


class Migration(migrations.Migration):
    """Leases and last successes of periodic work. What still runs beside it knows nothing of it."""

    dependencies = [
        ("petitions", "0013_organisers_read_providers"),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "name",
                    models.CharField(max_length=40, primary_key=True, serialize=False),
                ),
                ("lease", models.UUIDField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(lease=None, leased_until=None)
                        | models.Q(lease__isnull=False, leased_until__isnull=False),
                        name="job_lease_has_an_end",
                    ),
                ],
            },
        ),
    ]
