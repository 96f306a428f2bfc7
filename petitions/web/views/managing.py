"""Views of self-service by magic link ("find my signature"): see, correct, download, withdraw.

GET shows only a button, because mail scanners open every link, and somebody else may see the mail
over a shoulder. Personal data is only in answers to POST, which are `no-store`.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from petitions.crypto import tokens
from petitions.crypto.tokens import Recipient
from petitions.formatting.languages import days
from petitions.identity import residence
from petitions.mail import suppression
from petitions.models import Place, Signature
from petitions.publishing import warm_cache
from petitions.signatures import self_service
from petitions.signatures.self_service import OwnSignature
from petitions.web.forms.finding import NameForm, NameUseForm
from petitions.web.guards import token_is_proof
from petitions.web.responses import SeeOther

State = Signature.State
CONSTITUENCY = Place.Kind.CONSTITUENCY
OwnerView = Callable[..., HttpResponse]

NOT_CONFIRMED = _(
    "Not confirmed, so it does not count. It will be deleted automatically %(days)s after you "
    "signed."
)
CONFIRMED = _("Confirmed. Some signatures are checked by a person before they count.")
REMOVED = _("Our checking team removed it from the count. If that is a mistake, write to us.")
# `HELD` reads like `CONFIRMED`: a bot that reads its own page must not learn that it was detected.
STATES: dict[str, Promise] = {
    State.PENDING: NOT_CONFIRMED,
    State.CONFIRMED: CONFIRMED,
    State.HELD: CONFIRMED,
    State.REMOVED: REMOVED,
}
NOT_HELD = _("This signature is not here any more, so nothing was changed.")
NOT_A_SPELLING = _(
    "This looks like a different person’s name. You can only correct the spelling here. Anyone "
    "else who wants to sign can sign the petition themselves."
)
NAME_TAKEN = _(
    "Somebody with this name has already signed this petition with the same email address."
)


def _for_owner(view: OwnerView) -> OwnerView:
    """Decorator: validate the token and pass its recipient, or answer 410 (expired) or 404."""

    @wraps(view)
    def opened(request: HttpRequest, language: str, token: str, **path: str) -> HttpResponse:
        try:
            recipient = tokens.read_recipient_link(token)
        except tokens.BadToken as error:
            return _dead_link(request, expired=isinstance(error, tokens.ExpiredToken))
        return view(request, recipient, token, **path)

    return opened


def _button_only(view: OwnerView) -> OwnerView:
    """Decorator: POST only; a GET is redirected to the page with the first button."""

    @wraps(view)
    def answered(
        request: HttpRequest, recipient: Recipient, token: str, **path: str
    ) -> HttpResponse:
        if request.method != "POST":
            return SeeOther(reverse("links:mine", args=[get_language(), token]))
        return view(request, recipient, token, **path)

    return answered


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_owner
def mine(request: HttpRequest, recipient: Recipient, token: str) -> HttpResponse:
    """Show the button (GET), or all that is stored of the mailbox's signatures (POST)."""
    if request.method != "POST":
        return render(request, "petitions/mine_ask.html")
    return _show(request, recipient, token)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_owner
@_button_only
def name(request: HttpRequest, recipient: Recipient, token: str, reference: str) -> HttpResponse:
    """Correct the spelling of the name."""
    form = NameForm(request.POST, files=request.FILES, auto_id=_ids(reference))
    if form.is_valid():
        try:
            corrected = form.cleaned_data["name"]
            self_service.correct_name(recipient=recipient, reference=reference, name=corrected)
        except self_service.NotASpelling:
            form.add_error("name", NOT_A_SPELLING)
        except self_service.NameTaken:
            form.add_error("name", NAME_TAKEN)
        except self_service.NoSuchSignature:
            return _not_held(request, recipient, token)
        else:
            return _show(request, recipient, token, done=_("The name is corrected."))
    return _refuse(request, recipient, token, (reference, form))


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_owner
@_button_only
def name_use(
    request: HttpRequest, recipient: Recipient, token: str, reference: str
) -> HttpResponse:
    """Change the consent to use of the name."""
    form = NameUseForm(request.POST, files=request.FILES, auto_id=_ids(reference))
    if not form.is_valid():
        return _refuse(request, recipient, token, (reference, form))
    chosen = form.cleaned_data["name_use"]
    try:
        self_service.choose_name_use(recipient=recipient, reference=reference, name_use=chosen)
    except self_service.NoSuchSignature:
        return _not_held(request, recipient, token)
    return _show(request, recipient, token, done=_("Your choice for the name is changed."))


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_owner
@_button_only
def updates(request: HttpRequest, recipient: Recipient, token: str, reference: str) -> HttpResponse:
    """Subscribe to news of a petition, or unsubscribe."""
    wanted = request.POST.get("updates") == "on"
    try:
        self_service.choose_updates(recipient=recipient, reference=reference, wants_updates=wanted)
    except self_service.NoSuchSignature:
        return _not_held(request, recipient, token)
    done = (
        _("You will get news of this petition by email.")
        if wanted
        else _("You will get no news of this petition by email.")
    )
    return _show(request, recipient, token, done=done)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_owner
