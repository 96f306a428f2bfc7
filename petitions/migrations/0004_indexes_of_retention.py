"""Partial indexes of the rows whose times are exact: for retention, and for the cockpit.

Times are cut to the day after 72 hours, and unconfirmed attempts deleted after two weeks: what is
old and done leaves the index, so that an hourly sweep reads what is new, however much is stored.
`created_at__time` in `privacy.retention` is the same expression; the ORM's own index conditions
would take the time zone of whoever runs the migration.
"""

from django.db import migrations

EXACT = "({0} AT TIME ZONE 'Europe/London')::time > '00:00:00'"

INDEXES = f"""
CREATE INDEX signature_to_age ON petitions_signature (created_at)
    WHERE confirmed_at IS NULL OR {EXACT.format("created_at")} OR {EXACT.format("confirmed_at")};
CREATE INDEX mail_to_age ON petitions_mail (created_at)
    WHERE state <> 'queued' AND ({EXACT.format("created_at")} OR {EXACT.format("due_at")});
-- Of the cockpit. One over all times would be chosen for retention, which would read every old row.
CREATE INDEX signature_confirmed ON petitions_signature (confirmed_at)
    WHERE {EXACT.format("confirmed_at")};
"""
NO_INDEXES = """
DROP INDEX signature_to_age;
DROP INDEX mail_to_age;
DROP INDEX signature_confirmed;
"""


class Migration(migrations.Migration):
    dependencies = [("petitions", "0003_triggers")]

    operations = [migrations.RunSQL(INDEXES, NO_INDEXES)]
