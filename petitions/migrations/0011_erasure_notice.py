import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

# Nobody saw these close: their time begins with this migration, so that no date that somebody
# typed has people erased sooner than half a year from now.
RECORD_CLOSES = """
    UPDATE petitions_petition SET closed_at = now()
    WHERE closed_at IS NULL AND (state IN ('closed', 'removed') OR closes_at <= now())
"""


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0010_append_only_audit_record"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="petition",
            name="closed_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="seen to close"
            ),
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("scheduled_at", models.DateTimeField(verbose_name="scheduled")),
                ("erasure_due_at", models.DateTimeField(verbose_name="due")),
                ("days_seen", models.PositiveSmallIntegerField(default=1)),
                ("seen_on", models.DateField()),
                ("mailed_at", models.DateTimeField(null=True, verbose_name="organisation mailed")),
                (
                    "petition",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasure",
                        to="petitions.petition",
                        verbose_name="petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "erasure to come",
                "verbose_name_plural": "erasures to come",
                "ordering": ("erasure_due_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="ErasureStop",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=300, verbose_name="why it was stopped")),
                ("stopped_at", models.DateTimeField(auto_now_add=True, verbose_name="stopped")),
                (
                    "release_reason",
                    models.CharField(blank=True, max_length=300, verbose_name="why it goes on"),
                ),
                (
                    "released_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="goes on since"),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="erasure_stops",
                        to="petitions.petition",
                    ),
                ),
                (
                    "released_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="let go on by",
                    ),
                ),
                (
                    "stopped_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="stopped by",
                    ),
                ),
            ],
            options={
                "verbose_name": "stop of an erasure",
                "verbose_name_plural": "stops of erasures",
                "ordering": ("-stopped_at", "-id"),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("released_at__isnull", True)),
                        fields=("petition",),
                        name="erasure_stop_once_a_petition",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("released_at", None), ("released_by", None)),
                            models.Q(
                                ("released_at__isnull", False), ("released_by__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="erasure_stop_released_by_somebody",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RECORD_CLOSES, migrations.RunSQL.noop),
    ]
