"""Indexes in order of time for the lists of moderators: by place, by signal, and of decisions."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_indexes_of_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="decision",
            index=models.Index(fields=["created_at", "id"], name="decision_list"),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                condition=models.Q(("signals", []), _negated=True),
                fields=["petition", "created_at", "id"],
                name="signature_signals_list",
            ),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                fields=["petition", "place", "created_at", "id"], name="signature_place_list"
            ),
        ),
    ]
