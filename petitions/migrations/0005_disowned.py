"""When "this was not me" was pressed in the mail about a form, for as long as that can be undone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_indexes_of_retention"),
    ]

    operations = [
        migrations.AddField(
            model_name="signature",
            name="disowned_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                condition=models.Q(("disowned_at__isnull", False)),
                fields=["disowned_at"],
                name="signature_disowned",
            ),
        ),
        migrations.AddConstraint(
            model_name="signature",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("disowned_at__isnull", True), ("confirmed_at__isnull", True), _connector="OR"
                ),
                name="signature_disowned_is_unconfirmed",
            ),
        ),
    ]
