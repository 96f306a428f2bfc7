from django.db import migrations, models

REGIONS = [
    ("E12000001", "North East"),
    ("E12000002", "North West"),
    ("E12000003", "Yorkshire and the Humber"),
    ("E12000004", "East Midlands"),
    ("E12000005", "West Midlands"),
    ("E12000006", "East of England"),
    ("E12000007", "London"),
    ("E12000008", "South East"),
    ("E12000009", "South West"),
    ("W92000004", "Wales"),
    ("S92000003", "Scotland"),
    ("N92000002", "Northern Ireland"),
]


class Migration(migrations.Migration):
    dependencies = [("petitions", "0004_providers")]

    operations = [
        migrations.AddField(
            "place", "name_cy", models.CharField(blank=True, db_default="", max_length=100)
        ),
        migrations.AddField(
            "place",
            "region",
            models.CharField(blank=True, choices=REGIONS, db_default="", max_length=9),
        ),
        migrations.AddField("place", "hex_q", models.SmallIntegerField(blank=True, null=True)),
        migrations.AddField("place", "hex_r", models.SmallIntegerField(blank=True, null=True)),
        # Postcodes are found whole, by their key alone: three more indexes over 2.7 million rows,
        # and a check of each, would cost an import most of its time.
        migrations.AlterField(
            "postcode",
            "place",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=models.deletion.PROTECT,
                to="petitions.place",
            ),
        ),
        migrations.RunSQL(
            "DROP INDEX IF EXISTS petitions_postcode_postcode_66dfee2d_like",
            "CREATE INDEX petitions_postcode_postcode_66dfee2d_like"
            " ON petitions_postcode (postcode varchar_pattern_ops)",
        ),
        migrations.CreateModel(
            "PlaceFile",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("constituencies", "constituencies"), ("postcodes", "postcodes")],
                        max_length=14,
                    ),
                ),
                ("edition", models.DateField(blank=True, null=True)),
                ("file_name", models.CharField(max_length=200)),
                ("sha256", models.CharField(max_length=64)),
                ("rows", models.PositiveIntegerField()),
                ("imported_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "imported file",
                "verbose_name_plural": "imported files",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind", "constituencies"), ("edition__isnull", False), _connector="OR"
                        ),
                        name="place_file_postcodes_have_an_edition",
                    )
                ],
            },
        ),
    ]
