"""Admin of news: write it, preview it as readers get it, and send it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, reverse

from petitions.admin.acting import (
    acting,
    actor,
    ask_for_password,
    has_recent_password,
    need,
    show_refusals,
)
from petitions.admin.base import PetitionTitleFilter, Titled
from petitions.admin.fields import FIELDS
from petitions.formatting import sanitising
from petitions.mail import messages as letters
from petitions.mail import news as use_cases
from petitions.mail import news_counts
from petitions.models import News, NewsCount, NewsText, Place
from petitions.staff import roles
from petitions.web.responses import as_frame, with_frames

State = News.State
# Sending to many people needs a recent password. Stopping does not, because it must be quick.
_WITH_PASSWORD = {"start", "approve", "resume"}
_STATES = {
    State.DRAFT: "draft: nobody has got it",
    State.AWAITING: "waiting: nobody has got it yet",
    State.RUNNING: "being sent",
    State.DONE: "sent",
    State.CANCELLED: "stopped for good",
    State.FAILED: "stopped by an error",
}


class NewsForm(forms.ModelForm[News]):
    class Meta:
        model = News
        fields = ("petition", "region", "place")
        help_texts = {
            "region": (
                "If you leave it empty, it goes to all supporters of the petition. A region "
                "needs 25 supporters, and a second organiser has to approve it."
            ),
            "place": (
                "Instead of a region. A constituency needs 25 supporters, and a second organiser "
                "has to approve it."
            ),
        }

    def clean(self) -> dict[str, Any]:
        chosen = super().clean() or {}
        if chosen.get("region") and chosen.get("place"):
            self.add_error("place", "Choose a region or a constituency, not both.")
        return chosen


class NewsTextForm(forms.ModelForm[NewsText]):
    class Meta:
        model = NewsText
        fields = ("language", "subject", "body")

    def clean_subject(self) -> str:
        """Remove line breaks and characters that change the text's direction."""
        return sanitising.legible(self.cleaned_data["subject"])

    def clean_body(self) -> str:
        body = str(self.cleaned_data["body"])
        if problems := use_cases.broken_links(body):
            raise forms.ValidationError(problems)
        return body


class NewsTextInline(admin.StackedInline[NewsText, News]):
    model = NewsText
    form = NewsTextForm
    formfield_overrides = FIELDS
    extra = 1
    max_num = 3
    verbose_name = "text"
    verbose_name_plural = "texts, one for each language"

    def has_add_permission(self, request: HttpRequest, obj: News | None = None) -> bool:
        return obj is None or obj.is_editable

    has_change_permission = has_delete_permission = has_add_permission

    def has_view_permission(self, request: HttpRequest, obj: News | None = None) -> bool:
        return True


