"""A kind of mail: the code to a new address of a signature, and the index of those that wait."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("petitions", "0005_rate_counts")]

    operations = [
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("confirm", "confirmation"),
                    ("remind", "reminder to confirm"),
                    ("find", "“Find my signature” link"),
                    ("find-other", "the same, to another spelling"),
                    ("address", "code to a new address"),
                ],
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                fields=["created_at"],
                condition=models.Q(kind="address", sealed__isnull=False),
                name="mail_to_new_address",
            ),
        ),
    ]
