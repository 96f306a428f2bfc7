from django.db import migrations, models


class Migration(migrations.Migration):
    """Leases and last successes of periodic work. What still runs beside it knows nothing of it."""

    dependencies = [
        ("petitions", "0013_organisers_read_providers"),
    ]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "name",
                    models.CharField(max_length=40, primary_key=True, serialize=False),
                ),
                ("holder", models.UUIDField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(holder=None, expires_at=None)
                        | models.Q(holder__isnull=False, expires_at__isnull=False),
                        name="lease_has_an_end",
                    ),
                ],
            },
        ),
    ]
