"""Mail to organisers of switches that moderators use."""

import petitions.models.base
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0005_attack_tools"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="staffmail",
            name="staffmail_kind_known",
        ),
        migrations.AlterField(
            model_name="staffmail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invitation", "invitation"),
                    ("password", "forgotten password"),
                    ("changed", "the account was changed"),
                    ("switched", "a moderator used a switch of a petition"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="staffmail",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(("kind__in", ["invitation", "password", "changed", "switched"])),
                name="staffmail_kind_known",
            ),
        ),
    ]
