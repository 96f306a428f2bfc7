"""The moderators' list of signatures: one petition at a time, by keyset pagination, no COUNT.

The list of a petition with ten million signatures opens as fast as that of one with ten.
An address is searched for by POST and looked up by its blind index, so that it appears in no URL,
log or browser history.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from petitions.admin.records import ReadOnly
from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.models import Decision, DecisionItem, Petition, Signature, Signer
from petitions.moderation import decisions
from petitions.screening import fraud_signals
from petitions.signatures import lifecycle
from petitions.signers import sealing

PER_PAGE = 50
WITHDRAW = "withdraw"
# Valid years in a cursor: every time zone can represent them.
_YEARS = range(2000, 2100)
_NOBODY = "00" * 16


class Button(NamedTuple):
    """A decision button: the kind of decision, its label and its style."""

    kind: str
    label: str
    effect: str
    look: str


def _buttons(state: str) -> list[Button]:
    """The buttons for decisions possible in `state`; all of them for a list of mixed states."""
    return [
        Button(kind, str(one.label), str(one.effect), one.look)
        for kind, one in lifecycle.DECISIONS.items()
        if kind in lifecycle.possible(state)
    ]


class DecisionForm(forms.Form):
    """The form of a decision about the selected signatures, and its reason."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Decision"),
        # Set by the button that is pressed.
        widget=forms.HiddenInput,
        choices=[(kind, one.label) for kind, one in lifecycle.DECISIONS.items()],
        error_messages={"required": gettext_lazy("Press a button to choose what to do.")},
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"),
        choices=[("", gettext_lazy("Choose a reason")), *Decision.Reason.choices],
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=300,
        help_text=gettext_lazy(
            "Other moderators can read this. Do not write names or email addresses."
        ),
    )

    def clean(self) -> dict[str, Any]:
        said = self.cleaned_data
        if said.get("reason") == Decision.Reason.OTHER and not said.get("note"):
            self.add_error("note", _("Say in the note what the reason is."))
        return said


@dataclass(frozen=True, slots=True)
class Line:
    """One signature as the list shows it: the name in full, the address masked."""

    signature: Signature
    name: str
    address: str

    @property
    def identity(self) -> str:
        """The value of the row's checkbox."""
        return str(self.signature.pk)

    @property
    def signs(self) -> list[str]:
        """Its fraud signals as sentences."""
        return fraud_signals.sentences(self.signature.signals)


@dataclass(frozen=True, slots=True)
class Question:
    """The filters and cursor of the list, as its URL has them."""

    petition: Petition
    state: str = ""
    mailbox: str = ""
    network: str = ""
    before: str = ""

    def url(self, **changes: str) -> str:
        """The list's URL with some filters changed; empty ones are left out."""
        parts = {
            "state": self.state,
            "mailbox": self.mailbox,
            "network": self.network,
            "before": self.before,
            **changes,
        }
        asked = {
            "petition": self.petition.slug,
            **{k: v for k, v in parts.items() if v},
        }
        return f"{reverse('admin:petitions_signature_changelist')}?{urlencode(asked)}"

    def answer(self) -> list[Signature]:
        """One page and one extra row (which tells of a next page), newest first."""
        rows = Signature.objects.filter(petition=self.petition).select_related("place", "signer")
        if self.state:
            rows = rows.filter(state=self.state)
        if self.mailbox:
            rows = rows.of_mailbox(sealing.same_mailbox(self.petition.pk, _index(self.mailbox)))
        if self.network:
            rows = rows.filter(signer__network_ix=_index(self.network))
        if not (self.state or self.mailbox or self.network):
            rows = rows.filter(pk__in=_newest_of_each_state(self.petition, self.before))
        return list(_older_than(rows, self.before).order_by("-created_at", "-id")[: PER_PAGE + 1])


