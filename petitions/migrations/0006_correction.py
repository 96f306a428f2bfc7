from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0005_hold"),
    ]

    operations = [
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("attempt_id", models.UUIDField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "correction",
                "verbose_name_plural": "corrections",
            },
        ),
    ]
