"""Validators of the bodies of petitions and news; no change of the tables."""

from django.db import migrations, models

from petitions.formatting.sanitising import need_few_marks


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_indexes_of_retention"),
    ]

    operations = [
        migrations.AlterField(
            model_name="newstext",
            name="body",
            field=models.TextField(
                help_text="In Markdown. Nobody is named, no picture is loaded.",
                max_length=20000,
                validators=[need_few_marks],
                verbose_name="text",
            ),
        ),
        migrations.AlterField(
            model_name="petitiontext",
            name="body",
            field=models.TextField(
                blank=True,
                help_text="Markdown",
                max_length=100000,
                validators=[need_few_marks],
                verbose_name="body",
            ),
        ),
    ]
