"""The audit log: the database prevents changes, and only superusers can read it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from petitions.models import AuditRecord, Petition, Rule
from petitions.moderation import rules
from petitions.privacy import retention
from petitions.staff import audit

Action = AuditRecord.Action
LIST = reverse("admin:petitions_auditrecord_changelist")
NETWORK = bytes(16)
APPEND_ONLY = "audit_record_append_only"


def recorded(action: AuditRecord.Action = Action.PASSWORD_RIGHT, *, days: float = 0) -> AuditRecord:
    """Create a record that is this many days old."""
    record = AuditRecord(action=action, screen="admin:login", network_ix=NETWORK)
    record.save()
    if days:
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE petitions_auditrecord DISABLE TRIGGER audit_record_append_only"
            )
            AuditRecord.objects.filter(pk=record.pk).update(
                created_at=timezone.now() - timedelta(days=days)
            )
            cursor.execute(
                "ALTER TABLE petitions_auditrecord ENABLE TRIGGER audit_record_append_only"
            )
        record.refresh_from_db()
    return record


def is_refused(change: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            change()
    except IntegrityError as error:
        return "audit records cannot be changed or deleted" in str(error)
    return False


def sql(statement: str) -> Callable[[], None]:
    def execute() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return execute


@pytest.mark.parametrize("days", [0, 20, 29])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM petitions_auditrecord",
        "UPDATE petitions_auditrecord SET actor_id = 1",
        "UPDATE petitions_auditrecord SET action = 'password-wrong'",
        "UPDATE petitions_auditrecord SET screen = ''",
        "UPDATE petitions_auditrecord SET object_id = '7'",
        "UPDATE petitions_auditrecord SET network_ix = NULL",
        "UPDATE petitions_auditrecord SET network_ix = '\\x00'",
        "UPDATE petitions_auditrecord SET created_at = now() - interval '40 days'",
    ],
)
def test_the_database_refuses_to_change_or_delete_a_record(
    db: None, statement: str, days: int
) -> None:
    recorded(days=days)
    assert is_refused(sql(statement))


def test_the_database_refuses_to_truncate_the_audit_table(db: None) -> None:
    """Tests switch this off, because Django truncates all tables after some of them."""
    recorded()
    sql("ALTER TABLE petitions_auditrecord ENABLE TRIGGER audit_record_no_truncate")()
    assert is_refused(sql("TRUNCATE petitions_auditrecord"))
    assert is_refused(sql("TRUNCATE petitions_petition, petitions_auditrecord CASCADE"))
    assert AuditRecord.objects.exists()


def test_the_orm_cannot_change_or_delete_audit_records(db: None) -> None:
    record = recorded()
    assert is_refused(record.delete)
    record.screen = "elsewhere"
    assert is_refused(record.save)
    assert is_refused(lambda: AuditRecord.objects.update(screen="elsewhere"))


@pytest.mark.parametrize(
    ("action", "kept", "gone"),
    [
        (Action.PASSWORD_WRONG, 29, 32),
        (Action.PASSWORD_REFUSED, 29, 32),
        (Action.PASSWORD_RIGHT, 364, 367),
    ],
)
def test_login_records_are_deleted_only_after_their_retention_period(
    db: None, action: AuditRecord.Action, kept: int, gone: int
) -> None:
    young, old = recorded(action, days=kept), recorded(action, days=gone)
    assert is_refused(young.delete)

    retention.apply()

    assert list(AuditRecord.objects.all()) == [young]
    assert old.pk != young.pk


def test_other_audit_records_are_never_deleted(db: None) -> None:
    record = recorded(Action.LOGIN_UNLOCKED, days=4000)

    retention.apply()

    record.refresh_from_db()
    assert is_refused(record.delete)


def test_audit_times_are_truncated_after_72_hours_and_networks_deleted_after_30_days(
    db: None,
) -> None:
    fresh, older, oldest = recorded(days=2.9), recorded(days=3.1), recorded(days=31)
    exact = {record.pk: record.created_at for record in (fresh, older, oldest)}
    for _again in range(2):
        retention.apply()
    for record in (fresh, older, oldest):
        record.refresh_from_db()

    assert fresh.created_at == exact[fresh.pk]
    for record in (older, oldest):
        day = timezone.localtime(exact[record.pk])
        assert record.created_at == day.replace(hour=0, minute=0, second=0, microsecond=0)
    assert [record.network_ix is None for record in (fresh, older, oldest)] == [False, False, True]


def test_an_audit_record_stores_actor_action_object_and_screen(
    moderator: User, petition: Petition
) -> None:
    audit.record(
        action=Action.LOGIN_UNLOCKED, screen="a-screen", actor_id=moderator.pk, about=petition
    )

    record = AuditRecord.objects.get()
    assert record.actor == moderator
    assert (record.action, record.screen) == (Action.LOGIN_UNLOCKED, "a-screen")
    assert (record.object_type, record.object_id) == ("petitions.petition", str(petition.pk))


def test_audit_records_outlive_the_account_of_their_actor(
    admin_client: Client, moderator: User
) -> None:
    audit.record(action=Action.PASSWORD_RIGHT, screen="admin:login", actor_id=moderator.pk)
    number = moderator.pk
    moderator.delete()

    assert f"account {number}, deleted" in admin_client.get(LIST).content.decode()


def test_superusers_can_read_the_audit_log_and_nobody_can_edit_it(admin_client: Client) -> None:
    record = recorded()
    page = admin_client.get(LIST).content.decode()

    assert "right password" in page
    assert "000000" in page
    for path in (f"{LIST}{record.pk}/change/", f"{LIST}add/", f"{LIST}{record.pk}/delete/"):
        assert admin_client.get(path).status_code == 404
        assert admin_client.post(path, {"screen": "x"}).status_code == 404
    assert 'method="post"' not in page.partition('id="content-main"')[2]


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["moderator", "organiser", "both"])
def test_moderators_and_organisers_cannot_open_the_audit_log(
    client: Client, ada: Client, role: str, request: pytest.FixtureRequest
) -> None:
    """Except the administrators, who manage these people and answer for what they do."""
    client.force_login(request.getfixturevalue(role))

    assert client.get(LIST).status_code == 403
    assert ada.get(LIST).status_code == 200


def test_changes_and_deletion_of_a_rule_are_audited_with_its_content(
    organiser: User, client: Client
) -> None:
    rule = Rule(action="block", kind="domain", pattern="first.example", note="x")
    rules.save(rule=rule, actor=organiser, screen="-")
    rule.pattern = "other.example"
    rules.save(rule=rule, actor=organiser, screen="-")
    client.force_login(organiser)
    client.post(f"/admin/petitions/rule/{rule.pk}/delete/", {"post": "yes"})

    said = AuditRecord.objects.filter(object_type="petitions.rule").order_by("pk")
    assert list(said.values_list("action", "why")) == [
        ("rule-saved", "block domain first.example"),
        ("rule-saved", "block domain other.example"),
        ("deleted", "block domain other.example"),
    ]
