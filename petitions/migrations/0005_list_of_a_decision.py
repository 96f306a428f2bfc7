from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("petitions", "0004_indexes_of_retention")]

    operations = [
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                fields=["decision", "created_at", "id"],
                condition=models.Q(decision__isnull=False),
                name="signature_decision_list",
            ),
        ),
    ]
