"""Crawl of every public page in one language, for tests of what holds on all of them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.template import Template
from django.test import Client, RequestFactory, override_settings
from django.test.signals import template_rendered
from django.utils import timezone, translation
from limits import parse

from campaign import draft_links, publishing
from campaign.errors import error_page
from campaign.models import Statement, StatementText
from petitions.crypto import tokens
from petitions.formatting.languages import in_language
from petitions.infra.client_network import NOWHERE
from petitions.mail import enquiries, messages, outbox, reminders, suppression
from petitions.mail.ready_words import Words, ready
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Enquiry,
    Export,
    Mail,
    Milestone,
    News,
    NewsText,
    Organisation,
    Petition,
    PetitionText,
    Region,
    Signature,
    Snapshot,
    SnapshotPart,
    Source,
)
from petitions.publishing import name_list, organisation
from petitions.screening import rate_limits
from petitions.screening.screen import Evidence
from petitions.signatures import change_address, check_email
from petitions.signatures import find as finding
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from petitions.staff.roles import ORGANISERS
from petitions.web import long_pages
from tests.people import AMINA, BASHIR, CARYS, sign, sign_and_confirm, typed

ERRORS = (400, 403, 404, 405, 411, 413, 415, 500, 503)
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
# User content of each language, so that all other text of a page is ours.
TEXTS = {
    "ar": ("احموا الناس", "الحكومة البريطانية", "احموا الناس الآن."),
    "cy": ("Diogelwch bobl", "Lywodraeth Prydain", "Diogelwch bobl nawr."),
    "en": ("Protect the people", "the British Government", "Protect people now."),
}
Pages = Iterator[tuple[str, str]]
# A signer who comes back later.
OWNER = "owner@example.net"


@dataclass
class Visitor:
    """A reader of one language, who walks through all that can happen to a petition."""

    petition: Petition
    language: str
    browser: Client = field(default_factory=lambda: Client(headers=SAME_ORIGIN))

    def __post_init__(self) -> None:
        for language, (title, addressee, words) in TEXTS.items():
            texts = PetitionText.objects.filter(petition=self.petition, language=language)
            texts.update(title=title, addressee=addressee, ask=words, body=words)

    @property
    def home(self) -> str:
        return "/" if self.language == "en" else f"/{self.language}/"

    @property
    def page(self) -> str:
        return f"{self.home}petitions/{self.petition.slug}/"

    def walk(self) -> Pages:
        """Name and HTML of every page. The order matters: the last steps remove what was there."""
        yield from self._reading()
        yield from self._going()
        yield from self._about()
        yield from self._drafts()
        yield from self._partners()
        yield from self._mistakes()
        yield from self._crowding()
        yield from self._signing()
        yield from self._choosing_news()
        yield from self._objecting()
        yield from self._not_counted()
        yield from self._finding()
        yield from self._managing()
        yield from self._closing()
        yield from self._errors()

    def mails(self) -> Iterator[tuple[str, str]]:
        """Kind and text of every part of every mail: subjects, plain texts and HTML."""
        address = "mails@example.net"
        # Clears the cache of earlier tests.
        messages.invalidate()
        signature_id = sign(self.petition, self._attempt(email=address))
        outbox.deliver()
        yesterday = timezone.now() - timedelta(hours=25)
        Signature.objects.filter(pk=signature_id).update(created_at=yesterday)
        reminders.queue_reminders()
        Mail.objects.filter(kind=Mail.Kind.REMIND).update(due_at=yesterday)
        outbox.deliver()
        finding.request_links(address=address, language=self.language, evidence=Evidence())
        finding.settle()
        outbox.deliver()
        # The petition may be closed by now.
        moving = Signature.objects.filter(pk=sign(self.petition, self._attempt(email=OWNER)))
        moving.update(state=Signature.State.CONFIRMED, confirmed_at=timezone.now())
        change_address.request_code(
            recipient=sealing.recipient_of(OWNER),
            reference=moving.get().reference,
            address=address,
            language=self.language,
            sender=NOWHERE,
        )
        outbox.deliver()
        inbox = sealing.inbox_of(address)
        mailbox = tokens.Mailbox(signature_id, 0, self.petition.pk, inbox.key_id, inbox.ix)
        suppression.suppress_petition(mailbox=mailbox)
        sign(self.petition, self._attempt(email=address))
        outbox.deliver()
        yield from self._news()
        self._answer(address)
        # Other signers of the walk may have another language.
        for message in mail.outbox:
            if message.to != [address]:
                continue
            assert isinstance(message, EmailMultiAlternatives)
            yield "subject", str(message.subject)
            yield "text", str(message.body)
            for alternative in message.alternatives:
                yield "HTML", str(alternative[0])

    def _answer(self, address: str) -> None:
        """The answer to a message, with ready words."""
        letter = enquiries.Letter(name="", email=address, message="?", language=self.language)
        enquiry = enquiries.receive(kind=Enquiry.Kind.DATA, letter=letter)
        text = ready(Words.ACCESS, enquiry=enquiry, language=self.language)
        enquiries.send_answer(
            enquiry_id=enquiry.pk,
            number=1,
            text=text,
            is_last=True,
            actor=_organiser("who-answers"),
            screen="test",
        )
        outbox.deliver()

    def _news(self) -> Pages:
        """News as its readers get it, with a name and without one."""
        title, _addressee, words = TEXTS[self.language]
        news = News.objects.create(petition=self.petition)
        text = NewsText.objects.create(news=news, language=self.language, subject=title, body=words)
        for is_neutral in (False, True):
            letter = messages.sample_of_news(
                text, to="reader@example.net", mail_id=UUID(int=0), is_neutral=is_neutral
            )
            yield "subject", str(letter.subject)
            yield "text", str(letter.body)
            yield "HTML", str(letter.alternatives[0][0])

    def _reading(self) -> Pages:
        yield self._get("nothing published", self.home)
        self.publish_statement()
        yield self._get("front page", self.home)
        yield self._get("statement", f"{self.home}statements/urgent/")
        yield self._get("petition", self.page)
        yield from self._listing()
        Organisation.objects.update(name="", privacy_email="")
        organisation.invalidate()
        yield self._get("front page of nobody", self.home)
        yield self._get("petition of nobody", self.page)
        Organisation.objects.update(name="SBC", privacy_email="privacy@example.org")
        organisation.invalidate()
        PetitionText.objects.filter(language=self.language).update(published_at=None)
        yield self._get("petition in another language", self.page)
        PetitionText.objects.update(published_at=timezone.now())
        yield from self._names()

    def _names(self) -> Pages:
        """The form of a petition that publishes names, and its list of them."""
        Petition.objects.update(publishes_names=True)
        yield self._get("petition that publishes names", self.page)
        yield self._get("names, none yet", f"{self.page}names/")
        page = name_list.Page(["Amina Example", "بشير مثال"], number=2, pages=3)
        with patch.object(name_list, "page", return_value=page):
            yield self._get("names", f"{self.page}names/2/")
        Petition.objects.update(publishes_names=False)

    def _listing(self) -> Pages:
        """The list of petitions, with one in each of its sections, and with none."""
        now = timezone.now()
        moments: list[dict[str, Any]] = [
            {"is_paused": True},
            {"opens_at": now + timedelta(days=1)},
            {"opens_at": now - timedelta(days=9), "closes_at": now - timedelta(days=2)},
        ]
        others = []
        for number, moment in enumerate(moments):
            other = Petition.objects.create(
                slug=f"other-{number}", state=Petition.State.OPEN, **moment
            )
            for language, (title, addressee, words) in TEXTS.items():
                other.texts.create(
                    language=language, title=title, addressee=addressee, ask=words, published_at=now
                )
            others.append(other)
        yield self._get("all petitions", f"{self.home}petitions/")
        yield self._get("front page of several", self.home)
        for other in others:
            other.texts.all().delete()
            other.delete()
        PetitionText.objects.update(published_at=None)
        yield self._get("all petitions, none yet", f"{self.home}petitions/")
        PetitionText.objects.update(published_at=now)

    def _going(self) -> Pages:
        yield self._get("history of the text", f"{self.page}history/")
        course = f"{self.page}progress/"
        yield self._get("course, before the first day", course)
        today = timezone.localdate()
        for age, total in ((9, 30), (2, 2000), (1, 1990)):
            day = Snapshot.objects.create(
                petition=self.petition, day=today - timedelta(days=age), total=total
            )
            for group in (*Region.values, UNKNOWN, ABROAD):
                SnapshotPart.objects.create(
                    snapshot=day, group=group, n=total // 20, shown=total // 20
                )
            SnapshotPart.objects.filter(snapshot=day, group=Region.WALES).update(n=1, shown=0)
        self._happens(Milestone.Kind.OTHER, today - timedelta(days=1), TEXTS[self.language][0])
        for kind in Milestone.Kind.values:
            self._happens(kind, today + timedelta(days=9))
        with patch("petitions.counting.tallies.total", return_value=1990):
            yield self._get("course", course)
            yield self._get("petition with a course", self.page)
        Milestone.objects.all().delete()

    def _happens(self, kind: str, day: date, title: str = "") -> None:
        milestone = Milestone.objects.create(
            petition=self.petition, kind=kind, day=day, link="https://example.org/", is_public=True
        )
        if title:
            milestone.texts.create(language=self.language, title=title, words=title)

    def _about(self) -> Pages:
        for name in long_pages.NAMES:
            yield self._get(name, f"{self.home}{name}/")
        contact = f"{self.home}contact/"
        yield self._get("contact", contact)
        yield self._get("contact, sent", f"{contact}sent/")
        yield self._post("contact, nothing typed", contact, {})
        wrong = {"kind": "x", "email": "amina", "name": "x" * 300, "message": "A\u202eB"}
        yield self._post("contact, all wrong", contact, wrong)
        with patch(
            "petitions.screening.rate_limits.hit",
            return_value=rate_limits.LimitResult(is_refused=True),
        ):
            form = {"kind": "other", "email": "amina@example.org", "message": "x"}
            yield self._post("contact, too many", contact, form)
        with override_settings(LIMITS={"CONTACT_PETITION_CHALLENGE": parse("0/hour")}):
            yield self._post("contact, asked for a proof", contact, form)
        answer = Client(headers={"Sec-Fetch-Site": "cross-site"}).post(contact, {})
        yield "contact, from elsewhere", answer.content.decode()
        Organisation.objects.update(name="", privacy_email="")
        organisation.invalidate()
        for name in long_pages.NAMES:
            yield self._get(f"{name} of nobody", f"{self.home}{name}/")
        Organisation.objects.update(name="SBC", privacy_email="privacy@example.org")
        organisation.invalidate()

    def _drafts(self) -> Pages:
        petition = Petition.objects.create(slug="draft")
        statement = Statement.objects.create(slug="draft", petition=petition)
        for language, (title, addressee, words) in TEXTS.items():
            fields = {"language": language, "title": title, "body": words}
            petition.texts.create(addressee=addressee, ask=words, **fields)
            statement.texts.create(summary=words, **fields)
        writer = _organiser("writer")
        link = draft_links.make(of=statement, days=1, actor=writer, screen="-")
        address = draft_links.address(link).removeprefix(settings.SITE_URL)
        address = in_language(address, self.language)
        yield self._get("draft of a statement", address)
        yield self._get("draft of a petition", f"{address}petition/")
        yield self._post("draft of a petition, signed", f"{address}petition/", typed())
        publishing.publish(statement=statement, actor=None, screen="-")
        yield self._get("statement whose petition is a draft", f"{self.home}statements/draft/")
        for row in (statement, petition, writer):
            row.delete()
        yield self._get("draft that is gone", address)

    def _partners(self) -> Pages:
        source = Source.objects.create(code="partner", name="سلام")
        page = f"{self.home}share/partner/partner/"
        yield self._get("partner without a site", page)
        Source.objects.filter(pk=source.pk).update(origins=["https://partner.example"])
        yield self._get("partner", page)
        yield self._get("frame", f"{page}{self.petition.slug}/")
        with patch("petitions.counting.tallies.total", return_value=1284):
            yield self._get("frame with many", f"{page}{self.petition.slug}/")
            # A picture, and no page: test_embeds.py reads it.
            self._get("badge", f"{self.home}share/{self.petition.slug}-badge.svg")
        Organisation.objects.update(name="", privacy_email="")
        organisation.invalidate()
        yield self._get("frame of nobody", f"{page}{self.petition.slug}/")
        Organisation.objects.update(name="SBC", privacy_email="privacy@example.org")
        organisation.invalidate()
        Petition.objects.update(state=Petition.State.CLOSED)
        yield self._get("partner of nothing", page)
        yield self._get("frame of a closed one", f"{page}{self.petition.slug}/")
        Petition.objects.update(state=Petition.State.REMOVED)
        yield self._get("frame of a removed one", f"{page}{self.petition.slug}/")
        Petition.objects.update(state=Petition.State.OPEN)

    def _mistakes(self) -> Pages:
        yield self._post("nothing typed", self.page, {})
        yield self._post("home unsaid", self.page, typed(postcode=""))
        abroad = typed(residence="abroad")
        yield self._post("no country", self.page, abroad)
        yield self._post("a country of another planet", self.page, {**abroad, "country": "ZZ"})
        yield self._post("choices that are none", self.page, typed(name_use="x", residence="x"))
        yield self._post("a link for a name", self.page, typed(name="www.example.org"))
        yield self._post("no letters, no address", self.page, typed(name="12345", email="amina"))
        yield self._post("a wrong postcode", self.page, typed(postcode="11118"))
        long = "x" * 300
        yield self._post("too long", self.page, typed(name=long, email=long, postcode=long))
        null, turned = "A\x00B", "A\u202eB"
        yield self._post("null", self.page, typed(name=null, email=null, postcode=null))
        yield self._post("turned", self.page, typed(name=turned, email=turned, postcode=turned))
        yield self._post("page incomplete", self.page, typed(text_version=""))
        yield self._post("a field too many", self.page, typed(admin="1"))
        foreign = Client(headers={"Sec-Fetch-Site": "cross-site"})
        answer = foreign.post(self.page, typed())
        yield "sent from elsewhere", answer.content.decode()

    def _crowding(self) -> Pages:
        Petition.objects.update(challenge=Petition.Challenge.ALWAYS)
        yield self._post("asked for a proof", self.page, typed())
        Petition.objects.update(challenge=Petition.Challenge.AUTO)
        with override_settings(LIMITS={"SIGN_NETWORK": parse("0/hour")}):
            yield self._post("too many", self.page, typed())
        with override_settings(LIMITS={"FORM_NETWORK": parse("0/hour")}):
            yield self._post("too many forms", self.page, {})

    def _signing(self) -> Pages:
        check = self.browser.post(self.page, typed())["Location"]
        yield self._get("check mail", check)
        yield from self._checking(check)
        yield self._get("check mail, damaged", check[:-2] + "/")
        too_late = time.time() + tokens.ATTEMPT_SECONDS + 1
        with patch("petitions.crypto.tokens.time.time", return_value=too_late):
            yield self._get("check mail, expired", check)
        yield self._get("dead link", f"/t/{self.language}/confirm/nonsense/")
        link = self._link(sign(self.petition, self._attempt()))
        yield self._get("confirm", link)
        sign(self.petition, replace(BASHIR, name="أمينة مثال", language=self.language))
        yield self._post("choose", link, {})
        yield self._post("thanks", link, {"chosen": "yes"})
        yield self._get("used link", link)
        again = sign(self.petition, self._attempt())
        yield self._post("thanks again", self._link(again), {})
        back = self._link(sign(self.petition, self._attempt(email="back@example.net")))
        self.browser.post(back)
        yield self._post("taken back", f"{back}back/", {})

    def _checking(self, check: str) -> Pages:
        correct = check.replace("/check/", "/correct/")
        yield self._post("code, nothing typed", check + "code/", {})
        yield self._post("code, wrong", check + "code/", {"code": "00000000"})
        yield self._post("correct", correct, {})
        yield self._post("correct, nothing typed", correct, {"name": ""})
        Petition.objects.update(challenge=Petition.Challenge.ALWAYS)
        yield self._post("correct, asked for a proof", correct, typed())
        Petition.objects.update(challenge=Petition.Challenge.AUTO)
        for name in ("gmial.com", "outlook.com", "yahoo.com", "icloud.com", "gmail.com"):
            page = self.browser.post(self.page, typed(email=f"amina@{name}"))["Location"]
            yield self._get(f"check mail at {name}", page)
        with patch(
            "petitions.screening.rate_limits.hit",
            return_value=rate_limits.LimitResult(is_refused=True),
        ):
            yield self._post("too many", check + "again/", {})
        for _ in range(check_email.MAILS_PER_PAGE - 1):
            check = self.browser.post(check + "again/")["Location"]
            yield self._get("check mail again", check)

    def _choosing_news(self) -> Pages:
        signature = sign_and_confirm(self.petition, self._attempt(email="news@example.net"))
        path = f"{self._link(signature.pk)}news/"
        yield self._post("news", path, {"updates": "on"})
        yield self._post("no news", path, {})
        to = tokens.Subscription(
            UUID(int=1), signature.pk, self.petition.pk, sealing.inbox_of("news@example.net")
        )
        leave = f"/t/{self.language}/no-news/{tokens.subscription_link(to)}/"
        yield self._get("leave the news", leave)
        yield self._post("left the news", leave, {})
        yield self._post("left all mail", leave, {"no_mail": "1"})

    def _objecting(self) -> Pages:
        signature_id = sign(self.petition, self._attempt(email="stranger@example.net"))
        link = self._not_me(signature_id)
        yield self._get("it was not me", link)
        yield self._post("it was not me, said", link, {})
        yield self._get("it was not me, said before", link)
        yield self._post("both buttons", self._link(signature_id), {})
        yield self._post("it was not me, taken back", link, {"lift": "1"})

    def _not_counted(self) -> Pages:
        chosen = {"chosen": "yes"}
        yield self._post("other home", self._link(sign(self.petition, CARYS)), chosen)
        sign_and_confirm(self.petition, BASHIR)
        third = sign(self.petition, self._attempt(name="Third Person"))
        yield self._post("mailbox full", self._link(third), chosen)
        removed = sign(self.petition, self._attempt(email="removed@example.net"))
        Signature.objects.filter(pk=removed).update(state=Signature.State.REMOVED)
        yield self._post("removed signature", self._link(removed), {})

    def _finding(self) -> Pages:
        find = f"{self.home}find/"
        yield self._get("find", find)
        yield self._post("find, nothing typed", find, {})
        yield self._post("find, no address", find, {"email": "amina"})
        foreign = Client(headers={"Sec-Fetch-Site": "cross-site"})
        yield "find, sent from elsewhere", foreign.post(find).content.decode()
        with override_settings(LIMITS={"FIND_NETWORK": parse("0/hour")}):
            yield self._post("find, too many", find, {"email": OWNER})
        with override_settings(LIMITS={"FIND_PETITION_CHALLENGE": parse("0/hour")}):
            yield self._post("find, asked for a proof", find, {"email": OWNER})
        yield self._get("find, sent", f"{find}sent/")

    def _managing(self) -> Pages:
        own = replace(AMINA, name="ليلى مثال", email=OWNER, language=self.language)
        signature = sign_and_confirm(self.petition, own)
        mine = self._mine(tokens.FIND)
        change = f"{mine}{signature.reference}/"
        yield self._get("mine, masked", mine)
        for state in (Signature.State.HELD, Signature.State.REMOVED, Signature.State.CONFIRMED):
            Signature.objects.filter(pk=signature.pk).update(state=state)
            yield self._post(f"mine, {state}", mine, {})
        yield self._post("mine, another name", change + "name/", {"name": "سمير خالد"})
        yield self._post("mine, name", change + "name/", {"name": "ليلى المثال"})
        yield self._post("mine, nothing chosen", change + "name-use/", {})
        yield self._post("mine, name use", change + "name-use/", {"name_use": "withheld"})
        yield self._post("mine, news", change + "updates/", {"updates": "on"})
        yield self._post("mine, no news", change + "updates/", {})
        new = change + "address/"
        yield self._post("mine, the same address", new, {"email": OWNER})
        yield self._post("mine, new address", new, {"email": "leila@new.example"})
        yield self._post("mine, wrong code", f"{new}code/", {"code": "12345678"})
        yield self._post("mine, no mail", mine + "mail/", {})
        yield self._post("mine, objected", mine, {})
        yield self._get("mail again", self._mine(tokens.MAIL_AGAIN))
        yield self._post("mail again, said", self._mine(tokens.MAIL_AGAIN), {})
        yield self._post("mine, mail again", mine + "mail/", {"wanted": "1"})
        Export.objects.create(petition=self.petition, purpose="hand-in", delete_by=date(2099, 1, 1))
        pending = sign(self.petition, replace(own, name="سمير خالد"))
        yield self._post("mine, pending", mine, {})
        yield self._post("mine, withdrawn", change + "withdraw/", {})
        yield self._post("mine, withdrawn before", change + "withdraw/", {})
        change = f"{mine}{Signature.objects.get(pk=pending).reference}/"
        yield self._post("mine, pending withdrawn", change + "withdraw/", {})
        yield self._post("mine, nothing held", mine, {})
        yield self._get("mine, damaged", mine[:-2] + "/")
        too_late = time.time() + tokens.FIND_SECONDS + 1
        with patch("petitions.crypto.tokens.time.time", return_value=too_late):
            yield self._get("mine, expired", mine)
        yield self._get("link cut off", f"/t/{self.language}/mi")

    def _closing(self) -> Pages:
        late = sign(self.petition, self._attempt(email="late@example.net"))
        two_days_ago = timezone.now() - timedelta(days=2)
        Signature.objects.filter(pk=late).update(created_at=two_days_ago - timedelta(hours=1))
        Petition.objects.update(closes_at=timezone.now() + timedelta(days=9))
        yield self._get("open, with an end", self.page)
        Petition.objects.update(closes_at=None, opens_at=timezone.now() + timedelta(days=1))
        yield self._get("front page, petition not open yet", self.home)
        yield self._get("not open yet", self.page)
        yield self._get("course, not open yet", f"{self.page}progress/")
        yield self._post("not open yet while typing", self.page, typed())
        Petition.objects.update(opens_at=None, is_paused=True)
        yield self._get("paused", self.page)
        yield self._post("paused while typing", self.page, typed())
        Petition.objects.update(closes_at=timezone.now(), is_paused=False)
        yield self._get("closed today", self.page)
        Petition.objects.update(closes_at=two_days_ago)
        yield self._get("front page, petition closed", self.home)
        yield self._get("closed", self.page)
        for kind in (Milestone.Kind.HANDED_IN, Milestone.Kind.REPLY):
            self._happens(kind, timezone.localdate())
            yield self._get(f"closed, {kind}", self.page)
        yield self._get("course, closed", f"{self.page}progress/")
        yield self._post("closed while typing", self.page, typed())
        yield self._post("too late to confirm", self._link(late), {})
        Petition.objects.update(state=Petition.State.REMOVED)
        yield self._get("removed", self.page)
        Petition.objects.update(removed_reason="-")
        yield self._get("removed for a reason", self.page)

    def _errors(self) -> Pages:
        request = RequestFactory().get(self.home)
        for status in ERRORS:
            with translation.override(self.language):
                yield f"error {status}", error_page(request, status).content.decode()

    def _get(self, name: str, path: str) -> tuple[str, str]:
        return name, self.browser.get(path).content.decode()

    def _post(self, name: str, path: str, form: dict[str, str]) -> tuple[str, str]:
        return name, self.browser.post(path, form).content.decode()

    def _attempt(self, *, name: str = AMINA.name, email: str = AMINA.email) -> Attempt:
        return replace(AMINA, name=name, email=email, language=self.language)

    def _link(self, signature_id: UUID) -> str:
        return f"/t/{self.language}/confirm/{tokens.link(tokens.CONFIRM, signature_id, 0)}/"

    def _not_me(self, signature_id: UUID) -> str:
        inbox = sealing.inbox_of("stranger@example.net")
        mailbox = tokens.Mailbox(signature_id, 0, self.petition.pk, inbox.key_id, inbox.ix)
        return f"/t/{self.language}/not-me/{tokens.mailbox_link(tokens.NOT_ME, mailbox)}/"

    def _mine(self, purpose: str) -> str:
        if purpose == tokens.FIND:
            token = tokens.recipient_link(sealing.recipient_of(OWNER))
            return f"/t/{self.language}/mine/{token}/"
        token = tokens.inbox_link(purpose, sealing.inbox_of(OWNER))
        return f"/t/{self.language}/mail-again/{token}/"

    def publish_statement(self) -> None:
        statement = Statement.objects.create(
            slug="urgent", petition=self.petition, is_featured=True
        )
        for language, (title, _addressee, words) in TEXTS.items():
            StatementText.objects.create(
                statement=statement,
                language=language,
                title=title,
                summary=words,
                body=words,
                dated=date(2020, 2, 1),
                published_at=timezone.now(),
            )


@dataclass(frozen=True)
class Walk:
    """What a whole walk in one language showed, and the names of the templates behind it."""

    pages: list[tuple[str, str]]
    mails: list[tuple[str, str]]
    templates: set[str]


# By language.
_WALKED: dict[str, Walk] = {}


def _organiser(name: str) -> User:
    user, _is_new = User.objects.get_or_create(username=name, is_staff=True)
    user.groups.add(Group.objects.get(name=ORGANISERS))
    return user


def walked(petition: Petition, language: str) -> Walk:
    """Every page and mail in one language. All tests of one run share a walk: none changes it."""
    if language not in _WALKED:
        templates: set[str] = set()

        def note(sender: object, template: Template, **kwargs: object) -> None:
            templates.add(str(template.name))

        template_rendered.connect(note)
        try:
            visitor = Visitor(petition, language)
            _WALKED[language] = Walk(list(visitor.walk()), list(visitor.mails()), templates)
        finally:
            template_rendered.disconnect(note)
    return _WALKED[language]
