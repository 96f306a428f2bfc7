import django.db.models.deletion
import petitions.formatting.sanitising
import petitions.models.base
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "__first__"),
        ("petitions", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Statement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.SlugField(
                        max_length=80, unique=True, verbose_name="end of the web address"
                    ),
                ),
                (
                    "is_featured",
                    models.BooleanField(
                        default=False,
                        help_text="Only one statement can be on the front page.",
                        verbose_name="on the front page",
                    ),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="statements",
                        to="petitions.petition",
                        verbose_name="linked petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "statement",
                "verbose_name_plural": "statements",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_featured", True)),
                        fields=("is_featured",),
                        name="statement_one_featured",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FormerStatementAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=80, unique=True)),
                ("until", models.DateField(auto_now_add=True)),
                (
                    "statement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former_addresses",
                        to="campaign.statement",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DraftLink",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="draft_links",
                        to="petitions.petition",
                    ),
                ),
                (
                    "statement",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="draft_links",
                        to="campaign.statement",
                    ),
                ),
            ],
            options={
                "verbose_name": "link to a draft",
                "verbose_name_plural": "links to drafts",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("petition__isnull", False), ("statement", None)),
                            models.Q(("petition", None), ("statement__isnull", False)),
                            _connector="OR",
                        ),
                        name="draft_link_of_one",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StatementText",
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
                        choices=[("en", "English"), ("ar", "Arabic"), ("cy", "Welsh")],
                        max_length=2,
                        verbose_name="language",
                    ),
                ),
                ("title", models.CharField(max_length=200, verbose_name="title")),
                (
                    "summary",
                    models.CharField(
                        blank=True,
                        help_text="One or two sentences, shown at the top.",
                        max_length=400,
                        verbose_name="summary",
                    ),
                ),
                (
                    "body",
                    models.TextField(
                        help_text="Markdown",
                        max_length=100000,
                        validators=[petitions.formatting.sanitising.need_few_marks],
                        verbose_name="body",
                    ),
                ),
                (
                    "dated",
                    models.DateField(
                        blank=True,
                        help_text="For an older text: the first day of its month. The page then says that its figures are of that time.",
                        null=True,
                        verbose_name="month it was written",
                    ),
                ),
                (
                    "published_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="published"),
                ),
                (
                    "statement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="texts",
                        to="campaign.statement",
                    ),
                ),
            ],
            options={
                "verbose_name": "text of a statement",
                "verbose_name_plural": "texts of statements",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("statement", "language"), name="statement_text_once_a_language"
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("language__in", ["en", "ar", "cy"])),
                        name="statementtext_language_known",
                    ),
                ],
            },
            bases=(petitions.models.base.Publication, models.Model),
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
