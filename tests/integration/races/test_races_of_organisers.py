"""Two organisers publish statements and petitions at once, without the lock and with it."""

import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from campaign import publishing
from campaign.models import Statement, StatementText
from petitions.infra import locks
from petitions.models import AuditRecord, Petition
from petitions.models.petition import PetitionQuerySet
from petitions.staff.refusal import Refused
from tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


def _statement(slug: str, *, is_published: bool = True) -> Statement:
    statement = Statement.objects.create(slug=slug)
    published_at = timezone.now() if is_published else None
    StatementText.objects.create(
        statement=statement, language="en", title=slug, body="x", published_at=published_at
    )
    return statement


@pytest.mark.parametrize("guarded", [False, True])
def test_featuring_two_statements_concurrently_leaves_the_later_one_featured(
    monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    old, one, other = _statement("old"), _statement("one"), _statement("other")
    publishing.feature(statement=old)
    if not guarded:
        monkeypatch.setattr(locks, "lock_named", lambda name: None)

    # The first stands still with its statement saved, and nothing committed.
    run = race(
        monkeypatch,
        (Statement, "save_base"),
        lambda: publishing.feature(statement=one),
        lambda: publishing.feature(statement=other),
    )

    assert run.second_waited
    assert run.first is None
    assert isinstance(run.second, IntegrityError) is not guarded
    assert Statement.objects.get(is_featured=True) == (other if guarded else one)


@pytest.mark.parametrize("guarded", [False, True])
def test_publishing_the_first_two_statements_concurrently_features_one(
    monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    one, other = _statement("one", is_published=False), _statement("other", is_published=False)
    if not guarded:
        monkeypatch.setattr(locks, "lock_named", lambda name: None)

    run = race(
        monkeypatch,
        (Statement, "save_base"),
        lambda: publishing.publish(statement=one, actor=None, screen="-"),
        lambda: publishing.publish(statement=other, actor=None, screen="-"),
    )

    assert isinstance(run.second, IntegrityError) is not guarded
    assert Statement.objects.get(is_featured=True) == one
    assert StatementText.objects.published().count() == (2 if guarded else 1)


def test_readers_see_the_old_front_page_until_the_change_is_committed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = _statement("old"), _statement("new")
    publishing.feature(statement=old)

    def read() -> str:
        return Client().get("/").content.decode()

    run = race(
        monkeypatch,
        (Statement, "save_base"),
        lambda: publishing.feature(statement=new),
        read,
    )

    assert not run.second_waited
    assert "<h1>old</h1>" in run.second
    assert "<h1>new</h1>" in read()


@pytest.mark.parametrize("guarded", [False, True])
def test_a_second_concurrent_publication_of_statement_and_petition_is_refused(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    Petition.objects.update(state=Petition.State.DRAFT, opens_at=None)
    statement = _statement("one", is_published=False)
    Statement.objects.update(petition=petition)
    if not guarded:
        monkeypatch.setattr(locks, "lock_named", lambda name: None)
        monkeypatch.setattr(PetitionQuerySet, "select_for_update", lambda self: self)

    def together() -> None:
        publishing.publish_together(statement=statement, actor=None, screen="-", override="Now.")

    run = race(monkeypatch, (Petition, "save_base"), together, together)

    assert isinstance(run.second, Refused) is guarded
    published = AuditRecord.objects.filter(action=AuditRecord.Action.PETITION_PUBLISHED)
    assert published.count() == (1 if guarded else 2)
