"""Start, approve, pause, resume and stop news; automatic pauses; what is deleted, and when."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail as sent
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from petitions.mail import approval, news_counts, news_sending
from petitions.mail import news as use_cases
from petitions.models import AuditRecord, Mail, News, NewsCount, Petition, Place, Signature
from petitions.privacy import retention
from petitions.staff.refusal import Refused
from petitions.staff.roles import ORGANISERS
from tests.integration.mail.news.conftest import supporter

pytestmark = pytest.mark.django_db(transaction=True)
State = News.State


@pytest.fixture
def supporters(petition: Petition) -> None:
    for number in range(3):
        supporter(petition, number)


@pytest.fixture
def many(settings: Any) -> None:
    settings.NEWS_APPROVAL_FROM = 3


def act(use_case: Any, news: News, actor: User) -> Any:
    return use_case(news=news, actor=actor, screen="test")


def run(news: News) -> News:
    news_sending.run_due()
    news.refresh_from_db()
    return news


def has_gone_out() -> int:
    return sum("List-Unsubscribe" in message.extra_headers for message in sent.outbox)


def by_clock() -> list[tuple[str, str]]:
    """Return audit records without an actor, and what they are about."""
    records = AuditRecord.objects.filter(actor=None).exclude(why="")
    return list(records.values_list("action", "object_id"))


@pytest.mark.usefixtures("supporters", "many")
def test_news_to_many_people_waits_for_approval_by_a_second_organiser(
    news: News, omar: User, second: User
) -> None:
    assert not act(use_cases.start, news, omar)
    run(news)
    assert has_gone_out() == 0
    assert [message.to for message in sent.outbox] == [[omar.email], [second.email]]
    with pytest.raises(Refused, match="Somebody else"):
        act(use_cases.approve, news, omar)

    act(use_cases.approve, news, second)
    run(news)

    assert (has_gone_out(), news.state, news.approver) == (3, State.DONE, second)
    actions = AuditRecord.objects.filter(object_id=str(news.pk)).values_list("action", flat=True)
    assert sorted(actions) == ["news-approved", "news-started"]


@pytest.mark.usefixtures("supporters", "many")
def test_the_sender_cannot_approve_news_with_a_stale_copy_of_it(
    news: News, omar: User, second: User
) -> None:
    News.objects.update(actor=second)
    read_before = News.objects.get(pk=news.pk)
    assert not act(use_cases.start, news, omar)

    with pytest.raises(Refused, match="Somebody else"):
        act(use_cases.approve, read_before, omar)
    assert (run(news).state, has_gone_out()) == (State.AWAITING, 0)


@pytest.fixture
def to_a_region(news: News, supporters: None, monkeypatch: pytest.MonkeyPatch) -> News:
    monkeypatch.setattr(News, "FEWEST", 2)
    poplar = Place.objects.create(
        code="E14001438", kind="constituency", name="Poplar", region="E12000007"
    )
    Signature.objects.update(place=poplar)
    news.region = poplar.region
    news.save()
    return news


@pytest.mark.parametrize("kind", ["region", "place"])
def test_news_to_one_place_always_waits_for_approval(
    to_a_region: News, omar: User, second: User, kind: str
) -> None:
    news = to_a_region
    if kind == "place":
        news.region, news.place = "", Place.objects.get(name="Poplar")
        news.save()
    assert not act(use_cases.start, news, omar)
    assert (run(news).state, has_gone_out()) == (State.AWAITING, 0)

    act(use_cases.approve, news, second)
    assert (run(news).state, has_gone_out()) == (State.DONE, 3)


@pytest.mark.usefixtures("many", "second")
@pytest.mark.parametrize("region", ["", "E12000007"])
def test_pages_and_mails_about_stopped_news_show_no_exact_number_of_recipients(
    to_a_region: News, omar: User, client: Client, region: str
) -> None:
    news = to_a_region
    news.region = region
    news.save()
    act(use_cases.start, news, omar)
    run(news)
    act(use_cases.stop, news, omar)

    client.force_login(omar)
    pages = [
        client.get(f"/admin/petitions/news/{path}").content.decode()
        for path in ("", f"{news.pk}/send/")
    ]
    for said in (*pages, *(message.body for message in sent.outbox)):
        assert "at least 2 people" in said
        assert "3 people" not in said
        assert "of 3" not in said


@pytest.mark.usefixtures("supporters", "many")
def test_news_of_a_sole_organiser_starts_after_ten_minutes(news: News, omar: User) -> None:
    assert not act(use_cases.start, news, omar)
    run(news)
    assert news.state == State.AWAITING

    News.objects.update(created_at=timezone.now() - use_cases.APPROVAL.alone_waits)
    run(news)

    assert (has_gone_out(), news.state) == (3, State.DONE)
    assert by_clock() == [("news-approved", str(news.pk))]


@pytest.mark.usefixtures("supporters", "many")
@pytest.mark.parametrize("change", ["deactivated", "without the role"])
def test_news_is_cancelled_if_its_sole_organiser_left_the_team(
    news: News, omar: User, change: str
) -> None:
    act(use_cases.start, news, omar)
    if change == "deactivated":
        User.objects.filter(pk=omar.pk).update(is_active=False)
    else:
        omar.groups.clear()

    News.objects.update(created_at=timezone.now() - use_cases.APPROVAL.alone_waits)
    run(news)

    assert (has_gone_out(), news.state) == (0, State.CANCELLED)
    assert by_clock() == [("news-stopped", str(news.pk))]


@pytest.mark.usefixtures("supporters", "many")
def test_news_that_nobody_approves_within_a_day_is_cancelled(
    news: News, omar: User, second: User
) -> None:
    act(use_cases.start, news, omar)
    News.objects.update(created_at=timezone.now() - approval.MAX_WAIT)
    run(news)
    assert (news.state, has_gone_out()) == (State.CANCELLED, 0)
    assert by_clock() == [("news-stopped", str(news.pk))]


@pytest.mark.usefixtures("supporters")
def test_paused_news_continues_when_resumed_and_cannot_be_stopped_once_done(
    news: News, omar: User
) -> None:
    act(use_cases.start, news, omar)
    news_sending._queue_batch(news)
    act(use_cases.pause, news, omar)
    assert (run(news).state, has_gone_out()) == (State.RUNNING, 0)

    act(use_cases.resume, news, omar)
    assert (run(news).state, has_gone_out()) == (State.DONE, 3)
    with pytest.raises(Refused, match="ended"):
        act(use_cases.stop, news, omar)


@pytest.mark.usefixtures("many")
def test_the_recipients_of_paused_news_are_fixed_when_it_is_started(
    petition: Petition, news: News, omar: User, second: User
) -> None:
    supporter(petition, 1)
    assert act(use_cases.start, news, omar)
    act(use_cases.pause, news, omar)
    assert (run(news).pause, has_gone_out()) == (News.Pause.BY_HAND, 0)
    for number in range(2, 6):
        supporter(petition, number)

    act(use_cases.resume, news, omar)
    assert (run(news).state, has_gone_out()) == (State.DONE, 1)


@pytest.mark.usefixtures("many")
def test_news_that_is_not_queued_yet_is_processed_before_queued_news(
    petition: Petition, news: News, omar: User
) -> None:
    supporter(petition, 1)
    begun = timezone.now() - timedelta(hours=1)
    first = News.objects.create(
        petition=petition, state=State.RUNNING, is_queued=True, started_at=begun
    )
    act(use_cases.start, news, omar)
    assert list(News.objects.sending()) == [news, first]


@pytest.mark.usefixtures("supporters")
def test_stopped_news_is_sent_to_nobody_else_and_cannot_be_resumed(news: News, omar: User) -> None:
    act(use_cases.start, news, omar)
    news_sending._queue_batch(news)
    act(use_cases.stop, news, omar)

    assert (run(news).state, has_gone_out()) == (State.CANCELLED, 0)
    assert not Mail.objects.filter(kind="news", state="queued").exists()
    with pytest.raises(Refused):
        act(use_cases.resume, news, omar)


@pytest.mark.parametrize(
    ("column", "number", "pause"), [("complained", 4, "complaints"), ("returned", 51, "returned")]
)
@pytest.mark.usefixtures("supporters")
def test_news_pauses_itself_after_too_many_complaints_or_bounces(
    news: News, omar: User, column: str, number: int, pause: str
) -> None:
    act(use_cases.start, news, omar)
    NewsCount.objects.create(news=news, provider="Gmail", sent=1000, **{column: number})
    news_sending._queue_batch(news)
    news_sending._pause_if_unwanted(news)
    run(news)

    assert (news.pause, has_gone_out()) == (pause, 0)
    (told,) = sent.outbox
    assert "stopped by itself" in told.body
    run(news)
    assert len(sent.outbox) == 1

    act(use_cases.resume, news, omar)
    assert (run(news).state, has_gone_out()) == (State.DONE, 3)


@pytest.mark.usefixtures("supporters")
def test_news_of_a_deactivated_account_pauses_until_somebody_else_resumes_it(
    news: News, omar: User, second: User
) -> None:
    act(use_cases.start, news, omar)
    User.objects.filter(pk=omar.pk).update(is_active=False)

    assert run(news).pause == News.Pause.RIGHTS
    assert has_gone_out() == 0
    assert [message.to for message in sent.outbox] == [[second.email]]

    act(use_cases.resume, news, second)
    assert (run(news).state, has_gone_out()) == (State.DONE, 3)
    assert news.approver == second


@pytest.mark.usefixtures("supporters", "many")
def test_approved_news_is_sent_even_if_its_sender_is_deactivated(
    news: News, omar: User, second: User
) -> None:
    act(use_cases.start, news, omar)
    act(use_cases.approve, news, second)
    User.objects.filter(pk=omar.pk).update(is_active=False)
    assert (run(news).state, has_gone_out()) == (State.DONE, 3)


@pytest.mark.parametrize(("column", "number"), [("complained", 3), ("returned", 50)])
@pytest.mark.usefixtures("supporters")
def test_news_is_not_paused_at_the_exact_limit_of_complaints_or_bounces(
    news: News, omar: User, column: str, number: int
) -> None:
    act(use_cases.start, news, omar)
    # With the three supporters of the test, 1,000 got it.
    NewsCount.objects.create(news=news, provider="Gmail", sent=997, **{column: number})
    assert run(news).state == State.DONE


@pytest.mark.usefixtures("supporters")
def test_moderators_cannot_start_test_pause_or_stop_news(
    news: News, moderator: User, omar: User
) -> None:
    for use_case in (use_cases.start, use_cases.mail_test, use_cases.pause, use_cases.stop):
        with pytest.raises(PermissionDenied, match="send_news"):
            act(use_case, news, moderator)
    assert act(use_cases.start, news, omar)
    with pytest.raises(Refused, match="already"):
        act(use_cases.start, news, omar)


@pytest.mark.usefixtures("petition")
def test_news_without_recipients_or_text_or_with_a_broken_link_cannot_be_started(
    news: News, petition: Petition, omar: User
) -> None:
    with pytest.raises(Refused, match="None of the people that you chose"):
        act(use_cases.start, news, omar)
    supporter(petition, 1)
    news.texts.filter(language="en").update(body="[here](/progress) and [there](https://nowhere)")
    with pytest.raises(Refused, match=r"“/progress”.*“https://nowhere”"):
        act(use_cases.start, news, omar)
    news.texts.all().delete()
    for use_case in (use_cases.start, use_cases.mail_test):
        with pytest.raises(Refused, match="no text"):
            act(use_case, news, omar)
    assert News.objects.get().state == State.DRAFT
    assert not AuditRecord.objects.filter(action="news-tested").exists()


@pytest.mark.usefixtures("supporters")
def test_a_news_test_is_mailed_to_its_author_in_each_language_and_audited(
    news: News, omar: User
) -> None:
    assert act(use_cases.mail_test, news, omar) == 3
    assert [message.to for message in sent.outbox] == [[omar.email]] * 3
    assert not Mail.objects.filter(kind="news").exists()
    assert AuditRecord.objects.get(action="news-tested").object_id == str(news.pk)


@pytest.mark.usefixtures("supporters")
def test_the_recipient_list_of_news_is_deleted_after_thirty_days(news: News, omar: User) -> None:
    act(use_cases.start, news, omar)
    run(news)
    retention.apply()
    assert Mail.objects.filter(kind="news").count() == 3

    News.objects.update(finished_at=timezone.now() - timedelta(days=30, seconds=1))
    retention.apply()

    assert not Mail.objects.filter(kind="news").exists()
    assert Mail.objects.count() == 3
    news.refresh_from_db()
    assert (news.has_list, news.texts.count(), news_counts.totals(news)["sent"]) == (False, 3, 3)


@pytest.mark.usefixtures("supporters")
def test_an_organiser_who_lost_the_role_cannot_start_news(news: News, omar: User) -> None:
    omar.groups.remove(Group.objects.get(name=ORGANISERS))
    omar = User.objects.get(pk=omar.pk)
    with pytest.raises(PermissionDenied):
        act(use_cases.start, news, omar)
