"""Views of confirmation (double opt-in): the mailed link, its outcomes, and "this was not me"."""

from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language

from petitions.crypto import tokens
from petitions.mail import suppression
from petitions.models import UNKNOWN, Place, Signature
from petitions.publishing import warm_cache
from petitions.signatures import check_email, self_service
from petitions.signatures import confirm as confirming
from petitions.signatures import disown as disowning
from petitions.signatures.confirm import ConfirmResult, Outcome
from petitions.web.forms import SignForm
from petitions.web.guards import token_is_proof
from petitions.web.responses import SeeOther, get_or_post

_MEMBERS = "https://members.parliament.uk"


@token_is_proof
@get_or_post
def confirm(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Show a button (GET), because mail scanners open every link, or confirm (POST)."""
    try:
        link = tokens.read_link(tokens.CONFIRM, token)
    except tokens.BadToken:
        return _dead_link(request)
    if request.method == "POST":
        return press(request, link)
    signature = confirming.find(link.signature_id, link.epoch)
    if signature is None:
        return _dead_link(request, check_email.newer_mail(link.signature_id))
    # The page of a used link invites people to sign, and does not show who has signed.
    is_waiting = signature.state == Signature.State.PENDING
    template = "petitions/confirm.html" if is_waiting else "petitions/used_link.html"
    return _respond(request, template, signature)


def press(request: HttpRequest, link: tokens.Link) -> HttpResponse:
    """Confirm and respond, for the button and for the one-time code."""
    is_chosen = request.POST.get("chosen") == "yes"
    result = confirming.confirm(
        signature_id=link.signature_id, epoch=link.epoch, is_chosen=is_chosen
    )
    outcome, signature = result.outcome, result.signature
    if signature is None:
        return _dead_link(request, check_email.newer_mail(link.signature_id))
    if outcome is Outcome.CHOOSE:
        people = [(person, _path("confirm", _token(person.link))) for person in result.people]
        return _respond(
            request, "petitions/choose.html", signature, people=people, joins=result.joins
        )
    if result.not_me:
        return _which_was_meant(request, result.not_me)
    if signature.pk == link.signature_id:
        used_at = signature.confirmed_at
        if used_at is not None and used_at < timezone.now() - self_service.SHOWN_AGAIN_FOR:
            # The link stays in the browser's history, where somebody else could find it.
            return _respond(request, "petitions/used_link.html", signature)
        if outcome is Outcome.ALREADY:
            # Idempotent: a second press of the same link shows the same success.
            outcome = Outcome.CONFIRMED
    if outcome not in {Outcome.CONFIRMED, Outcome.ALREADY}:
        template, conflict = "petitions/not_counted.html", HTTPStatus.CONFLICT
        return _respond(request, template, signature, conflict, outcome=outcome.value)
    return _thanks(request, signature, outcome, result)


def _thanks(
    request: HttpRequest, signature: Signature, outcome: Outcome, result: ConfirmResult
) -> HttpResponse:
    """Render the thank-you page, only for its signer: never cache or share it.

    Its buttons need the link's token, also after a code.
    """
    own = _token(tokens.Link(signature.pk, signature.link_epoch))
    return _respond(
        request,
        "petitions/thanks.html",
        signature,
        outcome=outcome.value,
        person=result.people[0] if result.people else None,
        is_narrowed=result.is_narrowed,
        home=home(signature.place_id),
        news=_path("news", own),
        may_name=SignForm.base_fields["news_may_name"],
        back=_path("take_back", own),
    )


def home(place_id: str) -> str:
    """Return HTML with the place where a signature counts, and a link to its MP, without a query.

    The link to Parliament's site contains the constituency's name, which identifies nobody.
    """
    place = warm_cache.place(place_id)
    language = get_language()
    if place is None or place.kind != Place.Kind.CONSTITUENCY:
        return _rendered_home(language, place.kind if place else UNKNOWN, "", "")
    return _rendered_home(language, place.kind, place.name_in(language), place.name)


@lru_cache(maxsize=2048)
def _rendered_home(language: str, kind: str, name: str, english: str) -> str:
    """Render the HTML, cached per place and language."""
    # Parliament's search needs the English names.
    search = f"/members/Commons?{urlencode({'SearchText': english})}" if english else "/FindYourMP"
    context = {
        "kind": kind,
        "name": name,
        "name_language": "en" if name == english else language,
        "mp": _MEMBERS + search,
    }
    return render_to_string("petitions/_home.html", context)


def _token(link: tokens.Link) -> str:
    return tokens.link(tokens.CONFIRM, link.signature_id, link.epoch)


def _path(name: str, token: str) -> str:
    """Return the path of a view behind a link's token."""
    return reverse(f"links:{name}", args=[get_language(), token])


@token_is_proof
@get_or_post
def not_me(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """ "It was not me": show a button (GET), or opt out or back in (POST).

    The response does not reveal whether a signature was pending, confirmed or never there, because
    somebody else may read the mail. Only within a minute of confirming it asks which of the two was
    meant, and for ten minutes the confirmation link shows more.
    """
    try:
        mailbox = tokens.read_mailbox_link(tokens.NOT_ME, token)
    except tokens.BadToken:
        return _dead_link(request)
    if request.method != "POST":
        stage = "before" if suppression.is_petition_suppressed(mailbox) else "ask"
    elif request.POST.get("lift"):
        disowning.take_back(mailbox=mailbox)
        stage = "lifted"
    else:
        outcome = disowning.disown(mailbox=mailbox)
        if outcome is disowning.Outcome.CONTRADICTED:
            return _which_was_meant(request, mailbox)
        if outcome is disowning.Outcome.GONE:
            return _dead_link(request)
        stage = "done"
    return render(request, f"petitions/not_me_{stage}.html")


def _which_was_meant(request: HttpRequest, mailbox: tokens.Mailbox) -> HttpResponse:
    """Ask which button of the mail was meant. A mail scanner may have pressed the other one."""
    paths = {
        "confirm": _path("confirm", _token(tokens.Link(mailbox.signature_id, mailbox.epoch))),
        "not_me": _path("not_me", tokens.mailbox_link(tokens.NOT_ME, mailbox)),
    }
    return render(request, "petitions/which_was_meant.html", paths)


@token_is_proof
@get_or_post
def take_back(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Withdraw the signature just confirmed, while its link shows the thank-you page.

    Otherwise redirect to that link.
    """
    own_page = SeeOther(reverse("links:confirm", args=[get_language(), token]))
    if request.method != "POST":
        return own_page
    try:
        link = tokens.read_link(tokens.CONFIRM, token)
        self_service.take_back(link=link)
    except (self_service.NoSuchSignature, tokens.BadToken):
        return own_page
    return render(request, "petitions/taken_back.html")


@token_is_proof
@get_or_post
def choose_news(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Opt in to news, or out, while the link shows its thank-you page. Otherwise redirect to it."""
    own_page = SeeOther(reverse("links:confirm", args=[get_language(), token]))
    if request.method != "POST":
        return own_page
    wants_updates = request.POST.get("updates") == "on"
    try:
        link = tokens.read_link(tokens.CONFIRM, token)
        self_service.choose_updates_once_confirmed(
            link=link,
            wants_updates=wants_updates,
            news_may_name=request.POST.get("news_may_name") == "on",
        )
    except (self_service.NoSuchSignature, tokens.BadToken):
        return own_page
    return render(request, "petitions/news.html", {"wants_updates": wants_updates})


def _respond(
    request: HttpRequest,
    template: str,
    signature: Signature,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    petition = signature.petition
    context = {
        "petition": petition,
        "signature": signature,
        "text": warm_cache.text(petition.slug, get_language()),
        "count": warm_cache.total(petition.pk),
        **more,
    }
    return render(request, template, context, status=status)


def _dead_link(request: HttpRequest, newer: datetime | None = None) -> HttpResponse:
    """Render the 404 page. `newer` is when a newer mail with a valid link was sent."""
    context = {"newer": newer}
    return render(request, "petitions/dead_link.html", context, status=HTTPStatus.NOT_FOUND)
