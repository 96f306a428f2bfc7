import django.contrib.postgres.fields
import django.core.validators
import petitions.models.organisation
from django.db import migrations, models


class Migration(migrations.Migration):
    """Labels, help texts and names of choices in plain words; no SQL."""

    dependencies = [
        ("petitions", "0015_used_nonce"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="mail",
            options={"verbose_name": "email", "verbose_name_plural": "outbox"},
        ),
        migrations.AlterField(
            model_name="alert",
            name="created_at",
            field=models.DateTimeField(auto_now_add=True, verbose_name="first noticed"),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.CharField(
                choices=[("burst", "many signatures from one network")],
                max_length=10,
                verbose_name="type",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="number",
            field=models.PositiveIntegerField(verbose_name="signatures"),
        ),
        migrations.AlterField(
            model_name="alert",
            name="seen_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="checked"),
        ),
        migrations.AlterField(
            model_name="decision",
            name="kind",
            field=models.CharField(
                choices=[
                    ("remove", "remove"),
                    ("restore", "restore"),
                    ("hold", "hold"),
                    ("approve", "approve"),
                    ("erase", "delete the person’s data"),
                ],
                max_length=8,
                verbose_name="decision",
            ),
        ),
        migrations.AlterField(
            model_name="decision",
            name="note",
            field=models.CharField(
                blank=True,
                help_text="Other moderators can read this. Do not write names or email addresses.",
                max_length=300,
                verbose_name="note",
            ),
        ),
        migrations.AlterField(
            model_name="decision",
            name="reason",
            field=models.CharField(
                choices=[
                    ("false-name", "not a real name"),
                    ("duplicate", "the same person signed more than once"),
                    ("automated", "automated"),
                    ("suspicious", "possibly automated, needs checking"),
                    ("checked", "checked, no problem"),
                    ("requested", "the signer asked us"),
                    ("mistake", "an earlier decision was a mistake"),
                    ("other", "another reason, given in the note"),
                ],
                max_length=12,
                verbose_name="reason",
            ),
        ),
        migrations.AlterField(
            model_name="enquiry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("question", "A question"),
                    ("complaint", "A complaint about what is done with my data"),
                    ("access", "Something on this site that I cannot use"),
                    ("other", "Something else"),
                ],
                max_length=9,
                verbose_name="subject",
            ),
        ),
        migrations.AlterField(
            model_name="enquiry",
            name="looks_automatic",
            field=models.BooleanField(default=False, verbose_name="possibly spam"),
        ),
        migrations.AlterField(
            model_name="export",
            name="rows",
            field=models.PositiveIntegerField(default=0, verbose_name="signatures"),
        ),
        migrations.AlterField(
            model_name="mail",
            name="due_at",
            field=models.DateTimeField(verbose_name="send at"),
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("confirm", "confirmation"),
                    ("remind", "reminder to confirm"),
                    ("find", "“Find my signature” link"),
                ],
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="mail",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "queued"),
                    ("sent", "sent"),
                    ("failed", "failed"),
                    ("cancelled", "cancelled"),
                    ("withheld", "not sent: this email address has reached its limit"),
                ],
                default="queued",
                max_length=9,
                verbose_name="state",
            ),
        ),
        migrations.AlterField(
            model_name="milestone",
            name="day",
            field=models.DateField(
                help_text="A future date is shown as “Announced”.", verbose_name="day"
            ),
        ),
        migrations.AlterField(
            model_name="milestone",
            name="is_public",
            field=models.BooleanField(
                default=False,
                help_text="On the petition’s page and in the news feed. Nobody gets an email.",
                verbose_name="shown to the public",
            ),
        ),
        migrations.AlterField(
            model_name="milestonetext",
            name="words",
            field=models.TextField(blank=True, max_length=1000, verbose_name="text"),
        ),
        migrations.AlterField(
            model_name="organisation",
            name="sender_name",
            field=models.CharField(
                blank=True,
                help_text="People see this name in their inbox and on their lock screen, so it must not mention a cause or a country. If you leave it empty, only the email address is shown.",
                max_length=60,
                validators=[petitions.models.organisation.one_line],
                verbose_name="sender name in emails",
            ),
        ),
        migrations.AlterField(
            model_name="petition",
            name="challenge",
            field=models.CharField(
                choices=[("auto", "only when very many people sign at once"), ("always", "always")],
                db_default="auto",
                default="auto",
                max_length=6,
                verbose_name="extra check against automated signing",
            ),
        ),
        migrations.AlterField(
            model_name="petition",
            name="goal",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Leave empty to use the next step: 100, 250, 500, 1,000 …",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="goal",
            ),
        ),
        migrations.AlterField(
            model_name="petition",
            name="is_paused",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Nobody new can sign while this is ticked, and the page says so. Existing signatures still count, and links already emailed still work.",
                verbose_name="signing is paused",
            ),
        ),
        migrations.AlterField(
            model_name="petition",
            name="slug",
            field=models.SlugField(
                max_length=80, unique=True, verbose_name="end of the web address"
            ),
        ),
        migrations.AlterField(
            model_name="petitiontext",
            name="ask",
            field=models.TextField(max_length=400, verbose_name="what the petition asks for"),
        ),
        migrations.AlterField(
            model_name="rule",
            name="action",
            field=models.CharField(
                choices=[("block", "block"), ("allow", "allow")],
                max_length=5,
                verbose_name="action",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="expires_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="ends"),
        ),
        migrations.AlterField(
            model_name="rule",
            name="kind",
            field=models.CharField(
                choices=[
                    ("network", "network"),
                    ("domain", "email domain"),
                    ("address", "one email address"),
                ],
                max_length=7,
                verbose_name="applies to",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="note",
            field=models.CharField(
                help_text="Why, for your colleagues. Do not write names or email addresses.",
                max_length=300,
                verbose_name="note",
            ),
        ),
        migrations.AlterField(
            model_name="signature",
            name="name_use",
            field=models.CharField(
                choices=[
                    ("public", "Show my name publicly, and give it to the Government"),
                    ("government", "Give my name to the Government only"),
                    ("withheld", "Count me, without my name"),
                ],
                max_length=10,
                verbose_name="choice for the name",
            ),
        ),
        migrations.AlterField(
            model_name="signature",
            name="state",
            field=models.CharField(
                choices=[
                    ("pending", "waiting for confirmation"),
                    ("confirmed", "confirmed"),
                    ("held", "on hold"),
                    ("removed", "removed from the count"),
                    ("withdrawn", "withdrawn"),
                    ("refused", "refused by a rule"),
                ],
                default="pending",
                max_length=9,
                verbose_name="state",
            ),
        ),
        migrations.AlterField(
            model_name="source",
            name="code",
            field=models.CharField(
                help_text="This goes into the partner’s links, where anyone can read it. You cannot change it later. Use one code per organisation, never one per person: it must not show who recruited whom.",
                max_length=32,
                unique=True,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[a-z0-9]+(?:-[a-z0-9]+)*\\Z",
                        "Small letters a to z, digits, and single hyphens between them.",
                    )
                ],
                verbose_name="code",
            ),
        ),
        migrations.AlterField(
            model_name="source",
            name="is_active",
            field=models.BooleanField(
                default=True,
                help_text="If you untick this, the code is ignored and the frame no longer shows.",
                verbose_name="active",
            ),
        ),
        migrations.AlterField(
            model_name="source",
            name="is_channel",
            field=models.BooleanField(default=False, editable=False, verbose_name="built in"),
        ),
        migrations.AlterField(
            model_name="source",
            name="origins",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    max_length=300,
                    validators=[
                        django.core.validators.RegexValidator(
                            "\\Ahttps://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9-]{2,63}(?::[1-9][0-9]{0,4})?\\Z",
                            "Write https:// and the name of the site, such as https://www.example.org",
                        )
                    ],
                ),
                blank=True,
                default=list,
                help_text="One website per line, such as https://www.example.org. These websites may show the petition in a frame. If empty, none may; links and the badge still work.",
                size=10,
                verbose_name="websites that may show the frame",
            ),
        ),
    ]