@admin.register(News)
class NewsAdmin(Titled):
    when_empty = (
        "There is no news yet. Once people have signed and ticked “Send me news”, you can write "
        "to them. What you add is a draft, which you test on yourself before anybody gets it."
    )
    form = NewsForm
    formfield_overrides = FIELDS
    inlines = (NewsTextInline,)
    change_form_template = "admin/petitions/news/change_form.html"
    list_display = ("headline", "petition", "whom", "how_far", "number", "day")
    list_filter = (("petition", PetitionTitleFilter),)
    ordering = ("-created_at",)
    # No bulk actions: news is stopped and deleted on its own page.
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("place").prefetch_related("texts")

    def get_urls(self) -> list[URLPattern]:
        return [
            self.route("<uuid:pk>/send/", self.send_view, "send"),
            self.route("<uuid:pk>/text/<slug:language>/", self.text_view, "text"),
            *super().get_urls(),
        ]

    def has_change_permission(self, request: HttpRequest, obj: News | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_editable)

    def has_delete_permission(self, request: HttpRequest, obj: News | None = None) -> bool:
        """Allow deleting drafts only, so that sent news stays on record."""
        return super().has_change_permission(request, obj) and obj is not None and obj.is_editable

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Place:
            kwargs |= {"queryset": Place.objects.order_by("kind", "name")}
            return forms.ModelChoiceField(required=False, label="Constituency", **kwargs)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: News, form: Any, change: bool) -> None:
        use_cases.save(news=obj, actor=actor(request))

    def response_post_save_add(self, request: HttpRequest, obj: News) -> Any:
        return redirect("admin:petitions_news_send", obj.pk)

    response_post_save_change = response_post_save_add

    @admin.display(description="subject")
    def headline(self, news: News) -> str:
        return str(news)

    @admin.display(description="for whom")
    def whom(self, news: News) -> str:
        if news.place:
            return f"supporters in {news.place}"
        return f"supporters in {news.get_region_display()}" if news.region else "all supporters"

    @admin.display(description="state", ordering="state")
    def how_far(self, news: News) -> str:
        if news.state == State.RUNNING and news.pause:
            return str(news.get_pause_display())
        return _STATES[State(news.state)]

    @admin.display(description="people")
    def number(self, news: News) -> str:
        return "–" if news.is_editable else news.people

    @admin.display(description="begun", ordering="started_at")
    def day(self, news: News) -> Any:
        return news.started_at or "–"

    def send_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show the preview, the number of readers, the progress and the buttons; a POST acts."""
        need(request, "petitions.view_news")
        news = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method == "POST":
            return self._act(request, news)
        totals = news_counts.totals(news)
        context = {
            "title": "Preview and send",
            "subtitle": news,
            "news": news,
            "whom": self.whom(news),
            "state": self.how_far(news),
            "texts": [_shown(text) for text in news.texts.order_by("id")],
            "neutral_subject": letters.news_subject(),
            "untranslated": use_cases.untranslated(news),
            "counts": NewsCount.objects.filter(news=news).order_by("provider"),
            "totals": totals,
            "fraction": f"{news_counts.fraction(news, totals):.3f}",
            "buttons": _buttons(news, actor(request)),
            **(_before_sending(news) if news.is_editable else {}),
        }
        return with_frames(self.page(request, "admin/petitions/news/send.html", context))

    def text_view(self, request: HttpRequest, pk: UUID, language: str) -> HttpResponse:
        """Show a text as its readers get it, for the frames of the preview.

        With `?neutral`, show it as people who withheld their name get it.
        """
        need(request, "petitions.view_news")
        text = get_object_or_404(NewsText, news=pk, language=language)
        html = _shown(text, is_neutral="neutral" in request.GET)["html"]
        return as_frame(HttpResponse(html), is_mail=True)

    def _act(self, request: HttpRequest, news: News) -> HttpResponse:
        act = request.POST.get("act", "")
        if act in _WITH_PASSWORD and not has_recent_password(request):
            return ask_for_password(request)
        if act in {"test", "start", *_ACTS}:
            seen = {"seen": request.POST.get("seen", "")} if act == "start" else {}
            with show_refusals(request):
                messages.success(request, _do(act, news=news, **seen, **acting(request)))
        return redirect("admin:petitions_news_send", news.pk)


def _shown(text: NewsText, *, is_neutral: bool = False) -> dict[str, Any]:
    """Return a text as its readers get it, for the preview."""
    letter = letters.sample_of_news(
        text, to="reader@example.org", mail_id=UUID(int=0), is_neutral=is_neutral
    )
    return {
        "heading": text.get_language_display(),
        "subject": letter.subject,
        "plain": letter.body,
        "html": str(letter.alternatives[0][0]),
        "url": reverse("admin:petitions_news_text", args=[text.news_id, text.language]),
    }


def _before_sending(news: News) -> dict[str, Any]:
    """Return what a draft lacks, or else how many it would reach."""
    size = use_cases.size(news)
    missing = use_cases.missing(news, size.people)
    # If something is missing, no number is shown: it may be that of a small place.
    if missing:
        return {"missing": missing}
    seen, minutes = use_cases.digest(news), use_cases.APPROVAL.minutes_alone
    return {"size": size, "seen": seen, "minutes": minutes}


def _do(act: str, **by: Any) -> str:
    """Carry out a button; return the success message. Raises `Refused`."""
    if act == "test":
        number = use_cases.mail_test(**by)
        mailed = (
            f"{number} messages, one for each language, were" if number > 1 else "1 message was"
        )
        return f"{mailed} mailed to {by['actor'].email}. Nobody else got it."
    if act != "start":
        use_case, words = _ACTS[act]
        use_case(**by)
        return words
    if use_cases.start(**by):
        return "It is being sent. You can pause or stop it here."
    if roles.others_who_approve(by["news"]):
        return (
            "It waits until another organiser approves it. They get an email. Nobody has got it "
            "yet."
        )
    return (
        f"It starts by itself in {use_cases.APPROVAL.minutes_alone} minutes. Until then you can "
        "stop it. Nobody has got it yet."
    )


_ACTS: dict[str, tuple[Callable[..., None], str]] = {
    "approve": (use_cases.approve, "It is being sent. You can pause or stop it here."),
    "pause": (use_cases.pause, "Paused. Within seconds nobody else gets it."),
    "resume": (use_cases.resume, "It goes on where it stopped. Nobody gets it twice."),
    "stop": (
        use_cases.stop,
        "Stopped for good. People who have got it keep it. Nobody else gets it.",
    ),
}


def _buttons(news: News, user: User) -> list[tuple[str, str, str, str]]:
    """Return name, label, effect and style of each button that is possible now."""
    test = (
        "test",
        "Send a test to me",
        f"Sends each language to {user.email}, and to nobody else.",
        "",
    )
    stop = ("stop", "Stop for good", "Nobody else gets it. It cannot be resumed.", "danger")
    pause = ("pause", "Pause", "Within seconds nobody else gets it, until it is resumed.", "plain")
    resume = ("resume", "Resume", "It goes on where it stopped. Nobody gets it twice.", "")
    if news.is_editable:
        return [test]
    if news.state == State.AWAITING:
        is_own = news.actor_id == user.pk
        approve = ("approve", "Approve and send", f"Sends it to {news.people}.", "")
        return [stop] if is_own or not user.has_perm(news.APPROVAL) else [approve, stop]
    if news.state == State.RUNNING:
        return [resume if news.pause else pause, stop]
    return []
