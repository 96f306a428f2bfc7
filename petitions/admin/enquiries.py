"""Admin of enquiries from the contact form: the list with due dates, and a page to answer each.

Nothing here looks up whether an address has signed: see "Constant work" in docs/architecture.md.
"""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language_info

from petitions.admin.acting import acting, need
from petitions.admin.base import ReadOnly
from petitions.admin.fields import Lines, refuse_address
from petitions.admin.mail import explained
from petitions.crypto import vault
from petitions.formatting.languages import day, days
from petitions.mail import bounces, enquiries
from petitions.mail.enquiries import ACTS, Outcome
from petitions.mail.ready_words import TO_WRITE, Words, fitting, ready
from petitions.models import Answer, Enquiry, Mail
from petitions.privacy import retention

CANNOT_OPEN = (
    "This message cannot be decrypted: its key is missing from SEALING_KEYS. Ask your operator."
)
_WHY_THE_DAY: dict[str, str] = {
    Enquiry.Kind.COMPLAINT: (
        "The law gives you 30 days to acknowledge a complaint about data. Tell the writer the "
        "outcome without undue delay (Data Protection Act 2018, section 164A)."
    ),
    Enquiry.Kind.DATA: (
        "The law gives one month to answer a request about data (UK GDPR, Article 12(3)). If it "
        "takes longer because it is complex, tell the writer so, and why, within that month. "
        "Then you have two more months."
    ),
}
_PROMISED = "The site promises an answer within 30 days to everybody who writes."
_OUTCOMES = {
    Outcome.SENT: (messages.SUCCESS, "The answer is on its way to the address that wrote."),
    Outcome.SENT_BEFORE: (messages.SUCCESS, "It has already been sent. Nothing was sent again."),
    Outcome.OTHER_FIRST: (
        messages.ERROR,
        (
            "Nothing was sent. Somebody else has answered in the meantime. Your words are still in "
            "the form."
        ),
    ),
}


class AnswerForm(forms.Form):
    """An answer and its number in the enquiry: see `enquiries.send_answer`."""

    text = Lines(
        label="Your answer",
        max_length=enquiries.MAX_ANSWER,
        widget=forms.Textarea({"rows": 16, "dir": "auto"}),
    )
    number = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=999)

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"])
        if TO_WRITE in text.splitlines():
            raise forms.ValidationError(f"Write your answer in place of “{TO_WRITE}”.")
        return text


class OutcomeForm(forms.ModelForm[Enquiry]):
    class Meta:
        model = Enquiry
        fields = ("outcome",)

    def clean_outcome(self) -> str:
        """Refuse addresses: unlike the message and its answers, this is not sealed."""
        outcome = str(self.cleaned_data["outcome"])
        refuse_address(outcome)
        return outcome


class ToDo(admin.SimpleListFilter):
    title = "what is to be done"
    parameter_name = "to_do"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Waits for an answer"), ("finished", "Answered or closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Enquiry]) -> QuerySet[Enquiry]:
        if self.value() == "waiting":
            return queryset.filter(state__in=Enquiry.WAITING)
        if self.value() == "finished":
            return queryset.exclude(state__in=Enquiry.WAITING)
        return queryset


def _action(name: str) -> Any:
    @admin.action(permissions=["change"], description=ACTS[name].label)
    def run(model_admin: Any, request: HttpRequest, chosen: QuerySet[Enquiry]) -> None:
        _mark(request, name, list(chosen.values_list("pk", flat=True)))

    run.__name__ = name
    return run


def _mark(request: HttpRequest, name: str, ids: list[UUID]) -> None:
    number = enquiries.mark(act=name, ids=ids, **acting(request))
    messages.success(request, f"{number} changed: {ACTS[name].label}. Nobody gets an email.")


