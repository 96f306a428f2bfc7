""" "Find my signature": the form that mails a link, and the pages behind the link.

GET of a mailed link shows only a button, because mail scanners open every link, and somebody else
may see the screen. Personal data is only in responses to POST, which are `no-store`.
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

from petitions.crypto import tokens
from petitions.crypto.tokens import Recipient
from petitions.formatting.languages import days
from petitions.identity import email_addresses, residence
from petitions.infra.client_network import sender_of
from petitions.mail import messages, suppression
from petitions.models import PetitionText, Place, Signature
from petitions.publishing import warm_cache
from petitions.publishing.organisation import organisation
from petitions.screening import challenge
from petitions.screening.screen import ChallengeRequired, TooMany
from petitions.signatures import change_address, self_service
from petitions.signatures import find as finding
from petitions.signatures.confirm import Outcome
from petitions.signatures.self_service import OwnSignature
from petitions.web import long_pages
from petitions.web.forms import CodeForm, FindForm, NameForm, NameUseForm, NewAddressForm
from petitions.web.guards import same_origin, token_is_proof
from petitions.web.responses import SeeOther, get_or_post, public_page
from petitions.web.views.throttling import evidence_of, offer_again, throttled, too_many

State = Signature.State
# The fields of `find`.
_FIND_FIELDS = (*FindForm.base_fields, *challenge.FIELDS)
OwnerView = Callable[..., HttpResponse]

NOT_CONFIRMED = _(
    "Not confirmed, so it does not count. It will be deleted automatically %(days)s after you "
    "signed."
)
CONFIRMED = _("Confirmed. Some signatures are checked by a person before they count.")
REMOVED = _("Our checking team removed it from the count. If that is a mistake, write to us.")
# `HELD` is shown as `CONFIRMED`, because a bot must not learn that it was detected.
STATES: dict[str, Promise] = {
    State.PENDING: NOT_CONFIRMED,
    State.CONFIRMED: CONFIRMED,
    State.HELD: CONFIRMED,
    State.REMOVED: REMOVED,
}
NO_SIGNATURE = _("This signature is not here any more, so nothing was changed.")
NOT_A_SPELLING = _(
    "This looks like a different person’s name. You can only correct the spelling here. Anyone "
    "else who wants to sign can sign the petition themselves."
)
SAME_ADDRESS = _("This is the address that your signature has now. Enter the new one.")
TOO_MANY = _(
    "We are getting too many requests at the moment, so yours was not carried out. Try again in "
    "%(time)s."
)
CODE_SENT = _("We are sending a code to the new address. Type it below, next to the signature.")
WRONG_CODE = _(
    "That code is wrong, too old, or has been tried too many times (the limit is %(tries)s). You "
    "can have a new one sent."
)
ADDRESS_CHANGED = _(
    "The email address is changed. To see the signature again, ask for a link with the new address."
)
NO_ROOM: dict[Outcome, Promise] = {
    Outcome.ALREADY: _(
        "You have already signed this petition with the new address. Withdraw one of the two "
        "signatures."
    ),
    Outcome.OTHER_HOME: _(
        "Somebody with another postcode has signed this petition with the new address. Choose "
        "another address."
    ),
    Outcome.MAILBOX_FULL: _(
        "Two people have signed this petition with the new address. Choose another address."
    ),
}
NAME_TAKEN = _(
    "Somebody with this name has already signed this petition with the same email address."
)


def press_again(request: HttpRequest) -> HttpResponse:
    """Respond to a cross-site POST (CSRF) with the typed values, to be sent from our page."""
    form = FindForm(initial={"email": request.POST.get("email", "")})
    return _find_again(request, form, HTTPStatus.FORBIDDEN, press_again=True)


@same_origin(refused=press_again)
@get_or_post
def find(request: HttpRequest) -> HttpResponse:
    """Show the form, or queue a request (POST) for the worker: see `signatures.find`.

    No user enumeration (constant work: docs/architecture.md).
    """
    if request.method != "POST":
        return _show_find(request)
    form = FindForm(request.POST, files=request.FILES)
    if not form.is_valid():
        offer = offer_again(request, challenge.FIND)
        return _find_again(request, form, HTTPStatus.UNPROCESSABLE_ENTITY, challenge=offer)
    address, language = form.cleaned_data["email"], get_language() or "en"
    evidence = evidence_of(request)
    match finding.request_links(address=address, language=language, evidence=evidence):
        case TooMany():
            return too_many(_find_page(request, form, too_many=True))
        case ChallengeRequired(offer):
            return _find_again(request, form, HTTPStatus.FORBIDDEN, challenge=offer)
        case None:
            return SeeOther(reverse("petitions:find_sent"))


@public_page
def find_sent(request: HttpRequest) -> HttpResponse:
    """Show the page after every request. It shows no address, so that it can be cached."""
    context = {"sender": messages.sender(organisation()), "subject": messages.find_subject()}
    return render(request, "petitions/find_sent.html", context)


@public_page
def _show_find(request: HttpRequest) -> HttpResponse:
    return _find_page(request, FindForm())


def _find_again(request: HttpRequest, form: FindForm, status: int, **shown: Any) -> HttpResponse:
    """Render a refused form, within the rate limit of `throttled`."""
    return throttled(request, _FIND_FIELDS) or _find_page(request, form, status, **shown)


def _find_page(
    request: HttpRequest, form: FindForm, status: int = HTTPStatus.OK, **shown: Any
) -> HttpResponse:
    return render(request, "petitions/find.html", {"form": form, **shown}, status=status)


def _for_owner(view: OwnerView) -> OwnerView:
    """Decorator: validate the token and pass its recipient, or respond 410 (expired) or 404."""

    @token_is_proof
    @get_or_post
    @wraps(view)
    def opened(request: HttpRequest, language: str, token: str, **path: str) -> HttpResponse:
        try:
            recipient = tokens.read_recipient_link(token)
        except tokens.BadToken as error:
            return _dead_link(request, expired=isinstance(error, tokens.ExpiredToken))
        return view(request, recipient, token, **path)

    return opened


def _button(view: OwnerView) -> OwnerView:
    """Decorator for the POST of a button on that page. A GET is redirected to the page.

    Respond 409 if the signature does not exist any more.
    """

    @_for_owner
    @wraps(view)
    def pressed(
        request: HttpRequest, recipient: Recipient, token: str, **path: str
    ) -> HttpResponse:
        if request.method != "POST":
            return SeeOther(reverse("links:mine", args=[get_language(), token]))
        try:
            return view(request, recipient, token, **path)
        except self_service.NoSuchSignature:
            status = HTTPStatus.CONFLICT
            return _show(request, recipient, token, problem=NO_SIGNATURE, status=status)

    return pressed


@_for_owner
def mine(request: HttpRequest, recipient: Recipient, token: str) -> HttpResponse:
    """Show the button (GET), or all data of the address's signatures (POST)."""
    if request.method != "POST":
        return render(request, "petitions/mine_ask.html")
    return _show(request, recipient, token)


