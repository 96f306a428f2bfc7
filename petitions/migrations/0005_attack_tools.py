"""Rules that hold, alerts of more causes and their mail, and switches for moderators."""

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
                            ("held", "signatures on hold for more than 48 hours"),
                            ("mail", "mail that waits for more than 10 minutes"),
                            ("bounces", "more than 5% of mail refused by servers"),
                            ("tally", "a count that did not match its signatures"),
                            ("still", "a part of the site that stands still"),
                        ],
                        max_length=10,
                    ),
                ),
                ("mailed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="alert",
            name="alert_once_a_network_and_day",
        ),
        migrations.RemoveConstraint(
            model_name="alert",
            name="alert_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="auditrecord",
            name="auditrecord_action_known",
        ),
        migrations.RemoveConstraint(
            model_name="rule",
            name="rule_once",
        ),
        migrations.RemoveConstraint(
            model_name="rule",
            name="rule_says_whom",
        ),
        migrations.RemoveConstraint(
            model_name="rule",
            name="rule_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="rule",
            name="rule_action_known",
        ),
        migrations.AddField(
            model_name="alert",
            name="about",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="alert",
            name="is_decided",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="petition",
            name="is_holding",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                verbose_name="everything new is held",
            ),
        ),
        migrations.AddField(
            model_name="petition",
            name="pause_reasons",
            field=models.JSONField(blank=True, db_default={}, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name="rule",
            name="network_day",
            field=models.DateField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="rule",
            name="network_ix",
            field=models.BinaryField(max_length=16, null=True),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.CharField(
                choices=[
                    ("burst", "many signatures from one network"),
                    ("held", "signatures on hold for more than 48 hours"),
                    ("mail", "mail that waits for more than 10 minutes"),
                    ("bounces", "more than 5% of mail refused by servers"),
                    ("tally", "a count that did not match its signatures"),
                    ("still", "a part of the site that stands still"),
                ],
                max_length=10,
                verbose_name="type",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="petition",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                to="petitions.petition",
            ),
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
                    ("signing-paused", "signing paused"),
                    ("signing-resumed", "signing taken up again"),
                    ("challenge-on", "proof of work for everybody switched on"),
                    ("challenge-off", "proof of work for everybody switched off"),
                    ("holding-on", "holding of all new signatures switched on"),
                    ("holding-off", "holding of all new signatures switched off"),
                ],
                max_length=40,
                verbose_name="what",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="action",
            field=models.CharField(
                choices=[("block", "block"), ("hold", "hold"), ("allow", "allow")],
                max_length=5,
                verbose_name="action",
            ),
        ),
        migrations.AlterField(
            model_name="rule",
            name="kind",
            field=models.CharField(
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
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("seen_at", None)), fields=["created_at"], name="alert_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                fields=("petition", "kind", "network_ix", "about"),
                name="alert_once_a_network_and_day",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "burst"), _negated=True),
                    models.Q(("network_ix__isnull", False), ("petition__isnull", False)),
                    _connector="OR",
                ),
                name="alert_of_a_burst_names_its_network",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(
                    ("kind__in", ["burst", "held", "mail", "bounces", "tally", "still"])
                ),
                name="alert_kind_known",
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
                            "signing-paused",
                            "signing-resumed",
                            "challenge-on",
                            "challenge-off",
                            "holding-on",
                            "holding-off",
                        ],
                    )
                ),
                name="auditrecord_action_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.UniqueConstraint(
                fields=("kind", "action", "pattern", "address_ix", "network_ix"),
                name="rule_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("address_ix__isnull", False), ("kind", "address"), ("pattern", "")),
                    models.Q(("address_ix__isnull", True), ("kind", "alert"), ("pattern", "")),
                    models.Q(
                        ("address_ix__isnull", True),
                        ("kind__in", ["network", "domain"]),
                        models.Q(("pattern", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="rule_says_whom",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(("kind__in", ["network", "domain", "address", "alert"])),
                name="rule_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(("action__in", ["block", "hold", "allow"])),
                name="rule_action_known",
            ),
        ),
        migrations.AddField(
            model_name="alertmail",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="alertmail",
            constraint=models.UniqueConstraint(fields=("user", "kind"), name="alert_mail_once"),
        ),
        migrations.AddConstraint(
            model_name="alertmail",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(
                    ("kind__in", ["burst", "held", "mail", "bounces", "tally", "still"])
                ),
                name="alertmail_kind_known",
            ),
        ),
    ]
