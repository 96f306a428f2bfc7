"""Corrections of public texts, and triggers by which a signed text changes on record alone."""

import django.db.models.deletion
import petitions.models.base
from django.conf import settings
from django.db import migrations, models

# A signed text changes beside its newest correction alone, which says both wordings, and is never
# deleted. "Signed" is asked of texts that were public: of a new draft nothing is looked up,
# however many have signed earlier versions.
GUARD = """
    CREATE FUNCTION petition_text_is_signed(said petitions_petitiontext) RETURNS boolean
    LANGUAGE sql AS $$
        SELECT coalesce(said.first_public_at, said.published_at) <= clock_timestamp() IS TRUE
        AND EXISTS (
            SELECT FROM petitions_signature signature
            WHERE signature.petition_id = said.petition_id
              AND signature.text_version = said.version
        )
    $$;

    CREATE FUNCTION petition_text_words(said petitions_petitiontext) RETURNS jsonb
    LANGUAGE sql IMMUTABLE AS $$
        SELECT jsonb_build_object(
            'title', said.title, 'addressee', said.addressee, 'ask', said.ask, 'body', said.body
        )
    $$;

    CREATE FUNCTION petition_text_changes_on_record() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE is_on_record boolean;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            NEW.first_public_at := coalesce(
                OLD.first_public_at,
                CASE WHEN OLD.published_at <= clock_timestamp() THEN OLD.published_at END
            );
            IF (NEW.petition_id, NEW.version, NEW.language)
               = (OLD.petition_id, OLD.version, OLD.language) THEN
                IF petition_text_words(NEW) = petition_text_words(OLD) THEN
                    RETURN NEW;
                END IF;
                SELECT "before" = petition_text_words(OLD) AND "after" = petition_text_words(NEW)
                INTO is_on_record FROM petitions_textcorrection
                WHERE text_id = OLD.id ORDER BY id DESC LIMIT 1;
                IF is_on_record THEN
                    RETURN NEW;
                END IF;
            END IF;
        END IF;
        IF petition_text_is_signed(OLD) THEN
            RAISE EXCEPTION 'a signed text changes beside a correction alone'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
    END
    $$;

    CREATE TRIGGER petition_text_changes_on_record
        BEFORE UPDATE OR DELETE ON petitions_petitiontext
        FOR EACH ROW EXECUTE FUNCTION petition_text_changes_on_record();

    CREATE FUNCTION text_correction_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM petitions_petitiontext said
            WHERE said.id = OLD.text_id AND petition_text_is_signed(said)
        ) THEN
            RAISE EXCEPTION 'corrections of a signed text cannot be changed or deleted'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
    END
    $$;

    CREATE TRIGGER text_correction_append_only
        BEFORE UPDATE OR DELETE ON petitions_textcorrection
        FOR EACH ROW EXECUTE FUNCTION text_correction_append_only();
"""
NO_GUARD = """
    DROP TRIGGER text_correction_append_only ON petitions_textcorrection;
    DROP FUNCTION text_correction_append_only();
    DROP TRIGGER petition_text_changes_on_record ON petitions_petitiontext;
    DROP FUNCTION petition_text_changes_on_record();
    DROP FUNCTION petition_text_words(petitions_petitiontext);
    DROP FUNCTION petition_text_is_signed(petitions_petitiontext);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("petitions", "0004_indexes_of_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
            ],
            options={
                "verbose_name": "correction of a petition text",
                "verbose_name_plural": "corrections of petition texts",
                "ordering": ["-id"],
                "abstract": False,
                "default_permissions": (),
            },
        ),
        migrations.RemoveConstraint(
            model_name="auditrecord",
            name="auditrecord_action_known",
        ),
        migrations.AddField(
            model_name="petitiontext",
            name="first_public_at",
            field=models.DateTimeField(editable=False, null=True),
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
                    ("texts-saved", "texts saved"),
                    ("texts-published", "texts published"),
                    ("text-corrected", "public text corrected"),
                    ("version-begun", "new version of the text begun"),
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
            model_name="petitiontext",
            name="body",
            field=models.TextField(
                blank=True, help_text="Markdown", max_length=100000, verbose_name="body"
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
                            "texts-saved",
                            "texts-published",
                            "text-corrected",
                            "version-begun",
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
        migrations.AddField(
            model_name="textcorrection",
            name="made_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="who",
            ),
        ),
        migrations.AddField(
            model_name="textcorrection",
            name="text",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="corrections",
                to="petitions.petitiontext",
            ),
        ),
        migrations.RunSQL(GUARD, NO_GUARD),
    ]