@_button
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
        else:
            return _show(request, recipient, token, done=_("The name is corrected."))
    return _show(request, recipient, token, refused=(reference, form))


@_button
def name_use(
    request: HttpRequest, recipient: Recipient, token: str, reference: str
) -> HttpResponse:
    """Change the permitted use of the name."""
    one = self_service.own_signature(recipient=recipient, reference=reference)
    form = NameUseForm(
        request.POST,
        files=request.FILES,
        auto_id=_ids(reference),
        publishes_names=one.signature.petition.publishes_names,
        wants_updates=one.signature.wants_updates,
        text=warm_cache.text(one.signature.petition.slug, get_language()),
    )
    if not form.is_valid():
        return _show(request, recipient, token, refused=(reference, form))
    # Contains `name_use` and `news_may_name`.
    chosen = form.cleaned_data
    self_service.choose_name_use(recipient=recipient, reference=reference, **chosen)
    return _show(request, recipient, token, done=_("Your choice for the name is changed."))


@_button
def updates(request: HttpRequest, recipient: Recipient, token: str, reference: str) -> HttpResponse:
    """Subscribe to news of a petition, or unsubscribe."""
    wanted = request.POST.get("updates") == "on"
    self_service.choose_updates(
        recipient=recipient,
        reference=reference,
        wants_updates=wanted,
        news_may_name=request.POST.get("news_may_name") == "on",
    )
    done = (
        _("You will get news of this petition by email.")
        if wanted
        else _("You will get no news of this petition by email.")
    )
    return _show(request, recipient, token, done=done)


