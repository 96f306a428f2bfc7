"""Triggers: sources are counted, audit log and signed texts change on record alone; storage."""

from django.db import migrations

# A trigger, so that it covers every statement that changes a state, also those of an older release
# that runs beside this one. It counts signatures confirmed at once; of a held one the source is
# not counted, because it must not be kept until a moderator decides. The shard is random: derived
# from the signature's id, it would tell in a stolen copy which signatures may have come from a
# source. Counters only grow, so it need not be found again.
SOURCE = """
    CREATE FUNCTION petitions_forget_source() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state = 'pending' AND NEW.state = 'confirmed' THEN
            INSERT INTO petitions_sourcetally AS tally
                (petition_id, source_id, shard, n, before, day)
            VALUES (NEW.petition_id, NEW.source_id, floor(random() * 16)::int,
                1, 0, (now() AT TIME ZONE 'UTC')::date)
            ON CONFLICT (petition_id, source_id, shard) DO UPDATE SET
                n = tally.n + 1,
                before = CASE WHEN tally.day < EXCLUDED.day THEN tally.n ELSE tally.before END,
                day = greatest(tally.day, EXCLUDED.day);
        END IF;
        NEW.source_id := NULL;
        RETURN NEW;
    END
    $$;

    CREATE TRIGGER signature_forgets_source
        BEFORE UPDATE OF state ON petitions_signature FOR EACH ROW
        WHEN (NEW.source_id IS NOT NULL AND NEW.state <> 'pending')
        EXECUTE FUNCTION petitions_forget_source();
"""
NO_SOURCE = """
    DROP TRIGGER signature_forgets_source ON petitions_signature;
    DROP FUNCTION petitions_forget_source();
"""

# Append-only but for the retention of `petitions.staff.audit`: time of day, network, and records of
# passwords. The periods are enforced here too, so that nothing can be deleted early.
AUDIT = """
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
              AND to_jsonb(NEW) - 'created_at' - 'network_ix'
                  = to_jsonb(OLD) - 'created_at' - 'network_ix'
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
    $$;

    CREATE TRIGGER audit_record_append_only
        BEFORE UPDATE OR DELETE ON petitions_auditrecord
        FOR EACH ROW EXECUTE FUNCTION audit_record_append_only();

    -- No row's trigger sees TRUNCATE.
    CREATE TRIGGER audit_record_no_truncate
        BEFORE TRUNCATE ON petitions_auditrecord
        FOR EACH STATEMENT EXECUTE FUNCTION audit_record_append_only();
"""
NO_AUDIT = """
    DROP TRIGGER audit_record_no_truncate ON petitions_auditrecord;
    DROP TRIGGER audit_record_append_only ON petitions_auditrecord;
    DROP FUNCTION audit_record_append_only();
"""
# A signed text changes beside its newest correction alone, which says both wordings, and is never
# deleted. "Signed" is asked of texts that were public: of a new draft nothing is looked up,
# however many have signed earlier versions.
SIGNED_TEXT = """
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
NO_SIGNED_TEXT = """
    DROP TRIGGER text_correction_append_only ON petitions_textcorrection;
    DROP FUNCTION text_correction_append_only();
    DROP TRIGGER petition_text_changes_on_record ON petitions_petitiontext;
    DROP FUNCTION petition_text_changes_on_record();
    DROP FUNCTION petition_text_words(petitions_petitiontext);
    DROP FUNCTION petition_text_is_signed(petitions_petitiontext);
"""
# Django's `varchar_pattern_ops` index for prefix searches, which nobody does on a postcode's key.
UNUSED_INDEX = """
    DO $$ DECLARE name text; BEGIN
        SELECT indexname INTO name FROM pg_indexes
        WHERE tablename = 'petitions_postcode' AND indexname LIKE '%\\_like';
        IF name IS NOT NULL THEN EXECUTE format('DROP INDEX %I', name); END IF;
    END $$;
"""
# Counting waits for no disk, and a crash may empty it.
UNLOGGED = "ALTER TABLE petitions_ratecount SET UNLOGGED"


class Migration(migrations.Migration):
    dependencies = [("petitions", "0002_data")]

    operations = [
        migrations.RunSQL(SOURCE, NO_SOURCE),
        migrations.RunSQL(AUDIT, NO_AUDIT),
        migrations.RunSQL(SIGNED_TEXT, NO_SIGNED_TEXT),
        migrations.RunSQL(UNUSED_INDEX, migrations.RunSQL.noop),
        migrations.RunSQL(UNLOGGED, migrations.RunSQL.noop),
    ]
