"""Answers to messages from the contact form, mailed through the outbox, and states to go with them.

What was open is new, or being answered if it was acknowledged.
"""

import django.db.models.deletion
import petitions.models.base
import uuid
from django.conf import settings
from django.db import migrations, models


STATES = """
UPDATE petitions_enquiry
SET state = CASE WHEN acknowledged_on IS NULL THEN 'new' ELSE 'started' END WHERE state = 'open';
"""
EARLIER_STATES = """
DELETE FROM petitions_mail WHERE kind = 'answer';
UPDATE petitions_enquiry SET state = 'open' WHERE state IN ('new', 'started');
UPDATE petitions_enquiry SET state = 'answered' WHERE state = 'closed';
UPDATE petitions_enquiry SET kind = 'other' WHERE kind = 'data';
"""


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_indexes_of_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
            ],
            options={
                "verbose_name": "answer",
                "verbose_name_plural": "answers",
                "ordering": ("number",),
            },
        ),
        migrations.AlterModelOptions(
            name="enquiry",
            options={
                "ordering": ("due_on", "id"),
                "verbose_name": "message to us",
                "verbose_name_plural": "messages to us",
            },
        ),
        migrations.RemoveConstraint(
            model_name="auditrecord",
            name="auditrecord_action_known",
        ),
        migrations.RemoveConstraint(
            model_name="enquiry",
            name="enquiry_answered_on_a_day",
        ),
        migrations.RemoveConstraint(
            model_name="enquiry",
            name="enquiry_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="enquiry",
            name="enquiry_state_known",
        ),
        migrations.RemoveConstraint(
            model_name="mail",
            name="mail_kind_known",
        ),
        migrations.RunSQL(STATES, EARLIER_STATES),
        migrations.AddField(
            model_name="enquiry",
            name="notice",
            field=models.PositiveSmallIntegerField(default=0),
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
                    ("decided", "signatures decided about"),
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
            model_name="enquiry",
            name="acknowledged_on",
            field=models.DateField(blank=True, null=True, verbose_name="first reply"),
        ),
        migrations.AlterField(
            model_name="enquiry",
            name="answered_on",
            field=models.DateField(blank=True, null=True, verbose_name="answered or closed"),
        ),
        migrations.AlterField(
            model_name="enquiry",
            name="due_on",
            field=models.DateField(verbose_name="answer by"),
        ),
        migrations.AlterField(
            model_name="enquiry",
            name="kind",
            field=models.CharField(
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
        migrations.AlterField(
            model_name="enquiry",
            name="state",
            field=models.CharField(
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
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("confirm", "confirmation"),
                    ("remind", "reminder to confirm"),
                    ("find", "“Find my signature” link"),
                    ("find-other", "the same, to another spelling"),
                    ("address", "code to a new address"),
                    ("news", "news"),
                    ("answer", "answer to a message"),
                ],
                max_length=10,
                verbose_name="kind",
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
                        ],
                    )
                ),
                name="auditrecord_action_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="enquiry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answered_on", None), ("state__in", ["new", "started"])),
                    models.Q(("answered_on__isnull", False), ("state__in", ["answered", "closed"])),
                    _connector="OR",
                ),
                name="enquiry_answered_on_a_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="enquiry",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(
                    ("kind__in", ["question", "data", "complaint", "access", "other"])
                ),
                name="enquiry_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="enquiry",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(("state__in", ["new", "started", "answered", "closed"])),
                name="enquiry_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="enquiry",
            constraint=models.CheckConstraint(
                condition=models.Q(("notice__in", [0, 1, 2, 3])),
                name="enquiry_notice_is_one",
            ),
        ),
        migrations.AddField(
            model_name="answer",
            name="enquiry",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="answers",
                to="petitions.enquiry",
                verbose_name="message",
            ),
        ),
        migrations.AddField(
            model_name="answer",
            name="written_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="written by",
            ),
        ),
        migrations.AddField(
            model_name="mail",
            name="answer",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mails",
                to="petitions.answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.UniqueConstraint(
                condition=models.Q(("answer__isnull", False)),
                fields=("answer",),
                name="mail_answer_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answer__isnull", False), ("kind", "answer")),
                    models.Q(models.Q(("kind", "answer"), _negated=True), ("answer", None)),
                    _connector="OR",
                ),
                name="mail_of_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=petitions.models.base.ChoicesConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        ["confirm", "remind", "find", "find-other", "address", "news", "answer"],
                    )
                ),
                name="mail_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="answer",
            constraint=models.UniqueConstraint(
                fields=("enquiry", "number"), name="answer_once_a_number"
            ),
        ),
    ]
