"""Whether news may name the petition to signers who withhold their name."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.db import IntegrityError
from django.test import Client

from petitions.crypto import tokens
from petitions.crypto.tokens import Subscription
from petitions.mail import news as use_cases
from petitions.mail import news_sending, outbox
from petitions.models import News, Petition, Signature
from petitions.signatures import self_service
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.integration.mail.news.conftest import WORDS, asking
from tests.integration.signatures.test_finding import link_for
from tests.people import AMINA, BASHIR, confirm, sign, sign_and_confirm, typed

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/petitions/protect/"
GOVERNMENT, WITHHELD = Signature.NameUse.GOVERNMENT, Signature.NameUse.WITHHELD
# Choices of one person: may be named in news; may not, without being asked; may, when asked.
OPEN = asking(AMINA, name_use=GOVERNMENT)
NEUTRAL = asking(AMINA, name_use=WITHHELD)
NAMED = replace(NEUTRAL, news_may_name=True)


def as_bashir(attempt: Attempt) -> Attempt:
    """Return the same choices for another person with the same home and mailbox."""
    return replace(attempt, name=BASHIR.name)


def choice(signature: Signature) -> tuple[str, bool, bool]:
    signature.refresh_from_db()
    return signature.name_use, signature.wants_updates, signature.news_may_name


@pytest.mark.parametrize(
    ("signed", "subject"),
    [(OPEN, WORDS["en"][0]), (NEUTRAL, "The news that you asked for"), (NAMED, WORDS["en"][0])],
)
def test_the_news_subject_names_the_petition_only_to_signers_who_allow_it(
    petition: Petition, news: News, omar: User, signed: Attempt, subject: str
) -> None:
    sign_and_confirm(petition, signed)
    outbox.deliver()
    sent.outbox.clear()

    use_cases.start(news=news, actor=omar, screen="test")
    news_sending.run_due()

    assert [message.subject for message in sent.outbox] == [subject]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"news_may_name": ""}, False),
        ({"news_may_name": "yes"}, False),
        ({"updates": ""}, False),
        ({"name_use": "government"}, False),
    ],
)
def test_news_may_name_is_stored_only_with_news_and_a_withheld_name(
    petition: Petition, browser: Client, changes: dict[str, str], kept: bool
) -> None:
    ticked = {"name_use": "withheld", "updates": "on", "news_may_name": "on"}
    assert browser.post(PAGE, typed(**{**ticked, **changes})).status_code == 303
    assert Signature.objects.get().news_may_name is kept


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_the_news_may_name_box_is_unticked_and_shown_again_before_confirming(
    petition: Petition, client: Client, language: str
) -> None:
    page = client.get(f"{PAGE}?language={language}").content.decode()
    (box,) = [tag for tag in page.split("<") if 'name="news_may_name"' in tag]
    assert "checked" not in box

    pages = []
    for attempt in (NEUTRAL, NAMED):
        link = tokens.link(tokens.CONFIRM, sign(petition, attempt), 0)
        pages.append(client.get(f"/t/{language}/confirm/{link}/").content.decode())
    assert len(pages[1]) > len(pages[0])


@pytest.mark.parametrize(
    ("forms", "kept"),
    [
        ([NAMED, NAMED], True),
        # Signers who give their name are not asked: news may name the petition to them.
        ([OPEN, NAMED], True),
        ([NAMED, OPEN], True),
        ([NAMED, NEUTRAL], False),
        ([NEUTRAL, NAMED], False),
        # Signers who withhold their name and want no news are not asked.
        ([NAMED, as_bashir(replace(AMINA, name_use=WITHHELD))], False),
    ],
)
@pytest.mark.parametrize("stands", [False, True])
def test_the_strictest_news_may_name_choice_of_a_mailbox_applies(
    petition: Petition, forms: list[Attempt], kept: bool, stands: bool
) -> None:
    earlier, later = forms
    first = sign_and_confirm(petition, earlier).pk if stands else sign(petition, earlier)
    second = sign(petition, later)
    confirm(second if stands else first)

    standing = Signature.objects.get(pk=first)
    assert choice(standing) == (WITHHELD, True, kept)


def test_a_second_person_of_a_mailbox_can_restrict_the_news_of_the_first(
    petition: Petition,
) -> None:
    first = sign_and_confirm(petition, NAMED)
    second = sign_and_confirm(petition, as_bashir(NEUTRAL))
    assert choice(first) == choice(second) == (WITHHELD, True, False)


def test_a_second_person_of_a_mailbox_does_not_widen_the_news_of_the_first(
    petition: Petition,
) -> None:
    first = sign_and_confirm(petition, replace(AMINA, name_use=GOVERNMENT))
    second = sign_and_confirm(petition, as_bashir(NAMED))
    assert choice(first) == (WITHHELD, False, False)
    assert choice(second) == (WITHHELD, True, True)


@pytest.mark.parametrize(
    ("before", "form", "after"),
    [
        (OPEN, {"name_use": "withheld", "news_may_name": "on"}, (WITHHELD, True, True)),
        (OPEN, {"name_use": "withheld"}, (WITHHELD, True, False)),
        (NAMED, {"name_use": "withheld"}, (WITHHELD, True, False)),
        (NAMED, {"name_use": "government", "news_may_name": "on"}, (GOVERNMENT, True, False)),
        (
            replace(AMINA, name_use=GOVERNMENT),
            {"name_use": "withheld", "news_may_name": "on"},
            (WITHHELD, False, False),
        ),
    ],
)
def test_changing_the_name_choice_updates_news_may_name(
    petition: Petition,
    browser: Client,
    before: Attempt,
    form: dict[str, str],
    after: tuple[str, bool, bool],
) -> None:
    signature = sign_and_confirm(petition, before)
    browser.post(f"{link_for(before.email)}{signature.reference}/name-use/", form)
    assert choice(signature) == after


@pytest.mark.parametrize(
    ("before", "form", "after"),
    [
        (NEUTRAL, {"updates": "on", "news_may_name": "on"}, (WITHHELD, True, True)),
        (NAMED, {"updates": "on"}, (WITHHELD, True, False)),
        (NAMED, {"news_may_name": "on"}, (WITHHELD, False, False)),
        (OPEN, {"updates": "on", "news_may_name": "on"}, (GOVERNMENT, True, False)),
    ],
)
def test_changing_the_news_choice_updates_news_may_name(
    petition: Petition,
    browser: Client,
    before: Attempt,
    form: dict[str, str],
    after: tuple[str, bool, bool],
) -> None:
    signature = sign_and_confirm(petition, before)
    browser.post(f"{link_for(before.email)}{signature.reference}/updates/", form)
    assert choice(signature) == after


@pytest.mark.parametrize(("name_use", "kept"), [(WITHHELD, True), (GOVERNMENT, False)])
def test_the_thank_you_page_offers_news_may_name_only_with_a_withheld_name(
    petition: Petition, client: Client, name_use: str, kept: bool
) -> None:
    pending = sign(petition, replace(AMINA, name_use=name_use))
    link = f"/t/en/confirm/{tokens.link(tokens.CONFIRM, pending, 0)}/"
    page = client.post(link).content.decode()
    assert ('name="news_may_name"' in page) is kept

    client.post(f"{link}news/", {"updates": "on", "news_may_name": "on"})

    assert choice(Signature.objects.get()) == (name_use, True, kept)


def test_unsubscribing_opting_out_or_withdrawing_clears_news_may_name(
    petition: Petition, news: News
) -> None:
    """By the link in news, by opting out of all mail, and by withdrawing."""
    inbox = sealing.inbox_of(NAMED.email)
    recipient = sealing.recipient_of(NAMED.email)
    signature = sign_and_confirm(petition, NAMED)
    named = {"wants_updates": True, "news_may_name": True}
    for leave in (
        lambda: use_cases.unsubscribe(to=Subscription(news.pk, signature.pk, petition.pk, inbox)),
        lambda: self_service.want_no_mail(recipient=recipient),
        lambda: self_service.withdraw(recipient=recipient, reference=signature.reference),
    ):
        Signature.objects.update(**named)
        leave()
        assert choice(signature) == (WITHHELD, False, False)


def test_the_subject_access_data_contains_news_may_name(petition: Petition) -> None:
    sign_and_confirm(petition, NAMED)
    held = self_service.subject_access(recipient=sealing.recipient_of(NAMED.email))
    assert [one["news_may_name"] for one in held["signatures"]] == [True]


def test_a_check_constraint_forbids_news_may_name_for_signers_who_were_not_asked(
    petition: Petition,
) -> None:
    sign_and_confirm(petition, OPEN)
    with pytest.raises(IntegrityError, match="signature_news_named_as_asked"):
        Signature.objects.update(news_may_name=True)
