from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("petitions", "0014_lease")]

    operations = [
        migrations.CreateModel(
            name="UsedNonce",
            fields=[
                (
                    "key",
                    models.BinaryField(max_length=16, primary_key=True, serialize=False),
                ),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="used_nonce_expires_at")],
            },
        ),
    ]
