"""News to supporters: test, start, approve, pause, resume, stop, unsubscribe.

1. `missing` lists what keeps a draft from being sent. `mail_test` mails it to its writer only.
2. `start` gives it to the worker. A second organiser must `approve` it first if it goes to many
   people, or to one region or constituency: nobody alone should write to the few people of a place,
   or learn from the outcomes how many they are. See `approval`.
3. The worker queues and sends it: see `news_sending`. `pause`, `resume` and `stop` take effect
   within seconds.
"""

import hashlib
import json
import logging
import math
import uuid
from collections import Counter
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import URLValidator, validate_email
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.text import get_text_list
from django.utils.translation import get_language_info

from petitions.crypto import vault
from petitions.crypto.tokens import Subscription
from petitions.formatting import sanitising
from petitions.identity import email_addresses
from petitions.mail import messages, news_counts, pace, replies, suppression
from petitions.mail.approval import Approval
from petitions.models import AuditRecord, Mail, News, Signature, Signer, rank_of
from petitions.models.counts import round_down
from petitions.signers import sealing
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

WRITE, SEND = "petitions.change_news", "petitions.send_news"
# Pages count supporters only up to this number.
MAX_COUNTED = 100_000
# For estimates: how many mails one process sends in a minute if no provider slows it, and the usual
# share of the largest provider.
MAILS_A_MINUTE, LARGEST_SHARE = 6_000, 0.5

_need_web_address = URLValidator(["http", "https"])

State = News.State
Pause = News.Pause
Action = AuditRecord.Action
APPROVAL = Approval(
    model=News,
    since="created_at",
    alone_waits=timedelta(minutes=10),
    started=Action.NEWS_STARTED,
    approved=Action.NEWS_APPROVED,
    cancelled=Action.NEWS_STOPPED,
    needs=SEND,
    screen="send_news",
    team=SEND,
    template="admin/petitions/news/mail.txt",
    begun={"is_to_tell": False, "has_list": True},
    ended={"is_to_tell": False},
)
logger = logging.getLogger(__name__)


class Size(NamedTuple):
    """How many people a news item goes to, in how many languages, and in about how many minutes.

    Pages show the number of people in steps, because looking is not recorded. An exact number would
    reveal, to somebody who reloads the page, whether the person who has just signed asked for news,
    and where they live.
    """

    people: int
    is_of_place: bool
    languages: int
    minutes: int

    @property
    def people_in_words(self) -> str:
        return News.in_steps(self.people)

    @property
    def needs_approval(self) -> bool:
        """Return whether a second organiser has to approve it, if there is one."""
        return self.is_of_place or self.people >= settings.NEWS_APPROVAL_FROM

    def __str__(self) -> str:
        languages = "1 language" if self.languages == 1 else f"{self.languages} languages"
        minutes = "1 minute" if self.minutes == 1 else f"{self.minutes:,} minutes"
        about = "at least" if self.people == MAX_COUNTED else "about"
        return f"{self.people_in_words}, {languages}, {about} {minutes}"


def supporters(news: News) -> QuerySet[Signature]:
    """Return the counted signatures that asked for news, in the chosen region or constituency."""
    rows = Signature.objects.counted().filter(petition=news.petition_id, wants_updates=True)
    if news.place_id:
        return rows.filter(place=news.place_id)
    return rows.filter(place__region=news.region) if news.region else rows


def size(news: News) -> Size:
    """Return its size now. People may still leave before it is sent."""
    people = supporters(news)[:MAX_COUNTED].count()
    rounded = round_down(people, News.FEWEST)
    one_provider = rounded * LARGEST_SHARE / settings.NEWS_PER_PROVIDER_AND_MINUTE
    minutes = math.ceil(max(one_provider, rounded / MAILS_A_MINUTE, 1))
    return Size(people, news.is_of_place, news.texts.count(), minutes)


def missing(news: News, people: int) -> list[str]:
    """Return sentences about what keeps a draft from being sent to so many people."""
    problems = []
    texts = list(news.texts.all())
    if not texts:
        problems.append("It has no text. Write it in at least one language.")
    problems += [problem for text in texts for problem in broken_links(text.body)]
    # The same words if nobody is chosen: the difference would tell something.
    if news.is_of_place and people < News.FEWEST:
        problems.append(
            f"You chose fewer than {News.FEWEST} people. So few may reveal who somebody is. "
            "Choose a larger region, or all supporters."
        )
    elif not people:
        problems.append("None of the people that you chose asked for news.")
    return problems


