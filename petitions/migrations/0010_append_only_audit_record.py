import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# What `petitions.staff.audit` forgets when its time is over passes: the time of day, the network, and
# records of passwords. The periods stand here too, so that nobody forgets anything early.
FUNCTION = """
CREATE FUNCTION audit_record_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF (OLD.action IN ('password-wrong', 'password-refused')
            AND OLD.created_at < now() - interval '30 days')
           OR (OLD.action = 'password-right'
               AND OLD.created_at < now() - interval '365 days') THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'UPDATE'
          AND to_jsonb(NEW) - 'created_at' - 'network_ix' = to_jsonb(OLD) - 'created_at' - 'network_ix'
          AND (NEW.created_at = OLD.created_at
               OR (OLD.created_at < now() - interval '72 hours'
                   AND NEW.created_at = date_trunc('day', OLD.created_at, 'Europe/London')))
          AND (NEW.network_ix IS NOT DISTINCT FROM OLD.network_ix
               OR (NEW.network_ix IS NULL AND OLD.created_at < now() - interval '30 days')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit records cannot be changed or deleted'
        USING ERRCODE = 'restrict_violation';
END
$$
"""
TRIGGER = """
CREATE TRIGGER audit_record_append_only
BEFORE UPDATE OR DELETE ON petitions_auditrecord
FOR EACH ROW EXECUTE FUNCTION audit_record_append_only()
"""
# No row's trigger sees TRUNCATE.
TRUNCATE_TRIGGER = """
CREATE TRIGGER audit_record_no_truncate
BEFORE TRUNCATE ON petitions_auditrecord
FOR EACH STATEMENT EXECUTE FUNCTION audit_record_append_only()
"""


class Migration(migrations.Migration):
    """The audit record, which the database itself keeps from being rewritten, and the counters
    of wrong passwords.
    """

    dependencies = [
        ("petitions", "0009_no_hexagons"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
                            ("statement-published", "statement published"),
                            ("enquiry-acknowledged", "message marked as acknowledged"),
                            ("enquiry-answered", "message marked as answered"),
                            ("enquiry-reopened", "message reopened"),
                            ("alert-dismissed", "alert marked as checked"),
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
                ],
            },
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION audit_record_append_only()"),
        migrations.RunSQL(
            TRIGGER, "DROP TRIGGER audit_record_append_only ON petitions_auditrecord"
        ),
        migrations.RunSQL(
            TRUNCATE_TRIGGER, "DROP TRIGGER audit_record_no_truncate ON petitions_auditrecord"
        ),
    ]
