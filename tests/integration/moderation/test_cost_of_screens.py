"""Screens of moderators: few queries, alike for few and many rows; names and notes as text."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from petitions.models import Petition
from petitions.moderation import bulk, decisions
from petitions.moderation.selection import Selection
from tests.held import LIST, hold_one
from tests.people import AMINA, sign_and_confirm, somebody

WHY: dict[str, Any] = {"reason": "automated", "note": ""}
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def cost(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


def test_each_moderation_page_has_a_constant_query_count(
    petition: Petition, moderator: User, mona: Client, settings: Settings
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 1
    one = hold_one(petition)
    first = decisions.decide(
        kind="remove", petition=petition, ids=[one.pk], actor=moderator, **WHY
    ).decision
    assert first
    chosen = Selection(petition_id=petition.pk, is_abroad=False)
    job = bulk.preview(selection=chosen, kind="restore", actor=moderator, **WHY).job
    undo = bulk.preview_undo(decision=first, note="", actor=moderator).job
    bulk.start(job=undo, actor=moderator, screen="test")
    pages = (
        f"{LIST}?petition=protect&order=newest",
        f"{LIST}?petition=protect&signal=any",
        f"{LIST}{one.pk}/change/",
        "/admin/petitions/decision/",
        f"/admin/petitions/decision/{first.pk}/change/",
        f"/admin/petitions/bulkdecision/{job.pk}/change/",
    )
    before = [cost(mona, page) for page in pages]

    ids = [sign_and_confirm(petition, somebody(n)).pk for n in range(6)]
    for pk in ids:
        held = decisions.decide(
            kind="hold", petition=petition, ids=[pk], actor=moderator, **WHY
        ).decision
        assert held
        undo = bulk.preview_undo(decision=held, note="", actor=moderator).job
        bulk.start(job=undo, actor=moderator, screen="test")

    assert [cost(mona, page) for page in pages] == before
    # A signature's page also counts three kinds of neighbours and looks for two beside it.
    assert max(before) <= 24, before


def test_names_and_notes_are_escaped_on_every_moderation_page(
    petition: Petition, moderator: User, mona: Client
) -> None:
    one = sign_and_confirm(petition, replace(AMINA, name=MARKUP))
    note: dict[str, Any] = {"reason": "other", "note": MARKUP}
    done = decisions.decide(
        kind="hold", petition=petition, ids=[one.pk], actor=moderator, **note
    ).decision
    assert done
    chosen = Selection(petition_id=petition.pk, is_abroad=False)
    job = bulk.preview(selection=chosen, kind="remove", actor=moderator, **note).job
    for page in (
        f"{LIST}?petition=protect",
        f"{LIST}{one.pk}/change/",
        "/admin/petitions/decision/",
        f"/admin/petitions/decision/{done.pk}/change/",
        f"/admin/petitions/bulkdecision/{job.pk}/change/",
    ):
        text = mona.get(page, follow=True).content.decode()
        assert MARKUP not in text
        assert "&lt;script&gt;alert(1)" in text
