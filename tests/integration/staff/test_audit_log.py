"""The page of the audit log: its records, search, pagination and CSV."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from petitions.models import (
    AuditRecord,
    Petition,
)
from petitions.staff import audit
from tests.held import button, hold_one
from tests.integration.publishing.test_texts import Omar
from tests.integration.staff.test_admin_site import client_of

AUDIT = reverse("admin:petitions_auditrecord_changelist")


def test_the_audit_log_contains_decisions_exports_and_text_changes(
    petition: Petition, both: User, administrator: User
) -> None:
    held = hold_one(petition)
    client = client_of(both)
    chosen = {"chosen": [str(held.pk)], **button("approve", "checked")}
    client.post(f"{reverse('admin:petitions_signature_changelist')}?petition=protect", chosen)
    export = reverse("admin:petitions_export_new", args=["hand-in"])
    wanted = {
        "number": uuid4(),
        "petition": petition.pk,
        "file_format": "csv",
        "why": "for the embassy",
    }
    b"".join(client.post(export, wanted))
    milestone = {
        "petition": petition.pk, "kind": "reply", "day": "2026-01-01", "link": "",
        "texts-TOTAL_FORMS": 0, "texts-INITIAL_FORMS": 0,
    }  # fmt: skip
    client.post(reverse("admin:petitions_milestone_add"), milestone)
    Omar(both, f"/admin/petitions/petition/{petition.pk}/texts/").write(
        "typing-error", en_title="Protect peoples"
    )

    said = {
        (record.action, record.object_type, record.why, record.actor_id)
        for record in AuditRecord.objects.all()
    }
    assert ("decided", "petitions.decision", "approve: checked", both.pk) in said
    assert ("exported", "petitions.export", "for the embassy", both.pk) in said
    assert ("added", "petitions.milestone", "", both.pk) in said
    (corrected,) = [record for record in said if record[0] == "text-corrected"]
    assert (corrected[1], corrected[3]) == ("petitions.petitiontext", both.pk)
    assert re.fullmatch(r"en: SHA-256 \w{64} became \w{64}", corrected[2])
    page = client_of(administrator).get(AUDIT).content.decode()
    for why in ("approve: checked", "for the embassy", corrected[2]):
        assert why in page


def test_the_audit_log_can_be_filtered_by_actor_action_object_and_date(
    petition: Petition, both: User, administrator: User
) -> None:
    for number in range(3):
        audit.record(action=AuditRecord.Action.RULE_SAVED, screen=f"s{number}", actor_id=both.pk)
    audit.record(action=AuditRecord.Action.EXPORTED, screen="e", about=petition, why="for Ada")
    ada = client_of(administrator)

    def found(**asked: object) -> list[str]:
        lines = ada.get(AUDIT, {name: str(value) for name, value in asked.items()}).context["lines"]
        return [line["screen"] for line in lines]

    today = timezone.localdate()
    assert found(what="rule-saved") == ["s2", "s1", "s0"]
    assert found(who=both.pk) == ["s2", "s1", "s0"]
    assert found(about="petitions.petition", number=petition.pk) == ["e"]
    assert found(since=today, until=today, what="exported") == ["e"]
    assert found(until=today - timedelta(days=1)) == []
    # Nonsense in any parameter is left out, and answered.
    assert found(who="x", what="y", since="z", until="9999-12-31", before="-1") != []
    assert found(before=2**70) != []
    assert ada.get(AUDIT + "?number=%00").status_code == 400


def test_the_audit_log_uses_keyset_pagination_with_a_bounded_query_count(
    both: User, administrator: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(120):
        audit.record(action=AuditRecord.Action.RULE_SAVED, screen=f"s{number}", actor_id=both.pk)
    ada = client_of(administrator)
    seen: list[str] = []
    query = "what=rule-saved"
    while query:
        with django_assert_max_num_queries(7):
            context = ada.get(f"{AUDIT}?{query}").context
        seen += [line["screen"] for line in context["lines"]]
        query = context["older"]
    assert seen == [f"s{number}" for number in reversed(range(120))]


def test_the_csv_of_the_audit_log_escapes_formulas_and_is_itself_audited(
    administrator: User, moderator: User
) -> None:
    for number in range(501):
        audit.record(action=AuditRecord.Action.RULE_SAVED, screen=f"s{number}")
    audit.record(action=AuditRecord.Action.EXPORTED, screen="e", why="=1+1")
    answer: Any = client_of(administrator).get(reverse("admin:petitions_auditrecord_csv"))
    lines = b"".join(answer).decode("utf-8-sig").splitlines()

    assert lines[0] == "when,who,what,about,number,why,screen,network"
    assert sum("rule saved" in line for line in lines) == 501
    assert any(",'=1+1," in line for line in lines)
    assert AuditRecord.objects.latest("id").action == AuditRecord.Action.RECORDS_EXPORTED
    assert client_of(moderator).get(reverse("admin:petitions_auditrecord_csv")).status_code == 403
