"""Every POST of the admin by every role: what a role may not change stays as it is.

The forms are hand-made, with every field, button and action of all admin pages and the ids of other
people's objects.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db.models import Model

from petitions.models import (
    AuditRecord,
    BulkDecision,
    NewsText,
    Petition,
    Signature,
)
from petitions.moderation import bulk, decisions
from petitions.moderation.selection import Selection
from tests.integration.staff.test_admin_site import (
    OPEN,
    addresses,
    client_of,
    everything,
    nobody,
)
from tests.people import sign, sign_and_confirm, somebody

__all__ = ["everything", "nobody"]  # fixtures
# What each role may write by any form, by the names of models. All else must stay as it is.
PUBLISHING = {
    "petition", "petitiontext", "textcorrection", "readinesstick", "formeraddress", "namepage",
    "statement", "statementtext", "statementcorrection", "formerstatementaddress", "draftlink",
    "milestone", "milestonetext", "source", "organisation", "formername",
}  # fmt: skip
WRITES = {
    "moderator": {
        "signature", "signer", "tally", "decision", "decisionitem", "bulkdecision", "alert",
        "alertmail", "rule", "mail", "petition", "correction",
    },
    "organiser": PUBLISHING
    | {
        "news", "newstext", "newscount", "enquiry", "answer", "mail", "export", "erasure",
        "erasurestop", "rule", "sendercheck", "trialmail", "trial",
    },
    "administrator": {"user", "user_groups", "staffmail", "authenticator"},
    "nobody": set(),
}  # fmt: skip
# Their own sessions and records, and what a log-in leaves.
ALWAYS = {"auditrecord", "logentry", "session", "otp", "contenttype", "lease"}
ACTS = (
    "start", "approve", "cancel", "resume", "stop", "test", "send", "save", "publish", "answered",
    "close", "reset-second-factor",
)  # fmt: skip
# What belongs to whoever is logged in.
OWN = {
    "password_change", "password_again", "second_factor", "second_factor_set_up",
    "own_second_factor",
}  # fmt: skip
ACTIONS = ("publish", "end", "together", "close", "delete_selected")


@pytest.fixture
def rows(everything: dict[str, Any], petition: Petition, moderator: User) -> dict[str, Any]:
    """`everything`, and objects that wait to be approved, sent, answered or ended."""
    signed, _waits = sign_and_confirm(petition, somebody(1)), sign(petition, somebody(2))
    job = bulk.preview(
        selection=Selection(petition_id=petition.pk, state=Signature.State.CONFIRMED),
        kind="remove",
        reason="automated",
        note="",
        actor=moderator,
    ).job
    BulkDecision.objects.filter(pk=job.pk).update(state=BulkDecision.State.AWAITING)
    NewsText.objects.create(news_id=everything["news"], language="en", subject="S", body="B")
    return {**everything, "bulkdecision": job.pk, "signature": signed.pk}


def bodies(keys: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return forms that press every button, with the fields of all admin forms."""
    signed = Signature.objects.filter(pk=keys["signature"]).first()
    decided = {f"reason_{kind}": "automated" for kind in ("remove", "hold", "restore")}
    common: dict[str, Any] = {
        "post": "yes", "sure": "on", "reason": "because", "why": "because", "proof": "because",
        "seen": decisions.watermark(), "note": "because", "typed": "1", "confirm": "yes",
        "chosen": str(keys["signature"]), "erase": signed.reference if signed else "",
        "petition": keys["petition"], "file_format": "csv", "address": "a@example.org",
        "number": str(uuid4()), "slug": "mine", "code": "mine", "name": "Mine", "username": "mine",
        "email": "mine@example.org", "groups": list(Group.objects.values_list("pk", flat=True)),
        "is_superuser": "on", "is_staff": "on", "is_active": "on", "days": "7", "end": "1",
        "hours": "6", "switch": "hold", "on": "yes", "item": "backup", "done": "1", "text": "Words",
        "outcome": "done", "en-title": "T", "en-body": "B", "en-ask": "A", "en-addressee": "X",
        "kinds": ["burst"], "day": "2026-01-01", "whom": "example.org", "state": "open",
        "texts-TOTAL_FORMS": "0", "texts-INITIAL_FORMS": "0", "stop": "1", "way": "stop",
    }  # fmt: skip
    for number, act in enumerate(ACTS):
        kind = ("remove", "hold", "domain")[number % 3]
        action = ACTIONS[number % len(ACTIONS)] if number % 3 else "block"
        scope = "all" if number % 2 else ""
        yield {**common, **decided, "act": act, "kind": kind, "action": action, "scope": scope}


def contents(models: list[type[Model]]) -> dict[str, list[Any]]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models
    }


def forbidden_to(who: str) -> list[type[Model]]:
    written = WRITES[who] | ALWAYS
    models = apps.get_models(include_auto_created=True)
    return [m for m in models if m._meta.model_name not in written and m._meta.managed]


@pytest.mark.parametrize("who", WRITES)
def test_no_post_changes_models_that_the_role_has_no_permission_for(
    rows: dict[str, Any], who: str, request: pytest.FixtureRequest
) -> None:
    client = client_of(request.getfixturevalue(who))
    client.raise_request_exception = False
    models, records = forbidden_to(who), AuditRecord.objects.count()
    before = contents(models)
    for name, path in list(addresses(rows)):
        if name in OPEN or name in OWN:
            continue
        chosen = rows.get(name.split("_")[1], "") if name.endswith("_changelist") else ""
        for body in bodies(rows):
            answer = client.post(path, {**body, "_selected_action": str(chosen)})
            if answer.streaming:
                b"".join(answer)
            assert answer.status_code < 500, path
            if answer.status_code in {403, 404, 405}:
                break  # refused before anything of the form is read
    after = contents(models)
    assert {label: after[label] for label in after if after[label] != before[label]} == {}
    grown = AuditRecord.objects.count() - records
    assert grown >= (10 if WRITES[who] else 0), "else nothing was pressed"
