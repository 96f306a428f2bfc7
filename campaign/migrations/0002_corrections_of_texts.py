"""Corrections of public statements."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaign", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="statementtext",
            name="body",
            field=models.TextField(help_text="Markdown", max_length=100000, verbose_name="body"),
        ),
        migrations.CreateModel(
            name="StatementCorrection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("before", models.JSONField(verbose_name="before")),
                ("after", models.JSONField(verbose_name="after")),
                ("made_at", models.DateTimeField(auto_now_add=True, verbose_name="when")),
                (
                    "made_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who",
                    ),
                ),
                (
                    "text",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="corrections",
                        to="campaign.statementtext",
                    ),
                ),
            ],
            options={
                "verbose_name": "correction of a statement",
                "verbose_name_plural": "corrections of statements",
                "ordering": ["-id"],
                "abstract": False,
                "default_permissions": (),
            },
        ),
    ]
