import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Labels, help texts and names of choices in plain words; no SQL."""

    dependencies = [
        ("campaign", "0002_forget_open_sessions"),
        ("petitions", "0016_plain_labels"),
    ]

    operations = [
        migrations.AlterField(
            model_name="statement",
            name="is_featured",
            field=models.BooleanField(
                default=False,
                help_text="Only one statement can be on the front page.",
                verbose_name="on the front page",
            ),
        ),
        migrations.AlterField(
            model_name="statement",
            name="petition",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="statements",
                to="petitions.petition",
                verbose_name="linked petition",
            ),
        ),
        migrations.AlterField(
            model_name="statement",
            name="slug",
            field=models.SlugField(
                max_length=80, unique=True, verbose_name="end of the web address"
            ),
        ),
        migrations.AlterField(
            model_name="statementtext",
            name="dated",
            field=models.DateField(
                blank=True,
                help_text="For an older text: the first day of its month. The page then says that its figures are of that time.",
                null=True,
                verbose_name="month it was written",
            ),
        ),
        migrations.AlterField(
            model_name="statementtext",
            name="summary",
            field=models.CharField(
                blank=True,
                help_text="One or two sentences, shown at the top.",
                max_length=400,
                verbose_name="summary",
            ),
        ),
    ]
