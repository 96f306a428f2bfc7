"""“Does our mail arrive?”: the DNS records of the sender, and every message to oneself."""

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern

from petitions.admin.acting import acting, need, show_refusals
from petitions.admin.base import ReadOnly
from petitions.mail import messages as letters
from petitions.mail import trials
from petitions.mail.sender import check, dkim
from petitions.models import SenderCheck

PERMISSION = "petitions.change_sendercheck"
PAGE = "admin:petitions_sendercheck_changelist"


class SelectorForm(forms.Form):
    selector = forms.RegexField(
        dkim.SELECTOR,
        label="DKIM selector",
        max_length=63,
        required=False,
        help_text="Your mail provider shows it: what stands before “._domainkey”, such as “mail”.",
        error_messages={
            "invalid": "Letters, digits, dots and dashes alone: what stands before “._domainkey”."
        },
    )


@admin.register(SenderCheck)
class SenderAdmin(ReadOnly):
    """One page: what DNS said lately, the button that asks again, and the one that mails."""

    def get_urls(self) -> list[URLPattern]:
        return [self.route("", self.page_view, "changelist")]

    def page_view(self, request: HttpRequest) -> HttpResponse:
        need(request, PERMISSION)
        if request.method == "POST" and "trial" in request.POST:
            return _send_trials(request)
        stored = SenderCheck.objects.current()
        form = SelectorForm(
            request.POST or None, initial={"selector": stored.selector if stored else ""}
        )
        if request.method == "POST" and form.is_valid():
            with show_refusals(request, form.add_error):
                check.check_sender(selector=form.cleaned_data["selector"], **acting(request))
                return redirect(PAGE)
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
    return redirect(PAGE)