@admin.register(Signature)
class SignatureAdmin(ReadOnly):
    """The list, and the page of one signature; every change is a `Decision` with a reason."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return _list(request, self)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        return _one(request, self, object_id)


@require_http_methods(["GET", "HEAD", "POST"])
def _list(request: HttpRequest, model_admin: SignatureAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    question = _question(request)
    if question is None:
        return _render(model_admin, request, "no_petition", {})
    if request.method == "POST" and "sought" in request.POST:
        return redirect(_found(question, request.POST["sought"].strip()[:254]))
    form = DecisionForm(request.POST or None)
    if request.method == "POST" and _decided(request, question.petition, form):
        return redirect(question.url())
    context = _list_context(question, form, _chosen(request))
    return _render(model_admin, request, "change_list", context)


def _found(question: Question, sought: str) -> str:
    """The URL of a search result, for an address, which must be in no URL, or a reference."""
    if "@" in sought:
        return _found_by_address(question, sought)
    reference = "".join(char for char in sought.upper() if char.isalnum())
    signature = Signature.objects.filter(reference=reference).first()
    if signature is None:
        return question.url(mailbox=_NOBODY, before="", state="")
    return reverse("admin:petitions_signature_change", args=[signature.pk])


def _found_by_address(question: Question, address: str) -> str:
    """The URL of the list of this petition if the address signed it, else of another it signed."""
    others = Petition.objects.exclude(pk=question.petition.pk).order_by("-id")
    for petition in (question.petition, *others):
        for index in sealing.petition_mailbox_indexes(petition.pk, address):
            if Signer.objects.filter(petition=petition, petition_mailbox_ix=index).exists():
                return Question(petition).url(mailbox=index.hex())
    return question.url(mailbox=_NOBODY, before="", state="")


def _list_context(question: Question, form: DecisionForm, chosen: list[UUID]) -> dict[str, Any]:
    found = question.answer()
    shown = found[:PER_PAGE]
    last = shown[-1] if len(found) > PER_PAGE else None
    states = [("", _("all")), *Signature.State.choices]
    return {
        "title": _("Signatures"),
        "petition": question.petition,
        "petitions": [(p, Question(p).url()) for p in Petition.objects.titled().order_by("-id")],
        "states": [
            (label, question.url(state=state, before=""), state == question.state)
            for state, label in states
        ],
        "lines": [_line(signature) for signature in shown],
        "is_search": bool(question.mailbox),
        "is_one_network": bool(question.network),
        "is_held": question.state == Signature.State.HELD,
        "buttons": _buttons(question.state),
        "all_url": Question(question.petition).url(),
        "newest_url": question.url(before="") if question.before else "",
        "older_url": question.url(before=_cursor(last)) if last else "",
        "form": form,
        # An invalid form comes back with the same signatures selected.
        "chosen": {str(identity) for identity in chosen},
    }


@require_http_methods(["GET", "HEAD", "POST"])
def _one(request: HttpRequest, model_admin: SignatureAdmin, object_id: str) -> HttpResponse:
    """The page of one signature: its state, its past decisions, and the possible ones."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    signature = _find(object_id)
    here = request.path
    if request.method == "POST" and WITHDRAW in request.POST:
        _erase(request, signature)
        # An unconfirmed attempt is deleted altogether, and its page with it.
        remains = Signature.objects.filter(pk=signature.pk).exists()
        return redirect(here if remains else Question(signature.petition).url())
    form = DecisionForm(request.POST or None)
    if request.method == "POST" and _decided(request, signature.petition, form, [signature.pk]):
        return redirect(here)
    items = DecisionItem.objects.filter(signature_id=signature.pk)
    context = {
        "title": signature.spoken_reference,
        "line": _line(signature),
        "person": _person(signature),
        "history": items.select_related("decision__actor").order_by("decision__created_at"),
        "list_url": Question(signature.petition).url(),
        "buttons": _buttons(signature.state),
        "form": form,
    }
    return _render(model_admin, request, "change_form", context)


def _decided(
    request: HttpRequest,
    petition: Petition,
    form: DecisionForm,
    ids: list[UUID] | None = None,
) -> bool:
    """Carry out the posted decision and report it by a message; False if the form is invalid."""
    if not request.user.has_perm("petitions.moderate_signature"):
        raise PermissionDenied
    ids = _chosen(request) if ids is None else ids
    if not ids:
        messages.warning(request, _("Select at least one signature."))
        return False
    if not form.is_valid():
        messages.error(request, _("Nothing was changed. See the problem below."))
        return False
    said = form.cleaned_data
    user = request.user
    assert user.is_authenticated
    done = decisions.decide(
        kind=said["kind"],
        petition=petition,
        ids=ids,
        reason=said["reason"],
        note=said["note"],
        actor=user,
    )
    messages.success(request, _told(said["kind"], done))
    return True