def broken_links(body: str) -> list[str]:
    """Return a sentence for each link of a Markdown text that does not lead to another site."""
    incomplete = [
        f"The link “{link}” does not work in a mail. Write it in full, with https://."
        for link in sanitising.links_in(body)
        if not _is_whole(link)
    ]
    return incomplete + [
        f"“{typed}” is not a link, and would be shown as you typed it. Write it as "
        "[words](https://...), without a space in the address."
        for typed in sanitising.unparsed_links(body)
    ]


def _is_whole(link: str) -> bool:
    try:
        parts = urlsplit(link)
        if parts.scheme == "mailto":
            validate_email(parts.path)
        else:
            _need_web_address(link)
    except (ValueError, ValidationError):
        return False
    return parts.hostname != "localhost"


def save(*, news: News, actor: User) -> None:
    """Save a draft under a row lock, because `start` may send it at the same time.

    Who wrote it first stays its actor. Raises `PermissionDenied` if it is no draft any more. The
    lock lasts until the caller's transaction ends, which also saves the texts.
    """
    roles.require(actor, WRITE)
    rows = News.objects.select_for_update().filter(pk=news.pk)
    if not all(row.is_editable for row in rows):
        raise PermissionDenied(WRITE)
    news.actor = news.actor or actor
    news.save()


def mail_test(*, news: News, actor: User, screen: str) -> int:
    """Mail every text to its writer only, at once; return how many. Raises `Refused`.

    The link to unsubscribe works but unsubscribes nobody.
    """
    roles.require(actor, SEND)
    if not actor.email:
        raise Refused("Your account has no email address. Ask an administrator to enter it.")
    texts = list(news.texts.order_by("id"))
    if not texts:
        raise Refused("Nothing was sent. It has no text. Write it in at least one language.")
    for text in texts:
        letter = messages.sample_of_news(text, to=actor.email, mail_id=uuid.uuid4())
        try:
            letter.send(fail_silently=False)
        except Exception as error:  # noqa: BLE001 - whichever provider
            # The error's text may hold the address.
            code = replies.code_of(error)
            raise Refused(
                f"The mail server did not accept it ({code}). Try again, or ask your operator."
            ) from None
    audit.record(action=Action.NEWS_TESTED, screen=screen, actor=actor, about=news)
    return len(texts)


def digest(news: News) -> str:
    """Return the SHA-256, in hexadecimal, of a news item's audience and all of its texts."""
    texts = news.texts.order_by("language").values_list("language", "subject", "body")
    written = [news.petition_id, news.region, news.place_id, *map(list, texts)]
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


@transaction.atomic
def start(*, news: News, actor: User, screen: str, seen: str = "") -> bool:
    """Give a draft to the worker. Return False if it must wait for approval. Raises `Refused`.

    The row is locked, so that a form that is saved at the same moment cannot change it any more.
    `seen` is the `digest` of what the actor looked at: if somebody has changed it since, nothing is
    sent in the actor's name. An empty `seen` is not compared.
    """
    roles.require(actor, SEND)
    news.refresh_from_db(from_queryset=News.objects.select_for_update())
    if seen and seen != digest(news):
        raise Refused("Nothing was sent. It was changed after you opened it. Read it as it is now.")
    about = size(news)
    if problems := missing(news, about.people):
        raise Refused(" ".join(problems))
    columns = {"matching": about.people, "is_to_tell": True, "created_at": Now()}
    APPROVAL.submit(news, is_large=about.needs_approval, actor=actor, screen=screen, **columns)
    return news.state == State.RUNNING


@transaction.atomic
def approve(*, news: News, actor: User, screen: str) -> None:
    """Give waiting news to the worker, as a second person. Raises `Refused`."""
    APPROVAL.approve(news, actor=actor, screen=screen)


@transaction.atomic
def pause(*, news: News, actor: User, screen: str) -> None:
    """Stop sending until somebody resumes it. Raises `Refused`."""
    roles.require(actor, SEND)
    _change_pause(news, "", pause=Pause.BY_HAND)
    audit.record(action=Action.NEWS_PAUSED, screen=screen, actor=actor, about=news)


