import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0010_find"),
    ]

    operations = [
        migrations.CreateModel(
            name="Enquiry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("question", "A question"),
                            ("complaint", "A complaint about what is done with my data"),
                            ("access", "Something on this site that I cannot use"),
                            ("other", "Something else"),
                        ],
                        max_length=9,
                        verbose_name="what it is about",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("answered", "answered")],
                        default="open",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("sealed", models.BinaryField()),
                (
                    "looks_automatic",
                    models.BooleanField(default=False, verbose_name="perhaps a machine"),
                ),
                ("received_on", models.DateField(verbose_name="received")),
                ("due_on", models.DateField(verbose_name="acknowledge by")),
                (
                    "acknowledged_on",
                    models.DateField(blank=True, null=True, verbose_name="acknowledged"),
                ),
                ("answered_on", models.DateField(blank=True, null=True, verbose_name="answered")),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        help_text="What was done about it. Other organisers read it. Write nobody’s name.",
                        max_length=300,
                        verbose_name="outcome",
                    ),
                ),
            ],
            options={
                "verbose_name": "enquiry",
                "verbose_name_plural": "enquiries",
                "ordering": ("due_on", "id"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("answered_on", None), ("state", "open")),
                            models.Q(("answered_on__isnull", False), ("state", "answered")),
                            _connector="OR",
                        ),
                        name="enquiry_answered_on_a_day",
                    )
                ],
            },
        ),
    ]
