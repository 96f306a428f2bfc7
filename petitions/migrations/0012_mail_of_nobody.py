from typing import Any

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.models import Q


def delete_mails_of_nobody(apps: Any, _schema_editor: Any) -> None:
    """An older release knows no mail without a signature: whoever asked for a link asks again."""
    apps.get_model("petitions", "Mail").objects.filter(signature=None).delete()


class Migration(migrations.Migration):
    """Mails that hang on no signature, and the indexes for the numbers that staff see of them.

    What runs still beside this joins mails with their signatures, and so passes over the new ones.
    """

    atomic = False

    dependencies = [("petitions", "0011_erasure_notice")]

    operations = [
        migrations.AlterField(
            "mail",
            "signature",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mails",
                to="petitions.signature",
            ),
        ),
        migrations.AddField("mail", "sealed", models.BinaryField(null=True)),
        migrations.AlterField(
            "mail",
            "kind",
            models.CharField(
                choices=[
                    ("confirm", "confirmation"),
                    ("remind", "reminder to confirm"),
                    ("find", "link to the signatures of an address"),
                    ("find-other", "the same, to another spelling"),
                ],
                max_length=10,
                verbose_name="kind",
            ),
        ),
        AddConstraintNotValid(
            "mail",
            models.CheckConstraint(
                condition=Q(signature__isnull=False)
                | Q(sealed__isnull=False)
                | ~Q(state__in=["queued", "failed"]),
                name="mail_goes_to_somebody",
            ),
        ),
        ValidateConstraint("mail", "mail_goes_to_somebody"),
        AddIndexConcurrently(
            "mail",
            models.Index(fields=["created_at"], condition=Q(state="failed"), name="mail_failed"),
        ),
        AddIndexConcurrently(
            "mail",
            django.contrib.postgres.indexes.BrinIndex(
                fields=["created_at"], name="mail_lately", autosummarize=True
            ),
        ),
        # Backwards this comes first.
        migrations.RunPython(migrations.RunPython.noop, delete_mails_of_nobody),
    ]