@admin.register(Enquiry)
class EnquiryAdmin(ReadOnly):
    """The list shows no personal data; the page of one enquiry does."""

    when_empty = (
        "Nothing waits for you. This page lists the messages that people write by the contact "
        "form. The privacy contact of the organisation gets an email when one comes."
    )
    list_display = ("what", "when", "state", "spam", "outcome")
    list_filter = (ToDo, "kind", "looks_automatic")
    actions = tuple(map(_action, ACTS))
    empty_value_display = ""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow answering: the message itself is read-only."""
        return request.user.has_perm(enquiries.PERMISSION)

    @admin.display(description="message", ordering="received_on")
    def what(self, enquiry: Enquiry) -> str:
        return str(enquiry)

    @admin.display(description="day", ordering="due_on")
    def when(self, enquiry: Enquiry) -> str:
        """Return the day by which it must be answered, or the day when it was."""
        if enquiry.answered_on:
            return f"{enquiry.get_state_display()} on {day(enquiry.answered_on)}"
        words = "overdue since" if enquiry.is_overdue else "answer by"
        return f"{words} {day(enquiry.due_on)}"

    @admin.display(description="spam", ordering="looks_automatic")
    def spam(self, enquiry: Enquiry) -> str:
        return "possibly spam" if enquiry.looks_automatic else ""

    def changelist_view(self, request: HttpRequest, *args: Any) -> HttpResponse:
        return super().changelist_view(request, {"title": "Messages to us"})

    def change_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        need(request, "petitions.view_enquiry")
        enquiry = self.get_object(request, object_id)
        if enquiry is None:
            messages.warning(request, "This message no longer exists.")
            return redirect("admin:petitions_enquiry_changelist")
        form = None
        if request.method == "POST":
            form = self._act(request, enquiry)
            if form is None:
                return redirect("admin:petitions_enquiry_change", enquiry.pk)
        context = {
            **_shown(request, enquiry, form),
            "title": f"{enquiry}, {self.when(enquiry)}",
            "may_answer": self.has_change_permission(request),
        }
        return self.page(request, "admin/petitions/enquiry/change_form.html", context)

    def _act(self, request: HttpRequest, enquiry: Enquiry) -> AnswerForm | None:
        """Carry out the pressed button; return the form of an answer that was not sent."""
        act = request.POST.get("act", "")
        if act in ACTS:
            _mark(request, act, [enquiry.pk])
        elif act in {"send", "send-more"}:
            return _send(request, enquiry, is_last=act == "send")
        else:
            _note_outcome(request, enquiry)
        return None


def _note_outcome(request: HttpRequest, enquiry: Enquiry) -> None:
    form = OutcomeForm(request.POST, instance=enquiry)
    if not form.is_valid():
        messages.error(request, " ".join(["Nothing was saved.", *form.errors["outcome"]]))
        return
    enquiries.note_outcome(
        enquiry_id=enquiry.pk, outcome=form.cleaned_data["outcome"], **acting(request)
    )
    messages.success(request, "What was done is saved. Nobody gets an email.")


def _send(request: HttpRequest, enquiry: Enquiry, *, is_last: bool) -> AnswerForm | None:
    """Send the answer that was typed; return its form if it was not sent."""
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return form
    try:
        outcome = enquiries.send_answer(
            enquiry_id=enquiry.pk, is_last=is_last, **form.cleaned_data, **acting(request)
        )
    except vault.CannotOpen:
        messages.error(request, f"Nothing was sent. {CANNOT_OPEN}")
        return form
    level, message = _OUTCOMES[outcome]
    messages.add_message(request, level, message)
    if outcome is not Outcome.OTHER_FIRST:
        return None
    # The new form has the next number, so that pressing again sends it after the other answer.
    return _form(enquiry, form.cleaned_data["text"])


def _form(enquiry: Enquiry, text: str) -> AnswerForm:
    return AnswerForm(initial={"text": text, "number": enquiry.answers.count() + 1})


def _words(request: HttpRequest, enquiry: Enquiry) -> Words:
    """Return the requested ready words, else fitting ones; general ones after the first answer."""
    asked = request.GET.get("words", "")
    if asked in Words.values:
        return Words(asked)
    return Words.GENERAL if enquiry.answers.exists() else fitting(enquiry)


def _shown(request: HttpRequest, enquiry: Enquiry, form: AnswerForm | None) -> dict[str, Any]:
    """Return the page's context; without a form, with a new one in the writer's language."""
    try:
        letter = enquiries.read(enquiry)
    except vault.CannotOpen:
        letter = None
    language = letter.language if letter else settings.LANGUAGE_CODE
    words = _words(request, enquiry)
    answers = enquiry.answers.select_related("written_by").prefetch_related("mails")
    return {
        "enquiry": enquiry,
        "why": _WHY_THE_DAY.get(enquiry.kind, _PROMISED),
        "letter": letter,
        "cannot_open": CANNOT_OPEN,
        "language": get_language_info(language)["name"],
        "answers": [_answer(one) for one in answers],
        "words": words,
        "all_words": [(one, ready(one, enquiry=enquiry, language="en")) for one in Words],
        "form": form or _form(enquiry, ready(words, enquiry=enquiry, language=language)),
        "acts": {name: act for name, act in ACTS.items() if enquiry.state in act.states},
        "outcome_form": OutcomeForm(instance=enquiry),
        "kept": days(retention.KEPT_AFTER_ANSWER.days),
        "kept_unanswered": days(retention.KEPT_UNANSWERED.days),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    """Return an answer with its text and the outcome of its mail."""
    try:
        text = enquiries.read_answer(answer)
    except vault.CannotOpen:
        text = CANNOT_OPEN
    mail = answer.mails.all()[0]
    is_lost = mail.state in {Mail.State.REFUSED, Mail.State.FAILED, Mail.State.CANCELLED}
    return {"answer": answer, "text": text, "is_lost": is_lost, "outcome": _outcome(mail)}


def _outcome(mail: Mail) -> str:
    why = explained(mail.code)
    if mail.state == Mail.State.QUEUED:
        return f"Not sent yet; it is tried again ({why})." if why else "Waits to be sent."
    if mail.state == Mail.State.SENT:
        is_spam = mail.code == bounces.COMPLAINED
        return "Sent, and reported as spam by its reader." if is_spam else "Sent."
    return f"Not delivered: {why or mail.get_state_display()}."
