"""Whether news may name the petition to a signer who withholds their name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("petitions", "0004_indexes_of_retention")]

    operations = [
        migrations.AddField(
            "signature",
            "news_may_name",
            models.BooleanField("news may name the petition", default=False, db_default=False),
        ),
        migrations.AddConstraint(
            "signature",
            models.CheckConstraint(
                condition=models.Q(news_may_name=False)
                | models.Q(name_use="withheld", wants_updates=True),
                name="signature_news_named_as_asked",
            ),
        ),
        migrations.AlterField(
            "newstext",
            "subject",
            models.CharField(
                "subject",
                max_length=100,
                help_text=(
                    "It may name the petition. Signers who withheld their name get a neutral one, "
                    "unless they allowed news to name it."
                ),
            ),
        ),
    ]
