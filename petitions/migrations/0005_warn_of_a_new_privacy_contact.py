"""A kind of mail to staff: the privacy contact of the organisation was changed."""

from django.db import migrations, models

from petitions.models.base import ChoicesConstraint

KNOWN = ["invitation", "password", "changed", "switched", "contact"]


class Migration(migrations.Migration):
    dependencies = [("petitions", "0004_indexes_of_retention")]

    operations = [
        migrations.AlterField(
            model_name="staffmail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invitation", "invitation"),
                    ("password", "forgotten password"),
                    ("changed", "the account was changed"),
                    ("switched", "a moderator used a switch of a petition"),
                    ("contact", "the privacy contact was changed"),
                ],
                max_length=10,
            ),
        ),
        migrations.RemoveConstraint(model_name="staffmail", name="staffmail_kind_known"),
        migrations.AddConstraint(
            model_name="staffmail",
            constraint=ChoicesConstraint(
                condition=models.Q(("kind__in", KNOWN)), name="staffmail_kind_known"
            ),
        ),
    ]