@_button_only
def withdraw(
    request: HttpRequest, recipient: Recipient, token: str, reference: str
) -> HttpResponse:
    """Withdraw the signature and erase its data, and say which copies cannot be recalled."""
    try:
        withdrawn = self_service.withdraw(recipient=recipient, reference=reference)
    except self_service.NoSuchSignature:
        return _not_held(request, recipient, token)
    context = {"withdrawn": withdrawn, "token": token}
    return render(request, "petitions/mine_withdrawn.html", context)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_owner
@_button_only
def download(request: HttpRequest, recipient: Recipient, token: str) -> HttpResponse:
    """Download all stored data as JSON (right of access and portability, UK GDPR 15 and 20)."""
    data = self_service.subject_access(recipient=recipient)
    response = JsonResponse(data, json_dumps_params={"ensure_ascii": False, "indent": 2})
    # A file name that reveals nothing in the downloads folder.
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
@_for_owner
@_button_only
def mail(request: HttpRequest, recipient: Recipient, token: str) -> HttpResponse:
    """Opt out of all mail (suppression list), or back in."""
    if request.POST.get("wanted"):
        self_service.want_mail_again(recipient=recipient)
        return _show(request, recipient, token, done=_("You can get messages from us again."))
    self_service.want_no_mail(recipient=recipient)
    again = tokens.inbox_link(tokens.MAIL_AGAIN, recipient.inboxes[0])
    context = {"token": token, "again": reverse("links:mail_again", args=[get_language(), again])}
    return render(request, "petitions/mine_no_mail.html", context)


@token_is_proof
@require_http_methods(["GET", "HEAD", "POST"])
def mail_again(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Undo an opt-out of all mail, at any time: a suppressed mailbox is mailed no new link."""
    try:
        inbox = tokens.read_inbox_link(tokens.MAIL_AGAIN, token)
    except tokens.BadToken:
        return _dead_link(request, expired=False)
    if request.method == "POST":
        suppression.want_mail_again(inboxes=[inbox])
    context = {"is_done": request.method == "POST"}
    return render(request, "petitions/mail_again.html", context)


def _show(
    request: HttpRequest,
    recipient: Recipient,
    token: str,
    *,
    done: Any = "",
    problem: Any = "",
    refused: tuple[str, Any] | None = None,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    """The page of all stored data with a message; `refused` is a reference and its invalid form."""
    held = self_service.own_signatures(recipient=recipient)
    context = {
        "rows": [_row(one, refused) for one in held],
        "address": held[0].person["email"] if held else "",
        "no_mail": suppression.wants_no_mail(recipient.inboxes),
        "token": token,
        "done": done,
        "problem": problem,
        "form": refused[1] if refused else None,
    }
    return render(request, "petitions/mine.html", context, status=status)


def _refuse(
    request: HttpRequest, recipient: Recipient, token: str, refused: tuple[str, Any]
) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return _show(request, recipient, token, refused=refused, status=status)


def _not_held(request: HttpRequest, recipient: Recipient, token: str) -> HttpResponse:
    return _show(request, recipient, token, problem=NOT_HELD, status=HTTPStatus.CONFLICT)


def _row(one: OwnSignature, refused: tuple[str, Any] | None) -> dict[str, Any]:
    """The template context of one signature, with its forms."""
    signature, reference = one.signature, one.signature.reference
    bound = refused[1] if refused and refused[0] == reference else None
    ids = _ids(reference)
    return {
        "signature": signature,
        "person": one.person,
        "text": warm_cache.text(signature.petition.slug, get_language()),
        "state": STATES[signature.state] % {"days": days(settings.PENDING_DAYS)},
        "home": _home(one),
        "home_language": _home_language(one.signature.place),
        "is_changeable": one.is_changeable,
        "name_form": bound
        if isinstance(bound, NameForm)
        else NameForm(initial={"name": one.person["name"]}, auto_id=ids),
        "name_use_form": bound
        if isinstance(bound, NameUseForm)
        else NameUseForm(initial={"name_use": signature.name_use}, auto_id=ids),
    }


def _home(one: OwnSignature) -> str:
    """The name of the country or the place where the signature counts."""
    if country := one.person["country"]:
        return residence.country_name(country, get_language())
    return one.signature.place.name_in(get_language())


def _home_language(place: Place) -> str:
    """The `lang` of `_home`: constituencies have English names, some of Wales Welsh ones too."""
    language = get_language()
    is_english = place.kind == CONSTITUENCY and place.name_in(language) == place.name
    return "en" if is_english else language


def _ids(reference: str) -> str:
    """An `auto_id` for forms, so that field ids are unique on a page of several signatures."""
    return f"id_{reference}_%s"


def _dead_link(request: HttpRequest, *, expired: bool) -> HttpResponse:
    status = HTTPStatus.GONE if expired else HTTPStatus.NOT_FOUND
    return render(request, "petitions/mine_old_link.html", {"expired": expired}, status=status)
