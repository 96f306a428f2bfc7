import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0007_resend"),
    ]

    operations = [
        migrations.CreateModel(
            name="FindRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sealed", models.BinaryField()),
            ],
            options={
                "verbose_name": "request to find signatures",
                "verbose_name_plural": "requests to find signatures",
            },
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("confirm", "confirmation"),
                    ("remind", "reminder to confirm"),
                    ("find", "link to the signatures of a mailbox"),
                ],
                max_length=10,
                verbose_name="kind",
            ),
        ),
    ]
