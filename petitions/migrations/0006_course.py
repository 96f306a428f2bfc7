import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0005_constituencies"),
    ]

    operations = [
        migrations.CreateModel(
            name="Milestone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("handed_in", "Handed in to the Government"),
                            ("reply", "The Government’s reply"),
                            ("debate", "Debate in Parliament"),
                            ("other", "News"),
                        ],
                        max_length=9,
                        verbose_name="what happened",
                    ),
                ),
                (
                    "day",
                    models.DateField(
                        help_text="A day to come is announced as such.", verbose_name="day"
                    ),
                ),
                (
                    "link",
                    models.URLField(
                        blank=True,
                        help_text="To a reply, a record or a report.",
                        max_length=300,
                        verbose_name="link",
                    ),
                ),
                (
                    "is_public",
                    models.BooleanField(
                        default=False,
                        help_text="On the petition’s page and in the news feed. Nobody is e-mailed.",
                        verbose_name="shown to the public",
                    ),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="milestones",
                        to="petitions.petition",
                        verbose_name="petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "milestone",
                "verbose_name_plural": "milestones",
            },
        ),
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(verbose_name="after the day")),
                ("total", models.PositiveIntegerField(verbose_name="signatures")),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="snapshots",
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "daily count",
                "verbose_name_plural": "daily counts",
            },
        ),
        migrations.CreateModel(
            name="SnapshotPart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("group", models.CharField(max_length=9)),
                ("n", models.PositiveIntegerField()),
                ("shown", models.PositiveIntegerField(default=0)),
                (
                    "snapshot",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parts",
                        to="petitions.snapshot",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MilestoneText",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("ar", "العربية"), ("cy", "Cymraeg")],
                        max_length=2,
                        verbose_name="language",
                    ),
                ),
                ("title", models.CharField(max_length=150, verbose_name="title")),
                ("words", models.TextField(blank=True, max_length=1000, verbose_name="words")),
                (
                    "milestone",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="texts",
                        to="petitions.milestone",
                    ),
                ),
            ],
            options={
                "verbose_name": "text of a milestone",
                "verbose_name_plural": "texts of milestones",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("milestone", "language"), name="milestone_text_once"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="snapshot",
            constraint=models.UniqueConstraint(
                fields=("petition", "day"), name="snapshot_once_a_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpart",
            constraint=models.UniqueConstraint(
                fields=("snapshot", "group"), name="snapshot_part_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="snapshotpart",
            constraint=models.CheckConstraint(
                condition=models.Q(("group", ""), _negated=True), name="snapshot_part_has_a_group"
            ),
        ),
    ]
