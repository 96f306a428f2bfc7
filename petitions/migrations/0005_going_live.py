"""Former addresses and names, ticks of the checklist, and the acts on petitions in the audit log."""

import django.db.models.deletion
import petitions.models.base
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_indexes_of_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
            ],
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
            ],
        ),
        migrations.RemoveConstraint(
            model_name="auditrecord",
            name="auditrecord_action_known",
        ),
        migrations.AlterField(
            model_name="auditrecord",
            name="action",
            field=models.CharField(
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
                    ("petition-resumed", "signing goes on"),
                    ("petition-closed", "petition closed"),
                    ("petition-reopened", "petition opened again"),
                    ("petition-restored", "petition put back on the site"),
                    ("petition-recalled", "petition taken back to draft"),
                    ("petition-removed", "petition taken off the site"),
                    ("opened-unready", "petition opened before everything was ready"),
                    ("readiness-ticked", "ticked on the checklist"),
                    ("readiness-unticked", "unticked on the checklist"),
                    ("organisation-renamed", "organisation renamed"),
                    ("statement-published", "statement published"),
                    ("enquiry-acknowledged", "message marked as acknowledged"),
                    ("enquiry-answered", "message marked as answered"),
                    ("enquiry-reopened", "message reopened"),
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
                    ("decided", "signatures decided about"),
                    ("exported", "signatures exported"),
                    ("records-exported", "audit records exported"),
                    ("added", "added by a form"),
                    ("changed", "changed by a form"),
                    ("deleted", "deleted by a form"),
                ],
                max_length=40,
                verbose_name="what",
            ),
        ),
        migrations.AddConstraint(
            model_name="auditrecord",
            constraint=petitions.models.base.ChoicesConstraint(
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
                            "statement-published",
                            "enquiry-acknowledged",
                            "enquiry-answered",
                            "enquiry-reopened",
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
                            "decided",
                            "exported",
                            "records-exported",
                            "added",
                            "changed",
                            "deleted",
                        ],
                    )
                ),
                name="auditrecord_action_known",
            ),
        ),
        migrations.AddField(
            model_name="formeraddress",
            name="petition",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="former_addresses",
                to="petitions.petition",
            ),
        ),
        migrations.AddField(
            model_name="readinesstick",
            name="petition",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="readiness_ticks",
                to="petitions.petition",
            ),
        ),
        migrations.AddField(
            model_name="readinesstick",
            name="ticked_by",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="readinesstick",
            constraint=models.UniqueConstraint(
                fields=("item", "petition"), name="readiness_tick_once", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="readinesstick",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(("item__in", ["mail", "keys", "backup", "true-today"])),
                name="readinesstick_item_known",
            ),
        ),
    ]
