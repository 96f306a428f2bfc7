import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import petitions.formatting.sanitising
import petitions.models.base
import petitions.models.organisation
import petitions.models.signature
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "__first__"),
    ]

    operations = [
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("attempt_id", models.UUIDField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "correction",
                "verbose_name_plural": "corrections",
            },
        ),
        migrations.CreateModel(
            name="FindRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sealed", models.BinaryField()),
            ],
            options={
                "verbose_name": "request to find signatures",
                "verbose_name_plural": "requests to find signatures",
            },
        ),
        migrations.CreateModel(
            name="FormerName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("until", models.DateField(auto_now_add=True)),
                ("reason", models.CharField(max_length=300)),
            ],
        ),
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
                            ("handed_in", "Handed in"),
                            ("reply", "The reply"),
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
                        help_text="A future date is shown as “Announced”.", verbose_name="day"
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
                        help_text="On the petition’s page and in the news feed. Nobody gets an email.",
                        verbose_name="shown to the public",
                    ),
                ),
            ],
            options={
                "verbose_name": "milestone",
                "verbose_name_plural": "milestones",
                "constraints": [
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("kind__in", ["handed_in", "reply", "debate", "other"])),
                        name="milestone_kind_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RateCount",
            fields=[
                ("key", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("number", models.IntegerField()),
                ("expires_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Resend",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("attempt_id", models.UUIDField()),
                ("is_silenced", models.BooleanField()),
            ],
            options={
                "verbose_name": "request for another mail",
                "verbose_name_plural": "requests for another mail",
            },
        ),
        migrations.CreateModel(
            name="SenderCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("domain", models.CharField(max_length=253, unique=True)),
                ("selector", models.CharField(blank=True, max_length=63)),
                ("records", models.JSONField(default=list)),
                ("is_right", models.BooleanField()),
                ("checked_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "check of the sender",
                "verbose_name_plural": "Does our mail arrive?",
            },
        ),
        migrations.CreateModel(
            name="Signature",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        default=petitions.models.signature.new_reference,
                        max_length=12,
                        verbose_name="reference",
                    ),
                ),
                ("text_version", models.PositiveSmallIntegerField(verbose_name="text version")),
                (
                    "state",
                    models.CharField(
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
                (
                    "name_use",
                    models.CharField(
                        choices=[
                            (
                                "public",
                                "Show my name publicly, and give it to the petition’s addressee",
                            ),
                            ("government", "Give my name to the petition’s addressee only"),
                            ("withheld", "Count me, without my name"),
                        ],
                        max_length=10,
                        verbose_name="choice for the name",
                    ),
                ),
                ("wants_updates", models.BooleanField(default=False, verbose_name="wants updates")),
                (
                    "news_may_name",
                    models.BooleanField(
                        db_default=False, default=False, verbose_name="news may name the petition"
                    ),
                ),
                (
                    "consent_version",
                    models.PositiveSmallIntegerField(verbose_name="consent version"),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("pass", "counts when confirmed"),
                            ("hold", "waits for a moderator when confirmed"),
                        ],
                        db_default="pass",
                        max_length=4,
                        verbose_name="verdict",
                    ),
                ),
                (
                    "signals",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20),
                        db_default=[],
                        size=None,
                        verbose_name="signals",
                    ),
                ),
                ("code_tries", models.PositiveSmallIntegerField(db_default=0)),
                ("link_epoch", models.PositiveSmallIntegerField(default=0)),
                ("disowned_at", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(verbose_name="signed")),
                (
                    "confirmed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="confirmed"),
                ),
            ],
            options={
                "verbose_name": "signature",
                "verbose_name_plural": "signatures",
                "permissions": [
                    ("moderate_signature", "Can hold and restore signatures"),
                    ("approve_signature", "Can approve held signatures"),
                    ("remove_signature", "Can remove signatures"),
                    ("erase_signature", "Can erase a person's data"),
                    ("reveal_signature", "Can reveal a signer's address"),
                ],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        condition=models.Q(("signals", []), _negated=True),
                        fields=["signals"],
                        name="signature_rare_signal",
                    ),
                    models.Index(
                        condition=models.Q(("disowned_at__isnull", False)),
                        fields=["disowned_at"],
                        name="signature_disowned",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("reference",), name="signature_reference_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["confirmed", "held"]), _negated=True),
                            ("confirmed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="signature_confirmed_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["pending", "refused"]), _negated=True),
                            ("confirmed_at__isnull", True),
                            _connector="OR",
                        ),
                        name="signature_pending_has_no_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("disowned_at__isnull", True),
                            ("confirmed_at__isnull", True),
                            _connector="OR",
                        ),
                        name="signature_disowned_is_unconfirmed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("news_may_name", False),
                            models.Q(("name_use", "withheld"), ("wants_updates", True)),
                            _connector="OR",
                        ),
                        name="signature_news_named_as_asked",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["pending", "confirmed", "held", "removed", "withdrawn", "refused"],
                            )
                        ),
                        name="signature_state_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("name_use__in", ["public", "government", "withheld"])),
                        name="signature_name_use_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("verdict__in", ["pass", "hold"])),
                        name="signature_verdict_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
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
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        validators=[petitions.models.organisation.one_line],
                        verbose_name="name",
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True,
                        help_text="For organisers only.",
                        max_length=300,
                        verbose_name="note",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="If you untick this, the code is ignored and the frame no longer shows.",
                        verbose_name="active",
                    ),
                ),
                (
                    "is_channel",
                    models.BooleanField(default=False, editable=False, verbose_name="built in"),
                ),
                (
                    "origins",
                    django.contrib.postgres.fields.ArrayField(
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
            ],
            options={
                "verbose_name": "partner or channel",
                "verbose_name_plural": "partners and channels",
            },
        ),
        migrations.CreateModel(
            name="Authenticator",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The human-readable name of this device.", max_length=64
                    ),
                ),
                (
                    "confirmed",
                    models.BooleanField(default=True, help_text="Is this device ready for use?"),
                ),
                (
                    "throttling_failure_timestamp",
                    models.DateTimeField(
                        blank=True,
                        default=None,
                        help_text="A timestamp of the last failed verification attempt. Null if last attempt succeeded.",
                        null=True,
                    ),
                ),
                (
                    "throttling_failure_count",
                    models.PositiveIntegerField(
                        default=0, help_text="Number of successive failed attempts."
                    ),
                ),
                ("row_key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("sealed", models.BinaryField()),
                ("last_t", models.BigIntegerField(default=-1)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="authenticator",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "authenticator",
                "verbose_name_plural": "authenticators",
            },
        ),
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
                            ("data", "My data: to see, correct or delete it"),
                            ("complaint", "A complaint about what is done with my data"),
                            ("access", "Something on this site that I cannot use"),
                            ("other", "Something else"),
                        ],
                        max_length=9,
                        verbose_name="subject",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("started", "being answered"),
                            ("answered", "answered"),
                            ("closed", "closed"),
                        ],
                        default="new",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("sealed", models.BinaryField()),
                (
                    "looks_automatic",
                    models.BooleanField(default=False, verbose_name="possibly spam"),
                ),
                ("received_on", models.DateField(verbose_name="received")),
                ("due_on", models.DateField(verbose_name="answer by")),
                (
                    "acknowledged_on",
                    models.DateField(blank=True, null=True, verbose_name="first reply"),
                ),
                (
                    "answered_on",
                    models.DateField(blank=True, null=True, verbose_name="answered or closed"),
                ),
                ("notice", models.PositiveSmallIntegerField(default=0)),
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
                "verbose_name": "message to us",
                "verbose_name_plural": "messages to us",
                "ordering": ("due_on", "id"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("answered_on", None), ("state__in", ["new", "started"])),
                            models.Q(
                                ("answered_on__isnull", False),
                                ("state__in", ["answered", "closed"]),
                            ),
                            _connector="OR",
                        ),
                        name="enquiry_answered_on_a_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("notice__in", [0, 1, 2, 3])),
                        name="enquiry_notice_is_one",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            ("kind__in", ["question", "data", "complaint", "access", "other"])
                        ),
                        name="enquiry_kind_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("state__in", ["new", "started", "answered", "closed"])),
                        name="enquiry_state_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Answer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(verbose_name="number")),
                ("sealed", models.BinaryField()),
                ("written_on", models.DateField(verbose_name="written")),
                (
                    "written_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="written by",
                    ),
                ),
                (
                    "enquiry",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answers",
                        to="petitions.enquiry",
                        verbose_name="message",
                    ),
                ),
            ],
            options={
                "verbose_name": "answer",
                "verbose_name_plural": "answers",
                "ordering": ("number",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("enquiry", "number"), name="answer_once_a_number"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("holder", models.UUIDField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("expires_at", None), ("holder", None)),
                            models.Q(("expires_at__isnull", False), ("holder__isnull", False)),
                            _connector="OR",
                        ),
                        name="lease_has_an_end",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LoginFailure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name_ix", models.BinaryField(max_length=16)),
                ("network_ix", models.BinaryField(max_length=16)),
                ("prefix_ix", models.BinaryField(max_length=16, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "wrong password",
                "verbose_name_plural": "wrong passwords",
                "indexes": [
                    models.Index(fields=["name_ix", "created_at"], name="login_failure_name"),
                    models.Index(fields=["network_ix", "created_at"], name="login_failure_network"),
                    models.Index(
                        condition=models.Q(("prefix_ix__isnull", False)),
                        fields=["prefix_ix", "created_at"],
                        name="login_failure_prefix",
                    ),
                ],
            },
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
                        choices=[("en", "English"), ("ar", "Arabic"), ("cy", "Welsh")],
                        max_length=2,
                        verbose_name="language",
                    ),
                ),
                ("title", models.CharField(max_length=150, verbose_name="title")),
                ("words", models.TextField(blank=True, max_length=1000, verbose_name="text")),
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
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("language__in", ["en", "ar", "cy"])),
                        name="milestonetext_language_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="News",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "previewed, not started"),
                            ("awaiting", "waiting for approval"),
                            ("running", "running"),
                            ("done", "done"),
                            ("cancelled", "cancelled"),
                            ("failed", "stopped by an error"),
                        ],
                        default="draft",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                (
                    "conditions",
                    models.JSONField(blank=True, default=dict, verbose_name="conditions"),
                ),
                ("matching", models.PositiveIntegerField(default=0, verbose_name="matching")),
                ("cursor", models.UUIDField(editable=False, null=True)),
                ("done", models.PositiveIntegerField(default=0, verbose_name="done")),
                ("skipped", models.PositiveIntegerField(default=0, verbose_name="left alone")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="created"
                    ),
                ),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                ("error", models.CharField(blank=True, max_length=40, verbose_name="error")),
                (
                    "region",
                    models.CharField(
                        blank=True,
                        choices=[
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
                        ],
                        max_length=9,
                        verbose_name="region",
                    ),
                ),
                (
                    "pause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("by-hand", "paused by an organiser"),
                            ("complaints", "stopped by itself: too many reported it as spam"),
                            ("returned", "stopped by itself: too many came back"),
                            (
                                "rights",
                                "stopped by itself: who sent it may not send news any more",
                            ),
                        ],
                        max_length=10,
                        verbose_name="paused",
                    ),
                ),
                ("is_watched", models.BooleanField(default=True)),
                ("is_queued", models.BooleanField(default=False)),
                ("is_to_tell", models.BooleanField(default=False)),
                ("has_list", models.BooleanField(default=False)),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "approver",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "news",
                "verbose_name_plural": "news to supporters",
                "permissions": [
                    ("send_news", "Can send news to supporters"),
                    ("approve_news", "Can approve news of others"),
                ],
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", False),
                                ("state__in", ["done", "cancelled", "failed"]),
                            ),
                            models.Q(
                                models.Q(
                                    ("state__in", ["done", "cancelled", "failed"]), _negated=True
                                ),
                                ("finished_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="news_ended_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("pause", ""),
                            models.Q(("state__in", ["draft", "awaiting"]), _negated=True),
                            _connector="OR",
                        ),
                        name="news_paused_once_begun",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["draft", "awaiting", "running", "done", "cancelled", "failed"],
                            )
                        ),
                        name="news_state_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "region__in",
                                [
                                    "E12000001",
                                    "E12000002",
                                    "E12000003",
                                    "E12000004",
                                    "E12000005",
                                    "E12000006",
                                    "E12000007",
                                    "E12000008",
                                    "E12000009",
                                    "W92000004",
                                    "S92000003",
                                    "N92000002",
                                    "",
                                ],
                            )
                        ),
                        name="news_region_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            ("pause__in", ["by-hand", "complaints", "returned", "rights", ""])
                        ),
                        name="news_pause_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NewsCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider", models.CharField(max_length=20)),
                ("sent", models.PositiveIntegerField(db_default=0, default=0)),
                ("withheld", models.PositiveIntegerField(db_default=0, default=0)),
                ("refused", models.PositiveIntegerField(db_default=0, default=0)),
                ("returned", models.PositiveIntegerField(db_default=0, default=0)),
                ("unsubscribed", models.PositiveIntegerField(db_default=0, default=0)),
                ("complained", models.PositiveIntegerField(db_default=0, default=0)),
                (
                    "news",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="counts",
                        to="petitions.news",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("news", "provider"), name="news_count_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="NewsText",
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
                (
                    "subject",
                    models.CharField(
                        help_text=(
                            "It may name the petition. Signers who withheld their name get a "
                            "neutral subject, unless they allowed news to name it."
                        ),
                        max_length=100,
                        verbose_name="subject",
                    ),
                ),
                (
                    "body",
                    models.TextField(
                        help_text="In Markdown. It names nobody, and pictures are left out.",
                        max_length=20000,
                        validators=[petitions.formatting.sanitising.need_few_marks],
                        verbose_name="text",
                    ),
                ),
                (
                    "news",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="texts",
                        to="petitions.news",
                    ),
                ),
            ],
            options={
                "verbose_name": "text of news",
                "verbose_name_plural": "texts of news",
                "constraints": [
                    models.UniqueConstraint(fields=("news", "language"), name="news_text_once"),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("language__in", ["en", "ar", "cy"])),
                        name="newstext_language_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Organisation",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        validators=[petitions.models.organisation.one_line],
                        verbose_name="name",
                    ),
                ),
                (
                    "sender_name",
                    models.CharField(
                        blank=True,
                        help_text="People see this name in their inbox and on their lock screen, so it must not mention a cause or a country. If you leave it empty, only the email address is shown.",
                        max_length=60,
                        validators=[petitions.models.organisation.one_line],
                        verbose_name="sender name in emails",
                    ),
                ),
                (
                    "privacy_email",
                    models.EmailField(blank=True, max_length=254, verbose_name="privacy contact"),
                ),
                ("website", models.URLField(blank=True, verbose_name="web site")),
                ("logo", models.BinaryField(null=True)),
                ("logo_hash", models.CharField(blank=True, editable=False, max_length=16)),
                ("logo_width", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("logo_height", models.PositiveSmallIntegerField(default=0, editable=False)),
            ],
            options={
                "verbose_name": "organisation",
                "verbose_name_plural": "organisation",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="organisation_one_row"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Petition",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("open", "open"),
                            ("closed", "closed"),
                            ("removed", "removed from the site"),
                        ],
                        default="draft",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                (
                    "goal",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Leave empty to use the next step: 100, 250, 500, 1,000 …",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="goal",
                    ),
                ),
                ("opens_at", models.DateTimeField(blank=True, null=True, verbose_name="opens")),
                ("closes_at", models.DateTimeField(blank=True, null=True, verbose_name="closes")),
                (
                    "closed_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="seen to close"
                    ),
                ),
                (
                    "challenge",
                    models.CharField(
                        choices=[
                            ("auto", "when very many people sign at once"),
                            ("always", "always"),
                        ],
                        db_default="auto",
                        default="auto",
                        max_length=6,
                        verbose_name="extra check against automated signing",
                    ),
                ),
                (
                    "is_paused",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Nobody new can sign while this is ticked, and the page says so. Existing signatures still count, and links already emailed still work.",
                        verbose_name="signing is paused",
                    ),
                ),
                (
                    "pause_reasons",
                    models.JSONField(blank=True, db_default={}, default=dict, editable=False),
                ),
                (
                    "is_holding",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        verbose_name="everything new is held",
                    ),
                ),
                (
                    "publishes_names",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        verbose_name="names are published",
                    ),
                ),
                ("names_listed_on", models.DateField(editable=False, null=True)),
                (
                    "removed_reason",
                    models.CharField(
                        blank=True,
                        max_length=300,
                        verbose_name="reason for removal, shown to the public",
                    ),
                ),
            ],
            options={
                "verbose_name": "petition",
                "verbose_name_plural": "petitions",
                "permissions": [("export_signatures", "Can export signatures")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("closes_at__isnull", True),
                            ("opens_at__isnull", True),
                            ("closes_at__gt", models.F("opens_at")),
                            _connector="OR",
                        ),
                        name="petition_closes_after_opening",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("state__in", ["draft", "open", "closed", "removed"])),
                        name="petition_state_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("challenge__in", ["auto", "always"])),
                        name="petition_challenge_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Objection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ix", models.BinaryField(max_length=16)),
                ("key_id", models.PositiveSmallIntegerField()),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("not-me", "said that it was not them"),
                            ("no-mail", "wants no mail"),
                            ("no-news", "wants no news"),
                            ("bounced", "takes no mail"),
                        ],
                        max_length=7,
                        verbose_name="reason",
                    ),
                ),
                ("notice_id", models.UUIDField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="made")),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "objection",
                "verbose_name_plural": "objections",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("ix", "key_id", "petition", "reason"),
                        name="objection_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reason__in", ["not-me", "no-news"]), _negated=True),
                            ("petition__isnull", False),
                            _connector="OR",
                        ),
                        name="objection_is_about_a_petition",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            ("reason__in", ["not-me", "no-mail", "no-news", "bounced"])
                        ),
                        name="objection_reason_known",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="news",
            name="petition",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="petitions.petition",
            ),
        ),
        migrations.CreateModel(
            name="NamePage",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("sealed", models.BinaryField()),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("petition", "number"), name="name_page_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="milestone",
            name="petition",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="milestones",
                to="petitions.petition",
                verbose_name="petition",
            ),
        ),
        migrations.CreateModel(
            name="FormerAddress",
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
                    "petition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former_addresses",
                        to="petitions.petition",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Figures",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("counted_at", models.DateTimeField(verbose_name="counted")),
                ("counts", models.JSONField(default=dict)),
                ("sealed", models.BinaryField(null=True)),
                ("sealed_at", models.DateTimeField(null=True)),
                (
                    "petition",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="figures",
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "figures",
                "verbose_name_plural": "figures",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ErasureStop",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=300, verbose_name="why it was stopped")),
                ("stopped_at", models.DateTimeField(auto_now_add=True, verbose_name="stopped")),
                (
                    "release_reason",
                    models.CharField(blank=True, max_length=300, verbose_name="why it goes on"),
                ),
                (
                    "released_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="goes on since"),
                ),
                (
                    "released_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="let go on by",
                    ),
                ),
                (
                    "stopped_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="stopped by",
                    ),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="erasure_stops",
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "stop of an erasure",
                "verbose_name_plural": "stops of erasures",
                "ordering": ("-stopped_at", "-id"),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("released_at__isnull", True)),
                        fields=("petition",),
                        name="erasure_stop_once_a_petition",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("released_at", None), ("released_by", None)),
                            models.Q(
                                ("released_at__isnull", False), ("released_by__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="erasure_stop_released_by_somebody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("scheduled_at", models.DateTimeField(verbose_name="scheduled")),
                ("erasure_due_at", models.DateTimeField(verbose_name="due")),
                ("days_seen", models.PositiveSmallIntegerField(default=1)),
                ("seen_on", models.DateField()),
                ("mailed_at", models.DateTimeField(null=True, verbose_name="organisation mailed")),
                (
                    "petition",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasure",
                        to="petitions.petition",
                        verbose_name="petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "erasure to come",
                "verbose_name_plural": "erasures to come",
                "ordering": ("erasure_due_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="Decision",
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
                            ("remove", "remove"),
                            ("restore", "restore"),
                            ("hold", "hold"),
                            ("approve", "approve"),
                            ("erase", "delete the person’s data"),
                            ("undo", "undo"),
                        ],
                        max_length=8,
                        verbose_name="decision",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
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
                (
                    "note",
                    models.CharField(
                        blank=True,
                        help_text="Other moderators can read this. Do not write names or email addresses.",
                        max_length=300,
                        verbose_name="note",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="decided")),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "undoes",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="undone_by",
                        to="petitions.decision",
                        verbose_name="undoes",
                    ),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="petitions.petition"
                    ),
                ),
            ],
            options={
                "verbose_name": "decision",
                "verbose_name_plural": "decisions",
                "indexes": [models.Index(fields=["created_at", "id"], name="decision_list")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "undo"), ("undoes__isnull", False)),
                            models.Q(
                                models.Q(("kind", "undo"), _negated=True), ("undoes__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="decision_undo_names_what_it_undoes",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            ("kind__in", ["remove", "restore", "hold", "approve", "erase", "undo"])
                        ),
                        name="decision_kind_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "false-name",
                                    "duplicate",
                                    "automated",
                                    "suspicious",
                                    "checked",
                                    "requested",
                                    "mistake",
                                    "other",
                                ],
                            )
                        ),
                        name="decision_reason_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkDecision",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "previewed, not started"),
                            ("awaiting", "waiting for approval"),
                            ("running", "running"),
                            ("done", "done"),
                            ("cancelled", "cancelled"),
                            ("failed", "stopped by an error"),
                        ],
                        default="draft",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                (
                    "conditions",
                    models.JSONField(blank=True, default=dict, verbose_name="conditions"),
                ),
                ("matching", models.PositiveIntegerField(default=0, verbose_name="matching")),
                ("cursor", models.UUIDField(editable=False, null=True)),
                ("done", models.PositiveIntegerField(default=0, verbose_name="done")),
                ("skipped", models.PositiveIntegerField(default=0, verbose_name="left alone")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="created"
                    ),
                ),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                ("error", models.CharField(blank=True, max_length=40, verbose_name="error")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("remove", "remove"),
                            ("restore", "restore"),
                            ("hold", "hold"),
                            ("approve", "approve"),
                            ("erase", "delete the person’s data"),
                            ("undo", "undo"),
                        ],
                        max_length=8,
                        verbose_name="decision",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
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
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                ("is_exact", models.BooleanField(default=True)),
                (
                    "count_change",
                    models.IntegerField(default=0, verbose_name="change of the count"),
                ),
                ("seen_item", models.BigIntegerField(default=0)),
                ("awaiting_since", models.DateTimeField(null=True)),
                ("mailed_at", models.DateTimeField(null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "approver",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decision",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bulk",
                        to="petitions.decision",
                    ),
                ),
                (
                    "undoes",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="petitions.decision",
                    ),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="petitions.petition"
                    ),
                ),
            ],
            options={
                "verbose_name": "bulk decision",
                "verbose_name_plural": "bulk decisions",
                "permissions": [
                    ("approve_bulkdecision", "Can approve the bulk decisions of others")
                ],
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["draft", "awaiting", "running"])),
                        fields=["state", "created_at"],
                        name="bulk_decision_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", False),
                                ("state__in", ["done", "cancelled", "failed"]),
                            ),
                            models.Q(
                                models.Q(
                                    ("state__in", ["done", "cancelled", "failed"]), _negated=True
                                ),
                                ("finished_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="bulkdecision_ended_at_a_time",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["draft", "awaiting", "running", "done", "cancelled", "failed"],
                            )
                        ),
                        name="bulkdecision_state_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            ("kind__in", ["remove", "restore", "hold", "approve", "erase", "undo"])
                        ),
                        name="bulkdecision_kind_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "false-name",
                                    "duplicate",
                                    "automated",
                                    "suspicious",
                                    "checked",
                                    "requested",
                                    "mistake",
                                    "other",
                                ],
                            )
                        ),
                        name="bulkdecision_reason_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Alert",
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
                            ("burst", "many signatures from one network"),
                            ("domain", "many signatures from one email domain"),
                            ("held", "signatures on hold for more than 48 hours"),
                            ("mail", "mail that waits for more than 10 minutes"),
                            ("bounces", "more than 5% of mail refused by servers"),
                            ("tally", "a count that did not match its signatures"),
                            ("still", "a part of the site that has stopped"),
                        ],
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                ("about", models.CharField(blank=True, db_default="", default="", max_length=40)),
                ("network_ix", models.BinaryField(max_length=16, null=True)),
                ("domain_ix", models.BinaryField(max_length=16, null=True)),
                ("number", models.PositiveIntegerField(verbose_name="signatures")),
                (
                    "created_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="first noticed"),
                ),
                ("seen_at", models.DateTimeField(blank=True, null=True, verbose_name="checked")),
                ("is_decided", models.BooleanField(db_default=False, default=False)),
                (
                    "petition",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "alert",
                "verbose_name_plural": "alerts",
                "indexes": [
                    models.Index(
                        condition=models.Q(("seen_at", None)),
                        fields=["created_at"],
                        name="alert_open",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("petition", "kind", "network_ix", "domain_ix", "about"),
                        name="alert_once_a_cause_and_day",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "burst"), _negated=True),
                            models.Q(("network_ix__isnull", False), ("petition__isnull", False)),
                            _connector="OR",
                        ),
                        name="alert_of_a_burst_names_its_network",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "domain"), _negated=True),
                            models.Q(("domain_ix__isnull", False), ("petition__isnull", False)),
                            _connector="OR",
                        ),
                        name="alert_of_a_domain_names_it",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                ["burst", "domain", "held", "mail", "bounces", "tally", "still"],
                            )
                        ),
                        name="alert_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ActivityMinute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minute", models.DateTimeField()),
                ("counts", models.JSONField()),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "minute of activity",
                "verbose_name_plural": "cockpit",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("petition", "minute"), name="activity_minute_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PetitionText",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveSmallIntegerField(default=1, verbose_name="version")),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("ar", "Arabic"), ("cy", "Welsh")],
                        max_length=2,
                        verbose_name="language",
                    ),
                ),
                ("title", models.CharField(max_length=150, verbose_name="title")),
                ("addressee", models.CharField(max_length=100, verbose_name="addressed to")),
                (
                    "ask",
                    models.TextField(max_length=400, verbose_name="what the petition asks for"),
                ),
                (
                    "body",
                    models.TextField(
                        blank=True,
                        help_text="Markdown",
                        max_length=100000,
                        validators=[petitions.formatting.sanitising.need_few_marks],
                        verbose_name="body",
                    ),
                ),
                (
                    "published_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="published"),
                ),
                ("first_public_at", models.DateTimeField(editable=False, null=True)),
                (
                    "petition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="texts",
                        to="petitions.petition",
                    ),
                ),
            ],
            options={
                "verbose_name": "petition text",
                "verbose_name_plural": "petition texts",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("petition", "version", "language"),
                        name="petition_text_once_a_version",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("language__in", ["en", "ar", "cy"])),
                        name="petitiontext_language_known",
                    ),
                ],
            },
            bases=(petitions.models.base.Publication, models.Model),
        ),
        migrations.CreateModel(
            name="Place",
            fields=[
                ("code", models.CharField(max_length=9, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("constituency", "constituency"),
                            ("unknown", "UK, constituency not known"),
                            ("abroad", "outside the UK"),
                        ],
                        default="constituency",
                        max_length=12,
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("name_cy", models.CharField(blank=True, db_default="", max_length=100)),
                (
                    "region",
                    models.CharField(
                        blank=True,
                        choices=[
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
                        ],
                        db_default="",
                        max_length=9,
                    ),
                ),
            ],
            options={
                "verbose_name": "place",
                "verbose_name_plural": "places",
                "constraints": [
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("kind__in", ["constituency", "unknown", "abroad"])),
                        name="place_kind_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "region__in",
                                [
                                    "E12000001",
                                    "E12000002",
                                    "E12000003",
                                    "E12000004",
                                    "E12000005",
                                    "E12000006",
                                    "E12000007",
                                    "E12000008",
                                    "E12000009",
                                    "W92000004",
                                    "S92000003",
                                    "N92000002",
                                    "",
                                ],
                            )
                        ),
                        name="place_region_known",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="news",
            name="place",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="petitions.place",
                verbose_name="constituency",
            ),
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("purpose", models.CharField(max_length=30, verbose_name="purpose")),
                ("has_people", models.BooleanField(db_default=True, default=True)),
                (
                    "petition_state",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("draft", "draft"),
                            ("open", "open"),
                            ("closed", "closed"),
                            ("removed", "removed from the site"),
                        ],
                        db_default="",
                        default="",
                        max_length=7,
                        verbose_name="petitions that are",
                    ),
                ),
                ("first_day", models.DateField(blank=True, null=True, verbose_name="first day")),
                ("last_day", models.DateField(blank=True, null=True, verbose_name="last day")),
                (
                    "file_format",
                    models.CharField(
                        choices=[
                            ("csv", "CSV, for programs"),
                            ("xlsx", "XLSX, for Excel and LibreOffice"),
                        ],
                        db_default="csv",
                        default="csv",
                        max_length=4,
                        verbose_name="kind of file",
                    ),
                ),
                (
                    "recipient",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=1000,
                        verbose_name="encrypt for",
                    ),
                ),
                ("why", models.CharField(max_length=300, verbose_name="why")),
                (
                    "proof",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=300,
                        verbose_name="how they proved who they are",
                    ),
                ),
                ("actor_name", models.CharField(max_length=150, verbose_name="who")),
                ("started_at", models.DateTimeField(auto_now_add=True, verbose_name="started")),
                ("moved_at", models.DateTimeField(editable=False, null=True)),
                ("broken_at", models.DateTimeField(editable=False, null=True)),
                (
                    "finished_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="finished"),
                ),
                (
                    "expected",
                    models.PositiveIntegerField(
                        db_default=0, default=0, verbose_name="rows expected"
                    ),
                ),
                ("rows", models.PositiveIntegerField(default=0, verbose_name="rows")),
                ("sha256", models.CharField(blank=True, max_length=64, verbose_name="SHA-256")),
                ("delete_by", models.DateField(verbose_name="delete copies by")),
                (
                    "reminded_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="reminder mailed"),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "petition",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="petitions.petition",
                    ),
                ),
                (
                    "place",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="petitions.place",
                        verbose_name="place",
                    ),
                ),
            ],
            options={
                "verbose_name": "export",
                "verbose_name_plural": "exports",
                "ordering": ["-started_at"],
                "permissions": [
                    (
                        "export_supporters",
                        "Can export the addresses of supporters who asked for news",
                    ),
                    ("export_person", "Can export one person's data"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("reminded_at", None)),
                        fields=["delete_by"],
                        name="export_to_remind_of",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("first_day", None),
                            ("last_day", None),
                            ("last_day__gte", models.F("first_day")),
                            _connector="OR",
                        ),
                        name="export_days_in_order",
                        violation_error_message="The last day comes before the first.",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            ("petition_state__in", ["draft", "open", "closed", "removed", ""])
                        ),
                        name="export_petition_state_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("file_format__in", ["csv", "xlsx"])),
                        name="export_file_format_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PlaceFile",
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
                        choices=[("constituencies", "constituencies"), ("postcodes", "postcodes")],
                        max_length=14,
                    ),
                ),
                ("edition", models.DateField(blank=True, null=True)),
                ("file_name", models.CharField(max_length=200)),
                ("sha256", models.CharField(max_length=64)),
                ("rows", models.PositiveIntegerField()),
                ("imported_at", models.DateTimeField(auto_now_add=True)),
                ("placed_at", models.DateTimeField(blank=True, null=True)),
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
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("kind__in", ["constituencies", "postcodes"])),
                        name="placefile_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Postcode",
            fields=[
                ("postcode", models.CharField(max_length=7, primary_key=True, serialize=False)),
                (
                    "place",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="petitions.place",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReadinessTick",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "item",
                    models.CharField(
                        choices=[
                            ("mail", "every message arrived, in an inbox and not in spam"),
                            ("keys", "the keys are kept away from the server"),
                            ("backup", "a backup was restored once"),
                            ("true-today", "the text is true today"),
                        ],
                        max_length=12,
                    ),
                ),
                ("ticked_on", models.DateField(auto_now_add=True)),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="readiness_ticks",
                        to="petitions.petition",
                    ),
                ),
                (
                    "ticked_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("item", "petition"),
                        name="readiness_tick_once",
                        nulls_distinct=False,
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("item__in", ["mail", "keys", "backup", "true-today"])),
                        name="readinesstick_item_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code_ix", models.BinaryField(max_length=16)),
                (
                    "authenticator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="petitions.authenticator",
                    ),
                ),
            ],
            options={
                "verbose_name": "recovery code",
                "verbose_name_plural": "recovery codes",
            },
        ),
        migrations.CreateModel(
            name="Reindexing",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "previewed, not started"),
                            ("awaiting", "waiting for approval"),
                            ("running", "running"),
                            ("done", "done"),
                            ("cancelled", "cancelled"),
                            ("failed", "stopped by an error"),
                        ],
                        default="draft",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                (
                    "conditions",
                    models.JSONField(blank=True, default=dict, verbose_name="conditions"),
                ),
                ("matching", models.PositiveIntegerField(default=0, verbose_name="matching")),
                ("cursor", models.UUIDField(editable=False, null=True)),
                ("done", models.PositiveIntegerField(default=0, verbose_name="done")),
                ("skipped", models.PositiveIntegerField(default=0, verbose_name="left alone")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="created"
                    ),
                ),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                ("error", models.CharField(blank=True, max_length=40, verbose_name="error")),
                ("rules", models.CharField(max_length=16)),
                ("key_id", models.PositiveSmallIntegerField()),
                ("moved", models.PositiveIntegerField(default=0)),
                ("held", models.PositiveIntegerField(default=0)),
                ("unreadable", models.PositiveIntegerField(default=0)),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "approver",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", False),
                                ("state__in", ["done", "cancelled", "failed"]),
                            ),
                            models.Q(
                                models.Q(
                                    ("state__in", ["done", "cancelled", "failed"]), _negated=True
                                ),
                                ("finished_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="reindexing_ended_at_a_time",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["draft", "awaiting", "running", "done", "cancelled", "failed"],
                            )
                        ),
                        name="reindexing_state_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Rule",
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
                            ("network", "network"),
                            ("domain", "email domain"),
                            ("address", "one email address"),
                            ("alert", "the network of an alert"),
                        ],
                        max_length=7,
                        verbose_name="applies to",
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[("block", "block"), ("hold", "hold"), ("allow", "allow")],
                        max_length=5,
                        verbose_name="action",
                    ),
                ),
                (
                    "pattern",
                    models.CharField(blank=True, max_length=260, verbose_name="network or domain"),
                ),
                ("address_ix", models.BinaryField(max_length=16, null=True)),
                ("network_ix", models.BinaryField(max_length=16, null=True)),
                ("network_day", models.DateField(editable=False, null=True)),
                (
                    "note",
                    models.CharField(
                        help_text="Why, for your colleagues. Do not write names or email addresses.",
                        max_length=300,
                        verbose_name="note",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="ends")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="made")),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "rule",
                "verbose_name_plural": "rules",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "action", "pattern", "address_ix", "network_ix"),
                        name="rule_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("address_ix__isnull", False), ("kind", "address"), ("pattern", "")
                            ),
                            models.Q(
                                ("address_ix__isnull", True), ("kind", "alert"), ("pattern", "")
                            ),
                            models.Q(
                                ("address_ix__isnull", True),
                                ("kind__in", ["network", "domain"]),
                                models.Q(("pattern", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="rule_says_whom",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind", "alert"),
                                ("network_day__isnull", False),
                                ("network_ix__isnull", False),
                            ),
                            models.Q(
                                ("network_day", None),
                                ("network_ix", None),
                                models.Q(("kind", "alert"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="rule_names_the_network_of_an_alert",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("kind__in", ["network", "domain", "address", "alert"])),
                        name="rule_kind_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("action__in", ["block", "hold", "allow"])),
                        name="rule_action_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Signer",
            fields=[
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="petitions.signature",
                    ),
                ),
                ("sealed", models.BinaryField()),
                ("petition_mailbox_ix", models.BinaryField(max_length=16)),
                ("person_ix", models.BinaryField(max_length=16)),
                ("home_ix", models.BinaryField(max_length=16)),
                ("network_ix", models.BinaryField(max_length=16, null=True)),
                ("domain_ix", models.BinaryField(max_length=16, null=True)),
                ("name_ix", models.BigIntegerField(null=True)),
                ("postcode_ix", models.BigIntegerField(null=True)),
                ("slot", models.PositiveSmallIntegerField(null=True)),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.HashIndex(
                        fields=["name_ix"], name="signer_name"
                    ),
                    django.contrib.postgres.indexes.HashIndex(
                        fields=["postcode_ix"], name="signer_postcode"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("slot__isnull", True), ("slot__in", [1, 2]), _connector="OR"
                        ),
                        name="signer_slot_1_or_2",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="signature",
            name="decision",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="petitions.decision",
            ),
        ),
        migrations.AddField(
            model_name="signature",
            name="petition",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="signatures",
                to="petitions.petition",
            ),
        ),
        migrations.AddField(
            model_name="signature",
            name="place",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, to="petitions.place"
            ),
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sealed", models.BinaryField(null=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("confirm", "confirmation"),
                            ("remind", "reminder to confirm"),
                            ("find", "“Find my signature” link"),
                            ("find-other", "the same, to another spelling"),
                            ("address", "code to a new address"),
                            ("news", "news"),
                            ("trial", "trial of a message"),
                            ("answer", "answer to a message"),
                        ],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("global_mailbox_ix", models.BinaryField(max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("sent", "sent"),
                            ("failed", "failed"),
                            ("refused", "refused: the address takes no mail"),
                            ("cancelled", "cancelled"),
                            ("withheld", "not sent: this email address has reached its limit"),
                        ],
                        default="queued",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                ("due_at", models.DateTimeField(verbose_name="send at")),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("code", models.CharField(blank=True, max_length=20, verbose_name="outcome")),
                ("created_at", models.DateTimeField(verbose_name="created")),
                (
                    "answer",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mails",
                        to="petitions.answer",
                    ),
                ),
                (
                    "news",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mails",
                        to="petitions.news",
                    ),
                ),
                (
                    "signature",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mails",
                        to="petitions.signature",
                    ),
                ),
            ],
            options={
                "verbose_name": "email",
                "verbose_name_plural": "outbox",
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("state", "queued"), models.Q(("kind", "news"), _negated=True)
                        ),
                        fields=["due_at"],
                        name="mail_due",
                    ),
                    models.Index(
                        condition=models.Q(("kind", "news"), ("state", "queued")),
                        fields=["news", "due_at"],
                        name="mail_news_due",
                    ),
                    models.Index(
                        fields=["global_mailbox_ix", "kind", "created_at"], name="mail_of_mailbox"
                    ),
                    models.Index(
                        condition=models.Q(("state", "failed")),
                        fields=["created_at"],
                        name="mail_failed",
                    ),
                    django.contrib.postgres.indexes.BrinIndex(
                        autosummarize=True, fields=["created_at"], name="mail_lately"
                    ),
                    models.Index(
                        condition=models.Q(("kind", "address"), ("sealed__isnull", False)),
                        fields=["created_at"],
                        name="mail_to_new_address",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "news")),
                        fields=("news", "global_mailbox_ix"),
                        name="mail_news_once_a_mailbox",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "news"), ("news__isnull", False)),
                            models.Q(models.Q(("kind", "news"), _negated=True), ("news", None)),
                            _connector="OR",
                        ),
                        name="mail_of_news",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("answer__isnull", False)),
                        fields=("answer",),
                        name="mail_answer_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("answer__isnull", False), ("kind", "answer")),
                            models.Q(models.Q(("kind", "answer"), _negated=True), ("answer", None)),
                            _connector="OR",
                        ),
                        name="mail_of_answer",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "confirm",
                                    "remind",
                                    "find",
                                    "find-other",
                                    "address",
                                    "news",
                                    "trial",
                                    "answer",
                                ],
                            )
                        ),
                        name="mail_kind_known",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["queued", "sent", "failed", "refused", "cancelled", "withheld"],
                            )
                        ),
                        name="mail_state_known",
                    ),
                ],
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
                ("states", models.JSONField(db_default={}, default=dict, editable=False)),
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
                "constraints": [
                    models.UniqueConstraint(fields=("petition", "day"), name="snapshot_once_a_day")
                ],
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
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("snapshot", "group"), name="snapshot_part_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("group", ""), _negated=True),
                        name="snapshot_part_has_a_group",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="signature",
            name="source",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="petitions.source",
            ),
        ),
        migrations.CreateModel(
            name="SourceTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("shard", models.PositiveSmallIntegerField()),
                ("n", models.PositiveIntegerField()),
                ("before", models.PositiveIntegerField()),
                ("day", models.DateField()),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="petitions.source",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("petition", "source", "shard"), name="source_tally_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StaffMail",
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
                            ("invitation", "invitation"),
                            ("password", "forgotten password"),
                            ("changed", "the account was changed"),
                            ("switched", "a moderator used a switch of a petition"),
                            ("contact", "the privacy contact was changed"),
                            ("roles", "roles were given or taken"),
                        ],
                        max_length=10,
                    ),
                ),
                ("sealed", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "mail to staff",
                "verbose_name_plural": "mails to staff",
                "indexes": [models.Index(fields=["created_at"], name="staff_mail_time")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("user__isnull", False), ("sealed__isnull", False), _connector="OR"
                        ),
                        name="staff_mail_has_an_addressee",
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "invitation",
                                    "password",
                                    "changed",
                                    "switched",
                                    "contact",
                                    "roles",
                                ],
                            )
                        ),
                        name="staffmail_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Tally",
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
                        choices=[("online", "online"), ("paper", "on paper")],
                        default="online",
                        max_length=6,
                    ),
                ),
                ("shard", models.PositiveSmallIntegerField(default=0)),
                ("n", models.IntegerField()),
                (
                    "petition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="petitions.petition",
                    ),
                ),
                (
                    "place",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="petitions.place",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("petition", "place", "kind", "shard"), name="tally_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("n__gte", 0)), name="tally_not_negative"
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(("kind__in", ["online", "paper"])),
                        name="tally_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TextCorrection",
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
                        to="petitions.petitiontext",
                    ),
                ),
            ],
            options={
                "verbose_name": "correction of a petition text",
                "verbose_name_plural": "corrections of petition texts",
                "ordering": ["-id"],
                "abstract": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UsedNonce",
            fields=[
                ("key", models.BinaryField(max_length=16, primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="used_nonce_expires_at")],
            },
        ),
        migrations.CreateModel(
            name="AlertMail",
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
                            ("burst", "many signatures from one network"),
                            ("domain", "many signatures from one email domain"),
                            ("held", "signatures on hold for more than 48 hours"),
                            ("mail", "mail that waits for more than 10 minutes"),
                            ("bounces", "more than 5% of mail refused by servers"),
                            ("tally", "a count that did not match its signatures"),
                            ("still", "a part of the site that has stopped"),
                        ],
                        max_length=10,
                    ),
                ),
                ("mailed_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "kind"), name="alert_mail_once"),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                ["burst", "domain", "held", "mail", "bounces", "tally", "still"],
                            )
                        ),
                        name="alertmail_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("password-right", "right password"),
                            ("password-wrong", "wrong password"),
                            ("password-refused", "too many wrong passwords: not looked at"),
                            ("login-unlocked", "wrong passwords forgotten"),
                            ("erasure-stopped", "deletion of people’s data stopped"),
                            ("erasure-released", "stopped deletion let go on"),
                            ("mail-requeued", "failed emails queued again"),
                            ("rule-saved", "rule saved"),
                            ("rule-ended", "rule ended"),
                            ("petition-published", "petition published"),
                            ("petition-paused", "signing paused"),
                            ("petition-resumed", "signing resumed"),
                            ("petition-closed", "petition closed"),
                            ("petition-reopened", "petition opened again"),
                            ("petition-restored", "petition put back on the site"),
                            ("petition-recalled", "petition taken back to draft"),
                            ("petition-removed", "petition taken off the site"),
                            ("opened-unready", "petition opened before everything was ready"),
                            ("readiness-ticked", "ticked on the checklist"),
                            ("readiness-unticked", "unticked on the checklist"),
                            ("organisation-renamed", "organisation renamed"),
                            ("texts-saved", "texts saved"),
                            ("texts-published", "texts published"),
                            ("text-corrected", "public text corrected"),
                            ("version-begun", "new version of the text started"),
                            ("statement-published", "statement published"),
                            ("statement-recalled", "statement taken back to draft"),
                            ("draft-link-made", "secret link to a draft made"),
                            ("draft-link-ended", "secret link to a draft ended"),
                            ("enquiry-acknowledged", "message marked as acknowledged"),
                            ("enquiry-answered", "message marked as answered"),
                            ("enquiry-reopened", "message reopened"),
                            ("enquiry-closed", "message closed"),
                            ("enquiries-mailed", "organisation mailed about messages"),
                            ("answer-sent", "answer to a message sent"),
                            ("alert-dismissed", "alert marked as checked"),
                            ("bulk-started", "bulk decision started"),
                            ("bulk-approved", "bulk decision approved"),
                            ("bulk-cancelled", "bulk decision cancelled"),
                            ("password-mailed", "link for a new password mailed"),
                            ("password-set", "password set"),
                            ("second-factor-set", "authenticator set up"),
                            ("second-factor-wrong", "wrong code of an authenticator"),
                            ("second-factor-reset", "authenticator removed"),
                            ("recovery-code-used", "recovery code used"),
                            ("recovery-codes-made", "new recovery codes made"),
                            ("person-invited", "person invited"),
                            ("person-changed", "name or address of a person changed"),
                            ("roles-changed", "roles changed"),
                            ("person-deactivated", "account deactivated"),
                            ("person-reactivated", "account activated again"),
                            ("address-revealed", "address of a signer revealed"),
                            ("reveal-refused", "address not revealed: too many this hour"),
                            ("searched", "signatures searched"),
                            ("search-refused", "search refused: too many this hour"),
                            ("decided", "decision about signatures"),
                            ("exported", "signatures exported"),
                            ("records-exported", "audit records exported"),
                            ("news-tested", "test of news mailed to its sender"),
                            ("news-started", "sending of news started"),
                            ("news-approved", "news approved"),
                            ("news-paused", "sending of news paused"),
                            ("news-resumed", "sending of news resumed"),
                            ("news-stopped", "sending of news stopped for good"),
                            ("added", "added by a form"),
                            ("changed", "changed by a form"),
                            ("deleted", "deleted by a form"),
                            ("signing-paused", "signing paused by a switch"),
                            ("signing-resumed", "signing resumed by a switch"),
                            ("challenge-on", "extra check for everybody switched on"),
                            ("challenge-off", "extra check for everybody switched off"),
                            ("holding-on", "holding of all new signatures switched on"),
                            ("holding-off", "holding of all new signatures switched off"),
                            ("names-shown", "publication of names switched on"),
                            ("names-hidden", "publication of names switched off"),
                            ("mail-tried", "every message sent to oneself"),
                            ("sender-checked", "DNS records of the sender checked"),
                        ],
                        max_length=40,
                        verbose_name="what",
                    ),
                ),
                ("object_type", models.CharField(blank=True, max_length=80, verbose_name="about")),
                (
                    "object_id",
                    models.CharField(blank=True, max_length=40, verbose_name="its number"),
                ),
                ("screen", models.CharField(max_length=80, verbose_name="screen or command")),
                (
                    "why",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=300, verbose_name="why"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="when")),
                ("network_ix", models.BinaryField(max_length=16, null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who",
                    ),
                ),
            ],
            options={
                "verbose_name": "audit record",
                "verbose_name_plural": "audit records",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        fields=["actor", "action", "created_at"], name="audit_record_actor"
                    ),
                    models.Index(fields=["object_type", "object_id"], name="audit_record_object"),
                    models.Index(fields=["created_at"], name="audit_record_time"),
                    models.Index(fields=["action", "id"], name="audit_record_action"),
                ],
                "constraints": [
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "action__in",
                                [
                                    "password-right",
                                    "password-wrong",
                                    "password-refused",
                                    "login-unlocked",
                                    "erasure-stopped",
                                    "erasure-released",
                                    "mail-requeued",
                                    "rule-saved",
                                    "rule-ended",
                                    "petition-published",
                                    "petition-paused",
                                    "petition-resumed",
                                    "petition-closed",
                                    "petition-reopened",
                                    "petition-restored",
                                    "petition-recalled",
                                    "petition-removed",
                                    "opened-unready",
                                    "readiness-ticked",
                                    "readiness-unticked",
                                    "organisation-renamed",
                                    "texts-saved",
                                    "texts-published",
                                    "text-corrected",
                                    "version-begun",
                                    "statement-published",
                                    "statement-recalled",
                                    "draft-link-made",
                                    "draft-link-ended",
                                    "enquiry-acknowledged",
                                    "enquiry-answered",
                                    "enquiry-reopened",
                                    "enquiry-closed",
                                    "enquiries-mailed",
                                    "answer-sent",
                                    "alert-dismissed",
                                    "bulk-started",
                                    "bulk-approved",
                                    "bulk-cancelled",
                                    "password-mailed",
                                    "password-set",
                                    "second-factor-set",
                                    "second-factor-wrong",
                                    "second-factor-reset",
                                    "recovery-code-used",
                                    "recovery-codes-made",
                                    "person-invited",
                                    "person-changed",
                                    "roles-changed",
                                    "person-deactivated",
                                    "person-reactivated",
                                    "address-revealed",
                                    "reveal-refused",
                                    "searched",
                                    "search-refused",
                                    "decided",
                                    "exported",
                                    "records-exported",
                                    "news-tested",
                                    "news-started",
                                    "news-approved",
                                    "news-paused",
                                    "news-resumed",
                                    "news-stopped",
                                    "added",
                                    "changed",
                                    "deleted",
                                    "signing-paused",
                                    "signing-resumed",
                                    "challenge-on",
                                    "challenge-off",
                                    "holding-on",
                                    "holding-off",
                                    "names-shown",
                                    "names-hidden",
                                    "mail-tried",
                                    "sender-checked",
                                ],
                            )
                        ),
                        name="auditrecord_action_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DecisionItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("signature_id", models.UUIDField()),
                (
                    "previous_state",
                    models.CharField(
                        choices=[
                            ("pending", "waiting for confirmation"),
                            ("confirmed", "confirmed"),
                            ("held", "on hold"),
                            ("removed", "removed from the count"),
                            ("withdrawn", "withdrawn"),
                            ("refused", "refused by a rule"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "decision",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="petitions.decision",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["decision", "id"], name="decision_item_list")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("signature_id", "decision"), name="decision_item_once"
                    ),
                    petitions.models.base.ChoicesConstraint(
                        condition=models.Q(
                            (
                                "previous_state__in",
                                ["pending", "confirmed", "held", "removed", "withdrawn", "refused"],
                            )
                        ),
                        name="decisionitem_previous_state_known",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="news",
            constraint=models.CheckConstraint(
                condition=models.Q(("region", ""), ("place", None), _connector="OR"),
                name="news_region_or_place",
            ),
        ),
        migrations.AddField(
            model_name="signer",
            name="petition",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="petitions.petition",
            ),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                fields=["petition", "state", "created_at", "id"], name="signature_list"
            ),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(fields=["petition", "state", "id"], name="signature_export"),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                condition=models.Q(("signals", []), _negated=True),
                fields=["petition", "id"],
                name="signature_with_signals",
            ),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                condition=models.Q(("signals", []), _negated=True),
                fields=["petition", "state", "created_at", "id"],
                include=("signals",),
                name="signature_signals_list",
            ),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                fields=["petition", "place", "state", "created_at", "id"],
                name="signature_place_list",
            ),
        ),
        migrations.AddIndex(
            model_name="signature",
            index=models.Index(
                condition=models.Q(("decision__isnull", False)),
                fields=["decision", "created_at", "id"],
                include=("petition", "state"),
                name="signature_decision_list",
            ),
        ),
        migrations.AddIndex(
            model_name="signer",
            index=models.Index(fields=["petition", "petition_mailbox_ix"], name="signer_mailbox"),
        ),
        migrations.AddIndex(
            model_name="signer",
            index=models.Index(
                condition=models.Q(("network_ix__isnull", False)),
                fields=["network_ix", "petition"],
                name="signer_network",
            ),
        ),
        migrations.AddIndex(
            model_name="signer",
            index=models.Index(
                condition=models.Q(("domain_ix__isnull", False)),
                fields=["domain_ix", "petition"],
                name="signer_domain",
            ),
        ),
        migrations.AddConstraint(
            model_name="signer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("slot__isnull", False)),
                fields=("petition", "petition_mailbox_ix", "slot"),
                name="signer_two_slots_a_mailbox",
            ),
        ),
        migrations.AddConstraint(
            model_name="signer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("slot__isnull", False)),
                fields=("petition", "person_ix"),
                name="signer_person_once",
            ),
        ),
    ]