@transaction.atomic
def resume(*, news: News, actor: User, screen: str) -> None:
    """Continue after a pause. Raises `Refused`.

    News that readers did not want will not pause by itself again: somebody has looked at it, on
    record. Therefore refusals that may have been our fault are tried once more.
    """
    roles.require(actor, SEND)
    if news.pause in (Pause.COMPLAINTS, Pause.RETURNED):
        _change_pause(news, news.pause, pause="", is_watched=False)
        _queue_refused_again(news)
    elif news.pause == Pause.RIGHTS:
        # Who resumes it answers for it.
        _change_pause(news, Pause.RIGHTS, pause="", approver=actor)
    else:
        _change_pause(news, Pause.BY_HAND, pause="")
    audit.record(action=Action.NEWS_RESUMED, screen=screen, actor=actor, about=news)


@transaction.atomic
def stop(*, news: News, actor: User, screen: str) -> None:
    """Stop for good, whether it waits or is being sent. Mails that were sent cannot be recalled.

    Raises `Refused`.
    """
    roles.require(actor, SEND)
    if not news.change_state(State.CANCELLED, State.AWAITING, State.RUNNING, is_to_tell=False):
        raise Refused("This has already ended. Load the page again.")
    audit.record(action=Action.NEWS_STOPPED, screen=screen, actor=actor, about=news)


def _change_pause(news: News, before: str, **columns: object) -> None:
    """Change the pause of running news by compare-and-set. Raises `Refused`."""
    rows = News.objects.filter(pk=news.pk, state=State.RUNNING, pause=before)
    if not rows.update(**columns):
        raise Refused("It has been changed in the meantime. Load the page again.")
    news.refresh_from_db()


def _queue_refused_again(news: News) -> None:
    """Queue mails again that failed, or were refused by an unclear code, and subtract them from the
    counts. A refusal that names the mailbox is final, and so is a bounce.
    """
    may_be_ours = Q(state=Mail.State.FAILED) | Q(
        state=Mail.State.REFUSED, code__regex=replies.UNCLEAR
    )
    refused = Mail.objects.filter(may_be_ours, news=news, kind=Mail.Kind.NEWS)
    # Mails to signers who were erased since stay counted as refused.
    there = refused.filter(signature__signer__isnull=False)
    again = list(there.select_related("signature__signer"))
    rows = Mail.objects.filter(pk__in=[mail.pk for mail in again])
    rows.update(state=Mail.State.QUEUED, attempts=0, code="", due_at=Now())
    providers = Counter(_provider(mail.signature.signer) for mail in again if mail.signature)
    news_counts.take_back(news.pk, "refused", providers)


@transaction.atomic
def unsubscribe(*, to: Subscription) -> None:
    """Unsubscribe a mailbox from the news of a petition, by the link in its mail. Idempotent.

    The suppression list keeps this through later signatures and imports. All signatures of the
    mailbox are changed too, where the signer sees it.
    """
    if to.is_test:
        return
    signer = Signer.objects.filter(pk=to.signature_id, petition=to.petition_id).first()
    if signer:
        mailbox = sealing.same_mailbox(to.petition_id, bytes(signer.petition_mailbox_ix))
        rows = Signature.objects.of_mailbox(mailbox)
        # Locked in id order to avoid deadlocks.
        theirs = rows.filter(petition=to.petition_id).select_for_update(of=("self",)).order_by("id")
        wanting = [row.pk for row in theirs if row.wants_updates]
        Signature.objects.filter(pk__in=wanting).update(**Signature.NO_NEWS)
    if suppression.suppress_news(inbox=to.inbox, petition_id=to.petition_id):
        news_counts.add(to.news_id, "unsubscribed", _provider(signer))


def want_no_mail(*, to: Subscription) -> None:
    """Opt out of all mail, by the link of a news mail. Idempotent."""
    if not to.is_test:
        suppression.suppress_all(inbox=to.inbox)


def _provider(signer: Signer | None) -> str:
    try:
        address = sealing.unsealed(signer)["email"] if signer else ""
    except vault.CannotOpen:
        address = ""
    return pace.provider_of(email_addresses.domain_of(address)) if address else pace.OTHER


def untranslated(news: News) -> str:
    """Return a sentence on what readers get whose language the news has no text in; "" if none."""
    texts = list(news.texts.order_by(rank_of(settings.LANGUAGE_CODE), "id"))
    written = {text.language for text in texts}
    names = {code: get_language_info(code)["name"] for code, _name in settings.LANGUAGES}
    missing = [name for code, name in names.items() if code not in written]
    if not texts or not missing:
        return ""
    instead = names[texts[0].language]
    return f"No text in {get_text_list(missing, 'and')}: their readers get the {instead} one."