@_button
def new_address(
    request: HttpRequest, recipient: Recipient, token: str, reference: str
) -> HttpResponse:
    """Mail a code to the new address, even if it has signed (constant work)."""
    form = NewAddressForm(request.POST, files=request.FILES, auto_id=_ids(reference))
    if not form.is_valid():
        return _show(request, recipient, token, refused=(reference, form))
    try:
        outcome = change_address.request_code(
            recipient=recipient,
            reference=reference,
            address=form.cleaned_data["email"],
            language=get_language() or "en",
            sender=sender_of(request.META),
        )
    except change_address.SameAddress:
        form.add_error("email", SAME_ADDRESS)
        return _show(request, recipient, token, refused=(reference, form))
    match outcome:
        case TooMany():
            problem = TOO_MANY % {"time": long_pages.promises()["try_again"]}
            return too_many(_show(request, recipient, token, problem=problem))
        case None:
            return _show(request, recipient, token, done=CODE_SENT)


@_button
def address_code(
    request: HttpRequest, recipient: Recipient, token: str, reference: str
) -> HttpResponse:
    """Change the address, with the code that was mailed to the new one."""
    form = CodeForm(request.POST, auto_id=_ids(reference))
    if form.is_valid():
        code = form.cleaned_data["code"]
        try:
            change_address.change(recipient=recipient, reference=reference, code=code)
        except change_address.WrongCode:
            form.add_error("code", WRONG_CODE % {"tries": change_address.TRIES})
        except change_address.NoRoom as error:
            form.add_error("code", str(NO_ROOM[error.outcome]))
        else:
            return _show(request, recipient, token, done=ADDRESS_CHANGED)
    return _show(request, recipient, token, refused=(reference, form))


@_button
def withdraw(
    request: HttpRequest, recipient: Recipient, token: str, reference: str
) -> HttpResponse:
    """Withdraw the signature and erase its data, and list the copies that cannot be recalled."""
    withdrawn = self_service.withdraw(recipient=recipient, reference=reference)
    context = {"withdrawn": withdrawn, "token": token}
    return render(request, "petitions/mine_withdrawn.html", context)


@_button
def download(request: HttpRequest, recipient: Recipient, token: str) -> HttpResponse:
    """Download all stored data as JSON (right of access and portability, UK GDPR 15 and 20)."""
    data = self_service.subject_access(recipient=recipient)
    response = JsonResponse(data, json_dumps_params={"ensure_ascii": False, "indent": 2})
    # The file name reveals nothing in the downloads folder.
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


@_button
def mail(request: HttpRequest, recipient: Recipient, token: str) -> HttpResponse:
    """Opt out of all mail (suppression list), or back in."""
    if request.POST.get("wanted"):
        suppression.unsuppress_all(inboxes=recipient.inboxes)
        return _show(request, recipient, token, done=_("You can get messages from us again."))
    self_service.want_no_mail(recipient=recipient)
    again = tokens.inbox_link(tokens.MAIL_AGAIN, recipient.inboxes[0])
    context = {"token": token, "again": reverse("links:mail_again", args=[get_language(), again])}
    return render(request, "petitions/mine_no_mail.html", context)


