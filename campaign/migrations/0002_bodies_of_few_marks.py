"""Validator of the bodies of statements; no change of the table."""

from django.db import migrations, models

from petitions.formatting.sanitising import need_few_marks


class Migration(migrations.Migration):
    dependencies = [
        ("campaign", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="statementtext",
            name="body",
            field=models.TextField(
                help_text="Markdown",
                max_length=100000,
                validators=[need_few_marks],
                verbose_name="body",
            ),
        ),
    ]
