"""Every form of the admin, each field changed to each sort of value.

There must be no 500, no constraint's name in an error and no false history, and nothing public
disappears.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import models, transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from campaign.models import Statement
from petitions.admin.base import Strict
from petitions.models import (
    AuditRecord,
    Milestone,
    News,
    Petition,
    PetitionText,
    Rule,
    Source,
)
from tests.integration.publishing.test_life_of_a_petition import _fields
from tests.people import sign_and_confirm

SORTS = [
    "", "x", "é" * 5000, "a\x00b", "\u202eevil", "<script>alert(1)</script>",
    "99999999999999999999", "2999-12-31", "25:61", "a\r\nb",
]  # fmt: skip
# In October: London goes through this hour twice.
TWICE = datetime(2026, 10, 25, 1, 30, 0, 123456, tzinfo=UTC)
CONSTRAINTS = {
    constraint.name
    for model in apps.get_models()
    if model._meta.app_label in {"petitions", "campaign", "auth"}
    for constraint in model._meta.constraints
}


@pytest.fixture
def rows(petition: Petition, moderator: User) -> None:
    """A row of every model that has a form, published where possible."""
    PetitionText.objects.update(body="First.\n\n- one\n- two\n", published_at=TWICE)
    sign_and_confirm(petition)
    Petition.objects.update(opens_at=TWICE)
    milestone = Milestone.objects.create(petition=petition, kind="other", day="2026-01-01")
    milestone.texts.create(language="en", title="x", words="One.\n\nTwo.\n")
    statement = Statement.objects.create(slug="first", petition=petition, is_featured=True)
    statement.texts.create(language="en", title="First", body="A.\n\nB.\n", published_at=TWICE)
    Rule.objects.create(
        kind="domain", action="block", pattern="example.org", note="x", expires_at=TWICE
    )
    Source.objects.create(
        code="choir", name="Choir", origins=["https://a.example", "https://b.example"]
    )


def forms_of(user: User) -> Iterator[str]:
    """Return the path of a change form of every model that somebody may change."""
    request = RequestFactory().get("/")
    request.user = user
    for model, options in admin.site._registry.items():
        row = model._default_manager.order_by("-pk").first()
        if row is not None and options.has_change_permission(request, row):
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            yield reverse(name, args=[row.pk])


def form_on(client: Client, path: str) -> dict[str, str]:
    return dict(_fields(forms_on(client, path)))


def forms_on(client: Client, path: str) -> list[Any]:
    shown: Any = client.get(path).context
    forms = [shown["adminform"].form]
    for inline in shown["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    return forms


def labels_on(client: Client, path: str) -> dict[str, str]:
    """Return what a history calls each field, by the name that the browser sends."""
    fields = [field for form in forms_on(client, path) for field in form]
    return {
        name: str(field.field.label or field.name)
        for field in fields
        for name, _value in _fields([[field]])
    }


def as_browsers_send(form: dict[str, str]) -> dict[str, str]:
    return {name: value.replace("\n", "\r\n") for name, value in form.items()}


def stored() -> dict[str, list[Any]]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in admin.site._registry
        if model not in {AuditRecord, User}
    }


@pytest.mark.parametrize("who", ["organiser", "moderator", "admin_user"])
def test_saving_an_unchanged_form_changes_nothing_and_records_no_history(
    rows: None, request: pytest.FixtureRequest, who: str
) -> None:
    user, client = request.getfixturevalue(who), Client()
    client.force_login(user)
    seen = 0
    for path in forms_of(user):
        before = stored()

        answer = client.post(path, as_browsers_send(form_on(client, path)))

        assert answer.status_code == HTTPStatus.FOUND, path
        history = [entry.get_change_message() for entry in LogEntry.objects.all()]
        assert history == [], path
        assert not AuditRecord.objects.filter(action="changed").exists(), path
        after = stored()
        if "/petitions/rule/" not in path:
            # Whoever saves a rule answers for it.
            assert {name: rows for name, rows in after.items() if rows != before[name]} == {}, path
        seen += 1
    assert seen >= 1


def sorts_of(form: dict[str, str]) -> Iterator[tuple[str, str]]:
    ours = ("_FORMS", "-id", "-sure", "-seen", "-petition", "-statement", "-milestone")
    typed = [name for name in form if not name.endswith(ours) and "__prefix__" not in name]
    return ((name, sort) for name in typed for sort in SORTS)


def is_told(entry: LogEntry, label: str) -> bool:
    """Return whether a history has one change, of the field with this label."""
    told = json.loads(entry.change_message)
    names = [name for one in told for name in one.get("changed", {}).get("fields", [])]
    return len(told) == 1 and names == [label]


@pytest.mark.parametrize("who", ["organiser", "moderator"])
@pytest.mark.timeout(900)
def test_every_form_field_accepts_any_value_or_reports_an_error(
    rows: None, request: pytest.FixtureRequest, who: str
) -> None:
    user, client = request.getfixturevalue(who), Client()
    client.force_login(user)
    for path in forms_of(user):
        form, labels = as_browsers_send(form_on(client, path)), labels_on(client, path)
        for field, sort in sorts_of(form):
            where = f"{path} {field} {sort[:20]!r}"
            with transaction.atomic():
                answer = client.post(path, {**form, field: sort})
                assert answer.status_code in {HTTPStatus.OK, HTTPStatus.FOUND}, where
                said = answer.content.decode()
                assert not [name for name in CONSTRAINTS if name in said], where
                if answer.status_code == HTTPStatus.FOUND:
                    for entry in LogEntry.objects.all():
                        assert is_told(entry, labels[field]), (where, entry.change_message)
                    if "/milestone/" not in path and "/rule/" not in path:
                        assert_the_public_has_all(where)
                transaction.set_rollback(True)


@pytest.mark.parametrize("who", ["organiser", "moderator", "admin_user"])
def test_every_change_and_deletion_in_the_admin_is_audited(
    rows: None, petition: Petition, request: pytest.FixtureRequest, who: str
) -> None:
    user, client = request.getfixturevalue(who), Client()
    News.objects.create(petition=petition).texts.create(language="en", subject="x", body="x")
    client.force_login(user)
    seen = set()
    for path in forms_of(user):
        if "/enquiry/" in path:
            continue  # its page has a form of its own, with a use case for each button
        form = as_browsers_send(form_on(client, path))
        changes = [*((name, "250") for name in form), *sorts_of(form)]
        assert any(is_recorded(client, path, {**form, name: new}) for name, new in changes), path
        seen.add(path.split("/")[3])
        delete = path.replace("/change/", "/delete/")
        if client.get(delete).status_code == HTTPStatus.OK:
            assert is_recorded(client, delete, {"post": "yes"}, action="deleted"), delete
            seen.add(f"-{path.split('/')[3]}")
    expected = {
        "moderator": {"rule", "-rule"},
        "organiser": {
            "milestone",
            "-milestone",
            "source",
            "news",
            "-news",
            "petition",
            "statement",
        },
    }
    assert expected.get(who, set()) <= seen


def is_recorded(client: Client, path: str, form: dict[str, str], **record: str) -> bool:
    """Return whether a form was saved; fail if it was not recorded. The save is rolled back."""
    with transaction.atomic():
        answer = client.post(path, form)
        is_saved = answer.status_code == HTTPStatus.FOUND and LogEntry.objects.exists()
        is_on_record = AuditRecord.objects.filter(**record).exists()
        transaction.set_rollback(True)
    assert is_on_record or not is_saved, path
    return is_saved


def test_every_model_admin_inherits_the_audited_log_methods() -> None:
    for options in admin.site._registry.values():
        assert isinstance(options, Strict), options
        for name in ("log_addition", "log_change", "log_deletions"):
            assert getattr(type(options), name) is getattr(Strict, name), options


def assert_the_public_has_all(where: str) -> None:
    for public in ("/petitions/protect/", "/statements/first/"):
        answer = Client().get(public, follow=True)
        assert answer.status_code == HTTPStatus.OK, (where, public)
        assert "Nothing published yet" not in answer.content.decode(), where


def test_every_datetime_and_text_column_uses_the_custom_form_field(admin_user: User) -> None:
    """Otherwise a new model could bring back false entries in the history."""
    request = RequestFactory().get("/")
    request.user = admin_user
    careful = {models.DateTimeField: "StoredMoment", models.TextField: "Lines"}
    for options in admin.site._registry.values():
        if not options.has_change_permission(request):
            continue
        form: Any = options.get_form(request)
        inlines = [one.get_formset(request).form for one in options.get_inline_instances(request)]
        for each in (form, *inlines):
            for field in each._meta.model._meta.fields:
                if (wanted := careful.get(type(field))) and field.name in each.base_fields:
                    assert type(each.base_fields[field.name]).__name__ == wanted, field
                    # Browsers cut off at it what is pasted, and say nothing.
                    assert "maxlength" not in each.base_fields[field.name].widget.attrs, field