@token_is_proof
@get_or_post
def mail_again(request: HttpRequest, language: str, token: str) -> HttpResponse:
    """Undo an opt-out of all mail, at any time, because no new link can be mailed."""
    try:
        inbox = tokens.read_inbox_link(tokens.MAIL_AGAIN, token)
    except tokens.BadToken:
        return _dead_link(request, expired=False)
    if request.method == "POST":
        suppression.unsuppress_all(inboxes=[inbox])
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
    status: int | None = None,
) -> HttpResponse:
    """Render the page of all stored data. `refused` is a reference with its invalid form."""
    held = self_service.own_signatures(recipient=recipient)
    asked = change_address.new_addresses([one.signature.pk for one in held])
    context = {
        "rows": [_row(one, refused, asked.get(one.signature.pk, (None, ""))[1]) for one in held],
        "address": held[0].person["email"] if held else "",
        "only_newest": self_service.MAX_WAITING_SHOWN if self_service.has_more_waiting(held) else 0,
        "no_mail": suppression.is_all_suppressed(recipient.inboxes),
        "token": token,
        "done": done,
        "problem": problem,
        "form": refused[1] if refused else None,
    }
    status = status or (HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK)
    return render(request, "petitions/mine.html", context, status=status)


def _row(one: OwnSignature, refused: tuple[str, Any] | None, new_address: str) -> dict[str, Any]:
    """Return the template context of a signature. A code was mailed to `new_address`, if any."""
    signature, language, country = one.signature, get_language(), one.person["country"]
    place = signature.place.name_in(language)
    text = warm_cache.text(signature.petition.slug, language)
    # Constituencies have English names, and some in Wales also Welsh ones.
    is_constituency = signature.place.kind == Place.Kind.CONSTITUENCY
    is_english = is_constituency and place == signature.place.name
    forms = _forms(one, refused, text)
    return {
        "signature": signature,
        "person": one.person,
        "text": text,
        "state": STATES[signature.state] % {"days": days(settings.PENDING_DAYS)},
        "home": residence.country_name(country, language) if country else place,
        "home_language": "en" if is_english else language,
        "is_changeable": one.is_changeable,
        "name_form": forms[NameForm],
        "name_use_form": forms[NameUseForm],
        "is_asked": signature.name_use == Signature.NameUse.WITHHELD,
        "may_name": NameUseForm.base_fields["news_may_name"],
        "new_address": email_addresses.masked(new_address) if new_address else "",
        "address_form": forms[NewAddressForm],
        "code_form": forms[CodeForm],
    }


def _forms(
    one: OwnSignature, refused: tuple[str, Any] | None, text: PetitionText | None
) -> dict[type, Any]:
    """Return the forms of a signature by their class, one of them as it was refused."""
    signature, ids = one.signature, _ids(one.signature.reference)
    forms: dict[type, Any] = {
        NameForm: NameForm(initial={"name": one.person["name"]}, auto_id=ids),
        NameUseForm: NameUseForm(
            initial={
                "name_use": signature.name_use,
                "news_may_name": signature.news_may_name,
            },
            auto_id=ids,
            publishes_names=signature.petition.publishes_names,
            wants_updates=signature.wants_updates,
            text=text,
        ),
        NewAddressForm: NewAddressForm(auto_id=ids),
        CodeForm: CodeForm(auto_id=ids),
    }
    if refused and refused[0] == signature.reference:
        forms[type(refused[1])] = refused[1]
    return forms


def _ids(reference: str) -> str:
    """Return an `auto_id` that makes field ids unique on a page with several signatures."""
    return f"id_{reference}_%s"


def _dead_link(request: HttpRequest, *, expired: bool) -> HttpResponse:
    status = HTTPStatus.GONE if expired else HTTPStatus.NOT_FOUND
    return render(request, "petitions/mine_old_link.html", {"expired": expired}, status=status)
