"""Admin of mail: figures of the outbox, and “Does our mail arrive?”.

The outbox shows outcomes with their meaning, but no single mail. The other page checks the sender's
DNS records and mails every kind of message to the user.
"""

from datetime import UTC
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern

from petitions.admin.acting import acting, need, show_refusals
from petitions.admin.base import ReadOnly
from petitions.mail import messages as letters
from petitions.mail import monitoring, outbox, trials
from petitions.mail.sender import check, dkim
from petitions.models import Mail, SenderCheck

_MEANINGS = {
    "limit": "the mailbox has had enough mail for now",
    "objected": "the mailbox’s owner does not want mail about this",
    "undeliverable": "the address was reported as not existing; tried again after 30 days",
    "bounced": "it came back: there is no such mailbox",
    "domain": "waiting: many mails go to the same provider at once",
    "CannotOpen": "the sealed data cannot be opened: is a key missing?",
    "refused": "the provider refuses this address",
    "ValueError": "the message cannot be written for this address",
    "1.1": "the server refuses this address",
    "1.10": "the server refuses this address",
    "2.1": "the server refuses this address",
    "2.2": "the mailbox is full",
    "3.1": "the server had no room",
    "4.5": "the provider’s limit for a day is used up: it is tried again",
    "7": (
        "the provider wants no mail from our server: it is tried again. Ask your operator to look "
        "at SPF, DKIM, DMARC and block lists."
    ),
    "7.8": "the server refuses our log-in: check SMTP_USER and SMTP_PASSWORD",
    "421": "the server was busy or shutting down",
    "450": "the mailbox was busy",
    "451": "the server asked to try later",
    "452": "the server had no room",
    "530": "the server asks for a log-in: check SMTP_USER",
    "535": "the server refuses our log-in: check SMTP_USER and SMTP_PASSWORD",
    "550": "the server refuses this address",
    "551": "the address is elsewhere",
    "552": "the mailbox is full",
    "553": "the server does not understand the address",
    "554": "the server refuses the message",
    "http-401": "the provider refuses our key: check MAIL_API_KEY",
    "http-429": "the provider says that we send too fast",
    "ConnectionRefusedErr": "the mail server does not answer",
    "SMTPServerDisconnect": "the mail server ended the connection",
    "TimeoutError": "the mail server did not answer in time",
    "gaierror": "the mail server’s name is not known: check SMTP_HOST",
}


SENDER_PAGE = "admin:petitions_sendercheck_changelist"


class RequeueForm(forms.Form):
    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in monitoring.SHOWN])
    hour = forms.DateTimeField()


@admin.register(Mail)
class MailAdmin(ReadOnly):
    """Figures of the outbox. No single mail is shown or can be searched for."""

    def get_urls(self) -> list[URLPattern]:
        """Return only the list's URL, so that nobody can look up a single mail."""
        return [self.route("", self.numbers_view, "changelist")]

    def numbers_view(self, request: HttpRequest) -> HttpResponse:
        """Show how many mails wait, failed and were requested; a POST requeues failed ones."""
        need(request, "petitions.view_mail")
        if request.method == "POST":
            return self._requeue(request)
        context = {
            "title": "Outbox",
            "may_requeue": request.user.has_perm("petitions.change_mail"),
            "waiting": [_in_words(line) for line in monitoring.waiting()],
            "failed": _with_buttons(monitoring.failed()),
            "lately": [_in_words(line) for line in monitoring.by_hour()],
        }
        return self.page(request, "admin/petitions/mail/numbers.html", context)

    def _requeue(self, request: HttpRequest) -> HttpResponse:
        form = RequeueForm(request.POST)
        if not form.is_valid():
            raise BadRequest("no kind or no hour")
        kind = Mail.Kind(form.cleaned_data["kind"])
        queued = outbox.requeue(kind=kind, hour=form.cleaned_data["hour"], **acting(request))
        words = f"{queued} mails are queued again. Mails that had not failed stay as they are."
        messages.success(request, words)
        return redirect("admin:petitions_mail_changelist")


def _in_words(line: dict[str, Any]) -> dict[str, Any]:
    outcome = explained(line.get("code", ""))
    kind = Mail.Kind(line["kind"])
    return {**line, "kind": kind.label, "value": kind.value, "outcome": outcome}


def _with_buttons(failed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark the first row of each kind and hour, which has the requeue button for all of them."""
    lines, seen = [], set()
    for line in failed:
        group = line["kind"], line["start"]
        hour = line["start"].astimezone(UTC).isoformat()
        lines.append({**_in_words(line), "hour": hour, "is_first": group not in seen})
        seen.add(group)
    return lines


def explained(code: str) -> str:
    """Return a status code, as the outbox stores it, with its meaning if that is known."""
    meaning = _meaning(code)
    return f"{code}: {meaning}" if meaning else code


def _meaning(code: str) -> str:
    """Look up enhanced status code ("5.7.1"), subject, then basic code, as `mail.replies` does."""
    basic, _space, enhanced = code.partition(" ")
    detail = enhanced.partition(".")[2]
    for known in (detail, detail.partition(".")[0], basic):
        if known and known in _MEANINGS:
            return _MEANINGS[known]
    if basic.isdecimal():
        return "put off for now"
    return "the provider’s answer" if code.startswith("http-") else ""


class SelectorForm(forms.Form):
    selector = forms.RegexField(
        dkim.SELECTOR,
        label="DKIM selector",
        max_length=63,
        required=False,
        help_text=(
            "Your mail provider shows it. It is the part before “._domainkey”, such as “mail”."
        ),
        error_messages={
            "invalid": (
                "Use only letters, digits, dots and dashes. It is the part before “._domainkey”."
            )
        },
    )


@admin.register(SenderCheck)
class SenderAdmin(ReadOnly):
    """A page with the last DNS answers, a button to query again, and one to send trial mails."""

    def get_urls(self) -> list[URLPattern]:
        return [self.route("", self.page_view, "changelist")]

    def page_view(self, request: HttpRequest) -> HttpResponse:
        need(request, "petitions.change_sendercheck")
        if request.method == "POST" and "trial" in request.POST:
            return _send_trials(request)
        stored = SenderCheck.objects.current()
        form = SelectorForm(
            request.POST or None, initial={"selector": stored.selector if stored else ""}
        )
        if request.method == "POST" and form.is_valid():
            with show_refusals(request, form.add_error):
                check.check_sender(selector=form.cleaned_data["selector"], **acting(request))
                return redirect(SENDER_PAGE)
        context = {
            "title": "Does our mail arrive?",
            "form": form,
            "domain": letters.sender_domain(),
            "stored": stored,
            "rounds": trials.ROUNDS_A_DAY,
        }
        return self.page(request, "admin/petitions/mail/sender.html", context)


def _send_trials(request: HttpRequest) -> HttpResponse:
    with show_refusals(request):
        number = trials.send(**acting(request))
        words = f"{number} messages are on their way to your own address. Nobody else gets any."
        messages.success(request, words)
    return redirect(SENDER_PAGE)
