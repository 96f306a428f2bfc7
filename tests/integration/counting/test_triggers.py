"""The triggers of migration 0003 exist. Other tests show what they do."""

import pytest
from django.db import connection

TRIGGERS = {
    ("petitions_signature", "signature_forgets_source"),
    ("petitions_auditrecord", "audit_record_append_only"),
    ("petitions_auditrecord", "audit_record_no_truncate"),
    ("petitions_petitiontext", "petition_text_changes_on_record"),
    ("petitions_textcorrection", "text_correction_append_only"),
}


@pytest.mark.django_db
def test_the_database_has_exactly_the_expected_triggers() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            WHERE NOT t.tgisinternal
            """
        )
        assert set(cursor.fetchall()) == TRIGGERS
