from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_providers"),
    ]

    operations = [
        migrations.AlterField(
            model_name="decision",
            name="kind",
            field=models.CharField(
                choices=[
                    ("remove", "remove"),
                    ("restore", "restore"),
                    ("hold", "hold"),
                    ("approve", "approve"),
                    ("erase", "erase the person"),
                ],
                max_length=8,
                verbose_name="decision",
            ),
        ),
        migrations.AlterField(
            model_name="decision",
            name="reason",
            field=models.CharField(
                choices=[
                    ("false-name", "the name is not a person's"),
                    ("duplicate", "the same person signed more than once"),
                    ("automated", "made by a machine"),
                    ("suspicious", "signs of a machine, to be looked at"),
                    ("checked", "looked at: nothing is wrong"),
                    ("requested", "the signer asked us"),
                    ("mistake", "an earlier decision was a mistake"),
                    ("other", "another reason, given in the note"),
                ],
                max_length=12,
                verbose_name="reason",
            ),
        ),
    ]
