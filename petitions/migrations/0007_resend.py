from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0006_correction"),
    ]

    operations = [
        migrations.CreateModel(
            name="Resend",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("attempt_id", models.UUIDField()),
                ("is_silenced", models.BooleanField()),
            ],
            options={
                "verbose_name": "request for another mail",
                "verbose_name_plural": "requests for another mail",
            },
        ),
    ]