def _erase(request: HttpRequest, signature: Signature) -> None:
    if not request.user.has_perm("petitions.moderate_signature"):
        raise PermissionDenied
    if "sure" not in request.POST:
        messages.warning(
            request, _("Nothing was deleted. Tick the box first: this cannot be undone.")
        )
        return
    user = request.user
    assert user.is_authenticated
    if decisions.erase(signature=signature, actor=user):
        messages.success(
            request,
            _(
                "This person’s data is deleted and their signature no longer counts. Nobody "
                "gets an email."
            ),
        )


def _told(kind: str, done: decisions.Decided) -> str:
    moved = lifecycle.DECISIONS[kind].told % {"n": done.signatures}
    # Every approved signature counts, so the change is the same number.
    change = "" if kind == Decision.Kind.APPROVE else f" {_change(done)}"
    return f"{moved}{change} {_('Nobody gets an email.')}"


def _change(done: decisions.Decided) -> str:
    return _("The count changed by %(change)+d.") % {"change": done.count_change}


def _question(request: HttpRequest) -> Question | None:
    """Parse filters and cursor from the URL; invalid parts are dropped."""
    asked = request.GET
    petitions = Petition.objects.order_by("-id")
    petition = petitions.filter(slug=asked["petition"]).first() if "petition" in asked else None
    petition = petition or petitions.first()
    if petition is None:
        return None
    state, mailbox = asked.get("state", ""), asked.get("mailbox", "")
    network = asked.get("network", "")
    return Question(
        petition,
        state=state if state in Signature.State.values else "",
        mailbox=mailbox if _index(mailbox) else "",
        network=network if _index(network) else "",
        before=asked.get("before", ""),
    )


def _index(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _cursor(signature: Signature) -> str:
    return f"{signature.created_at.isoformat()}_{signature.pk}"


def _newest_of_each_state(petition: Petition, before: str) -> QuerySet[Signature, Any]:
    """The newest rows of each state, which include the newest of all.

    The index has `state` before the time: one query over all states would read and sort all rows.
    """
    rows = _older_than(Signature.objects.filter(petition=petition), before)
    newest = rows.order_by("-created_at", "-id").values("pk")
    first, *others = [newest.filter(state=s)[: PER_PAGE + 1] for s in Signature.State.values]
    return first.union(*others, all=True)


def _older_than(rows: QuerySet[Signature], cursor: str) -> QuerySet[Signature]:
    stamp, _separator, identity = cursor.partition("_")
    try:
        moment: datetime | None = parse_datetime(stamp)
        last = UUID(identity)
    except ValueError:
        return rows
    if moment is None or moment.tzinfo is None or moment.year not in _YEARS:
        return rows
    return rows.filter(
        Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last), created_at__lte=moment
    )


def _chosen(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("chosen")]
    except ValueError:
        return []


def _find(object_id: str) -> Signature:
    try:
        wanted = UUID(object_id)
    except ValueError:
        raise Http404 from None
    rows = Signature.objects.select_related("place", "petition", "signer")
    signature = rows.filter(pk=wanted).first()
    if signature is None:
        raise Http404
    return signature


def _person(signature: Signature) -> dict[str, str]:
    """The person as a moderator sees them without giving a reason: all but the address."""
    # A refused attempt is a decoy row: random bytes, for an hour, and then nothing.
    if signature.state == Signature.State.REFUSED or not hasattr(signature, "signer"):
        return {}
    try:
        person = sealing.unsealed(signature.signer)
    except vault.CannotOpen:
        return {"name": _("cannot be opened: its key is gone"), "email": ""}
    return {**person, "email": email_addresses.masked(person["email"])}


def _line(signature: Signature) -> Line:
    person = _person(signature)
    return Line(signature, person.get("name", ""), person.get("email", ""))


def _render(
    model_admin: SignatureAdmin,
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
) -> HttpResponse:
    everything = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "may_moderate": request.user.has_perm("petitions.moderate_signature"),
        **context,
    }
    return render(request, f"admin/petitions/signature/{template}.html", everything)
