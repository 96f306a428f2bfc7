"""The hourly rollup of signatures, and the published states of each day."""

import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0006_constituencies"),
    ]

    operations = [
        migrations.AddField(
            model_name="snapshot",
            name="states",
            field=models.JSONField(db_default={}, default=dict, editable=False),
        ),
        migrations.CreateModel(
            name="Figures",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("counted_at", models.DateTimeField(verbose_name="counted")),
                ("counts", models.JSONField(default=dict)),
                ("sealed", models.BinaryField(null=True)),
                ("sealed_at", models.DateTimeField(null=True)),
                (
                    "petition",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="figures",
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "figures",
                "verbose_name_plural": "figures",
                "default_permissions": ("view",),
            },
        ),
    ]
